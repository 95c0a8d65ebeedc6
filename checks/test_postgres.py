"""PostgreSQL: sessions, locks, statements, tables, replication, archive and checksums."""

from muster import (
    DamagedPages,
    Measure,
    PostgresArchiver,
    PostgresChecksums,
    PostgresFollowers,
    PostgresLocks,
    PostgresReplica,
    PostgresReplicaLag,
    PostgresSessions,
    PostgresSize,
    PostgresTables,
    PostgresTransactionIds,
    SlowStatements,
    check,
)


@check(
    severity="warning",
    remediation="psql -c 'SELECT pg_cancel_backend(PID)', then EXPLAIN what it ran",
    runbook="postgresql.md#queries-take-too-long",
)
def test_postgres_queries_end_in_time(postgres_sessions: PostgresSessions, measure: Measure) -> None:
    """No query runs for too long.

    It takes a connection, processor time and disk from all others, and its own caller has gone away long since.
    """
    longest = postgres_sessions.running[0].query_seconds if postgres_sessions.running else 0
    measure("longest_query_seconds", longest, seen=postgres_sessions.told_running)


@check(
    severity="warning",
    remediation="psql -c 'SELECT pg_terminate_backend(PID)', which rolls it back; then mend what keeps it open",
    runbook="postgresql.md#transactions-are-open-for-too-long",
)
def test_postgres_transactions_end_in_time(postgres_sessions: PostgresSessions, measure: Measure) -> None:
    """No transaction stays open for too long.

    No row that was deleted or updated since it began can be removed: tables and indexes grow, and slow down.
    """
    oldest = postgres_sessions.oldest[0].transaction_seconds if postgres_sessions.oldest else 0
    measure("longest_transaction_seconds", oldest, seen=postgres_sessions.told_oldest)


@check(
    severity="warning",
    remediation="psql -c 'SELECT pg_terminate_backend(PID)'; set idle_in_transaction_session_timeout for its user",
    runbook="postgresql.md#sessions-are-idle-in-a-transaction",
)
def test_postgres_no_session_idles_in_a_transaction(postgres_sessions: PostgresSessions, measure: Measure) -> None:
    """No client leaves a transaction open and does nothing.

    What it has locked stays locked: others wait for a client that forgot them, or was stopped.
    """
    longest = postgres_sessions.idle[0].state_seconds if postgres_sessions.idle else 0
    measure("idle_in_transaction_seconds", longest, seen=postgres_sessions.told_idle)


@check(
    severity="warning",
    remediation="Look at who holds it; psql -c 'SELECT pg_terminate_backend(PID)' of the holder",
    runbook="postgresql.md#sessions-wait-for-locks",
)
def test_postgres_nobody_waits_for_locks(postgres_locks: PostgresLocks, measure: Measure) -> None:
    """Nobody waits long for a lock.

    Whoever waits holds a connection and locks of its own, so that more and more wait behind it.
    """
    longest = postgres_locks.waits[0].seconds if postgres_locks.waits else 0
    measure("lock_wait_seconds", longest, seen=postgres_locks.told)


@check(
    severity="warning",
    remediation="EXPLAIN (ANALYZE, BUFFERS) of it; add the index that it lacks; SELECT pg_stat_statements_reset()",
    runbook="postgresql.md#statements-are-slow",
)
def test_postgres_statements_are_fast(postgres_statements: SlowStatements, measure: Measure) -> None:
    """No statement that is called again and again takes long on average.

    One that is slow each time makes each of its callers slow.
    """
    measure("statement_mean_seconds", postgres_statements.mean_seconds, seen=postgres_statements.told)


@check(
    severity="warning",
    remediation="df -h on the server; delete what is over (retention), then VACUUM; or give it more disk and limit",
    runbook="postgresql.md#database-is-too-large",
)
def test_postgres_size_is_within_limits(postgres_size: PostgresSize, measure: Measure) -> None:
    """The database is of the size that it should be.

    One that grows without end fills the disk; one that shrank has lost something.
    """
    measure("database_size_bytes", postgres_size.size_bytes)


@check(
    severity="warning",
    remediation="psql -c 'VACUUM (ANALYZE, VERBOSE) TABLE'; see what keeps autovacuum from it",
    runbook="postgresql.md#tables-hold-dead-rows",
)
def test_postgres_tables_hold_few_dead_rows(postgres_tables: PostgresTables, measure: Measure) -> None:
    """Few rows of the larger tables are dead.

    Dead rows take space and time: every scan reads them and throws them away.
    """
    for table in postgres_tables.every:
        measure("table_dead_percent", table.dead_percent, of=table.name, seen=table.told_dead)


@check(
    severity="warning",
    remediation="psql -c 'VACUUM (VERBOSE) TABLE'; see that autovacuum is on, for this table too",
    runbook="postgresql.md#tables-are-not-vacuumed",
)
def test_postgres_tables_are_vacuumed(postgres_tables: PostgresTables, measure: Measure) -> None:
    """A larger table that is due for vacuum was vacuumed lately.

    Autovacuum is off, blocked, or too slow for it: its dead rows become more and more.
    """
    for table in postgres_tables.every:
        if table.due_for_vacuum:
            measure("table_unvacuumed_seconds", table.vacuumed_seconds, of=table.name, seen=table.told_dead)


