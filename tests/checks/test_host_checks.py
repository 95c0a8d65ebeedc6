"""Each check on hosts and their Docker engines, called with facts made by hand: right, and wrong."""

from __future__ import annotations

import pytest

from checks import test_hosts as hosts
from muster import (
    Attempt,
    Clock,
    DockerAnswer,
    DockerContainers,
    ExpectedUnits,
    FailedUnits,
    Filesystems,
    Host,
    Inodes,
    Limit,
    ListeningPorts,
    Load,
    Measure,
    Memory,
    Swap,
    Uptime,
)
from muster.facts.docker_containers import ListedContainer
from muster.facts.expected_units import Unit
from muster.facts.filesystems import Filesystem
from muster.facts.inodes import InodeTable
from muster.facts.listening_ports import Port


@pytest.fixture
def measure() -> Measure:
    return Measure()


def breaches(measure: Measure) -> list[tuple[str, str | None]]:
    return [(taken.of or taken.name, taken.breach) for taken in measure.taken]


def disk(mount: str, used: int) -> Filesystem:
    return Filesystem(mount, 100, used, 100 - used)


def table(mount: str, used: int) -> InodeTable:
    return InodeTable(mount, 100, used, 100 - used)


def test_a_host_that_was_logged_in_to_is_reachable() -> None:
    hosts.test_host_is_reachable(Attempt("connected"))


def test_a_host_that_timed_out_is_not_reachable() -> None:
    with pytest.raises(AssertionError, match=r"timed out: ssh: after 5 s \(after 2 tries\), expected to log in"):
        hosts.test_host_is_reachable(Attempt("timed out", "network", "ssh: after 5 s", tries=2))


def test_filesystems_are_measured_each_against_the_limits(measure: Measure) -> None:
    hosts.test_filesystems_have_space(Filesystems((disk("/", 80), disk("/srv", 81), disk("/var", 91))), measure)
    assert breaches(measure) == [("/", None), ("/srv", "warning"), ("/var", "critical")]


def test_inodes_are_measured_each_against_the_limits(measure: Measure) -> None:
    hosts.test_filesystems_have_inodes(Inodes((table("/", 80), table("/srv", 81), table("/var", 91))), measure)
    assert breaches(measure) == [("/", None), ("/srv", "warning"), ("/var", "critical")]


@pytest.mark.parametrize(("available", "breach"), [(15, None), (14, "warning"), (4, "critical")])
def test_memory_that_runs_short_is_told(measure: Measure, available: int, breach: str | None) -> None:
    hosts.test_memory_is_available(Memory(100, available), measure)
    assert breaches(measure) == [("memory_used_percent", breach)]


@pytest.mark.parametrize(("free", "breach"), [(20, None), (19, "warning"), (0, "warning")])
def test_swap_that_fills_is_told(measure: Measure, free: int, breach: str | None) -> None:
    hosts.test_swap_is_not_full(Swap(100, free), measure)
    assert breaches(measure) == [("swap_used_percent", breach)]


@pytest.mark.parametrize(("five", "breach"), [(8.0, None), (8.1, "warning"), (40.1, "critical")])
def test_load_counts_for_each_core(measure: Measure, five: float, breach: str | None) -> None:
    hosts.test_load_is_bearable(Load(100.0, five, 0.0, cores=4), measure)
    assert breaches(measure) == [("load_per_core", breach)]


@pytest.mark.parametrize(
    ("offset", "doubt", "breach"),
    [(0.9, 0.0, None), (-2.0, 1.5, None), (1.2, 0.1, "warning"), (-1.2, 0.1, "warning"), (-40.0, 1.0, "critical")],
)
def test_a_clock_is_off_only_for_certain(measure: Measure, offset: float, doubt: float, breach: str | None) -> None:
    hosts.test_clock_is_right(Clock(offset, doubt), measure)
    assert breaches(measure) == [("clock_offset_seconds", breach)]


@pytest.mark.parametrize(("seconds", "breach"), [(600, None), (599, "warning"), (3, "warning")])
def test_a_host_that_just_started_is_shown(measure: Measure, seconds: float, breach: str | None) -> None:
    hosts.test_host_has_been_up(Uptime(seconds, 1_794_903_120), measure)
    assert breaches(measure) == [("uptime_seconds", breach)]


