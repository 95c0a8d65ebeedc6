"""Rows of PostgreSQL, MariaDB and SQLite, good and bad: new, old, too many, none; queries that give no number.

All three hold the same tables. Muster logs in as a user who may read all of them, and nothing in ``vault``.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults.cases import Case, Ran, critical, run, unknown, warning
from tests.faults.mysql import RIGHTS
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres
from tests.servers.sqlite_files import good_wal_open
from tests.servers.sshd import Account, Sshd

SECRET = "secret-of-muster"
HERE, OPS, ONLY_PYTHON3 = "here", "ops", "only-python3"

#: The tables, with the ages of their rows in hours.
TABLES: dict[str, list[float]] = {
    "fresh": [0, 24],
    "stale": [2, 24],
    "deserted": [],
    "old": [0, 24 * 100, 24 * 101],
    "many": [0] * 10,
    "ahead": [-8.5],
}
#: Further columns of a time: with a zone, or in another way.
ZONED = "zoned"

NEWEST = {"newest": {"warning": "10m", "critical": "1h"}}
URLS = {
    "postgres": {"url": "postgresql://muster@127.0.0.1:${postgres}/shop", "password": "${env:PASSWORD}"},
    "mariadb": {
        "url": "mysql://muster@127.0.0.1:${mariadb}/shop",
        "password": "${env:PASSWORD}",
        "limits": {"connections_aborted_percent": {}},
    },
    "sqlite": {"url": "sqlite:///${folder}/shop.db"},
}
GRANTS = {"postgres": "GRANT USAGE ON SCHEMA vault TO muster", "mariadb": "GRANT SELECT ON vault.secrets TO muster"}
NO_TABLE = {
    "postgres": 'relation "nowhere" does not exist',
    "mariadb": "Table 'shop.nowhere' doesn't exist",
    "sqlite": "no such table: nowhere",
}
NO_COLUMN = {
    "postgres": 'column "nowhen" does not exist',
    "mariadb": "Unknown column 'nowhen'",
    "sqlite": "no such column: nowhen",
}


def on(kind: str, host: str = HERE) -> tuple[Case, ...]:
    """What every engine must find."""

    def case(name: str, bad: dict[str, object] | None = None, **more: object) -> Case:
        return Case(f"{kind}-{name}", {**URLS[kind], **more}, bad or {}, host)  # type: ignore[arg-type]

    def table(name: str, time: str = "at", **more: object) -> dict[str, object]:
        return {"tables": {name: {"time": time, **more}}}

    def query(select: str, **limit: object) -> dict[str, object]:
        return {"queries": {"pending": {"select": select, "unit": "jobs", **limit}}}

    def nothing(says: str, cause: str, *checks: str) -> dict[str, object]:
        return dict.fromkeys(checks, unknown(says, cause=cause))

    return (
        case(
            "good",
            tables={
                "fresh": {"time": "at", **NEWEST, "keep": "90d", "rows": {"critical_below": 1, "warning": 5}},
                "many": {"time": ZONED, **NEWEST, "rows": {"critical_below": 10, "warning": 10}},
                "old": {"time": ZONED, "keep": "200d"},
            },
            queries={
                "all": {"select": "SELECT count(*) FROM fresh; ", "warning": 2},
                "half": {"select": "SELECT 0.5 AS x -- ; of it", "critical": 0.6},
                "text": {"select": "WITH a AS (SELECT ';' AS b) SELECT 7 FROM a WHERE b = ';'", "critical_below": 7},
            },
        ),
        case(
            "stale",
            {"newest_rows_are_fresh": critical("newest_row_seconds of stale is 72", "expected at most 3600 s")},
            **table("stale", **NEWEST),
        ),
        case(
            "stale-zoned",
            {"newest_rows_are_fresh": critical("newest_row_seconds of stale is 72", "expected at most 3600 s")},
            **table("stale", ZONED, **NEWEST),
        ),
        case(
            "deserted",
            {
                "newest_rows_are_fresh": critical("no row at all in deserted, expected new ones"),
                "row_counts_are_within_limits": critical("table_rows of deserted is 0, expected at least 1"),
            },
            **table("deserted", **NEWEST, rows={"critical_below": 1}),
        ),
        case(
            "old",
            {"old_rows_are_deleted": warning("expired_rows of old is 2, expected at most 0")},
            **table("old", keep="90d"),
        ),
        case(
            "old-zoned",
            {"old_rows_are_deleted": warning("expired_rows of old is 2, expected at most 0")},
            **table("old", ZONED, keep="90d"),
        ),
        case(
            "many",
            {"row_counts_are_within_limits": warning("table_rows of many is 10, expected at most 9")},
            **table("many", rows={"warning": 9}),
        ),
        case(
            "ahead",
            nothing("8 hours ahead of the clock: are its times not in UTC?", "wrong", "newest_rows_are_fresh"),
            **table("ahead", **NEWEST),
        ),
        case(
            "no-time",
            nothing("its newest time cannot be read: b", "wrong", "newest_rows_are_fresh")
            if kind != "postgres"
            else nothing("fresh: PostgreSQL: ", "missing", "newest_rows_are_fresh"),
            **table("fresh", "word", **NEWEST),
        ),
        case(
            "no-table",
            nothing(NO_TABLE[kind], "missing", "newest_rows_are_fresh", "old_rows_are_deleted"),
            **table("nowhere", **NEWEST, keep="90d"),
        ),
        case(
            "no-column",
            nothing(NO_COLUMN[kind], "missing", "newest_rows_are_fresh"),
            **table("fresh", "nowhen", **NEWEST),
        ),
        case(
            "query",
            {"query_values_are_within_limits": warning("query_value of pending is 10 jobs, expected at most 9 jobs")},
            **query("SELECT count(*) FROM many", warning=9),
        ),
        *(
            case(
                f"query-of-{name}",
                nothing(f"pending: {says}", cause, "query_values_are_within_limits"),
                **query(text),
            )
            for name, text, says, cause in (
                ("none", "SELECT id FROM deserted", "the query gives no row, not one number", "wrong"),
                ("two", "SELECT id FROM many ORDER BY id", "the query gives more than one row", "wrong"),
                ("null", "SELECT max(id) FROM deserted", "the query gives NULL, not a number", "wrong"),
                ("a-word", "SELECT max(word) FROM fresh", "the query gives 'b', not a number", "wrong"),
                ("nowhere", "SELECT count(*) FROM nowhere", "", "missing"),
            )
        ),
        case(
            "some",
            nothing(f"{NO_TABLE[kind]}", "missing", "row_counts_are_within_limits", "query_values_are_within_limits"),
            tables={"fresh": {"rows": {"warning": 9}}, "nowhere": {"rows": {"warning": 9}}},
            queries={"one": {"select": "SELECT 1"}, "none": {"select": "SELECT count(*) FROM nowhere"}},
        ),
    )


def secret(kind: str) -> Case:
    checks = ("newest_rows_are_fresh", "query_values_are_within_limits")
    return Case(
        f"{kind}-secrets",
        {
            **URLS[kind],
            "tables": {"vault.secrets": {"time": "at", **NEWEST}},
            "queries": {"secrets": {"select": "SELECT count(*) FROM vault.secrets"}},
        },
        dict.fromkeys(checks, unknown(GRANTS[kind], cause="permission")),
        HERE,
    )


CASES = (
    *on("postgres"),
    *on("mariadb"),
    *on("sqlite"),
    *on("sqlite", ONLY_PYTHON3),
    secret("postgres"),
    secret("mariadb"),
    *(case for kind in URLS for case in on(kind, OPS)[:2]),
    Case(
        "wal",
        {"url": "sqlite:///${folder}/wal.db", "limits": {"database_wal_bytes": {"warning": "1kB"}}},
        {"database_write_ahead_log_is_small": warning("database_wal_bytes is", "expected at most")},
        HERE,
    ),
)


def judged(folder: Path, ops: Account) -> Ran:
    """All of them in one run."""
    # Not in pytest's own folder: an account without rights has to reach it.
    place = Path(tempfile.mkdtemp(prefix="muster-rows-"))
    place.chmod(0o755)
    with ExitStack() as serving:
        serving.callback(shutil.rmtree, place)
        noted = {
            "postgres": _postgres(serving).port,
            "mariadb": _mariadb(serving).port,
            "folder": str(place),
        }
        _sqlite(place / "shop.db")
        serving.enter_context(good_wal_open(place, "wal.db"))
        hosts: dict[str, dict[str, object]] = {
            HERE: {"connection": "local"},
            OPS: {"connection": serving.enter_context(Sshd(user=ops.name)).connection()},
            ONLY_PYTHON3: {
                "connection": serving.enter_context(Sshd(user=ops.name, without=["sqlite3"])).connection()
            },
        }
        for name, host in hosts.items():
            host["databases"] = {case.name: case.entry for case in CASES if case.host == name}
        ran = run(folder, {"hosts": hosts}, settings=noted, environment={"PASSWORD": SECRET})
        return Ran(ran.code, ran.terminal, ran.folder, noted)


def _statements(time_type: str, zoned_type: str, at: str, zoned: str) -> list[str]:
    """What makes the tables; ``at`` and ``zoned`` are how a time is written: as text, or since the epoch."""
    made = []
    for name, ages in TABLES.items():
        made.append(f"CREATE TABLE {name} (id int, word varchar(9), at {time_type}, {ZONED} {zoned_type})")
        for number, age in enumerate(ages):
            seconds = time.time() - age * 3600
            when, other = at.format(_iso(seconds)), zoned.format(_iso(seconds), int(seconds))
            made.append(f"INSERT INTO {name} VALUES ({number}, '{'ab'[number % 2]}', {when}, {other})")
    return made


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _postgres(serving: ExitStack) -> Postgres:
    # A server whose own time is not UTC.
    server = serving.enter_context(Postgres({"timezone": "Asia/Shanghai"}, checksums=True))
    server.sql("CREATE DATABASE shop", f"CREATE ROLE muster LOGIN PASSWORD '{SECRET}'", "GRANT pg_monitor TO muster")
    server.sql(
        *_statements("timestamp", "timestamptz", "'{}'", "'{}+00'"),
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO muster",
        "CREATE SCHEMA vault",
        "CREATE TABLE vault.secrets (at timestamptz)",
        database="shop",
    )
    return server


def _mariadb(serving: ExitStack) -> MariaDb:
    server = serving.enter_context(MariaDb(default_time_zone="+08:00"))
    server.sql("SET time_zone = '+00:00'", *_statements("datetime", "timestamp", "'{}'", "'{}'"), database="shop")
    server.sql("CREATE DATABASE vault", "CREATE TABLE vault.secrets (at datetime)")
    server.user("muster", SECRET, *RIGHTS)
    return server


def _sqlite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in _statements("text", "integer", "'{}'", "{1}"):
            database.execute(statement)
        database.commit()
