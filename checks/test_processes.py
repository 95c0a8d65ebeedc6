"""Processes: programs that have to run do, and use what they should."""

from muster import (
    Measure,
    Process,
    ProcessCpu,
    ProcessFiles,
    ProcessInstances,
    ProcessPorts,
    ProcessRestarts,
    ProcessState,
    ProcessUsage,
    check,
    expects,
    limited,
)


@check(
    severity="critical",
    remediation="systemctl status UNIT; journalctl -u UNIT -e; systemctl restart UNIT, or what else starts it",
    runbook="processes.md#process-is-not-running",
)
def test_process_is_running(process: ProcessState, target: Process) -> None:
    """The process runs, or is stopped where that is expected.

    What it does is not being done while it does not; what crashed and is not started again stays down.
    """
    assert process.state == target.state, f"{process}, expected {target.state}"


@check(
    severity="critical",
    remediation="ps -eo pid,ppid,etime,args | grep PATTERN; start what is missing, stop what is there twice",
    runbook="processes.md#too-few-or-too-many-processes",
)
def test_process_instances_are_within_limits(process_instances: ProcessInstances, measure: Measure) -> None:
    """There are as many processes as there should be.

    Workers that are missing leave their work to the others; those that are too many take it from each other.
    """
    measure("process_count", process_instances.count)


@check(
    severity="warning",
    remediation="journalctl -u UNIT -e; mend what makes it end, then systemctl restart UNIT, which counts from 0",
    runbook="processes.md#process-is-restarted-too-often",
)
def test_process_restarts_are_few(process_restarts: ProcessRestarts, measure: Measure) -> None:
    """The process is not restarted again and again.

    Each restart drops what it was doing, and hides a fault that comes back.
    """
    measure("process_restarts", process_restarts.count)


@check(
    severity="warning",
    remediation="top -b -n 1 | head -20; look for a loop in its log, or give it more processors",
    runbook="processes.md#process-uses-much-processor-time",
    applies=limited("process_cpu_percent"),
)
def test_process_cpu_is_within_limits(process_cpu: ProcessCpu, measure: Measure) -> None:
    """The process uses no more processor time than it should.

    What goes round in circles answers late, and takes the time of others.
    """
    measure("process_cpu_percent", process_cpu.percent)


@check(
    severity="warning",
    remediation="ps -eo rss,pid,etime,args --sort=-rss | head; restart it, and look for what it keeps",
    runbook="processes.md#process-uses-much-memory",
)
def test_process_memory_is_within_limits(process_usage: ProcessUsage, measure: Measure) -> None:
    """The process uses no more memory than it should.

    What grows goes on growing, until the kernel kills it or something else.
    """
    measure("process_memory_bytes", process_usage.memory_bytes)


@check(
    severity="warning",
    remediation="ps -o nlwp,pid,args -p PID; look for work that waits without end, or for a pool without a bound",
    runbook="processes.md#process-has-many-threads",
)
def test_process_threads_are_within_limits(process_usage: ProcessUsage, measure: Measure) -> None:
    """The process has no more threads than it should.

    Threads that pile up wait for something that does not come.
    """
    measure("process_threads", process_usage.threads)


@check(
    severity="critical",
    remediation="ls -l /proc/PID/fd | tail; close what leaks, or raise LimitNOFILE= (ulimit -n)",
    runbook="processes.md#process-runs-out-of-open-files",
)
def test_process_can_open_files(process_files: ProcessFiles, measure: Measure) -> None:
    """The process can open more files.

    At its limit it accepts no connection and writes no log.
    """
    measure("process_open_files_percent", process_files.used_percent, seen=str(process_files))


@check(
    severity="critical",
    remediation="ss -tlnp | grep PORT; look in its log for why it did not bind, and restart it",
    runbook="processes.md#process-does-not-listen",
    applies=expects("listening"),
)
def test_process_listens(process_ports: ProcessPorts, target: Process) -> None:
    """The process listens on its ports.

    It runs and serves nobody, or another program has taken its port.
    """
    missing = process_ports.missing(target.listening)
    assert not missing, f"{'; '.join(missing)}, expected it to listen on {', '.join(target.listening)}"


@check(
    severity="info",
    remediation="journalctl -u UNIT -e; ps -o lstart,pid,args -p PID",
    runbook="processes.md#process-was-started-lately",
)
def test_process_uptime_is_within_limits(process_instances: ProcessInstances, measure: Measure) -> None:
    """The process has been running for as long as it should.

    A start that nobody knows of is a deploy, a crash or a host that came back.
    """
    measure("process_uptime_seconds", process_instances.up_seconds)
