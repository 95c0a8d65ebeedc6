"""The facts about rows and queries: the statements, what is read of the answers, and what is not.

On real servers, and in real shells, they are in tests/faults/rows.py.
"""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from muster.databases import Mysql, Postgres, Query, Server, Sqlite, Table
from muster.facts import query_values, rows
from muster.facts.rows_answer import granted, of_all
from muster.facts.rows_statements import of_mysql, of_postgres, of_sqlite, quoted
from muster.limits import Limit
from muster.probes import DoesNotApply, Output, Unobserved
from muster.questions.servers import AskEach, Rows

ASKED = Table(time="at", newest=Limit(warning=60), keep=3600.0, rows=Limit(critical_below=1))
TABLES = {"orders": ASKED, "log": Table(rows=Limit(warning=5))}
QUERIES = {"pending": Query(select="SELECT 1"), "share": Query(select="SELECT 2;")}
POSTGRES = Postgres(
    name="shop", url="", server=Server(engine="postgresql", user="muster"), tables=TABLES, queries=QUERIES
)
MYSQL = Mysql(name="shop", url="", server=Server(engine="mysql", user="muster"), tables=TABLES, queries=QUERIES)
FILE = Sqlite(name="shop", url="sqlite:////srv/shop.db", tables=TABLES, queries=QUERIES)
NEEDS = (rows.newest_rows, rows.expired_rows, rows.row_counts)


def answered(*found: tuple[Any, ...]) -> tuple[Rows, ...]:
    return tuple(Rows(("age", "newest", "expired", "rows"), (row,)) for row in found)


def printed(*lines: str, status: int = 0) -> Output:
    """What the script prints where sqlite3 has said these lines."""
    head = f"user ops\nmode -rw-r--r--\nowner ops:ops\nsize 8192\nkind file\ntool sqlite3\nstatus {status}\n\n"
    return Output((head + "\n".join(lines) + "\n").encode())


def test_names_are_quoted() -> None:
    assert quoted("public.orders") == '"public"."orders"'
    assert quoted('a"b.c') == '"a""b"."c"'
    assert quoted("a.b", "`", whole=True) == "`a.b`"
    nasty = Table(time='at"; DROP TABLE x; --', newest=Limit())
    assert '"at""; DROP TABLE x; --"' in of_postgres("orders", nasty)
    assert "`at``x`" in of_mysql("orders", Table(time="at`x", newest=Limit()))


def test_only_what_the_inventory_asks_for_is_counted() -> None:
    for statement in (of_postgres, of_mysql, of_sqlite):
        text = statement("log", TABLES["log"])
        assert len(re.findall(r"count\(\*\)", text, re.IGNORECASE)) == 1
        assert "max(" not in text.lower()
        assert len(re.findall(r"count\(\*\)", statement("orders", ASKED), re.IGNORECASE)) == 2


def test_all_facts_about_rows_come_from_one_question_with_one_statement_a_table() -> None:
    for database in (POSTGRES, MYSQL, FILE):
        questions = {need.probe(database).question for need in NEEDS}
        assert len(questions) == 1
    (question,) = {need.probe(MYSQL).question for need in NEEDS}
    assert isinstance(question, AskEach)
    assert len(question.questions) == 2


@pytest.fixture
def shop() -> Any:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE `or``ders` (`a t`)")
        yield database


def of_file(database: sqlite3.Connection, *times: object, **more: Any) -> list[str]:
    database.execute("DELETE FROM `or``ders`")
    database.executemany("INSERT INTO `or``ders` VALUES (?)", [(each,) for each in times])
    statement = of_sqlite(
        "or`ders", Table(**{"time": "a t", "newest": Limit(), "keep": 3600.0, "rows": Limit(), **more})
    )
    ((line,),) = database.execute(statement).fetchall()
    return str(line).split("|")


def test_sqlite_understands_texts_and_numbers(shop: sqlite3.Connection) -> None:
    now = time.time()

    def iso(age: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
        return time.strftime(form, time.gmtime(now - age))

    for new, old in (
        (iso(60), iso(7200)),
        (iso(60, "%Y-%m-%dT%H:%M:%SZ"), iso(7200, "%Y-%m-%dT%H:%M:%SZ")),
        (int(now - 60), int(now - 7200)),
        (now - 60, now - 7200),
        (int((now - 60) * 1000), int((now - 7200) * 1000)),
    ):
        age, _, expired, count = of_file(shop, new, old, None)
        assert float(age) == pytest.approx(60, abs=3)
        assert (expired, count) == ("1", "3")


def test_sqlite_with_other_zones(shop: sqlite3.Connection) -> None:
    there = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600 - 60))
    assert float(of_file(shop, there)[0]) == pytest.approx(60, abs=3)


