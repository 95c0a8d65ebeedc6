"""The checks on what a container is made of, may do, uses and logs, called with facts made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from checks import test_container_config as config
from checks import test_container_use as use
from muster import (
    Container,
    ContainerImage,
    ContainerLogs,
    ContainerLogSetup,
    ContainerLogSize,
    ContainerMounts,
    ContainerPrivileges,
    ContainerRestartPolicy,
    ContainerUsage,
    Limit,
    Measure,
)
from muster.declaration import read_case
from muster.facts.container_logs import CountedLines
from muster.facts.container_mounts import Mount
from muster.need import Catalogue
from muster.targets import LogPattern

IMAGE = ContainerImage("quota-proxy:1.4", ("sha256:aa",), datetime(2026, 1, 1, tzinfo=UTC), 3 * 86_400.0)
MOUNTS = ContainerMounts((Mount("/opt/roc/data", "/data"), Mount("logs", "/logs", False)))


def message(check: Any, *facts: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*facts)
    return str(raised.value).partition("\nassert ")[0]


def taken(measure: Measure) -> list[tuple[str, float, str | None]]:
    return [(each.name, each.value, each.breach) for each in measure.taken]


def a(**more: Any) -> Container:
    return Container(name="quota-proxy", **more)


def test_the_image_that_is_expected() -> None:
    config.test_container_image_is_as_expected(IMAGE, a(image="quota-proxy:1.*"))
    said = message(config.test_container_image_is_as_expected, IMAGE, a(image="quota-proxy:2.*"))
    assert said == "quota-proxy:1.4 (sha256:aa), made 3 days ago, expected quota-proxy:2.*"


def test_the_digest_that_is_expected() -> None:
    config.test_container_digest_is_as_expected(IMAGE, a(digest="sha256:aa"))
    said = message(config.test_container_digest_is_as_expected, IMAGE, a(digest="sha256:bb"))
    assert said == "quota-proxy:1.4 (sha256:aa), made 3 days ago, expected sha256:bb"


def test_age_is_measured_and_has_no_limit_of_its_own() -> None:
    measure = Measure()
    config.test_container_age_is_within_limits(IMAGE, measure)
    assert taken(measure) == [("container_age_days", 3.0, None)]


def test_the_restart_policy_that_is_expected() -> None:
    policy = ContainerRestartPolicy("no")
    config.test_container_restart_policy_is_as_expected(policy, a(restart="no"))
    said = message(config.test_container_restart_policy_is_as_expected, policy, a(restart="unless-stopped"))
    assert said == "restart policy no, expected unless-stopped"


def test_the_mounts_that_are_expected() -> None:
    config.test_container_mounts_are_there(MOUNTS, a(mounts=("/opt/roc/data:/data", "logs:/logs:ro")))
    said = message(config.test_container_mounts_are_there, MOUNTS, a(mounts=("logs:/logs:rw", "db:/db")))
    assert said == "/opt/roc/data:/data, logs:/logs:ro, expected logs:/logs:rw, db:/db"


@pytest.mark.parametrize("names", [(), ("root",)])
def test_a_container_without_privileges(names: tuple[str, ...]) -> None:
    config.test_container_has_no_privileges(ContainerPrivileges(names), a())


def test_a_container_with_privileges() -> None:
    had = ContainerPrivileges(("root", "docker.sock", "host-network"))
    config.test_container_has_no_privileges(had, a(privileges=("docker.sock", "host-network")))
    said = message(config.test_container_has_no_privileges, had, a(privileges=("host-network",)))
    assert said == "docker.sock, expected host-network"
    assert message(config.test_container_has_no_privileges, had, a()) == "docker.sock, host-network, expected none"


def test_a_container_that_runs_as_root() -> None:
    config.test_container_does_not_run_as_root(ContainerPrivileges(("docker.sock",)), a())
    config.test_container_does_not_run_as_root(ContainerPrivileges(("root",)), a(privileges=("root",)))
    said = message(config.test_container_does_not_run_as_root, ContainerPrivileges(("root",)), a())
    assert said == "it runs as root, expected another user"


def test_a_log_that_is_bounded() -> None:
    config.test_container_log_is_bounded(ContainerLogSetup("json-file", "10m", "3"))
    said = message(config.test_container_log_is_bounded, ContainerLogSetup("json-file"))
    assert said == "logs to json-file without max-size, expected max-size to be set"


@pytest.mark.parametrize(("cpus", "breach"), [(0.1, None), (0.45, None), (0.46, "warning")])
def test_processor_time_against_the_limit(cpus: float, breach: str | None) -> None:
    measure = Measure({"container_cpu_percent": Limit(warning=90)})
    use.test_container_cpu_is_within_limits(ContainerUsage(cpus, 0.5, 1, 2), measure)
    assert [(name, found) for name, _, found in taken(measure)] == [("container_cpu_percent", breach)]


@pytest.mark.parametrize(("used", "breach"), [(80, None), (81, "warning"), (96, "critical")])
def test_memory_against_the_limit(used: int, breach: str | None) -> None:
    measure = Measure()
    use.test_container_memory_is_within_limits(ContainerUsage(0, 1, used, 100), measure)
    assert taken(measure) == [
        ("container_memory_percent", used, breach),
        ("container_memory_bytes", used, None),
    ]


def test_memory_in_bytes_against_a_limit_of_the_inventorys_own() -> None:
    measure = Measure({"container_memory_bytes": Limit(warning=1 << 30)})
    use.test_container_memory_is_within_limits(ContainerUsage(0, 1, 2 << 30, 64 << 30), measure)
    assert [found for _, _, found in taken(measure)] == [None, "warning"]


@pytest.mark.parametrize(("size", "breach"), [(100, None), (101, "warning")])
def test_the_size_of_a_log(size: int, breach: str | None) -> None:
    measure = Measure({"container_log_bytes": Limit(warning=100)})
    use.test_container_log_is_small(ContainerLogSize(size), measure)
    assert taken(measure) == [("container_log_bytes", size, breach)]


def test_lines_of_a_log_are_measured_by_name_with_their_own_limits() -> None:
    target = a(
        logs={"panic": LogPattern(pattern="panic", limit=Limit(critical=0)), "slow": LogPattern(pattern="slow")}
    )
    measure = Measure()
    found = ContainerLogs((CountedLines("panic", 2, 3600, "a panic"), CountedLines("slow", 900, 3600, "slow")))
    use.test_container_log_has_few_such_lines(found, target, measure)
    assert [(each.name, each.of, each.value, each.breach, each.seen) for each in measure.taken] == [
        ("log_lines", "panic", 2, "critical", "a panic"),
        ("log_lines", "slow", 900, None, "slow"),
    ]


def test_checks_apply_where_the_inventory_expects_something() -> None:
    for check, field, value in (
        (config.test_container_image_is_as_expected, "image", "x"),
        (config.test_container_digest_is_as_expected, "digest", "sha256:aa"),
        (config.test_container_restart_policy_is_as_expected, "restart", "no"),
        (config.test_container_mounts_are_there, "mounts", ("a:/a",)),
        (use.test_container_log_has_few_such_lines, "logs", {"a": LogPattern(pattern="a")}),
        (use.test_container_log_is_small, "limits", {"container_log_bytes": Limit(warning=1)}),
    ):
        applies = read_case(check, Catalogue()).applies
        assert applies is not None
        assert applies(a(**{field: value}))
        assert not applies(a())


def test_every_check_is_well_written_and_about_containers() -> None:
    found = [value for module in (config, use) for name, value in vars(module).items() if name.startswith("test_")]
    assert len(found) == 12
    assert {read_case(each, Catalogue()).of for each in found} == {Container}
