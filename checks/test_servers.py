"""Database servers: of a version that is cared for, in their role, with connections left."""

from muster import Measure, ServerConnections, ServerDatabase, ServerRole, ServerVersion, check, expects


@check(
    severity="warning",
    remediation="Upgrade the server of URL: a minor version by its package or image, a major one with a dump first",
    runbook="databases.md#version-is-too-old",
    applies=expects("min_version"),
)
def test_database_version_is_supported(server_version: ServerVersion, target: ServerDatabase) -> None:
    """The database server's version is recent enough.

    Older ones lack what services count on, and one that is out of support gets no more fixes.
    """
    oldest = target.min_version or ""
    assert server_version.at_least(oldest), f"{server_version}, expected {oldest} or later"


@check(
    severity="critical",
    remediation="Find the primary; point the service at it, or promote this one only where the old primary is gone",
    runbook="databases.md#server-has-another-role",
    applies=expects("role"),
)
def test_database_server_has_its_role(server_role: ServerRole, target: ServerDatabase) -> None:
    """The database server has the role that it should: primary or replica.

    A service that writes fails on a replica; two primaries take writes that nobody can put together again.
    """
    assert server_role.role == target.role, f"{server_role}, expected {target.role}"


@check(
    severity="critical",
    remediation="See whose connections they are; make its pool smaller, or restart it where it leaks them",
    runbook="databases.md#connections-run-out",
)
def test_database_server_has_connections_left(server_connections: ServerConnections, measure: Measure) -> None:
    """The database server has connections left.

    When the last is taken, whoever asks for one is refused.
    """
    measure("connections_used_percent", server_connections.used_percent, seen=str(server_connections))
