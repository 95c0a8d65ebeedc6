"""Containers: what is declared is there, up, healthy and steady."""

from muster import (
    Container,
    ContainerHealth,
    ContainerLookup,
    ContainerPorts,
    ContainerState,
    ContainerUptime,
    Measure,
    check,
    expects,
)


@check(
    severity="critical",
    remediation="docker ps -a; then docker compose up -d, or narrow the inventory's `match` to one container",
    runbook="containers.md#container-is-not-found",
)
def test_container_exists(container_lookup: ContainerLookup) -> None:
    """There is one container of this name.

    Nothing else can be said of a container that is not there, or of several that could be meant.
    """
    assert container_lookup.cause is None, f"{container_lookup}; expected one"


@check(
    severity="critical",
    remediation="docker logs --tail 200 NAME; docker compose up -d",
    runbook="containers.md#container-is-not-running",
)
def test_container_is_running(container_state: ContainerState) -> None:
    """The container is running.

    Everything that it serves is down while it is not.
    """
    assert container_state.status == "running", f"{container_state.summary}, expected running"


@check(
    severity="critical",
    remediation="docker inspect -f '{{json .State.Health}}' NAME; docker logs --tail 200 NAME",
    runbook="containers.md#container-is-not-healthy",
)
def test_container_is_healthy(container_health: ContainerHealth, target: Container) -> None:
    """The container is healthy by its own healthcheck.

    It runs, but what it serves does not work as its makers expect.
    """
    expected = target.health or "healthy"
    assert container_health.status == expected, f"{container_health}, expected {expected}"


@check(
    severity="warning",
    remediation="docker logs --tail 200 NAME; mend it, then docker compose up -d --force-recreate",
    runbook="containers.md#container-restarts",
)
def test_container_restarts_are_few(container_state: ContainerState, measure: Measure) -> None:
    """The container is not restarting again and again.

    Each restart drops what it was doing, and hides a fault that comes back.
    """
    measure("container_restarts", container_state.restart_count)


@check(
    severity="warning",
    remediation="docker stats --no-stream NAME; raise its memory limit, or mend the leak",
    runbook="containers.md#container-was-killed-for-want-of-memory",
)
def test_container_was_not_killed_for_memory(container_state: ContainerState) -> None:
    """Nothing in the container was killed for want of memory since it was started.

    What reaches its limit once reaches it again, and may lose work each time.
    """
    killed = "the kernel killed a process in it, out of memory"
    assert not container_state.oom_killed, f"{killed} ({container_state.status}), expected it to fit in its limit"


@check(
    severity="critical",
    remediation="docker port NAME; mend `ports` in docker-compose.yml, then docker compose up -d",
    runbook="containers.md#port-is-not-mapped",
    applies=expects("ports"),
)
def test_container_ports_are_mapped(container_ports: ContainerPorts, target: Container) -> None:
    """The container's ports are mapped as declared.

    Clients find nothing where they look, or a port is open to more of the network than was meant.
    """
    lacking = container_ports.lacks(target.ports)
    assert not lacking, f"{container_ports}, expected {', '.join(lacking)}"


@check(
    severity="info",
    remediation="docker inspect -f '{{.State.StartedAt}}' NAME; docker events --since 1h --until 0s",
    runbook="containers.md#container-was-started-lately",
)
def test_container_uptime_is_within_limits(container_uptime: ContainerUptime, measure: Measure) -> None:
    """The container has been running for as long as it should.

    A start that nobody knows of is a deploy, a crash or a host that came back.
    """
    measure("container_uptime_seconds", container_uptime.seconds)