@check(
    severity="warning",
    remediation="psql -c 'ANALYZE TABLE'; see that autovacuum is on, for this table too",
    runbook="postgresql.md#tables-are-not-analyzed",
)
def test_postgres_tables_are_analyzed(postgres_tables: PostgresTables, measure: Measure) -> None:
    """A larger table that is due for it was analyzed lately.

    Queries are planned by statistics of what it held before: a plan that was good becomes a bad one.
    """
    for table in postgres_tables.every:
        if table.due_for_analyze:
            changed = f"{table.changed_rows:,} rows changed since"
            measure("table_unanalyzed_seconds", table.analyzed_seconds, of=table.name, seen=changed)


@check(
    severity="critical",
    remediation="vacuumdb --freeze DATABASE; end old transactions, prepared ones and dead replication slots first",
    runbook="postgresql.md#transaction-ids-run-out",
)
def test_postgres_transaction_ids_last(postgres_transaction_ids: PostgresTransactionIds, measure: Measure) -> None:
    """Transaction ids are frozen long before they run out.

    A server that has none left takes no more writes until it was vacuumed, for hours.
    """
    ids = postgres_transaction_ids
    measure("transaction_ids_used_percent", ids.used_percent, seen=str(ids))


@check(
    severity="critical",
    remediation="Look into the replica's log; is its primary up, primary_conninfo right, what it needs still there?",
    runbook="postgresql.md#replica-does-not-stream",
)
def test_postgres_replica_streams(postgres_replica: PostgresReplica) -> None:
    """The replica receives what its primary writes.

    It shows what was true when it stopped, and cannot take over.
    """
    assert postgres_replica.streams, f"{postgres_replica}, expected streaming"


@check(
    severity="warning",
    remediation="psql -c 'SELECT pg_wal_replay_resume()' where it is paused; else look at its disk and long queries",
    runbook="postgresql.md#replica-is-behind",
)
def test_postgres_replica_keeps_up(postgres_replica_lag: PostgresReplicaLag, measure: Measure) -> None:
    """The replica replays what it receives in time.

    What is read from it is old, and if the primary fails it is not ready to take over.
    """
    measure("replication_lag_seconds", postgres_replica_lag.seconds, seen=str(postgres_replica_lag))


@check(
    severity="warning",
    remediation="Look at the replica: is it up, is replay paused, its disk full or slow?",
    runbook="postgresql.md#replica-is-behind",
)
def test_postgres_followers_keep_up(postgres_followers: PostgresFollowers, measure: Measure) -> None:
    """All that follow the server have replayed nearly all that it wrote.

    What a replica has not replayed is what would be missing, or waited for, if it took over.
    """
    for replica in postgres_followers.replicas:
        if replica.behind_bytes is not None:
            measure("replication_lag_bytes", replica.behind_bytes, of=replica.name, seen=replica.state)


@check(
    severity="critical",
    remediation="Start its replica again, or psql -c \"SELECT pg_drop_replication_slot('SLOT')\" where it has gone",
    runbook="postgresql.md#slots-retain-the-log",
)
def test_postgres_slots_retain_little(postgres_followers: PostgresFollowers, measure: Measure) -> None:
    """No replication slot retains much of the write-ahead log, and none has lost what it needs.

    The log of a slot that nobody reads grows until the disk is full, and then the server stops.
    """
    for slot in postgres_followers.slots:
        measure("slot_retained_bytes", slot.retained_bytes, of=slot.name, seen=slot.state)
    lost = [slot.name for slot in postgres_followers.slots if slot.state == "lost"]
    assert not lost, f"lost what they need: {', '.join(lost)}, expected none"


@check(
    severity="critical",
    remediation="Look into the server's log for what archive_command says; run it by hand as the server's user",
    runbook="postgresql.md#archiving-fails",
)
def test_postgres_log_is_archived(postgres_archiver: PostgresArchiver) -> None:
    """The write-ahead log is archived.

    Backups cannot be restored without it, and what is not archived stays until the disk is full.
    """
    assert not postgres_archiver.fails, f"{postgres_archiver}; expected the last attempt to succeed"


@check(
    severity="critical",
    remediation="Write to it no more; copy all files, look at the disk (dmesg), fail over or restore",
    runbook="postgresql.md#pages-have-wrong-checksums",
)
def test_postgres_pages_are_sound(postgres_damaged_pages: DamagedPages) -> None:
    """No page that was read had a wrong checksum.

    The disk, its controller or the memory has changed what the server wrote: more will follow.
    """
    assert not postgres_damaged_pages.count, f"{postgres_damaged_pages}, expected none"


@check(
    severity="info",
    remediation="Stop the server; pg_checksums --enable -D FOLDER; start it again",
    runbook="postgresql.md#checksums-are-off",
)
def test_postgres_checksums_are_on(postgres_checksums: PostgresChecksums) -> None:
    """The server's pages have checksums.

    Without them damage is found by chance, when all backups hold it as well.
    """
    assert postgres_checksums.on, f"{postgres_checksums}, expected on"
