"""The checks on database servers and PostgreSQL, called with facts made by hand: a good one and a bad one each."""

from __future__ import annotations

from typing import Any

import pytest

from checks import test_postgres, test_servers
from muster import (
    DamagedPages,
    Limit,
    Measure,
    Postgres,
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
    ServerConnections,
    ServerRole,
    ServerVersion,
    SlowStatements,
)
from muster.databases import Server
from muster.declaration import read_case
from muster.facts.postgres_followers import Follower, Slot
from muster.facts.postgres_locks import Holder, LockWait
from muster.facts.postgres_sessions import Session
from muster.facts.postgres_tables import TableState
from muster.facts.sql import Statement
from muster.need import Catalogue


def message(check: Any, *facts: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*facts)
    return str(raised.value).partition("\nassert ")[0]


def taken(check: Any, fact: Any, **limits: Limit) -> list[tuple[str, float, str, str | None]]:
    """What a check measures: the name, the value, the part, and the limit that it is beyond."""
    measure = Measure(limits)
    check(fact, measure)
    return [(each.name, each.value, each.of, each.breach) for each in measure.taken]


def database(**more: Any) -> Postgres:
    return Postgres(name="probe", url="postgresql://muster@db/probe", server=Server(engine="postgresql"), **more)


def session(**more: Any) -> Session:
    known = {"pid": 12, "user": "app", "application": "web", "state": "active", "query": "SELECT 1"}
    ages = {"query_seconds": 1.0, "transaction_seconds": 2.0, "state_seconds": 3.0}
    return Session(**{**known, **ages, **more})


# Database servers.


def test_a_version_that_is_new_enough() -> None:
    test_servers.test_database_version_is_supported(ServerVersion("15.18"), database(min_version="15.4"))


def test_a_version_that_is_too_old() -> None:
    said = message(
        test_servers.test_database_version_is_supported, ServerVersion("9.6.24"), database(min_version="15")
    )
    assert said == "9.6.24, expected 15 or later"


def test_a_server_with_its_role() -> None:
    test_servers.test_database_server_has_its_role(ServerRole("primary"), database(role="primary"))


def test_a_server_with_another_role() -> None:
    said = message(test_servers.test_database_server_has_its_role, ServerRole("replica"), database(role="primary"))
    assert said == "replica, expected primary"


@pytest.mark.parametrize(("used", "breach"), [(50, None), (80, "warning"), (97, "critical"), (100, "critical")])
def test_connections_are_measured_without_those_that_are_reserved(used: int, breach: str | None) -> None:
    found = taken(test_servers.test_database_server_has_connections_left, ServerConnections(used, 100, 3))
    assert found == [("connections_used_percent", 100 * used / 97, "", breach)]


# Sessions and locks.


def test_the_longest_query_counts() -> None:
    found = PostgresSessions((session(query_seconds=4000.0), session(query_seconds=10.0)))
    assert taken(test_postgres.test_postgres_queries_end_in_time, found) == [
        ("longest_query_seconds", 4000, "", "critical")
    ]


def test_a_session_that_is_idle_runs_no_query() -> None:
    found = PostgresSessions((session(state="idle in transaction", query_seconds=4000.0),))
    assert taken(test_postgres.test_postgres_queries_end_in_time, found)[0][1] == 0
    assert taken(test_postgres.test_postgres_no_session_idles_in_a_transaction, found)[0][1] == 3


def test_the_oldest_transaction_counts_whatever_it_does() -> None:
    found = PostgresSessions((session(), session(state="idle in transaction", transaction_seconds=1000.0)))
    assert taken(test_postgres.test_postgres_transactions_end_in_time, found) == [
        ("longest_transaction_seconds", 1000, "", "warning")
    ]


def test_a_message_names_the_sessions() -> None:
    measure = Measure({"longest_query_seconds": Limit(warning=1)})
    found = PostgresSessions(tuple(session(pid=pid, query_seconds=float(pid)) for pid in range(2, 7)))
    test_postgres.test_postgres_queries_end_in_time(found, measure)
    assert measure.taken[0].seen == (
        "pid 6 (app, web, active) for 6 s: SELECT 1; pid 5 (app, web, active) for 5 s: SELECT 1; "
        "pid 4 (app, web, active) for 4 s: SELECT 1; and 2 more"
    )


@pytest.mark.parametrize(
    "check",
    [
        test_postgres.test_postgres_queries_end_in_time,
        test_postgres.test_postgres_transactions_end_in_time,
        test_postgres.test_postgres_no_session_idles_in_a_transaction,
    ],
)
def test_where_nobody_is_nothing_takes_long(check: Any) -> None:
    assert [(value, breach) for _, value, _, breach in taken(check, PostgresSessions(()))] == [(0, None)]


def test_who_waits_for_whom_is_told() -> None:
    wait = LockWait(12, "app", 34.0, "UPDATE jobs", (Holder(9, "admin", "idle in transaction"), Holder(0, "", "")))
    measure = Measure()
    test_postgres.test_postgres_nobody_waits_for_locks(PostgresLocks((wait,)), measure)
    assert [(each.value, each.breach) for each in measure.taken] == [(34, "warning")]
    assert measure.taken[0].seen == (
        "pid 12 (app) waits 34 s for pid 9 (admin, idle in transaction) and a prepared transaction: UPDATE jobs"
    )


def test_where_nobody_waits_it_is_well() -> None:
    found = taken(test_postgres.test_postgres_nobody_waits_for_locks, PostgresLocks(()))
    assert found == [("lock_wait_seconds", 0, "", None)]