def test_sqlite_with_nothing_to_read(shop: sqlite3.Connection) -> None:
    assert of_file(shop) == ["-", "-", "0", "0"]
    assert of_file(shop, None) == ["-", "-", "0", "1"]
    assert of_file(shop, "yester|day\n") == ["-", "yester day ", "0", "1"]
    assert of_file(shop, 1, newest=None, keep=None) == ["-", "-", "-", "1"]


def test_the_newest_row() -> None:
    found = rows.parse_newest(POSTGRES, answered((61.5, "2024-05-01", 2, 7), (None, None, None, 9)))
    assert (dict(found.ages), found.empty, found.failures) == ({"orders": 61.5}, (), ())
    assert str(found) == "the newest row of orders is 1 minute old"
    found = rows.parse_newest(MYSQL, answered((None, None, 0, 0), (None, None, None, 9)))
    assert str(found) == "there is no row in orders"


def test_expired_rows_and_counts() -> None:
    answer = answered((61.5, "2024-05-01", 2, 7), (None, None, None, 9))
    assert str(rows.parse_expired(MYSQL, answer)) == "2 rows too old in orders"
    assert str(rows.parse_counts(MYSQL, answer)) == "7 rows in orders, 9 rows in log"


def test_a_time_that_cannot_be_read_or_is_ahead_is_unknown() -> None:
    for row, says in (
        ((None, "1714564800", 0, 7), "orders: its newest time cannot be read: 1714564800"),
        ((-3601.0, "2024-05-01", 0, 7), "orders: its newest row, 2024-05-01, is 1 hour ahead of the clock"),
        ((None,), "orders: this is no answer about a table"),
        (("soon", None, 0, 7), "orders: this is no answer about a table"),
    ):
        found = rows.parse_newest(MYSQL, answered(row, (None, None, None, 9)))
        assert says in found.failures[0].message
        with pytest.raises(Unobserved):
            found.complete()
    slightly = rows.parse_newest(MYSQL, answered((-5.0, "2024-05-01", 0, 7), (None, None, None, 9)))
    assert slightly.ages == {"orders": -5.0}


def test_one_table_that_fails_costs_itself_only() -> None:
    failure = Unobserved("missing", "no such table")
    (good, _) = answered((1.0, "x", 0, 7), (None,))
    counts = rows.parse_counts(MYSQL, (good, failure))
    assert counts.counts == {"orders": 7}
    with pytest.raises(Unobserved, match="log: no such table"):
        counts.complete()
    rows.parse_newest(MYSQL, (good, failure)).complete()  # nothing is asked of the age of log


def test_where_nothing_is_asked_of_any_table_it_does_not_apply() -> None:
    only = Mysql(name="shop", url="", server=MYSQL.server, tables={"log": TABLES["log"]})
    with pytest.raises(DoesNotApply, match="the inventory says `newest` of no table"):
        rows.parse_newest(only, answered((None, None, None, 9)))


def test_one_reason_for_all_is_told_once() -> None:
    down = Unobserved("permission", "denied")
    with pytest.raises(Unobserved, match=r"^denied$"):
        of_all(("a", "b"), (down, down))
    with pytest.raises(Unobserved, match=r"^down$"):
        of_all(("a",), (Unobserved("network", "down", host_down=True),))
    _, (told,) = of_all(("a",), (down,))
    assert told.message == "a: denied"


def test_postgresql_says_which_table_may_not_be_read_and_we_what_to_grant() -> None:
    denied = granted(POSTGRES, Unobserved("permission", "PostgreSQL: permission denied for table orders"))
    assert denied.message.endswith("; GRANT SELECT ON orders TO muster")
    schema = granted(POSTGRES, Unobserved("permission", "permission denied for schema vault"))
    assert schema.message.endswith("; GRANT USAGE ON SCHEMA vault TO muster")
    assert granted(POSTGRES, 7) == 7


