"""Queries of an inventory: one SELECT each, as PostgreSQL, MySQL and SQLite read it, or refused."""

from __future__ import annotations

import pytest

from muster.inventory.texts import select_fault

GOOD = (
    "SELECT 1",
    "select count(*) from orders;",
    "  -- how many\n/* of them; into */ SELECT count(*) FROM orders  -- all\n ;\n",
    "WITH late AS (SELECT 1) SELECT count(*) FROM late",
    "SELECT count(*) FROM log WHERE text = 'a; DROP TABLE x; INSERT INTO y'",
    "SELECT count(*) FROM log WHERE text = 'it''s; into'",
    'SELECT "into" FROM "update"',
    "SELECT `into` FROM `a;b`",
    "SELECT $$ it's $$",
    r"SELECT E'it\'s; into'",
    "SELECT data #>> '{a,b}' FROM t",
    "SELECT count(*) FROM t WHERE is_deleted AND updated > 0 AND share > 1",
    "SELECT max(a[1]) FROM t",
    "SELECT edit FROM t",
    "SELECT 1 -- ; into",
)

REFUSED = {
    "": "is not a SELECT",
    "-- SELECT 1": "is not a SELECT",
    "DELETE FROM orders": "is not a SELECT",
    "(SELECT 1)": "is not a SELECT",
    '"SELECT" 1': "is not a SELECT",
    "EXPLAIN SELECT 1": "is not a SELECT",
    "ATTACH 'x.db' AS x": "is not a SELECT",
    "PRAGMA user_version": "is not a SELECT",
    "SELECT 1; SELECT 2": "after its ;",
    "SELECT 1;;": "after its ;",
    "SELECT 1; DROP TABLE x": "after its ;",
    "SELECT 1; -- all": "after its ;",
    "SELECT $tag$ $$ ; DROP TABLE x $tag$": "after its ;",
    "/* /* */ */ SELECT 1": "is not a SELECT",
    "SELECT 1; -- nothing\n DROP TABLE x": "after its ;",
    "SELECT * INTO copy FROM orders": "INTO",
    "SELECT * FROM orders INTO OUTFILE '/tmp/x'": "INTO",
    "SELECT 1 FROM orders FOR UPDATE": "UPDATE",
    "SELECT 1 FROM orders FOR NO KEY UPDATE": "UPDATE",
    "SELECT 1 FROM orders FOR SHARE": "SHARE",
    "SELECT 1 FROM orders FOR KEY SHARE": "SHARE",
    "SELECT 1 FROM orders LOCK IN SHARE MODE": "SHARE",
    "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone": "deletes",
    "WITH x AS (INSERT INTO a VALUES (1) RETURNING 1) SELECT count(*) FROM x": "INTO",
    "SELECT writefile('/etc/x', 'y')": "writefile()",
    "SELECT \"load_extension\" ('x')": "load_extension()",
    "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */": "MySQL executes",
    "SELECT 1 /*M! INTO OUTFILE '/tmp/x' */": "MySQL executes",
    # Outside of a literal for one of the servers, though not for the others.
    r"SELECT '\'; DROP TABLE x; -- '": "after its ;",
    "SELECT '\\' INTO OUTFILE ' '": "INTO",
    "SELECT 1 # ' \n; DROP TABLE x -- '": "after its ;",
    "SELECT /* /* */ 1; DROP TABLE x /* */ */": "after its ;",
    "SELECT 1 --1; DROP TABLE x": "after its ;",
    "SELECT 1\0": "NUL",
}


@pytest.mark.parametrize("text", GOOD)
def test_one_select_is_accepted(text: str) -> None:
    assert select_fault(text) is None


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text)[:60])
def test_anything_else_is_refused_and_told(text: str) -> None:
    assert REFUSED[text] in (select_fault(text) or "")