# Statements and tables.


def test_the_slowest_statement_counts() -> None:
    slow, quick = Statement("SELECT a", 1.5, 9), Statement("SELECT b", 0.001, 9)
    assert taken(test_postgres.test_postgres_statements_are_fast, SlowStatements((slow, quick))) == [
        ("statement_mean_seconds", 1.5, "", "warning")
    ]
    assert taken(test_postgres.test_postgres_statements_are_fast, SlowStatements(()))[0][3] is None


def test_a_size_has_no_limit_of_its_own() -> None:
    check = test_postgres.test_postgres_size_is_within_limits
    assert taken(check, PostgresSize(1 << 40)) == [("database_size_bytes", 1 << 40, "", None)]
    assert taken(check, PostgresSize(9), database_size_bytes=Limit(critical=8))[0][3] == "critical"


def table(**more: Any) -> TableState:
    known = {"name": "public.t", "size_bytes": 8192.0, "live_rows": 10_000, "dead_rows": 0, "changed_rows": 0}
    return TableState(**{**known, "vacuumed_seconds": 1e6, "analyzed_seconds": 1e6, **more})


def test_tables_that_are_well() -> None:
    found = PostgresTables((table(),))
    assert taken(test_postgres.test_postgres_tables_hold_few_dead_rows, found) == [
        ("table_dead_percent", 0, "public.t", None)
    ]
    assert taken(test_postgres.test_postgres_tables_are_vacuumed, found) == []
    assert taken(test_postgres.test_postgres_tables_are_analyzed, found) == []


def test_tables_that_nobody_takes_care_of() -> None:
    found = PostgresTables((table(dead_rows=10_000, changed_rows=5_000),))
    assert taken(test_postgres.test_postgres_tables_hold_few_dead_rows, found)[0][1:] == (50, "public.t", "warning")
    assert taken(test_postgres.test_postgres_tables_are_vacuumed, found)[0][1:] == (1e6, "public.t", "warning")
    assert taken(test_postgres.test_postgres_tables_are_analyzed, found)[0][1:] == (1e6, "public.t", "warning")


@pytest.mark.parametrize(("age", "breach"), [(200_000_000, None), (600_000_000, "warning"), (2**31, "critical")])
def test_transaction_ids_and_multixacts_both_count(age: int, breach: str | None) -> None:
    check = test_postgres.test_postgres_transaction_ids_last
    assert taken(check, PostgresTransactionIds(age, 0))[0][3] == breach
    assert taken(check, PostgresTransactionIds(0, age))[0][3] == breach


# Replication, the archive, checksums.


def test_a_replica_that_streams() -> None:
    test_postgres.test_postgres_replica_streams(PostgresReplica("streaming", "10.0.0.2:5432"))


def test_a_replica_that_receives_nothing() -> None:
    said = message(test_postgres.test_postgres_replica_streams, PostgresReplica("", ""))
    assert said == "receives from no primary, expected streaming"


def test_a_replica_that_is_behind() -> None:
    measure = Measure()
    test_postgres.test_postgres_replica_keeps_up(PostgresReplicaLag(31.0, True), measure)
    assert [(each.breach, each.seen) for each in measure.taken] == [("warning", "31 s behind, replay is paused")]


def test_followers_and_slots() -> None:
    found = PostgresFollowers(
        (Follower("a", "streaming", 10.0), Follower("b", "backup", None)), (Slot("a", "active", 2e9),)
    )
    assert taken(test_postgres.test_postgres_followers_keep_up, found) == [("replication_lag_bytes", 10, "a", None)]
    assert taken(test_postgres.test_postgres_slots_retain_little, found) == [
        ("slot_retained_bytes", 2e9, "a", "warning")
    ]


def test_a_slot_that_has_lost_what_it_needs() -> None:
    found = PostgresFollowers((), (Slot("a", "lost", 0.0),))
    said = message(test_postgres.test_postgres_slots_retain_little, found, Measure())
    assert said == "lost what they need: a, expected none"


def test_an_archive_that_takes_the_log() -> None:
    test_postgres.test_postgres_log_is_archived(PostgresArchiver(9, 3, 10.0, 500.0, "0001"))
    test_postgres.test_postgres_log_is_archived(PostgresArchiver(0, 0, None, None, ""))


@pytest.mark.parametrize("archived", [None, 500.0])
def test_an_archive_that_takes_no_more(archived: float | None) -> None:
    said = message(test_postgres.test_postgres_log_is_archived, PostgresArchiver(9, 3, archived, 10.0, "0001"))
    assert said.startswith("0001 could not be archived 10 seconds ago (3 failures in all); 9 archived, ")


def test_pages_with_a_wrong_checksum() -> None:
    test_postgres.test_postgres_pages_are_sound(DamagedPages(0))
    said = message(test_postgres.test_postgres_pages_are_sound, DamagedPages(2, 7200.0))
    assert said == "2 pages with a wrong checksum, the last 2 hours ago, expected none"


def test_checksums_that_are_off() -> None:
    test_postgres.test_postgres_checksums_are_on(PostgresChecksums(True))
    said = message(test_postgres.test_postgres_checksums_are_on, PostgresChecksums(False))
    assert said == "checksums are off, expected on"


def test_every_check_is_well_written_and_about_postgres() -> None:
    found = [value for name, value in vars(test_postgres).items() if name.startswith("test_")]
    assert {read_case(each, Catalogue()).of for each in found} == {Postgres}