def test_what_sqlite_answers() -> None:
    found = rows.parse_counts(FILE, printed("3", "61.5|2024-05-01|0|7", "-|-|-|9"))
    assert found.counts == {"orders": 7, "log": 9}


@pytest.mark.parametrize(
    ("lines", "cause", "says"),
    [
        (
            ("Error: in prepare, no such table: log", "3", "1|x|0|7"),
            "missing",
            "log: sqlite3: Error: in prepare, no such",
        ),
        (("3", "1|x|0|7", "Error: no such column: at"), "missing", "log: sqlite3: Error: no such column: at"),
        (("3", "1|x|0|7", "Error: database is locked"), "timeout", "log: sqlite3: Error: database is locked"),
        (("3", "1|x|0|7"), "wrong", "log: sqlite3: sqlite3 ended with status 1"),
        (("3", "1|x|0|7", "1|2"), "wrong", "log: sqlite3: 1|2"),
    ],
)
def test_after_a_statement_of_sqlite_that_failed_nothing_is_known(
    lines: tuple[str, ...], cause: str, says: str
) -> None:
    found = rows.parse_counts(FILE, printed(*lines, status=1))
    assert found.counts == {"orders": 7}
    assert found.failures[0].cause == cause
    assert found.failures[0].message.startswith(says) or says.endswith("status 1")


def test_a_file_that_cannot_be_opened_is_told_once() -> None:
    with pytest.raises(Unobserved, match="no such file"):
        rows.parse_counts(FILE, Output(b"user ops\nkind missing\n"))


@pytest.mark.parametrize("text", ["1", "-1", "1.5", ".5", "5.", "1e3", "+7", "12345678901234567890", 7, 0.25])
def test_numbers(text: Any) -> None:
    found = query_values.parse(MYSQL, (Rows(("x",), ((text,),)), Rows(("x",), ((0,),))))
    assert found.values["pending"] == float(text)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "the query gives no row, not one number"),
        ((("1",), ("2",)), "the query gives more than one row, not one number"),
        (((None,),), "the query gives NULL, not a number"),
        ((("abc",),), "the query gives 'abc', not a number"),
        ((("",),), "the query gives '', not a number"),
        ((("1 2",),), "not a number"),
        ((("nan",),), "not a number"),
        ((("infinity",),), "not a number"),
        ((("0x10",),), "not a number"),
        ((("1_000",),), "not a number"),
        ((("t",),), "not a number"),
        ((("٣",),), "not a number"),
    ],
)
def test_what_is_no_number_is_unknown(given: tuple[Any, ...], says: str) -> None:
    found = query_values.parse(MYSQL, (Rows(("x",), given), Rows(("x",), ((2,),))))
    assert found.values == {"share": 2}
    assert says in found.failures[0].message


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("integer:7", 7),
        ("real:0.5", 0.5),
        ("text:42", 42),
        ("null:", "gives NULL"),
        ("norow", "gives no row"),
        ("text:norow", "gives 'norow'"),
        ("integer:1\tinteger:2", "more than one row"),
        ("blob:xyz", "gives 'xyz'"),
        ("hello", "sqlite3: hello"),
    ],
)
def test_what_sqlite_answers_to_queries(line: str, wanted: Any) -> None:
    found = query_values.parse(FILE, printed("3", line, "integer:2"))
    if isinstance(wanted, str):
        assert found.failures[0].message.startswith("pending: ")
        assert wanted in found.failures[0].message
    else:
        assert found.values == {"pending": wanted, "share": 2}


def test_a_query_in_sqlite_gives_one_line_whatever_it_holds(shop: sqlite3.Connection) -> None:
    for select, wanted in (
        ("SELECT 1 -- one;", "integer:1"),
        ("SELECT 'a' || char(10) || char(9) || char(13) || 'b';", "text:a   b"),
        ("SELECT 1 WHERE 0", "norow"),
        ("SELECT NULL", "null:"),
        ("SELECT 1 UNION SELECT 2 UNION SELECT 3", "integer:1\tinteger:2"),
        ("SELECT hex(zeroblob(1000))", "text:" + "0" * 64),
        ("WITH a AS (SELECT 5) SELECT * FROM a", "integer:5"),
    ):
        assert shop.execute(query_values._in_sqlite(select)).fetchall() == [(wanted,)], select
    with pytest.raises(sqlite3.OperationalError, match="2 values for 1 columns"):
        shop.execute(query_values._in_sqlite("SELECT 1, 2"))
