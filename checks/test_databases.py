"""Databases: they are there, open, and sound."""

from muster import (
    Attempt,
    Measure,
    ServerConnections,
    ServerDatabase,
    ServerRole,
    ServerVersion,
    SqliteFile,
    SqliteIntegrity,
    check,
    expects,
)


@check(
    severity="critical",
    remediation="See that what serves URL runs: docker compose ps; docker compose up -d; of a file, ls -la FILE",
    runbook="databases.md#database-does-not-accept-connections",
)
def test_database_accepts_connections(database_attempt: Attempt) -> None:
    """The database accepts connections.

    What stores its data there cannot work while it does not.
    """
    assert database_attempt.connected, f"{database_attempt}, expected a connection"


@check(
    severity="warning",
    remediation="Upgrade the server of URL: a minor version by its package or image, a major one with a dump first",
    runbook="databases.md#version-is-too-old",
    applies=expects("min_version"),
)
def test_database_version_is_supported(server_version: ServerVersion, target: ServerDatabase) -> None:
    """The database server is of the version that it must have at least.

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
    """The database server is the primary, or the replica, that it has to be.

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


@check(
    severity="warning",
    remediation="df -h FOLDER; delete what is over; sqlite3 FILE 'PRAGMA wal_checkpoint(TRUNCATE); VACUUM'",
    runbook="databases.md#database-is-too-large",
)
def test_database_size_is_within_limits(sqlite_file: SqliteFile, measure: Measure) -> None:
    """The database's file is of the size that it should be.

    One that grows without end fills the disk; one that shrank has lost something.
    """
    measure("database_size_bytes", sqlite_file.total_bytes)


@check(
    severity="warning",
    remediation="lsof FILE-wal: who reads without an end? Restart it; sqlite3 FILE 'PRAGMA wal_checkpoint(TRUNCATE)'",
    runbook="databases.md#write-ahead-log-grows",
)
def test_database_write_ahead_log_is_small(sqlite_file: SqliteFile, measure: Measure) -> None:
    """The write-ahead log of the database is taken over into its file.

    A reader that never ends keeps it from that: it grows, and every query has to search it.
    """
    measure("database_wal_bytes", sqlite_file.wal_bytes)


@check(
    severity="critical",
    remediation="Stop what writes to it and copy the file; sqlite3 FILE .recover, or restore the last backup",
    runbook="databases.md#database-is-damaged",
)
def test_database_integrity(sqlite_integrity: SqliteIntegrity) -> None:
    """The database passes its own integrity check.

    Damage spreads with each write, and backups of it are damaged too.
    """
    assert sqlite_integrity.ok, f"{sqlite_integrity}, expected ok"
