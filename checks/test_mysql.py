"""MySQL and MariaDB: nothing hangs, nothing waits, nothing is refused, and replicas follow."""

from muster import (
    Measure,
    MysqlLocks,
    MysqlRefusals,
    MysqlReplication,
    MysqlSessions,
    MysqlTables,
    SlowStatements,
    check,
)


@check(
    severity="warning",
    remediation="SHOW FULL PROCESSLIST; EXPLAIN the query; KILL QUERY id ends it, its session goes on",
    runbook="mysql.md#a-query-runs-for-too-long",
)
def test_mysql_queries_end_in_time(mysql_sessions: MysqlSessions, measure: Measure) -> None:
    """No query runs for too long.

    It takes processor, memory and disk from the others, and mostly nobody waits for its answer any more.
    """
    longest = max((each.state_seconds for each in mysql_sessions.running), default=0.0)
    measure("longest_query_seconds", longest, seen=mysql_sessions.told_running)


@check(
    severity="warning",
    remediation="SELECT * FROM information_schema.innodb_trx ORDER BY trx_started; mend its program, KILL its id",
    runbook="mysql.md#a-transaction-stays-open",
)
def test_mysql_transactions_end_in_time(mysql_sessions: MysqlSessions, measure: Measure) -> None:
    """No transaction stays open for too long.

    The server keeps every old row since it began, and what it has locked stays locked.
    """
    longest = max((each.transaction_seconds or 0.0 for each in mysql_sessions.oldest), default=0.0)
    measure("longest_transaction_seconds", longest, seen=mysql_sessions.told_oldest)


@check(
    severity="warning",
    remediation="SHOW PROCESSLIST: which program sleeps in a transaction? Mend it; KILL its id rolls the rest back",
    runbook="mysql.md#a-transaction-stays-open",
)
def test_mysql_no_session_idles_in_a_transaction(mysql_sessions: MysqlSessions, measure: Measure) -> None:
    """No client leaves a transaction open and does nothing.

    What it has locked is kept from everybody, for no work at all.
    """
    longest = max((each.state_seconds for each in mysql_sessions.idle), default=0.0)
    measure("idle_in_transaction_seconds", longest, seen=mysql_sessions.told_idle)


@check(
    severity="warning",
    remediation="SHOW ENGINE INNODB STATUS; end the transaction that the others wait for: KILL its id",
    runbook="mysql.md#sessions-wait-for-locks",
)
def test_mysql_nobody_waits_for_locks(mysql_locks: MysqlLocks, measure: Measure) -> None:
    """Nobody waits long for a lock.

    Who waits keeps its own locks: a queue soon holds everything up.
    """
    longest = max((each.seconds for each in mysql_locks.waits), default=0.0)
    measure("lock_wait_seconds", longest, seen=mysql_locks.told)


@check(
    severity="warning",
    remediation="EXPLAIN the statement: does it lack an index? SELECT * FROM sys.statement_analysis LIMIT 10",
    runbook="mysql.md#statements-are-slow",
)
def test_mysql_statements_are_fast(mysql_statements: SlowStatements, measure: Measure) -> None:
    """No statement that is called again and again takes long on average.

    One that lacks an index is slower with every row that is written.
    """
    measure("statement_mean_seconds", mysql_statements.mean_seconds, seen=mysql_statements.told)


@check(
    severity="warning",
    remediation="SELECT table_name, data_length + index_length FROM information_schema.tables ORDER BY 2 DESC",
    runbook="mysql.md#a-database-or-a-table-is-too-large",
)
def test_mysql_size_is_within_limits(mysql_tables: MysqlTables, measure: Measure) -> None:
    """The database is of the size that it should be.

    One that grows without end fills the disk; one that shrank has lost something.
    """
    measure("database_size_bytes", mysql_tables.size_bytes, seen=str(mysql_tables))


@check(
    severity="warning",
    remediation="Delete what is over, in small steps, or move it; OPTIMIZE TABLE gives the room back",
    runbook="mysql.md#a-database-or-a-table-is-too-large",
)
def test_mysql_tables_are_within_limits(mysql_tables: MysqlTables, measure: Measure) -> None:
    """Each of the largest tables is of the size that it should be.

    A table of logs or sessions that nobody cleans grows until its queries and its backups are slow.
    """
    for table in mysql_tables.largest:  # at least one, else the fact is not observed
        measure("table_size_bytes", table.size_bytes, of=table.name)


@check(
    severity="critical",
    remediation="SHOW REPLICA STATUS: Last_IO_Error, Last_SQL_Error; mend the cause, then START REPLICA",
    runbook="mysql.md#replication-is-broken",
)
def test_mysql_replicates(mysql_replication: MysqlReplication, measure: Measure) -> None:
    """A replica receives and applies what its primary writes.

    One that does not answers with what was true once, and is no use when the primary is gone.
    """
    for source in mysql_replication.followed:  # at least one, else the fact does not apply
        if source.lag_seconds is not None:
            measure("replication_lag_seconds", source.lag_seconds, of=source.source)
    broken = mysql_replication.broken
    assert not broken, f"{'; '.join(map(str, broken))}, expected to receive and to apply"


@check(
    severity="warning",
    remediation="SHOW PROCESSLIST: who has so many? Bound the pools of the services, then raise max_connections",
    runbook="mysql.md#connections-are-refused",
)
def test_mysql_refuses_no_connections(mysql_refusals: MysqlRefusals, measure: Measure) -> None:
    """The server has refused no connection because there were too many.

    Those that were refused have failed, whatever the number of connections is now.
    """
    measure("connections_refused", mysql_refusals.refused, seen=str(mysql_refusals))


@check(
    severity="info",
    remediation="The server's log names who (log_warnings 2, log_error_verbosity 3): a wrong password, a probe",
    runbook="mysql.md#connections-are-aborted",
)
def test_mysql_connections_come_about(mysql_refusals: MysqlRefusals, measure: Measure) -> None:
    """Few connections end before anybody is logged in.

    A service with an old password, or somebody who tries passwords.
    """
    measure("connections_aborted_percent", mysql_refusals.aborted_percent, seen=str(mysql_refusals))
