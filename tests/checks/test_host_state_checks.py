"""Each check on the state of a host's system, called with facts made by hand: right, and wrong."""

from __future__ import annotations

import pytest

from checks import test_hosts as hosts
from muster import (
    Cpu,
    Host,
    KernelLog,
    Limit,
    Measure,
    OomKills,
    OpenFiles,
    PendingReboot,
    ReadonlyFilesystems,
    Zombies,
    limited,
)
from muster.facts.kernel_log import KernelError
from muster.facts.readonly_filesystems import ReadonlyFilesystem
from muster.facts.zombies import Zombie


@pytest.fixture
def measure() -> Measure:
    return Measure()


def breaches(measure: Measure) -> list[tuple[str, float, str | None]]:
    return [(taken.name, taken.value, taken.breach) for taken in measure.taken]


@pytest.mark.parametrize(("used", "breach"), [(0.0, None), (80.0, None), (80.1, "warning"), (100.0, "warning")])
def test_processors_that_are_used_up_are_told(used: float, breach: str | None) -> None:
    measure = Measure({"cpu_used_percent": Limit(warning=80)})
    hosts.test_processors_have_time_left(Cpu(used, iowait_percent=90.0, steal_percent=0.0), measure)
    assert breaches(measure) == [("cpu_used_percent", used, breach), ("cpu_iowait_percent", 90.0, None)]


def test_an_inventory_may_call_used_up_processors_critical() -> None:
    measure = Measure({"cpu_used_percent": Limit(critical=95)})
    hosts.test_processors_have_time_left(Cpu(96.0, 0.0, 0.0), measure)
    assert measure.taken[0].breach == "critical"


@pytest.mark.parametrize(("steal", "breach"), [(10.0, None), (10.1, "warning")])
def test_processor_time_that_is_stolen_is_told(steal: float, breach: str | None) -> None:
    measure = Measure({"cpu_steal_percent": Limit(warning=10)})
    hosts.test_processor_time_is_not_stolen(Cpu(100.0, 0.0, steal), measure)
    assert breaches(measure) == [("cpu_steal_percent", steal, breach)]


@pytest.mark.parametrize("name", ["cpu_used_percent", "cpu_steal_percent"])
def test_the_processors_are_looked_at_where_a_limit_says_so(name: str) -> None:
    applies = limited(name)
    assert applies(Host(name="h", limits={name: Limit(warning=1)}))
    assert not applies(Host(name="h", limits={name: Limit()})), "a limit without a bound is none"
    assert not applies(Host(name="h"))


def test_filesystems_that_can_be_written_to_are_right() -> None:
    hosts.test_filesystems_are_writable(ReadonlyFilesystems((), 3))


def test_a_filesystem_that_became_read_only_is_named() -> None:
    lost = ReadonlyFilesystem("/data", "ext4", "/dev/sdb1", "rw in /etc/fstab")
    with pytest.raises(AssertionError, match=r"^read-only: /data \(ext4 on /dev/sdb1: .*\), expected read and write"):
        hosts.test_filesystems_are_writable(ReadonlyFilesystems((lost,), 3))


def test_a_host_that_waits_for_nothing_is_right() -> None:
    hosts.test_no_reboot_is_pending(PendingReboot("6.1.0-18-amd64", "6.1.0-18-amd64"))


@pytest.mark.parametrize(
    ("pending", "says"),
    [
        (PendingReboot("6.1.0-18-amd64", "6.1.0-21-amd64"), r"6\.1\.0-21-amd64 is installed, expected nothing"),
        (
            PendingReboot("6.1.0-18-amd64", required=True, packages=("dbus",)),
            "required for dbus; .*, expected nothing",
        ),
    ],
)
def test_a_host_that_waits_for_a_reboot_says_why(pending: PendingReboot, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        hosts.test_no_reboot_is_pending(pending)


@pytest.mark.parametrize(("count", "breach"), [(0, None), (1, "warning")])
def test_one_process_that_was_killed_for_memory_is_too_many(measure: Measure, count: int, breach: str | None) -> None:
    hosts.test_nothing_was_killed_for_memory(OomKills(count), measure)
    assert breaches(measure) == [("oom_kills", count, breach)]


@pytest.mark.parametrize(("count", "breach"), [(0, None), (1, "warning")])
def test_one_error_of_the_kernel_is_too_many_and_is_shown(measure: Measure, count: int, breach: str | None) -> None:
    hosts.test_kernel_logs_no_errors(KernelLog(60.0, (KernelError(0.0, "EXT4-fs error"),) * count), measure)
    assert breaches(measure) == [("kernel_errors", count, breach)]
    assert ("EXT4-fs error" in measure.taken[0].seen) is bool(count)


def test_the_kernels_log_is_looked_at_where_the_inventory_says_how_far_back() -> None:
    applies = hosts.test_kernel_logs_no_errors.pytestmark[0].kwargs["applies"]
    assert applies(Host(name="web-1", kernel_log=3600.0))
    assert not applies(Host(name="web-1"))


@pytest.mark.parametrize(("count", "breach"), [(80, None), (81, "warning"), (95, "warning"), (96, "critical")])
def test_files_that_run_out_are_told(measure: Measure, count: int, breach: str | None) -> None:
    hosts.test_files_can_be_opened(OpenFiles(count, 100), measure)
    assert breaches(measure) == [("open_files_percent", count, breach)]


@pytest.mark.parametrize(("count", "breach"), [(0, None), (5, None), (6, "warning")])
def test_zombies_that_pile_up_are_told_with_their_parents(measure: Measure, count: int, breach: str | None) -> None:
    every = tuple(Zombie(100 + number, "sh", 7, "cron") for number in range(count))
    hosts.test_zombies_are_few(Zombies(every, 200), measure)
    assert breaches(measure) == [("zombie_processes", count, breach)]
    assert ("sh (100) of cron (7)" in measure.taken[0].seen) is bool(count)
