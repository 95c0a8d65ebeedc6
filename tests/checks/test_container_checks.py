"""The checks on containers, called with facts made by hand: each on a good container and on a bad one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from checks import test_containers as checks
from muster import (
    Container,
    ContainerHealth,
    ContainerLookup,
    ContainerPorts,
    ContainerState,
    ContainerUptime,
    Measure,
)
from muster.declaration import read_case
from muster.facts.container_ports import Mapped
from muster.need import Catalogue

MAPPED = ContainerPorts((Mapped(8787, "127.0.0.1", 8787, "tcp"),))


def message(check: Any, *facts: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*facts)
    return str(raised.value).partition("\nassert ")[0]


def taken(measure: Measure) -> list[tuple[str, float, str | None]]:
    return [(each.name, each.value, each.breach) for each in measure.taken]


def state(**more: Any) -> ContainerState:
    return ContainerState(**({"name": "quota-proxy-1", "status": "running"} | more))


def test_a_container_that_is_there_exists() -> None:
    checks.test_container_exists(ContainerLookup("quota*", ("quota-proxy-1",), "quota-proxy-1"))


def test_a_container_that_is_not_there_does_not_exist() -> None:
    found = ContainerLookup("quota*", (), None)
    assert message(checks.test_container_exists, found) == "no container matches quota*; expected one"


def test_several_containers_are_not_one() -> None:
    found = ContainerLookup("quota-proxy*", ("a", "b", "c"), None)
    expected = "3 containers match quota-proxy*: a, b, c; expected one"
    assert message(checks.test_container_exists, found) == expected


def test_a_running_container_runs() -> None:
    checks.test_container_is_running(state())


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"status": "paused"}, "paused, expected running"),
        (
            {"status": "exited", "exit_code": 137, "oom_killed": True},
            "exited with 137 (SIGKILL, out of memory), expected running",
        ),
        (
            {"status": "restarting", "exit_code": 1, "restart_count": 1},
            "restarting after exit 1, 1 restart so far, expected running",
        ),
        ({"status": "created"}, "created, never started, expected running"),
        ({"status": "dead", "error": "driver"}, "dead: driver, expected running"),
    ],
)
def test_a_container_that_does_not_run_says_how_it_ended(how: dict[str, Any], said: str) -> None:
    assert message(checks.test_container_is_running, state(**how)) == said


@pytest.mark.parametrize("expected", [None, "healthy"])
def test_a_healthy_container_is_healthy(expected: Any) -> None:
    checks.test_container_is_healthy(ContainerHealth("healthy"), Container(name="x", health=expected))


def test_an_unhealthy_container_shows_what_its_healthcheck_printed() -> None:
    found = ContainerHealth("unhealthy", 3, 1, "connection refused")
    said = message(checks.test_container_is_healthy, found, Container(name="x"))
    assert said == "unhealthy, failed 3 times in a row, exit 1: connection refused, expected healthy"


def test_a_container_must_have_the_healthcheck_that_is_expected() -> None:
    said = message(checks.test_container_is_healthy, ContainerHealth("none"), Container(name="x", health="healthy"))
    assert said == "no healthcheck, expected healthy"
    checks.test_container_is_healthy(ContainerHealth("none"), Container(name="x", health="none"))


@pytest.mark.parametrize(("restarts", "breach"), [(0, None), (1, "warning"), (1000, "warning")])
def test_any_restart_is_a_warning(restarts: int, breach: str | None) -> None:
    measure = Measure()
    checks.test_container_restarts_are_few(state(restart_count=restarts), measure)
    assert taken(measure) == [("container_restarts", restarts, breach)]


def test_a_container_in_which_nothing_was_killed_has_memory_enough() -> None:
    checks.test_container_was_not_killed_for_memory(state())


@pytest.mark.parametrize("status", ["running", "exited"])
def test_a_container_in_which_something_was_killed_has_not(status: str) -> None:
    said = message(checks.test_container_was_not_killed_for_memory, state(status=status, oom_killed=True))
    assert said == f"the kernel killed a process in it, out of memory ({status}), expected it to fit in its limit"


def test_ports_that_are_mapped_as_declared() -> None:
    target = Container(name="x", ports=("127.0.0.1:8787->8787/tcp",))
    checks.test_container_ports_are_mapped(MAPPED, target)


def test_a_port_that_is_not_mapped_as_declared() -> None:
    target = Container(name="x", ports=("127.0.0.1:8787->8787/tcp", "0.0.0.0:80->80/tcp"))
    said = message(checks.test_container_ports_are_mapped, MAPPED, target)
    assert said == "127.0.0.1:8787->8787/tcp, expected 0.0.0.0:80->80/tcp"


def test_uptime_is_measured_and_has_no_limit_of_its_own() -> None:
    measure = Measure()
    checks.test_container_uptime_is_within_limits(ContainerUptime(datetime(2026, 1, 1, tzinfo=UTC), 5.0), measure)
    assert taken(measure) == [("container_uptime_seconds", 5.0, None)]


def test_every_check_is_well_written_and_about_containers() -> None:
    found = [value for name, value in vars(checks).items() if name.startswith("test_")]
    assert len(found) == 7
    assert {read_case(each, Catalogue()).of for each in found} == {Container}
