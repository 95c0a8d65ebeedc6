"""The checks on containers by short names, and what several of them say at once."""

from __future__ import annotations

from tests.faults.cases import critical, each, unknown

EXISTS, RUNS, HEALTHY = "container_exists", "container_is_running", "container_is_healthy"
RESTARTS, MEMORY = "container_restarts_are_few", "container_was_not_killed_for_memory"
PORTS, UPTIME = "container_ports_are_mapped", "container_uptime_is_within_limits"
IMAGE, DIGEST, AGE = (
    "container_image_is_as_expected",
    "container_digest_is_as_expected",
    "container_age_is_within_limits",
)
POLICY, MOUNTS = "container_restart_policy_is_as_expected", "container_mounts_are_there"
PRIVILEGES, ROOT = "container_has_no_privileges", "container_does_not_run_as_root"
BOUNDED, SIZE, LINES = "container_log_is_bounded", "container_log_is_small", "container_log_has_few_such_lines"
CPU, USED = "container_cpu_is_within_limits", "container_memory_is_within_limits"
#: The checks that no inventory has to ask for.
ALWAYS = (AGE, PRIVILEGES, ROOT, BOUNDED)
MAPPED = {"ports": ["127.0.0.1:${port}->8787/tcp"]}


def lost(verdict: object, says: str, *more: str, cause: str) -> dict[str, object]:
    """It is not there: critical, once. ``more`` are the checks that its entry asks for."""
    checks = (RUNS, HEALTHY, RESTARTS, MEMORY, UPTIME, CPU, USED, *ALWAYS, *more)
    return {EXISTS: verdict, **each(checks, unknown(says, cause=cause))}


def stopped(says: str, state: str) -> dict[str, object]:
    """It does not run, so nothing that it does can be looked at."""
    return {
        RUNS: critical(says, "expected running"),
        **each((HEALTHY, PORTS, UPTIME, CPU, USED), unknown(f"is not running ({state})", cause="missing")),
    }


def unhealthy(*says: str) -> dict[str, object]:
    return {HEALTHY: critical("unhealthy, failed", *says, "expected healthy")}
