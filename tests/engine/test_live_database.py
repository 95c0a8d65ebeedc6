"""``database``: a database that a test asks in SQL, through its host, and cannot change."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from muster.live import database as live_database
from muster.live.database import SqliteFile, sqlite_file
from muster.probes import Unobserved
from tests.engine import live_runs
from tests.engine.live_runs import LOCAL, access
from tests.engine.report_runs import run
from tests.servers import sqlite_files
from tests.servers.sshd import Account, Sshd

Opened = Callable[[Path], SqliteFile]

#: How the file is reached: locally, or over SSH, to a host that lacks these programs.
WAYS = [
    pytest.param(None, id="local"),
    pytest.param((), id="ssh", marks=pytest.mark.needs("sshd")),
    pytest.param(("python3",), id="ssh, sqlite3 only", marks=pytest.mark.needs("sshd")),
]


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    if request.param is None:
        yield dict(LOCAL)
        return
    with Sshd(noise="echo hi; echo >&2", without=request.param) as noisy:
        yield {"connection": noisy.connection()}


@pytest.fixture
def opened(way: dict[str, Any], tmp_path: Path) -> Iterator[Opened]:
    """Opens a file, on each way."""
    with ExitStack() as stack:

        def open_it(path: Path) -> SqliteFile:
            host = {**way, "databases": {"it": {"url": f"sqlite:///{path}"}}}
            reached = stack.enter_context(access(tmp_path, host))
            return sqlite_file(reached, live_runs.database(reached))

        yield open_it


def beside(path: Path) -> set[str]:
    """What lies in the folder of a database."""
    return {each.name for each in path.parent.iterdir()}


def test_it_answers_as_a_cursor_does(opened: Opened, tmp_path: Path) -> None:
    database = opened(sqlite_files.good(tmp_path, rows=5))
    cursor = database.execute("SELECT name, used FROM quota ORDER BY name")
    assert [each[0] for each in cursor.description or ()] == ["name", "used"]
    assert cursor.fetchone() == ("key-000000", 0)
    assert cursor.fetchmany(2) == [("key-000001", 1), ("key-000002", 2)]
    assert list(cursor) == [("key-000003", 3), ("key-000004", 4)]
    assert cursor.fetchone() is None
    assert database.execute("SELECT name FROM quota WHERE used > 99").fetchall() == []
    assert database.execute("-- how many?\n/* all */ select count(*)\nfrom quota;").fetchone() == (5,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_values_go_there_and_come_back_as_they_are(opened: Opened, tmp_path: Path) -> None:
    database = opened(sqlite_files.good(tmp_path, rows=1))
    values = [1, -(2**63), 2.5, None, "", 'it\'s "so"; --\n\t€ 🐍\\n', True]
    assert database.execute(f"SELECT {', '.join('?' * len(values))}", values).fetchone() == tuple(values)
    assert database.execute("SELECT :a, :b", {"a": "x", "b": 2}).fetchone() == ("x", 2)
    assert database.execute("SELECT hex(?), typeof(?)", [b"\0\xff", b""]).fetchone() == ("00FF", "blob")


def test_bytes_come_back_as_bytes_where_there_is_python3(tmp_path: Path) -> None:
    path = sqlite_files.good(tmp_path, rows=1)
    with access(tmp_path, {**LOCAL, "databases": {"it": {"url": f"sqlite:///{path}"}}}) as reached:
        database = sqlite_file(reached, live_runs.database(reached))
        assert database.execute("SELECT x'00ff'").fetchone() == (b"\0\xff",)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO quota VALUES ('new', 1, NULL)",
        "DELETE FROM quota",
        "DROP TABLE quota",
        "WITH new AS (SELECT 1) INSERT INTO quota SELECT 'new', 1, NULL",
        "PRAGMA user_version = 7",
        "ATTACH 'FOLDER/other.db' AS other",
        "/* just looking */ VACUUM INTO 'FOLDER/copy.db'",
        "VACUUM",
        "SELECT 1; DELETE FROM quota",
        ".shell touch FOLDER/other.db",
        "SELECT 1;\n.shell touch FOLDER/other.db",
    ],
)
def test_what_would_write_is_refused(opened: Opened, tmp_path: Path, sql: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = sqlite_files.good(folder, rows=3)
    content, names = path.read_bytes(), beside(path)
    database = opened(path)
    with pytest.raises(sqlite3.Error):
        database.execute(sql.replace("FOLDER", str(folder))).fetchall()
    assert (path.read_bytes(), beside(path)) == (content, names)


def test_nothing_is_written_beside_a_database_in_wal_mode(opened: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = sqlite_files.good_wal(folder)
    assert opened(path).execute("SELECT count(*) FROM quota").fetchone() == (2000,)
    assert beside(path) == {"wal.db"}


def test_what_another_process_has_written_is_seen(opened: Opened, tmp_path: Path) -> None:
    with sqlite_files.good_wal_open(tmp_path) as path:
        found = opened(path).execute("SELECT used FROM quota WHERE name = ?", ["newest"]).fetchone()
    assert found == (1,)


def test_a_lock_that_comes_later_is_unknown(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_database, "LOCK_PATIENCE", 0.2)
    path = sqlite_files.good(tmp_path, "locked.db")
    database = opened(path)
    path.unlink()
    with sqlite_files.locked(tmp_path), pytest.raises(Unobserved) as caught:
        database.execute("SELECT count(*) FROM quota")
    assert (caught.value.cause, caught.value.message) == (
        "timeout",
        "database is locked: another process has held it for more than 0.2 s",
    )


@pytest.mark.parametrize(
    ("sql", "values", "message"),
    [
        ("SELECT * FROM elsewhere", (), "no such table: elsewhere"),
        ("SELECT FROM", (), 'near "FROM": syntax error'),
        ("", (), "nothing to execute"),
        ("SELECT ?", [object()], "a parameter cannot be of type object"),
        ("SELECT :a", {"a b": 1}, None),
    ],
)
def test_a_wrong_statement_is_an_error_of_sqlite3(
    opened: Opened, tmp_path: Path, sql: str, values: Any, message: str | None
) -> None:
    database = opened(sqlite_files.good(tmp_path, rows=1))
    with pytest.raises(sqlite3.Error) as caught:
        database.execute(sql, values)
    assert message is None or str(caught.value) == message


def test_an_answer_that_is_too_long_is_unknown(opened: Opened, tmp_path: Path) -> None:
    database = opened(sqlite_files.good(tmp_path, rows=1))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
    with pytest.raises(Unobserved) as caught:
        database.execute(endless)
    assert (caught.value.cause, caught.value.message) == ("unreadable", "more than 5 MiB of rows: select less")


def test_the_statement_and_its_values_are_in_no_process_list(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    spy = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c -e 'n0[b]0dy' -e 'n0-v[4]lue' >>{seen}"
    while_it_runs = f"( sleep 0.2; {spy} ) &"
    script = live_database._SCRIPT.replace("\nask\n", f"\n{while_it_runs}\nask; wait\n".replace("{", "{{"))
    monkeypatch.setattr(live_database, "_SCRIPT", script)
    database = opened(sqlite_files.good(tmp_path, rows=1))
    slow = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000)"
    assert database.execute(f"{slow} SELECT count(*), 'n0b0dy', ? FROM n", ["n0-v4lue"]).fetchone() == (
        3_000_000,
        "n0b0dy",
        "n0-v4lue",
    )
    assert seen.read_text() == "0\n"


def test_with_neither_python3_nor_sqlite3_it_is_unknown(tmp_path: Path, start_sshd: Callable[..., Sshd]) -> None:
    bare = start_sshd(without=("python3", "sqlite3"))
    path = sqlite_files.good(tmp_path, rows=1)
    host = {"connection": bare.connection(), "databases": {"it": {"url": f"sqlite:///{path}"}}}
    with access(tmp_path, host) as reached, pytest.raises(Unobserved) as caught:
        sqlite_file(reached, live_runs.database(reached))
    assert caught.value.cause == "missing"
    assert "neither sqlite3 nor python3" in caught.value.message


@pytest.mark.parametrize("make", [sqlite_files.missing, sqlite_files.empty, sqlite_files.corrupt_header])
def test_a_database_that_does_not_open_is_unknown(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    checks = "def test_it(database):\n    assert database.execute('SELECT 1').fetchone()"
    inventory = live_runs.inventory(here={**LOCAL, "databases": {"it": {"url": f"sqlite:///{path}"}}})
    made = run(tmp_path, checks=checks, inventory=inventory)
    (found,) = made.results
    assert (found["verdict"], found["target"]) == ("unknown", "it")
    assert found["message"].startswith("the database did not open: ")
    assert str(path) in found["message"]


def test_a_database_that_may_not_be_read_is_unknown(
    tmp_path: Path, start_sshd: Callable[..., Sshd], ops: Account
) -> None:
    path = sqlite_files.unreadable(ops.home)
    server = start_sshd(user=ops.name)
    host = {"connection": server.connection(), "databases": {"it": {"url": f"sqlite:///{path}"}}}
    with access(tmp_path, host) as reached, pytest.raises(Unobserved) as caught:
        sqlite_file(reached, live_runs.database(reached))
    assert caught.value.cause == "permission"


def test_a_full_text_table_can_be_read(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE VIRTUAL TABLE pages USING fts5(body)")
        database.execute("INSERT INTO pages VALUES ('a long word')")
        database.commit()
    assert opened(path).execute("SELECT body FROM pages WHERE pages MATCH 'long'").fetchall() == [("a long word",)]
