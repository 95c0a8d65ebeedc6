"""The checks on MySQL and MariaDB, called with facts made by hand: each on a good server and on a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from checks import test_mysql as checks
from muster import (
    Limit,
    Measure,
    MysqlLocks,
    MysqlRefusals,
    MysqlReplication,
    MysqlSessions,
    MysqlTables,
    SlowStatements,
)
from muster.facts.mysql_locks import MysqlLockWait
from muster.facts.mysql_replication import MysqlFollowed
from muster.facts.mysql_sessions import MysqlSession
from muster.facts.mysql_tables import MysqlTable
from muster.facts.sql import Statement


def breaches(check: Any, *facts: Any, **limits: Limit) -> list[tuple[float, str | None, str]]:
    measure = Measure(limits)
    check(*facts, measure)
    return [(each.value, each.breach, each.seen) for each in measure.taken]


def test_a_server_where_nothing_happens() -> None:
    for check in (
        checks.test_mysql_queries_end_in_time,
        checks.test_mysql_transactions_end_in_time,
        checks.test_mysql_no_session_idles_in_a_transaction,
    ):
        assert breaches(check, MysqlSessions(())) == [(0, None, "")]
    assert breaches(checks.test_mysql_nobody_waits_for_locks, MysqlLocks(())) == [(0, None, "")]


SESSIONS = MysqlSessions(
    (
        MysqlSession(7, "shop", "Query", 400.0, None, "SELECT 1"),
        MysqlSession(8, "shop", "Sleep", 700.0, 1000.0, ""),
        MysqlSession(9, "shop", "Query", 3.0, 8000.0, "UPDATE orders"),
    )
)


def test_the_longest_query_counts_and_not_who_sleeps() -> None:
    (found,) = breaches(checks.test_mysql_queries_end_in_time, SESSIONS)
    assert found == (
        400,
        "warning",
        "id 7 (shop, Query) for 400 s: SELECT 1; id 9 (shop, Query) for 3 s: UPDATE orders",
    )


def test_the_longest_transaction_counts() -> None:
    (found,) = breaches(checks.test_mysql_transactions_end_in_time, SESSIONS)
    assert found[:2] == (8000, "critical")
    assert found[2].startswith("id 9 (shop, Query) for 8000 s: UPDATE orders; id 8")


def test_the_longest_sleep_in_a_transaction_counts() -> None:
    (found,) = breaches(checks.test_mysql_no_session_idles_in_a_transaction, SESSIONS)
    assert found == (700, "critical", "id 8 (shop, Sleep) for 700 s: no query")


def test_the_longest_wait_for_a_lock_counts() -> None:
    waits = (MysqlLockWait(7, "shop", 61.0, "UPDATE orders", ("id 8 (shop, Sleep)",)),)
    (found,) = breaches(checks.test_mysql_nobody_waits_for_locks, MysqlLocks(waits))
    assert found == (61, "critical", "id 7 (shop) waits 61 s for id 8 (shop, Sleep): UPDATE orders")


def test_a_wait_whose_cause_is_not_told() -> None:
    told = str(MysqlLockWait(7, "shop", 6.0, "ALTER TABLE orders", ()))
    assert told == "id 7 (shop) waits 6 s for a table that another session has in use: ALTER TABLE orders"


def test_slow_statements() -> None:
    slow = SlowStatements((Statement("SELECT ?", 1.5, 9),))
    (found,) = breaches(checks.test_mysql_statements_are_fast, slow)
    assert found == (1.5, "warning", "1.5 s on average over 9 calls: SELECT ?")
    assert breaches(checks.test_mysql_statements_are_fast, SlowStatements(()))[0][:2] == (0, None)


def test_sizes_have_only_limits_of_the_inventory() -> None:
    tables = MysqlTables(2, 3000, (MysqlTable("shop.a", 2000, 5), MysqlTable("shop.b", 1000, 5)))
    assert breaches(checks.test_mysql_size_is_within_limits, tables)[0][:2] == (3000, None)
    limit = Limit(critical=1500)
    assert breaches(checks.test_mysql_size_is_within_limits, tables, database_size_bytes=limit)[0][1] == "critical"
    found = breaches(checks.test_mysql_tables_are_within_limits, tables, table_size_bytes=limit)
    assert [each[:2] for each in found] == [(2000, "critical"), (1000, None)]


def test_a_replica_that_follows() -> None:
    follows = MysqlReplication((MysqlFollowed("10.0.0.1:3306", "Yes", "Yes", 31.0, ""),))
    assert breaches(checks.test_mysql_replicates, follows)[0][:2] == (31, "warning")


def test_a_replica_that_receives_nothing_does_not_follow() -> None:
    cut_off = MysqlReplication((MysqlFollowed("10.0.0.1:3306", "Connecting", "Yes", None, ""),))
    with pytest.raises(AssertionError, match="receives: Connecting, applies: Yes"):
        checks.test_mysql_replicates(cut_off, Measure())


def test_a_replica_that_does_not_follow() -> None:
    stopped = MysqlReplication((MysqlFollowed("10.0.0.1:3306", "Yes", "No", None, "Duplicate entry"),))
    measure = Measure()
    with pytest.raises(AssertionError) as raised:
        checks.test_mysql_replicates(stopped, measure)
    said = str(raised.value).partition("\nassert ")[0]
    wanted = "expected to receive and to apply"
    assert said == f"replica of 10.0.0.1:3306, receives: Yes, applies: No: Duplicate entry, {wanted}"
    assert measure.taken == []


def test_refused_and_aborted_connections() -> None:
    assert breaches(checks.test_mysql_refuses_no_connections, MysqlRefusals(100, 3, 0))[0][:2] == (0, None)
    assert breaches(checks.test_mysql_refuses_no_connections, MysqlRefusals(100, 3, 1))[0][:2] == (1, "warning")
    assert breaches(checks.test_mysql_connections_come_about, MysqlRefusals(100, 3, 0))[0][:2] == (3, None)
    assert breaches(checks.test_mysql_connections_come_about, MysqlRefusals(100, 4, 0))[0][:2] == (4, "warning")
    assert breaches(checks.test_mysql_connections_come_about, MysqlRefusals(0, 0, 0))[0][:2] == (0, None)
