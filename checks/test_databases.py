"""Databases: they are there, open, and sound."""

from muster import Attempt, Measure, SqliteFile, SqliteIntegrity, check


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
