import pytest

from muster.facts.pending_reboot import PendingReboot, parse
from muster.probes import DoesNotApply, Unobserved
from tests.facts.recordings import recorded, said


def kernels(runs: str, *installed: str) -> PendingReboot:
    return parse(said("".join([f"runs {runs}\n", *(f"installed {each}\n" for each in installed), "end\n"])))


def test_debian_says_which_packages_want_a_reboot() -> None:
    found = parse(said(recorded("pending_reboot")))
    assert found.pending
    assert str(found) == "a reboot is required for dbus, linux-image-amd64; kernel 6.1.0-18-amd64 runs"


def test_of_the_kernels_that_are_installed_the_newest_counts_not_the_last() -> None:
    found = parse(said(recorded("pending_reboot", "debian12-kernels")))
    assert found.pending
    assert str(found) == "kernel 6.1.0-9-amd64 runs, 6.1.0-18-amd64 is installed"


def test_a_kernel_for_other_machines_is_not_waited_for() -> None:
    found = parse(said(recorded("pending_reboot", "redhat9")))
    assert not found.pending
    assert str(found) == "kernel 5.14.0-427.13.1.el9_4.x86_64 runs, and none that is newer is installed"


def test_alpine_replaces_the_kernel_that_runs() -> None:
    assert parse(said(recorded("pending_reboot", "busybox"))).newest == "6.6.41-0-lts"


@pytest.mark.parametrize(
    ("runs", "installed", "pending"),
    [
        ("5.14.0-427.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64", True),
        ("5.14.0-427.13.1.el9_4.x86_64", "5.14.0-503.11.1.el9_5.x86_64", True),
        ("6.12.48+deb13-amd64", "6.12.57+deb13-amd64", True),
        ("6.12.48+deb13-cloud-amd64", "6.12.48+deb13-cloud-amd64", False),
        ("6.8.0-45-generic", "6.8.0-100-generic", True),
        ("6.1.21-v8+", "6.1.9-v8+", False),
    ],
)
def test_versions_are_compared_number_by_number(runs: str, installed: str, pending: bool) -> None:
    assert kernels(runs, installed).pending is pending


@pytest.mark.parametrize(
    ("runs", "installed"),
    [
        ("6.1.0-18-amd64", "6.9.0-1-cloud-amd64"),
        ("6.6.31-0-virt", "6.6.41-0-lts"),
        ("5.14.0-427.el9_4.x86_64", "5.14.0-503.el9_5.x86_64+debug"),
        ("6.1.21-v8+", "6.1.30-v7+"),
    ],
)
def test_kernels_of_another_flavour_are_no_newer_ones(runs: str, installed: str) -> None:
    with pytest.raises(DoesNotApply, match=f"starts no kernel of its own: {runs}"):
        kernels(runs, installed)


def test_a_host_without_kernels_starts_none_of_its_own() -> None:
    with pytest.raises(DoesNotApply, match="starts no kernel of its own"):
        kernels("6.1.0-18-amd64")


def test_a_container_has_no_kernel_of_its_own() -> None:
    with pytest.raises(DoesNotApply, match="a container has no kernel of its own"):
        parse(said("runs 6.1.0-18-amd64\ncontainer\ninstalled 6.1.0-21-amd64\nend\n"))


def test_a_container_whose_packages_want_a_restart_says_so() -> None:
    found = parse(said("runs 6.1.0-18-amd64\ncontainer\nrequired\nend\n"))
    assert str(found) == "a reboot is required; kernel 6.1.0-18-amd64 runs"


def test_kernels_that_may_not_be_seen_are_not_passed_over() -> None:
    with pytest.raises(Unobserved) as failure:
        parse(said("", status=1, stderr="/lib/modules: permission denied\n"))
    assert failure.value.cause == "permission"