@pytest.mark.parametrize(("count", "breach"), [(0, None), (250, None), (251, "warning")])
def test_a_crowd_of_ports_is_shown(measure: Measure, count: int, breach: str | None) -> None:
    hosts.test_listening_ports_are_few(
        ListeningPorts(tuple(Port(number, "tcp", "::") for number in range(count))), measure
    )
    assert breaches(measure) == [("listening_ports", breach)]


def test_an_inventory_sets_its_own_limits() -> None:
    measure = Measure({"filesystem_used_percent": Limit(critical=50)})
    hosts.test_filesystems_have_space(Filesystems((disk("/", 50), disk("/srv", 51))), measure)
    assert breaches(measure) == [("/", None), ("/srv", "critical")]


LISTENING = ListeningPorts((Port(22, "tcp", "0.0.0.0"), Port(8787, "tcp", "127.0.0.1")))


def test_ports_that_listen_where_they_should_are_right() -> None:
    hosts.test_expected_ports_are_listening(Host(name="web-1", listening=("22", "127.0.0.1:8787/tcp")), LISTENING)


def test_a_port_that_does_not_listen_is_named() -> None:
    with pytest.raises(AssertionError, match=r"^80 does not listen, expected 22, 80 to listen"):
        hosts.test_expected_ports_are_listening(Host(name="web-1", listening=("22", "80")), LISTENING)


def test_no_failed_unit_is_right() -> None:
    hosts.test_no_unit_has_failed(FailedUnits(()))


def test_failed_units_are_named() -> None:
    with pytest.raises(AssertionError, match=r"2 units failed: a\.service, b\.timer, expected none"):
        hosts.test_no_unit_has_failed(FailedUnits(("a.service", "b.timer")))


def test_expected_units_that_are_active_are_right() -> None:
    units = (Unit("ssh", "active", "running"), Unit("nginx", "reloading", "reload"))
    hosts.test_expected_units_are_active(ExpectedUnits(units))


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (Unit("ssh", "failed", "failed"), r"ssh failed \(failed\), expected active"),
        (Unit("ssh", "not found"), "ssh not found, expected active"),
        (Unit("ssh", "no systemd"), "ssh no systemd, expected active"),
    ],
)
def test_an_expected_unit_that_is_not_active_is_named(unit: Unit, message: str) -> None:
    with pytest.raises(AssertionError, match=f"^{message}"):
        hosts.test_expected_units_are_active(ExpectedUnits((Unit("cron", "active", "running"), unit)))


def test_a_docker_engine_that_answers_is_right() -> None:
    hosts.test_docker_engine_answers(DockerAnswer(Attempt("connected"), "20.10.24", "1.41"))


def test_a_docker_engine_that_is_gone_is_told() -> None:
    with pytest.raises(AssertionError, match="Docker engine: refused, expected an answer to GET /version"):
        hosts.test_docker_engine_answers(DockerAnswer(Attempt("refused", "network")))


def test_containers_that_run_or_are_done_are_well() -> None:
    running = ListedContainer("web", "web:1", "running", "Up 3 hours (healthy)", "healthy")
    done = ListedContainer("job", "job:1", "exited", "Exited (0) 2 hours ago", exit_code=0)
    hosts.test_docker_containers_are_well(DockerContainers((running, done)))
    hosts.test_docker_containers_are_well(DockerContainers(()))


@pytest.mark.parametrize(
    "container",
    [
        ListedContainer("db", "db:1", "running", "Up 3 hours (unhealthy)", "unhealthy"),
        ListedContainer("db", "db:1", "restarting", "Restarting (1) 3 seconds ago"),
        ListedContainer("db", "db:1", "exited", "Exited (137) 2 hours ago", exit_code=137),
        ListedContainer("db", "db:1", "dead", "Dead"),
    ],
)
def test_a_container_in_trouble_is_named(container: ListedContainer) -> None:
    with pytest.raises(AssertionError) as failure:
        hosts.test_docker_containers_are_well(DockerContainers((container,)))
    assert str(failure.value).startswith(f"db: {container.status}, expected none in trouble")


def test_many_containers_in_trouble_are_not_all_named() -> None:
    dead = tuple(ListedContainer(f"job-{number}", "job:1", "dead", "Dead") for number in range(40))
    with pytest.raises(AssertionError, match=r"^job-0: Dead.* job-4: Dead and more, expected none in trouble"):
        hosts.test_docker_containers_are_well(DockerContainers(dead))
