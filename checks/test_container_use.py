"""Containers: what they use, and what they say in their logs."""

from muster import (
    Container,
    ContainerLogs,
    ContainerLogSize,
    ContainerUsage,
    Measure,
    check,
    expects,
    limited,
)


@check(
    severity="warning",
    remediation="docker stats --no-stream NAME; docker top NAME",
    runbook="containers.md#container-is-busy",
    applies=limited("container_cpu_percent"),
)
def test_container_cpu_is_within_limits(container_usage: ContainerUsage, measure: Measure) -> None:
    """The container has processor time to spare.

    At its limit it is held back, and whoever waits for it waits longer.
    """
    measure("container_cpu_percent", container_usage.cpu_percent)


@check(
    severity="critical",
    remediation="docker stats --no-stream NAME; raise its memory limit, or mend the leak",
    runbook="containers.md#container-is-short-of-memory",
    applies=limited("container_memory_bytes", "container_memory_percent"),
)
def test_container_memory_is_within_limits(container_usage: ContainerUsage, measure: Measure) -> None:
    """The container has memory to spare.

    At its limit the kernel kills a process in it.
    """
    measure("container_memory_percent", container_usage.memory_percent)
    measure("container_memory_bytes", container_usage.memory_bytes)


@check(
    severity="warning",
    remediation="docker inspect -f '{{.LogPath}}' NAME; set max-size under `logging:` in docker-compose.yml",
    runbook="containers.md#container-log-grows-without-end",
    applies=limited("container_log_bytes"),
)
def test_container_log_is_small(container_log_size: ContainerLogSize, measure: Measure) -> None:
    """The container's log file is not larger than it should be.

    A flood of messages hides what matters, and fills the disk.
    """
    measure("container_log_bytes", container_log_size.size_bytes)


@check(
    severity="warning",
    remediation="docker logs --since 1h --timestamps NAME",
    runbook="containers.md#container-logs-trouble",
    applies=expects("logs"),
)
def test_container_log_has_few_such_lines(container_logs: ContainerLogs, target: Container, measure: Measure) -> None:
    """The container's log has no more of the lines that the inventory counts than it may.

    It runs, and says itself that something is wrong.
    """
    for each in container_logs.counts:
        limit = target.logs[each.name].limit
        measure("log_lines", each.lines, of=each.name, limit=limit, seen=each.last)
