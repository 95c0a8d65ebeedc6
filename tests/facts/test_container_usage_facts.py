"""The facts about what a container uses and logs, from statistics that a real engine (20.10, cgroup v1) gave."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from muster.facts import container_logs, container_usage
from muster.probes import Unobserved
from muster.questions.docker import ContainerLog, ContainerStats, Counted, LineCount, Logged, Matches, Stats
from muster.targets import Container, LogPattern

RECORDED = Path(__file__).parent / "recorded" / "container_stats"

#: As Docker's documentation has the memory of a container under cgroup v2.
CGROUP_2 = {
    "usage": 134_217_728,
    "stats": {"active_anon": 0, "active_file": 1_048_576, "anon": 90_000_000, "inactive_file": 33_554_432},
    "limit": 536_870_912,
}


def recorded(name: str, **host: Any) -> Stats:
    """Two looks at a container a second apart; ``host`` is what else its settings say."""
    said = json.loads((RECORDED / f"{name}.json").read_text())
    said["inspected"]["HostConfig"] |= host
    matches = Matches((name,), said["inspected"], None)
    return Stats(matches, said["first"], said["second"])


def test_a_look_at_what_a_container_uses_is_asked_for_by_its_glob() -> None:
    probe = container_usage.container_usage.probe(Container(name="quota-proxy", match="quota-proxy*"))
    assert probe.question == ContainerStats("quota-proxy*")


def test_a_busy_container_is_at_its_own_limit() -> None:
    found = container_usage.parse("*", recorded("busy"))
    assert found.cpus == pytest.approx(0.5, abs=0.02)
    assert (found.cpu_limit, found.cpu_limited) == (0.5, True)
    assert found.cpu_percent == pytest.approx(100, abs=4)
    assert (found.memory_limit, found.memory_limited) == (64 * 1_048_576, True)
    assert str(found).startswith("0.50 of its 0.5 cores (")
    assert str(found).endswith("of its 64.0 MiB (0.5 %)")


def test_an_idle_container_has_all_that_the_host_has() -> None:
    found = container_usage.parse("*", recorded("plain"))
    assert (found.cpus, found.cpu_limit, found.cpu_limited) == (pytest.approx(0, abs=0.01), 2, False)
    assert not found.memory_limited
    assert "of the host's 2 cores" in str(found)
    assert "of the host's 23.5 GiB" in str(found)


@pytest.mark.parametrize(
    ("host", "cores"),
    [
        ({"NanoCpus": 1_500_000_000}, 1.5),
        ({"NanoCpus": 8_000_000_000}, 2),
        ({"CpuQuota": 50_000}, 0.5),
        ({"CpuQuota": 50_000, "CpuPeriod": 200_000}, 0.25),
        ({"CpuQuota": -1}, 2),
        ({"CpusetCpus": "0"}, 1),
        ({"CpusetCpus": "1", "NanoCpus": 500_000_000}, 0.5),
        ({}, 2),
    ],
)
def test_the_least_of_all_limits_counts(host: Any, cores: float) -> None:
    assert container_usage.parse("*", recorded("plain", **host)).cpu_limit == cores


@pytest.mark.parametrize(("cpus", "cores"), [("0-3,7", 5), ("0,2,4", 3), ("8-15", 8), ("0-31", 16)])
def test_a_set_of_cores_is_counted(cpus: str, cores: float) -> None:
    stats = recorded("plain", CpusetCpus=cpus)
    assert stats.second is not None
    second = {**stats.second, "cpu_stats": {**stats.second["cpu_stats"], "online_cpus": 16}}
    assert container_usage.parse("*", Stats(stats.matches, stats.first, second)).cpu_limit == cores


def test_a_container_that_is_kept_to_one_core() -> None:
    found = container_usage.parse("*", recorded("user"))
    assert (found.cpu_limit, found.cpu_limited) == (1, True)


def test_the_cache_of_files_is_no_use_of_memory() -> None:
    stats = recorded("plain")
    first, second = copy.deepcopy(stats.first), copy.deepcopy(stats.second)
    assert first is not None
    assert second is not None
    newer = container_usage.parse("*", Stats(stats.matches, first, {**second, "memory_stats": CGROUP_2}))
    assert (newer.memory_bytes, newer.memory_percent) == (134_217_728 - 33_554_432, 18.75)
    older = {"usage": 1_000_000, "limit": 2_000_000, "stats": {"cache": 400_000, "total_cache": 400_000}}
    found = container_usage.parse("*", Stats(stats.matches, first, {**second, "memory_stats": older}))
    assert (found.memory_bytes, found.memory_percent) == (600_000, 30)
    shared = {"usage": 1_000, "limit": 2_000_000, "stats": {"cache": 400_000}}
    found = container_usage.parse("*", Stats(stats.matches, first, {**second, "memory_stats": shared}))
    assert found.memory_bytes == 0


def test_a_container_that_does_not_run_uses_nothing_that_could_be_looked_at() -> None:
    stats = recorded("created")
    with pytest.raises(Unobserved, match=r"created is not running \(created\)"):
        container_usage.parse("*", stats)
    with pytest.raises(Unobserved, match="no container matches"):
        container_usage.parse("x", Stats(Matches((), None)))


def test_a_container_that_ended_meanwhile_is_unobserved() -> None:
    running, ended = recorded("plain"), recorded("created")
    with pytest.raises(Unobserved, match="plain ended while it was looked at"):
        container_usage.parse("*", Stats(running.matches, running.first, ended.second))
    with pytest.raises(Unobserved, match="does not say what plain uses"):
        container_usage.parse("*", Stats(running.matches))
    with pytest.raises(Unobserved, match="restarted, or the engine looked at it twice"):
        container_usage.parse("*", Stats(running.matches, running.second, running.first))
    with pytest.raises(Unobserved, match=r"twice in 0\.000 s"):
        container_usage.parse("*", Stats(running.matches, running.first, running.first))


@pytest.mark.parametrize("garbage", [{}, {"read": 7}, {"read": "soon"}, {"read": "2026-11-20T19:30:35Z"}])
def test_statistics_that_make_no_sense_give_no_fact(garbage: Any) -> None:
    stats = recorded("plain")
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        container_usage.parse("*", Stats(stats.matches, garbage, garbage))


# The log

LOGS = {
    "goroutines": LogPattern(pattern="High goroutine", window=604_800),
    "errors": LogPattern(level="error", window=3600),
    "lost": LogPattern(level="WARN", pattern="connection lost"),
}
TARGET = Container(name="one-api", logs=LOGS)


def logged(*counts: Counted | int) -> Logged:
    return Logged(
        recorded("plain").matches, tuple(Counted(each) if isinstance(each, int) else each for each in counts)
    )


def test_one_question_asks_for_all_that_is_counted() -> None:
    question = container_logs.container_logs.probe(TARGET).question
    assert isinstance(question, ContainerLog)
    assert (question.match, question.timeout) == ("one-api", 10)
    assert question.counts[0] == LineCount(604_800, ("High goroutine",))
    assert [each.window for each in question.counts] == [604_800] + 6 * [3600]
    assert question.counts[-1].found[1] == "connection lost"
    assert question.describe() == "Docker: GET /containers/one-api/logs?since=604800 s ago"


@pytest.mark.parametrize(
    ("level", "line", "found"),
    [
        ("error", '{"level":"error","msg":"x"}', True),
        ("error", '{"msg": "x", "Level" : "ERROR"}', True),
        ("error", '{"severity":"err"}', True),
        ("err", '{"lvl":"error"}', True),
        ("warn", '{"level":"Warning"}', True),
        ("warning", '{"level":"warn"}', True),
        ("error", '{"level":"info","msg":"\\"level\\":\\"error\\""}', False),
        ("error", '{"level":"info"}', False),
        ("error", '{"loglevel":"error"}', False),
        ("error", "level=error", False),
        ("error", '{"level":"errors"}', False),
        ("fatal", '{"level":"fatal"}', True),
    ],
)
def test_a_level_is_that_of_a_line_of_json_in_any_case(level: str, line: str, found: bool) -> None:
    _, _, counted = container_logs.asked(LogPattern(level=level))
    assert all(re.search(each, line) for each in counted.found) is found


def test_what_was_counted_stands_by_its_name() -> None:
    found = container_logs.parse(
        TARGET, logged(Counted(3, "2026-11-20T10:00:00 High goroutine\x1b[2J"), 90, 80, 0, 90, 80, 1)
    )
    assert [(each.name, each.lines) for each in found.counts] == [("goroutines", 3), ("errors", 0), ("lost", 1)]
    assert found.counts[0].last == "2026-11-20T10:00:00 High goroutine\\x1b[2J"
    assert str(found) == (
        "goroutines: 3 lines in the last 7 days; errors: 0 lines in the last 1 hour; lost: 1 line in the last 1 hour"
    )


def test_a_log_without_any_level_is_not_one_without_errors() -> None:
    with pytest.raises(Unobserved, match="errors: none of 90 lines is JSON with a level") as raised:
        container_logs.parse(TARGET, logged(0, 90, 0, 0, 90, 0, 0))
    assert raised.value.cause == "unreadable"
    assert container_logs.parse(TARGET, logged(0, 0, 0, 0, 0, 0, 0)).counts[1].lines == 0


def test_a_line_is_shown_up_to_a_bound() -> None:
    found = container_logs.parse(TARGET, logged(Counted(1, "x" * 8000), 0, 0, 0, 0, 0, 0))
    assert len(found.counts[0].last) == container_logs.LONGEST_LINE


def test_the_log_of_a_container_that_is_not_there_is_unobserved() -> None:
    with pytest.raises(Unobserved, match="no container matches one-api"):
        container_logs.parse(TARGET, Logged(Matches((), None)))
