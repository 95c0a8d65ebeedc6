"""The facts about MySQL and MariaDB, on what is documented of MySQL 8 and differs from MariaDB, and on garbage.

On a real MariaDB they are in tests/faults/mysql.py.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from muster.databases import Mysql, Server
from muster.facts import mysql, mysql_locks, mysql_refusals, mysql_replication, mysql_sessions, mysql_statements, sql
from muster.facts import mysql_tables as tables
from muster.facts.server_connections import server_connections
from muster.facts.server_role import server_role
from muster.facts.server_version import ServerVersion
from muster.probes import DoesNotApply, Unobserved
from muster.questions.servers import Rows

SHOP = Mysql(name="shop", url="", server=Server(engine="mysql", user="muster", database="shop"))

#: SHOW REPLICA STATUS, https://dev.mysql.com/doc/refman/8.4/en/show-replica-status.html, the columns that are read.
OF_MYSQL = ("Replica_IO_State", "Source_Host", "Source_Port", "Replica_IO_Running", "Replica_SQL_Running")
OF_MYSQL += ("Seconds_Behind_Source", "Last_IO_Error", "Last_SQL_Error", "Channel_Name")
#: SHOW ALL REPLICAS STATUS, https://mariadb.com/kb/en/show-replica-status/.
OF_MARIADB = ("Slave_IO_State", "Master_Host", "Master_Port", "Slave_IO_Running", "Slave_SQL_Running")
OF_MARIADB += ("Seconds_Behind_Master", "Last_IO_Error", "Last_SQL_Error", "Connection_name")


def of_mysql(statement: str) -> str:
    """What MySQL 8 runs of a statement: comments for it are opened, those for MariaDB are comments."""
    return re.sub(r"/\*!80\d{3}(.*?)\*/", r"\1", re.sub(r"/\*M!.*?\*/", " ", statement, flags=re.S), flags=re.S)


def of_mariadb(statement: str) -> str:
    return re.sub(r"/\*M!(.*?)\*/", r"\1", re.sub(r"/\*!80\d{3}.*?\*/", " ", statement, flags=re.S), flags=re.S)


def statement(need: Any) -> str:
    return str(need.probe(SHOP).question.statement)


def test_each_server_is_asked_in_its_own_words() -> None:
    assert of_mysql(mysql_replication.STATUS).split() == ["SHOW", "REPLICA", "STATUS"]
    assert of_mariadb(mysql_replication.STATUS).split() == ["SHOW", "ALL", "REPLICAS", "STATUS"]
    locks = statement(mysql_locks.mysql_locks)
    assert "performance_schema.data_lock_waits" in of_mysql(locks)
    assert "innodb_lock_waits" not in of_mysql(locks)
    assert "information_schema.innodb_lock_waits" in of_mariadb(locks)
    assert "performance_schema" not in of_mariadb(locks)
    assert "performance_schema.global_status" in of_mysql(mysql.STATUS)
    assert "information_schema.global_status" in of_mariadb(mysql.STATUS)


def test_the_counters_are_asked_for_once() -> None:
    assert server_connections.probe(SHOP).question == mysql_refusals.mysql_refusals.probe(SHOP).question
    assert server_role.probe(SHOP).question == mysql_replication.mysql_replication.probe(SHOP).question


@pytest.mark.parametrize("columns", [OF_MYSQL, OF_MARIADB])
def test_a_replica(columns: tuple[str, ...]) -> None:
    row = ("Waiting", "10.0.0.1", 3306, "Yes", "Yes", 4, "", "", "")
    found = mysql_replication.parse(Rows(columns, (row,)))
    assert found.broken == ()
    assert str(found) == "replica of 10.0.0.1:3306, receives: Yes, applies: Yes, 4 s behind"
    assert server_role.probe(SHOP).parse(Rows(columns, (row,))).role == "replica"


@pytest.mark.parametrize("columns", [OF_MYSQL, OF_MARIADB])
def test_a_replica_that_stopped(columns: tuple[str, ...]) -> None:
    row = ("", "10.0.0.1", 3306, "Connecting", "No", None, "cannot\nconnect", "Duplicate entry", "")
    (broken,) = mysql_replication.parse(Rows(columns, (row,))).broken
    assert broken.lag_seconds is None
    assert broken.error == "cannot connect; Duplicate entry"


@pytest.mark.parametrize("columns", [OF_MYSQL, OF_MARIADB])
def test_a_primary_follows_nobody(columns: tuple[str, ...]) -> None:
    with pytest.raises(DoesNotApply):
        mysql_replication.parse(Rows(columns, ()))
    assert server_role.probe(SHOP).parse(Rows(columns, ())).role == "primary"


def test_a_server_that_is_too_old_answers_something_else() -> None:
    """MySQL 8.0.21 leaves the word out, and runs SHOW STATUS."""
    with pytest.raises(Unobserved, match="too old"):
        mysql_replication.parse(Rows(("Variable_name", "Value"), (("Uptime", "1"),)))


def test_sessions() -> None:
    rows = (
        (7, "shop", "Query", 12, b"SELECT \xff\n  1", None),
        (8, "shop", "Sleep", 700, None, 1000),
        (9, "shop", "Execute", -1, "x" * 200, -3),
    )
    found = mysql_sessions.parse(Rows((), rows))
    assert [each.id for each in found.running] == [7, 9]
    assert [each.id for each in found.oldest] == [8, 9]
    assert [each.id for each in found.idle] == [8]
    assert found.every[2].state_seconds == 0
    assert len(found.every[2].query) == sql.SHOWN
    assert str(found) == "2 running a query, 2 in a transaction, 1 of them idle"


def test_who_waits_for_several_is_told_once() -> None:
    rows = (
        (7, "shop", 61, "UPDATE orders", 8, "app", "Sleep"),
        (7, "shop", 61, "UPDATE orders", 8, "app", "Sleep"),
        (7, "shop", 61, "UPDATE orders", 9, None, None),
        (4, "shop", 5, "ALTER TABLE orders", None, None, None),
    )
    found = mysql_locks.parse(Rows((), rows))
    assert [wait.id for wait in found.waits] == [7, 4]
    assert found.waits[0].holders == ("id 8 (app, Sleep)", "id 9")
    assert found.waits[1].holders == ()


def test_statements_where_the_performance_schema_is_off() -> None:
    denied = Unobserved("permission", "SELECT command denied")
    with pytest.raises(DoesNotApply, match="performance_schema = ON"):
        mysql_statements.parse((Rows(("x",), ((0,),)), denied))
    with pytest.raises(Unobserved, match="SELECT command denied"):
        mysql_statements.parse((Rows(("x",), ((1,),)), denied))
    with pytest.raises(Unobserved, match="SELECT command denied"):
        mysql_statements.parse((denied, Rows((), ())))


def test_statements() -> None:
    found = mysql_statements.parse((Rows(("x",), ((1,),)), Rows((), ((1.5, 9, "SELECT ?"), (0.1, 5, None)))))
    assert str(found) == "1.5 s on average over 9 calls: SELECT ?"
    assert found.slowest[1].query == ""


def test_tables() -> None:
    found = tables.parse(SHOP, Rows((), ((None, 3000, 2), ("shop.a", 2000, 5), ("shop.b", None, None))))
    assert str(found) == "2.9 KiB in 2 tables, the largest shop.a: 2.0 KiB, about 5 rows"
    assert found.largest[1].size_bytes == 0


def test_no_table_to_be_seen_is_a_right_that_is_missing() -> None:
    with pytest.raises(Unobserved, match=re.escape("GRANT SELECT ON shop.* TO muster")) as raised:
        tables.parse(SHOP, Rows((), ((None, 0, 0),)))
    assert raised.value.cause == "permission"


def test_counters() -> None:
    rows = (
        ("THREADS_CONNECTED", "3"),
        ("Connections", "100"),
        ("Aborted_connects", "5"),
        ("Connection_errors_max_connections", "1"),
        ("max_connections", "151"),
    )
    assert str(server_connections.probe(SHOP).parse(Rows((), rows))) == "3 of 151 connections in use"
    found = mysql_refusals.parse(Rows((), rows))
    assert (found.refused, found.aborted_percent) == (1, 5)


@pytest.mark.parametrize(
    ("text", "oldest", "wanted"), [("8.0.36", "8.0.4", True), ("10.11.6-MariaDB-log", "10.12", False)]
)
def test_versions(text: str, oldest: str, wanted: bool) -> None:
    assert ServerVersion(text).at_least(oldest) is wanted


@pytest.mark.parametrize("rows", [((),), ((1,),), (("x",) * 7,), ((None,) * 6,)])
def test_rows_that_make_no_sense_are_no_fact(rows: tuple[Any, ...]) -> None:
    for parse in (mysql_sessions.parse, mysql_refusals.parse, lambda answer: tables.parse(SHOP, answer)):
        with pytest.raises((Unobserved, ValueError, TypeError, KeyError)):
            parse(Rows((), rows))
