"""Each check on processes, called with facts made by hand: right, and wrong."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from checks import test_processes as processes
from muster import (
    Limit,
    ListeningPorts,
    Measure,
    Process,
    ProcessCpu,
    ProcessFiles,
    ProcessInstances,
    ProcessPorts,
    ProcessRestarts,
    ProcessState,
    ProcessUsage,
)
from muster.facts.listening_ports import Port

EXPECTED = Process(name="ss-001", unit="shadowsocks@001.service", listening=("8388",))
STOPPED = Process(name="ss-002", pid_file="/run/ss-002.pid", state="stopped")


def measuring(**limits: Limit) -> Measure:
    return Measure(limits)


def taken(measure: Measure) -> Mapping[str, str | None]:
    return {each.name: each.breach for each in measure.taken}


def test_a_process_that_runs_is_as_expected() -> None:
    processes.test_process_is_running(ProcessState("running", pids=(4711,), up_seconds=60), EXPECTED)
    processes.test_process_is_running(ProcessState("stopped", "there is no /run/ss-002.pid"), STOPPED)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            ProcessState("crashed", "exit status 139 (SIGSEGV) 3 minutes ago", restarts=5),
            "crashed: exit status 139 (SIGSEGV) 3 minutes ago, 5 restarts, expected running",
        ),
        (ProcessState("restarting", restarts=1), "restarting, 1 restart, expected running"),
        (ProcessState("stopped", "no pid file"), "stopped: no pid file, expected running"),
        (ProcessState("unknown", "there is no unit", cause="missing"), "unknown: there is no unit, expected running"),
    ],
)
def test_one_that_does_not_is_told_with_how_it_ended(state: ProcessState, said: str) -> None:
    with pytest.raises(AssertionError) as wrong:
        processes.test_process_is_running(state, EXPECTED)
    assert str(wrong.value).partition("\n")[0] == said


def test_one_that_runs_and_should_not_is_told_with_its_processes() -> None:
    state = ProcessState("running", pids=(1, 2, 3, 4), up_seconds=7200)
    with pytest.raises(AssertionError, match="running, 4 processes 1, 2, 3 and 1 more, up 2 hours, expected stopped"):
        processes.test_process_is_running(state, STOPPED)


@pytest.mark.parametrize(("count", "breach"), [(2, None), (1, "critical")])
def test_too_few_processes_are_told(count: int, breach: str | None) -> None:
    measure = measuring(process_count=Limit(critical_below=2))
    processes.test_process_instances_are_within_limits(ProcessInstances(count, 60.0), measure)
    assert taken(measure) == {"process_count": breach}


@pytest.mark.parametrize(("count", "breach"), [(0, None), (1, "warning")])
def test_any_restart_is_told(count: int, breach: str | None) -> None:
    measure = measuring()
    processes.test_process_restarts_are_few(ProcessRestarts(count), measure)
    assert taken(measure) == {"process_restarts": breach}


CPU = ProcessCpu(150.0)
USAGE = ProcessUsage(memory_bytes=300 << 20, threads=80)


def test_what_a_process_uses_is_measured_and_has_no_limit_by_itself() -> None:
    measure = measuring()
    processes.test_process_cpu_is_within_limits(CPU, measure)
    processes.test_process_memory_is_within_limits(USAGE, measure)
    processes.test_process_threads_are_within_limits(USAGE, measure)
    assert taken(measure) == {"process_cpu_percent": None, "process_memory_bytes": None, "process_threads": None}


def test_what_a_process_uses_beyond_the_limits_of_the_inventory_is_told() -> None:
    measure = measuring(
        process_cpu_percent=Limit(warning=100),
        process_memory_bytes=Limit(warning=100 << 20, critical=200 << 20),
        process_threads=Limit(warning=50),
    )
    processes.test_process_cpu_is_within_limits(CPU, measure)
    processes.test_process_memory_is_within_limits(USAGE, measure)
    processes.test_process_threads_are_within_limits(USAGE, measure)
    assert taken(measure) == {
        "process_cpu_percent": "warning",
        "process_memory_bytes": "critical",
        "process_threads": "warning",
    }


@pytest.mark.parametrize(("count", "breach"), [(80, None), (81, "warning"), (96, "critical")])
def test_one_that_runs_out_of_files_is_told(count: int, breach: str | None) -> None:
    measure = measuring()
    processes.test_process_can_open_files(ProcessFiles(4711, count, 100), measure)
    assert taken(measure) == {"process_open_files_percent": breach}


def test_one_without_a_limit_of_files_never_runs_out() -> None:
    measure = measuring()
    processes.test_process_can_open_files(ProcessFiles(4711, 1_000_000, None), measure)
    assert taken(measure) == {"process_open_files_percent": None}


def test_a_process_listens_on_its_ports() -> None:
    own = ListeningPorts((Port(8388, "tcp", "0.0.0.0"),))
    processes.test_process_listens(ProcessPorts(own, own), EXPECTED)


def test_one_whose_port_another_has_is_told() -> None:
    another = ListeningPorts((Port(8388, "tcp", "0.0.0.0"),))
    with pytest.raises(AssertionError, match="8388 listens, but for another process, expected it to listen on 8388"):
        processes.test_process_listens(ProcessPorts(ListeningPorts(()), another), EXPECTED)


def test_a_start_is_told_where_the_inventory_says_how_long_ago_is_lately() -> None:
    measure = measuring(process_uptime_seconds=Limit(warning_below=300))
    processes.test_process_uptime_is_within_limits(ProcessInstances(1, 299.0), measure)
    assert taken(measure) == {"process_uptime_seconds": "warning"}
