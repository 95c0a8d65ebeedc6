"""The facts about containers, from inspections that a real engine (20.10) gave."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from muster.facts import container_health, container_lookup, container_ports, container_state, container_uptime
from muster.facts.container_ports import ContainerPorts, Mapped
from muster.probes import DoesNotApply, Unobserved
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container

RECORDED = Path(__file__).parent / "recorded" / "containers"
STATES = sorted(path.stem for path in RECORDED.iterdir())
PARSERS = [container_lookup.parse, container_ports.parse, container_state.parse, container_uptime.parse]


def recorded(state: str, after: float = 0.0) -> Matches:
    """What the engine said of a container in this state, ``after`` so many seconds from its start."""
    inspected: dict[str, Any] = json.loads((RECORDED / f"{state}.json").read_text())
    started = datetime.fromisoformat(inspected["State"]["StartedAt"])
    return Matches((inspected["Name"].lstrip("/"),), inspected, (started + timedelta(seconds=after)).timestamp())


def health_of(state: str, expected: Any = None) -> container_health.ContainerHealth:
    return container_health.parse(Container(name="x", match="*", health=expected), recorded(state))


def test_all_facts_of_a_container_ask_one_question() -> None:
    target = Container(name="quota-proxy", match="quota-proxy*")
    needs = (
        container_lookup.container_lookup,
        container_state.container_state,
        container_health.container_health,
        container_ports.container_ports,
        container_uptime.container_uptime,
    )
    assert {each.probe(target).question for each in needs} == {InspectContainer("quota-proxy*")}
    assert container_lookup.pattern(Container(name="plain")) == "plain"


def test_lookup_names_the_container_that_is_meant() -> None:
    found = container_lookup.parse("quota*", recorded("healthy"))
    assert (found.name, found.cause, str(found)) == ("quota-proxy-1", None, "quota-proxy-1")


def test_lookup_says_which_of_several_is_meant() -> None:
    matches = Matches(("old", "quota-proxy-1"), recorded("healthy").inspected)
    assert str(container_lookup.parse("*", matches)) == "quota-proxy-1 (the running one of 2 that match)"


def test_a_container_that_is_not_there_is_missing() -> None:
    found = container_lookup.parse("quota*", Matches((), None))
    assert (found.name, found.cause, str(found)) == (None, "missing", "no container matches quota*")


def test_several_containers_of_which_none_is_meant_are_wrong_and_named() -> None:
    found = container_lookup.parse("q*", Matches(("qa", "qb", "qc"), None))
    assert (found.cause, str(found)) == ("wrong", "3 containers match q*: qa, qb, qc")


def test_a_thousand_matches_do_not_make_a_message_of_a_thousand_names() -> None:
    names = tuple(f"worker-{number}" for number in range(1000))
    assert str(container_lookup.parse("*", Matches(names, None))).endswith("worker-9, and 990 more")


@pytest.mark.parametrize("parse", PARSERS[1:])
def test_what_hangs_on_a_missing_container_is_unobserved(parse: Any) -> None:
    with pytest.raises(Unobserved, match=r"no container matches quota\*") as raised:
        parse("quota*", Matches((), None))
    assert raised.value.cause == "missing"


@pytest.mark.parametrize(
    ("state", "summary"),
    [
        ("healthy", "running"),
        ("running", "running"),
        ("unhealthy", "running"),
        ("starting", "running"),
        ("host-network", "running"),
        ("paused", "paused"),
        ("exited", "exited with 3"),
        ("oom-killed", "exited with 137 (SIGKILL, out of memory)"),
        ("created", "created, never started"),
    ],
)
def test_state_in_words(state: str, summary: str) -> None:
    assert container_state.parse("*", recorded(state)).summary == summary


def test_a_restarting_container_tells_how_it_ended_and_how_often() -> None:
    found = container_state.parse("*", recorded("restarting"))
    assert (found.status, found.exit_code) == ("restarting", 1)
    assert found.summary == f"restarting after exit 1, {found.restart_count} restarts so far"
    assert found.restart_count > 5


def test_a_container_that_could_not_be_started_tells_why() -> None:
    summary = container_state.parse("*", recorded("unstartable")).summary
    assert summary.startswith("created, could not be started: failed to create shim task")
    assert "no such file or directory" in summary


def test_state_reads_as_docker_ps_prints_it() -> None:
    found = container_state.parse("*", recorded("healthy", after=3 * 3600 + 900))
    assert str(found).startswith("Up 3 hours (healthy), 6379/tcp, 127.0.0.1:8787->8787/tcp, 0.0.0.0:9000-9002->")
    assert str(container_state.parse("*", recorded("paused", after=61))).startswith("Up 1 minute (paused)")
    assert str(container_state.parse("*", recorded("exited"))).startswith("gone-1: exited with 3")


@pytest.mark.parametrize(
    ("state", "count", "says"),
    [
        ("healthy", 0, "/udp, 0 restarts"),
        ("paused", 1, "Up 1 minute (paused), 1 restart"),
        ("exited", 2, "gone-1: exited with 3, 2 restarts"),
        ("restarting", 7, "restarting after exit 1, 7 restarts so far"),
    ],
)
def test_state_ends_with_how_often_it_was_restarted(state: str, count: int, says: str) -> None:
    found = replace(container_state.parse("*", recorded(state, after=61)), restart_count=count)
    assert str(found).endswith(says)


def test_state_knows_when_it_started_and_ended() -> None:
    found = container_state.parse("*", recorded("oom-killed"))
    assert found.started_at is not None
    assert found.finished_at is not None
    assert found.started_at < found.finished_at < found.started_at + timedelta(seconds=5)
    assert container_state.parse("*", recorded("created")).started_at is None
    assert found.up_seconds is None


def test_ports_are_displayed_as_docker_ps_prints_them() -> None:
    # From `docker ps` of docker 28, of the same container.
    assert str(container_ports.parse("*", recorded("healthy"))) == (
        "6379/tcp, 127.0.0.1:8787->8787/tcp, 0.0.0.0:9000-9002->9000-9002/tcp, [::]:9000-9002->9000-9002/tcp, "
        "0.0.0.0:5353->53/udp, [::]:5353->53/udp"
    )


@pytest.mark.parametrize(
    "expected",
    [
        "127.0.0.1:8787->8787/tcp",
        "0.0.0.0:9000-9002->9000-9002/tcp",
        "0.0.0.0:9001->9001/tcp",
        "[::]:9001->9001/tcp",
        ":::9001->9001/tcp",
        "0.0.0.0:5353->53/udp",
        "6379/tcp",
    ],
)
def test_mapped_ports_are_found(expected: str) -> None:
    assert container_ports.parse("*", recorded("healthy")).lacks([expected]) == ()


@pytest.mark.parametrize(
    "expected",
    [
        "0.0.0.0:8787->8787/tcp",
        "127.0.0.1:8787->8787/udp",
        "127.0.0.1:8788->8787/tcp",
        "0.0.0.0:9000-9003->9000-9003/tcp",
        "0.0.0.0:1-65535->1-65535/tcp",
        "8787/tcp",
        "8787:8787",
        "",
    ],
)
def test_ports_that_are_not_mapped_are_lacking(expected: str) -> None:
    assert container_ports.parse("*", recorded("healthy")).lacks([expected]) == (expected,)


def test_a_gap_ends_a_range_of_ports() -> None:
    ports = ContainerPorts(tuple(Mapped(number, "127.0.0.1", number, "tcp") for number in (80, 81, 83)))
    assert str(ports) == "127.0.0.1:80-81->80-81/tcp, 127.0.0.1:83->83/tcp"


def test_a_container_on_the_hosts_network_says_so() -> None:
    assert str(container_ports.parse("*", recorded("host-network"))) == "no ports (network mode host)"
    assert str(container_ports.parse("*", recorded("running"))) == "no ports"


@pytest.mark.parametrize("state", ["exited", "oom-killed", "created", "unstartable", "restarting"])
@pytest.mark.parametrize("parse", [container_ports.parse, container_uptime.parse])
def test_ports_and_uptime_of_a_container_that_does_not_run_are_unobserved(parse: Any, state: str) -> None:
    with pytest.raises(Unobserved, match="is not running") as raised:
        parse("*", recorded(state))
    assert raised.value.cause == "missing"


def test_a_healthy_container() -> None:
    found = health_of("healthy")
    assert (found.status, str(found)) == ("healthy", "healthy: fine")


def test_an_unhealthy_container_shows_what_its_healthcheck_printed() -> None:
    found = health_of("unhealthy")
    streak = found.failing_streak
    assert str(found) == f"unhealthy, failed {streak} times in a row, exit 1: connection refused"


def test_a_container_that_is_starting_is_not_known_to_be_healthy() -> None:
    with pytest.raises(Unobserved, match="starting: its healthcheck has not decided yet; last try: exit 1: not yet"):
        health_of("starting")


def test_health_does_not_apply_without_a_healthcheck_unless_one_is_expected() -> None:
    with pytest.raises(DoesNotApply, match="no healthcheck"):
        health_of("running")
    assert str(health_of("running", "healthy")) == "no healthcheck"
    assert health_of("running", "none").status == "none"


@pytest.mark.parametrize(("state", "why"), [("exited", "not running"), ("paused", "paused")])
def test_health_of_a_container_that_does_not_run_is_unobserved(state: str, why: str) -> None:
    with pytest.raises(Unobserved, match=why):
        health_of(state)


def test_what_a_healthcheck_prints_is_bounded_and_harmless() -> None:
    matches = recorded("unhealthy")
    assert matches.inspected is not None
    matches.inspected["State"]["Health"]["Log"] = [{"ExitCode": 1, "Output": "\x1b[2J" + "x" * 4096 + "\nend"}]
    found = container_health.parse(Container(name="x"), matches)
    assert found.output.startswith("\\x1b[2Jxxx")
    assert len(found.output) < container_health.LONGEST_OUTPUT + 10


def test_uptime_goes_by_the_engines_clock() -> None:
    found = container_uptime.parse("*", recorded("healthy", after=11_700.5))
    assert found.seconds == pytest.approx(11_700.5)
    assert str(found) == f"Up 3 hours, since {found.started_at:%Y-%m-%d %H:%M:%S} UTC"


def test_uptime_goes_by_our_clock_where_the_engine_does_not_say() -> None:
    matches = recorded("running")
    assert matches.inspected is not None
    started = datetime.now(UTC) - timedelta(hours=1)
    matches.inspected["State"]["StartedAt"] = started.isoformat()
    found = container_uptime.parse("*", Matches(matches.names, matches.inspected))
    assert 3600 <= found.seconds < 3700


def test_a_start_in_the_future_is_no_uptime() -> None:
    assert container_uptime.parse("*", recorded("running", after=-1)).seconds == 0
    with pytest.raises(Unobserved, match="5 minutes in the future"):
        container_uptime.parse("*", recorded("running", after=-301))


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("garbage", [{}, {"Name": 3}, {"Name": "/x", "State": None}, {"Name": "/x", "State": []}])
def test_an_inspection_that_makes_no_sense_gives_no_fact(parse: Any, garbage: Any) -> None:
    if parse is container_lookup.parse and "Name" in garbage:
        assert parse("*", Matches(("x",), garbage)).name in ("3", "x")
        return
    with pytest.raises((KeyError, TypeError, AttributeError)):
        parse("*", Matches(("x",), garbage))


@pytest.mark.parametrize("state", STATES)
def test_every_fact_says_in_one_line_what_was_observed(state: str) -> None:
    lines = []
    for parse in PARSERS:
        try:
            lines.append(str(parse("*", recorded(state, after=60))))
        except Unobserved as failure:
            lines.append(failure.message)
    assert all(line and "\n" not in line for line in lines)
