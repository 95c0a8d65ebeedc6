"""The facts about PostgreSQL, of the rows that a server gives: real ones (recorded from 15), and odd ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from muster.databases import Postgres, Server
from muster.facts import (
    postgres_archiver,
    postgres_checksums,
    postgres_followers,
    postgres_locks,
    postgres_replica,
    postgres_sessions,
    postgres_size,
    postgres_statements,
    postgres_tables,
    postgres_transaction_ids,
    server_connections,
    server_role,
    server_version,
)
from muster.facts.server_version import ServerVersion
from muster.need import Need
from muster.probes import Attempt, DoesNotApply, Unobserved
from muster.questions.servers import Rows, Select, ServerAnswer

DATABASE = Postgres(
    name="probe",
    url="postgresql://muster@db/probe",
    server=Server(engine="postgresql", user="muster", database="probe"),
    timeout=7.0,
)

#: The needs that only a member of pg_monitor can be told about.
HIDDEN: list[Need[Any]] = [
    postgres_followers.postgres_followers,
    postgres_locks.postgres_locks,
    postgres_sessions.postgres_sessions,
    postgres_statements.postgres_statements,
    server_connections.server_connections,
]


def parsed(need: Need[Any], *rows: tuple[Any, ...]) -> Any:
    return need.probe(DATABASE).parse(Rows((), rows))


def failed(need: Need[Any], *rows: tuple[Any, ...]) -> Unobserved:
    with pytest.raises(Unobserved) as raised:
        parsed(need, *rows)
    return raised.value


@pytest.mark.parametrize("need", HIDDEN, ids=lambda need: need.name)
def test_a_missing_right_is_unknown_and_names_the_grant(need: Need[Any]) -> None:
    found = failed(need, (False, *[None] * 8))
    assert found.cause == "permission"
    assert found.message == "muster sees only what is its own: GRANT pg_monitor TO muster"


@pytest.mark.parametrize(
    ("name", "written"), [("muster", "muster"), ("Ops Team", '"Ops Team"'), ('a"; DROP', '"a""; DROP"')]
)
def test_a_name_in_a_grant_is_quoted(name: str, written: str) -> None:
    other = Postgres(name="probe", url="", server=Server(engine="postgresql", user=name))
    with pytest.raises(Unobserved) as raised:
        postgres_locks.postgres_locks.probe(other).parse(Rows((), ((False, None),)))
    assert raised.value.message.endswith(f"GRANT pg_monitor TO {written}")


@pytest.mark.parametrize("need", [*HIDDEN, postgres_size.postgres_size, postgres_tables.postgres_tables])
def test_a_question_has_the_targets_server_and_patience(need: Need[Any]) -> None:
    question = need.probe(DATABASE).question
    assert isinstance(question, Select)
    assert (question.server, question.timeout, question.expression) == (DATABASE.server, 7.0, False)


# Versions, roles, connections.


@pytest.mark.parametrize(
    ("version", "oldest", "enough"),
    [
        ("15.18 (Debian 15.18-0+deb12u1)", "15", True),
        ("15.18", "15.4", True),
        ("15.4", "15.18", False),
        ("9.6.24", "10", False),
        ("10.11.6-MariaDB-1:10.11.6+maria~ubu2204", "10.11", True),
        ("7.0.15", "7.2", False),
        ("18beta1", "17", True),
    ],
)
def test_versions_are_compared_number_by_number(version: str, oldest: str, enough: bool) -> None:
    assert ServerVersion(version).at_least(oldest) is enough


def test_a_version_that_is_none_is_unreadable() -> None:
    with pytest.raises(Unobserved) as raised:
        server_version.parse(ServerAnswer(Attempt("connected"), "\x1b[none"))
    assert raised.value.cause == "unreadable"
    assert "\x1b" not in raised.value.message


def test_the_version_of_a_server_that_cannot_be_logged_in_to_is_unknown() -> None:
    with pytest.raises(Unobserved, match="refused: db:5432") as raised:
        server_version.parse(ServerAnswer(Attempt("refused", "network", "db:5432")))
    assert raised.value.cause == "network"


@pytest.mark.parametrize(("replica", "role"), [(True, "replica"), (False, "primary")])
def test_the_role_of_a_server(replica: bool, role: str) -> None:
    assert str(parsed(server_role.server_role, (replica,))) == role


def test_connections_of_a_server() -> None:
    found = parsed(server_connections.server_connections, (True, 12, 100, 3))
    assert str(found) == "12 of 100 connections in use, of which 3 are reserved"
    assert round(found.used_percent, 1) == 12.4


def test_a_server_that_reserves_all_its_connections() -> None:
    assert parsed(server_connections.server_connections, (True, 1, 3, 3)).used_percent == 100


# Sessions and locks.

ACTIVE = (True, 4711, "app", "web", "active", 12.5, 13.0, 12.5, "SELECT\n  pg_sleep(600)")
IDLE = (True, 4712, "app", "", "idle in transaction", 30.0, 40.0, 29.0, "UPDATE jobs SET state = 1")
ABORTED = (True, 4713, "app", "", "idle in transaction (aborted)", 1.0, 2.0, 1.0, "SELECT 1/0")


def test_sessions_are_running_or_idle() -> None:
    found = parsed(postgres_sessions.postgres_sessions, ACTIVE, IDLE, ABORTED)
    assert [each.pid for each in found.running] == [4711]
    assert [each.pid for each in found.idle] == [4712, 4713]
    assert [each.pid for each in found.oldest] == [4712, 4711, 4713]
    assert str(found) == "3 in a transaction: 1 active, 2 idle"
    assert found.told_running == "pid 4711 (app, web, active) for 12.5 s: SELECT pg_sleep(600)"


def test_without_a_session_there_is_none() -> None:
    assert parsed(postgres_sessions.postgres_sessions, (True, *[None] * 8)).every == ()


def test_a_query_is_shown_in_one_line_of_80_characters_without_escapes() -> None:
    row = (*ACTIVE[:8], "SELECT '\x1b[31m' \n" + "x" * 500)
    (found,) = parsed(postgres_sessions.postgres_sessions, row).every
    assert found.query.startswith("SELECT '\\x1b[31m' xxx")
    assert len(found.query) < 90


def test_sessions_that_do_not_say_what_they_are_at_are_unknown() -> None:
    row = (True, 1, "app", "", "disabled", None, None, None, "")
    assert failed(postgres_sessions.postgres_sessions, row).message.endswith("set track_activities = on")


def test_who_waits_for_whom() -> None:
    rows = [
        (True, 12, "app", 34.0, "UPDATE jobs", 9, "admin", "idle in transaction"),
        (True, 12, "app", 34.0, "UPDATE jobs", 0, "", ""),
        (True, 13, "app", 35.0, "DELETE FROM jobs", 12, "app", "active"),
    ]
    found = parsed(postgres_locks.postgres_locks, *rows)
    assert str(found) == "2 sessions waiting for a lock"
    assert found.told == (
        "pid 13 (app) waits 35 s for pid 12 (app, active): DELETE FROM jobs; "
        "pid 12 (app) waits 34 s for pid 9 (admin, idle in transaction) and a prepared transaction: UPDATE jobs"
    )


# Statements and tables.


def test_statements_are_in_seconds() -> None:
    found = parsed(postgres_statements.postgres_statements, (True, 1500.0, 7, "SELECT pg_sleep($1)"))
    assert str(found) == "1.5 s on average over 7 calls: SELECT pg_sleep($1)"


def test_without_statements_there_is_none_to_be_slow() -> None:
    found = parsed(postgres_statements.postgres_statements, (True, None, None, None))
    assert str(found) == "no statement was called 5 times yet"


@pytest.mark.parametrize(
    "said",
    [
        'PostgreSQL: relation "pg_stat_statements" does not exist',
        'PostgreSQL: pg_stat_statements must be loaded via "shared_preload_libraries"',
    ],
)
def test_where_statements_are_not_collected_the_fact_does_not_apply(said: str) -> None:
    failed_by = postgres_statements.postgres_statements.probe(DATABASE).failed
    assert failed_by is not None
    assert isinstance(failed_by(Unobserved("missing", said)), DoesNotApply)
    denied = Unobserved("permission", "permission denied for view pg_stat_statements")
    assert failed_by(denied) is denied


TABLE = (False, True, "public.task_results", 1236992.0, 5000, 15000, 35000, 77.5, 77.5)


def test_a_table_with_dead_rows() -> None:
    (found,) = parsed(postgres_tables.postgres_tables, TABLE).every
    assert (found.dead_percent, found.due_for_vacuum, found.due_for_analyze) == (75, True, True)
    assert str(found) == "public.task_results: 15,000 of 20,000 rows dead, about 1.2 MiB"


def test_a_database_without_large_tables() -> None:
    none = (False, True, *[None] * 7)
    assert str(parsed(postgres_tables.postgres_tables, none)) == "0 tables of 10,000 rows or more"


def test_tables_of_a_server_that_does_not_count_are_unknown() -> None:
    assert failed(postgres_tables.postgres_tables, (False, False, *[None] * 7)).cause == "missing"


def test_a_replica_counts_no_dead_rows() -> None:
    with pytest.raises(DoesNotApply, match="a replica is vacuumed with its primary"):
        parsed(postgres_tables.postgres_tables, (True, True, *[None] * 7))


def test_transaction_ids() -> None:
    found = parsed(postgres_transaction_ids.postgres_transaction_ids, (2**30, 5))
    assert found.used_percent == 50
    assert str(found) == "the oldest is 1,073,741,824 transactions old, or 5 multixacts"


# Replication, the archive, checksums.


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((True, True, "streaming", "10.0.0.2:5432", 0, False), "streaming from 10.0.0.2:5432"),
        ((True, True, "", "", None, False), "receives from no primary"),
    ],
)
def test_a_replica(row: tuple[Any, ...], says: str) -> None:
    assert str(parsed(postgres_replica.postgres_replica, row)) == says


@pytest.mark.parametrize("need", [postgres_replica.postgres_replica, postgres_replica.postgres_replica_lag])
def test_a_primary_is_no_replica(need: Need[Any]) -> None:
    with pytest.raises(DoesNotApply, match="the server is a primary"):
        parsed(need, (False, False, "", "", None, None))


def test_from_whom_a_replica_receives_is_not_for_everybody() -> None:
    assert failed(postgres_replica.postgres_replica, (True, False, "", "", 0, False)).cause == "permission"


def test_how_far_a_replica_is_behind() -> None:
    assert str(parsed(postgres_replica.postgres_replica_lag, (True, False, "", "", 3.5, True))) == (
        "3.5 s behind, replay is paused"
    )
    assert failed(postgres_replica.postgres_replica_lag, (True, True, "", "", None, False)).cause == "missing"


def test_who_follows() -> None:
    found = parsed(
        postgres_followers.postgres_followers,
        (True, "replica", "replica at 10.0.0.3", "streaming", 408.0),
        (True, "replica", "pg_basebackup", "backup", None),
        (True, "slot", "forgotten", "inactive", 1048576.0),
        (True, "slot", "reserved nothing", "inactive", None),
    )
    assert str(found) == (
        "replica at 10.0.0.3: streaming, 408 B behind; pg_basebackup: backup; "
        "slot forgotten: inactive, retains 1.0 MiB; slot reserved nothing: inactive, retains 0 B"
    )


def test_a_server_that_nobody_follows() -> None:
    with pytest.raises(DoesNotApply, match="nobody follows"):
        parsed(postgres_followers.postgres_followers, (True, None, None, None, None))


@pytest.mark.parametrize(
    ("row", "fails", "says"),
    [
        (("on", False, 5, 0, 60.0, None, None), False, "5 archived, the last 1 minute ago"),
        (("on", False, 5, 2, 60.0, 90.0, "0001"), False, "5 archived, the last 1 minute ago"),
        (("on", False, 5, 2, 90.0, 60.0, "0001"), True, "0001 could not be archived 1 minute ago (2 failures"),
        (("always", True, 0, 2, None, 60.0, "0001"), True, "none ever"),
    ],
)
def test_an_archive(row: tuple[Any, ...], fails: bool, says: str) -> None:
    found = parsed(postgres_archiver.postgres_archiver, row)
    assert found.fails is fails
    assert says in str(found)


@pytest.mark.parametrize("row", [("off", False), ("on", True)])
def test_a_server_that_is_not_to_archive(row: tuple[Any, ...]) -> None:
    with pytest.raises(DoesNotApply):
        parsed(postgres_archiver.postgres_archiver, (*row, 0, 0, None, None, None))


def test_checksums() -> None:
    assert parsed(postgres_checksums.postgres_checksums, (True, 0, None)).on
    assert str(parsed(postgres_checksums.postgres_checksums, (False, 0, None))) == "checksums are off"
    assert parsed(postgres_checksums.postgres_damaged_pages, (True, 2, 60.0)).count == 2
    with pytest.raises(DoesNotApply):
        parsed(postgres_checksums.postgres_damaged_pages, (False, 0, None))


# Odd answers: a row that is missing, that is too short, that holds something else.

ONE_ROW = [
    postgres_archiver.postgres_archiver,
    postgres_checksums.postgres_checksums,
    postgres_replica.postgres_replica,
    postgres_size.postgres_size,
    postgres_tables.postgres_tables,
    postgres_transaction_ids.postgres_transaction_ids,
    server_role.server_role,
]


@pytest.mark.parametrize("need", ONE_ROW, ids=lambda need: need.name)
def test_a_row_that_is_missing_is_unreadable(need: Need[Any]) -> None:
    assert failed(need).cause == "unreadable"


GARBAGE: list[Callable[[], tuple[Any, ...]]] = [lambda: (True,), lambda: (True, *["x"] * 9), lambda: (True, b"\xff")]


@pytest.mark.parametrize("row", GARBAGE, ids=["short", "text", "bytes"])
@pytest.mark.parametrize("need", HIDDEN, ids=lambda need: need.name)
def test_garbage_is_never_a_fact(need: Need[Any], row: Callable[[], tuple[Any, ...]]) -> None:
    """What a parser raises beside `Unobserved` is made an unreadable observation by whoever calls it."""
    with pytest.raises((Unobserved, ValueError, TypeError, IndexError)):
        parsed(need, row())
