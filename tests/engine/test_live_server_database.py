"""``database`` of a PostgreSQL server: asked in SQL over the one session, and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from muster.live.server_database import PostgresDatabase, postgres_database
from muster.probes import Unobserved
from tests.engine import live_runs
from tests.engine.live_runs import access, reached_by
from tests.engine.report_runs import run
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres({"log_connections": "on"}) as running:
        running.sql(
            "CREATE ROLE muster LOGIN PASSWORD 'secret-of-muster'",
            "CREATE TABLE keys (id int, used numeric)",
            "INSERT INTO keys SELECT x, x / 2.0 FROM generate_series(1, 9) AS x",
            "GRANT ALL ON keys TO muster",
        )
        yield running


def entry(server: Postgres, **more: Any) -> dict[str, Any]:
    url = f"postgresql://muster@127.0.0.1:{server.port}/postgres"
    return {"databases": {"it": {"url": url, "password": "${env:SECRET}", **more}}}


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.needs("sshd"))])
def database(
    server: Postgres, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PostgresDatabase]:
    monkeypatch.setenv("SECRET", "secret-of-muster")
    with reached_by(request.param, request, tmp_path, **entry(server)) as reached:
        target = live_runs.database(reached)
        yield postgres_database(reached, target)  # type: ignore[arg-type]


def test_it_answers_as_a_cursor_does(database: PostgresDatabase) -> None:
    cursor = database.execute("SELECT id, used FROM keys ORDER BY id")
    assert [column[0] for column in cursor.description or ()] == ["id", "used"]
    assert cursor.fetchone() == (1, Decimal("0.5"))
    assert cursor.fetchmany(2) == [(2, Decimal(1)), (3, Decimal("1.5"))]
    assert len(cursor.fetchall()) == 6
    assert cursor.fetchone() is None


def test_it_takes_parameters(database: PostgresDatabase) -> None:
    assert database.execute("SELECT count(*) FROM keys WHERE id > %s", (5,)).fetchone() == (4,)
    assert database.execute("SELECT %(text)s::text", {"text": "it's"}).fetchone() == ("it's",)
    assert database.execute("SELECT 5 % 3").fetchone() == (2,)


def test_what_is_no_select_reads_too(database: PostgresDatabase) -> None:
    assert database.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    assert database.execute("EXPLAIN SELECT 1").fetchone() is not None
    assert database.execute("VALUES (1), (2);").fetchall() == [(1,), (2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM keys",
        "SELECT 1; DELETE FROM keys",
        "COMMIT; DELETE FROM keys",
        "DROP TABLE keys",
        "COPY keys TO STDOUT",
    ],
)
def test_it_changes_nothing(database: PostgresDatabase, server: Postgres, statement: str) -> None:
    with pytest.raises(Unobserved):
        database.execute(statement)
    assert server.sql("SELECT count(*) FROM keys") == [(9,)]
    assert database.execute("SELECT 1").fetchone() == (1,)


def test_a_transaction_that_a_test_ends_is_read_only_all_the_same(
    database: PostgresDatabase, server: Postgres
) -> None:
    for statement in ("COMMIT", "ROLLBACK", "BEGIN READ WRITE", "SET TRANSACTION READ WRITE"):
        with suppress(Unobserved):
            database.execute(statement)
        with pytest.raises(Unobserved, match="read-only transaction"):
            database.execute("DELETE FROM keys")
    assert server.sql("SELECT count(*) FROM keys") == [(9,)]


def test_a_wrong_statement_says_why(database: PostgresDatabase) -> None:
    with pytest.raises(Unobserved, match='relation "nowhere" does not exist'):
        database.execute("SELECT * FROM nowhere")


def test_a_database_that_does_not_open_is_unknown(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "wrong")
    with access(tmp_path, {**live_runs.LOCAL, **entry(server)}) as reached:
        with pytest.raises(Unobserved, match="the database did not open: denied") as raised:
            postgres_database(reached, live_runs.database(reached))  # type: ignore[arg-type]
        assert raised.value.cause == "permission"


def test_a_database_that_is_not_asked_in_sql_is_unknown(tmp_path: Path) -> None:
    checks = "def test_it(database):\n    assert database.execute('SELECT 1').fetchone()"
    inventory = live_runs.inventory(here={**live_runs.LOCAL, "databases": {"it": {"url": "redis://127.0.0.1:1/0"}}})
    (found,) = run(tmp_path, checks=checks, inventory=inventory).results
    assert (found["verdict"], found["target"]) == ("unknown", "it")
    assert found["message"] == "the fixture database asks SQLite and PostgreSQL in SQL, and no redis"
