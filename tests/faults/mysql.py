"""MariaDB databases, good and broken: sessions that block each other, replicas that stopped, connections refused.

Muster logs in as a user with the rights that the runbook names and no others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pymysql

from tests.faults.cases import Case, Ran, critical, each, unknown, warning
from tests.faults.database_servers import ELSEWHERE, SECRET, judged_in
from tests.servers.mariadb import MariaDb
from tests.servers.processes import refusing_port, silent_port, wait_for
from tests.servers.sshd import Account

#: The rights of docs/runbooks/mysql.md, for MariaDB.
RIGHTS = (
    "SELECT ON shop.*",
    "PROCESS ON *.*",
    "SLAVE MONITOR ON *.*",
    "SELECT ON performance_schema.*",
)

#: Every check of a MySQL database but whether it accepts connections, and those that the inventory asks for.
EVERY = (
    "database_server_has_connections_left",
    "mysql_connections_come_about",
    "mysql_nobody_waits_for_locks",
    "mysql_queries_end_in_time",
    "mysql_refuses_no_connections",
    "mysql_replicates",
    "mysql_size_is_within_limits",
    "mysql_statements_are_fast",
    "mysql_tables_are_within_limits",
    "mysql_no_session_idles_in_a_transaction",
    "mysql_transactions_end_in_time",
)

#: That a server was logged in to with a wrong password now and then is no fault of these cases.
CALM = {"connections_aborted_percent": {}}
QUICK = {
    **CALM,
    "longest_query_seconds": {"warning": 1},
    "longest_transaction_seconds": {"warning": 1},
    "idle_in_transaction_seconds": {"warning": 1},
    "lock_wait_seconds": {"warning": 0.5, "critical": 1},
}


def at(port: str, user: str = "muster", password: str = "${env:PASSWORD}", **more: object) -> dict[str, object]:
    url = f"mysql://{user}@127.0.0.1:${{{port}}}/shop"
    return {"url": url, "password": password, "timeout": "5s", "limits": CALM, **more}


def down(*says: str, cause: str) -> dict[str, object]:
    """It cannot be logged in to, which is critical, once; nothing else of it is known."""
    return {
        "database_accepts_connections": critical(*says, "expected a connection", cause=cause),
        **each(EVERY, unknown(*says, cause=cause)),
    }


CASES = (
    Case("good", at("good", min_version="10.5", role="primary")),
    Case("good", at("good"), host=ELSEWHERE),
    Case("by-socket", at("good", url="mysql://muster@/shop?host=${socket}")),
    Case("follower", at("follower", role="replica")),
    Case("follower", at("follower", role="replica"), host=ELSEWHERE),
    Case(
        "busy",
        at("busy", limits=QUICK | {"statement_mean_seconds": {"warning": 0.01}}),
        {
            "mysql_queries_end_in_time": warning(
                "longest_query_seconds is", "(app, Query) for", "expected at most 1 s"
            ),
            "mysql_transactions_end_in_time": warning(
                "longest_transaction_seconds is", "(app, Sleep) for", "at most 1 s"
            ),
            "mysql_no_session_idles_in_a_transaction": warning(
                "idle_in_transaction_seconds is", "(app, Sleep)", "at most 1 s"
            ),
            "mysql_nobody_waits_for_locks": critical(
                "(app) waits", "for id ", "(app, Sleep): UPDATE task_results SET worker = 2", "expected at most 1 s"
            ),
            "mysql_statements_are_fast": warning("on average over", "SELECT `SLEEP` (?)", "expected at most 0.01 s"),
        },
    ),
    Case(
        "large",
        at(
            "good",
            limits=CALM | {"database_size_bytes": {"warning": "10kB"}, "table_size_bytes": {"critical": "10kB"}},
            min_version="99",
            role="replica",
        ),
        {
            "mysql_size_is_within_limits": warning("in 1 table, the largest shop.task_results", "expected at most"),
            "mysql_tables_are_within_limits": critical(
                "table_size_bytes of shop.task_results is", "expected at most"
            ),
            "database_version_is_supported": warning("MariaDB", "expected 99 or later"),
            "database_server_has_its_role": critical("primary, expected replica"),
        },
    ),
    Case(
        "stopped",
        at("stopped"),
        {"mysql_replicates": critical("receives: Yes, applies: No", "Duplicate entry", "expected to receive")},
    ),
    Case(
        "orphan",
        at("orphan"),
        {"mysql_replicates": critical("receives: Connecting, applies: Yes", "expected to receive")},
    ),
    Case(
        "crowded",
        at("crowded", limits={}),
        {
            "database_server_has_connections_left": critical("10 of 10 connections in use", "at most 95 %"),
            "mysql_refuses_no_connections": warning("connections_refused is", "expected at most 0"),
            "mysql_connections_come_about": warning("aborted of", "expected at most 3 %"),
        },
    ),
    Case(
        "stranger",
        at("good", "stranger"),
        {
            **each(
                (
                    "mysql_nobody_waits_for_locks",
                    "mysql_queries_end_in_time",
                    "mysql_no_session_idles_in_a_transaction",
                    "mysql_transactions_end_in_time",
                ),
                unknown("PROCESS privilege", "GRANT PROCESS ON *.* TO stranger", cause="permission"),
            ),
            "mysql_replicates": unknown("GRANT SLAVE MONITOR ON *.* TO stranger", cause="permission"),
            "mysql_statements_are_fast": unknown(
                "GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO stranger",
                cause="permission",
            ),
        },
    ),
    Case("nobody", at("good", "nobody"), down("GRANT SELECT ON shop.* TO nobody", cause="permission")),
    Case(
        "wrong-password",
        at("stopped", password="${env:WRONG}"),
        down("Access denied for user 'muster'", cause="permission"),
    ),
    Case(
        "no-such-database",
        {"url": "mysql://root@127.0.0.1:${good}/nope"},
        down("no such database", "nope", cause="missing"),
    ),
    Case("no-tls", at("good", tls=True), down("TLS failed", cause="wrong")),
    Case("not-mysql", at("sshd"), down("not MySQL", "SSH-2.0", cause="wrong")),
    Case("refused", at("refusing"), down("refused: 127.0.0.1:${refusing}", cause="network")),
    Case("silent", at("silent", timeout="1s"), down("connected, but no answer in 1 s", cause="timeout")),
)


def judged(folder: Path, ops: Account) -> Ran:
    """All of them in one run."""
    with ExitStack() as serving:
        return judged_in(serving, folder, ops, CASES, _serve(serving))


def _serve(serving: ExitStack) -> dict[str, object]:
    """Start all servers and break what is to be broken; returns what the inventory has to know of them."""

    def start(number: int, **settings: object) -> MariaDb:
        server = serving.enter_context(MariaDb(server_id=number, **settings))
        server.user("muster", SECRET, *RIGHTS)
        return server

    good = start(1, log_bin="bin", performance_schema="ON")
    followers = [start(2), start(3), start(4)]
    for follower in followers:
        follower.follow(good)
    good.user("stranger", SECRET, "SELECT ON shop.*")
    good.user("nobody", SECRET)
    _, stopped, orphan = followers
    _fill(good)
    wait_for(lambda: all(map(_has_rows, followers)), "replicas that follow")
    orphan.sql("STOP SLAVE", "CHANGE MASTER TO master_port=1", "START SLAVE")
    # A row that is there already cannot be written again.
    stopped.sql("INSERT INTO task_results VALUES (2000, 0)", database="shop")
    good.sql("INSERT INTO task_results VALUES (2000, 0)", database="shop")
    wait_for(lambda: stopped.sql("SHOW SLAVE STATUS")[0]["Slave_SQL_Running"] == "No", "a replica that stopped")

    busy = start(5, performance_schema="ON")
    _fill(busy)
    busy.user("app", "secret-of-app", "ALL ON shop.*")
    serving.enter_context(_blocked(busy))

    crowded = start(6, max_connections=10)
    _fill(crowded)
    _wrong_logins(crowded, 10)
    # The one that is left is for whoever looks; one more is kept for root.
    for _ in range(9):
        serving.enter_context(closing(crowded.connection()))
    _turned_away(crowded)

    return {
        "good": good.port,
        "socket": str(good.socket),
        "follower": followers[0].port,
        "stopped": stopped.port,
        "orphan": orphan.port,
        "busy": busy.port,
        "crowded": crowded.port,
        "refusing": serving.enter_context(refusing_port()),
        "silent": serving.enter_context(silent_port()),
    }


def _fill(server: MariaDb) -> None:
    server.sql(
        "CREATE TABLE task_results (id int PRIMARY KEY, worker int NOT NULL)",
        "INSERT INTO task_results SELECT seq, 0 FROM seq_1_to_1000",
        database="shop",
    )


def _has_rows(server: MariaDb) -> bool:
    with suppress(pymysql.err.ProgrammingError):
        return server.sql("SELECT COUNT(*) AS n FROM task_results", database="shop")[0]["n"] >= 1000
    return False


@contextmanager
def _blocked(server: MariaDb) -> Iterator[None]:
    """A session that has left a transaction open, one that waits for what it has locked, and one that just sleeps."""
    for _ in range(6):
        server.sql("SELECT SLEEP(0.05)", database="shop")
    sessions = [server.connection("shop", user="app", password="secret-of-app") for _ in range(3)]

    def ask(number: int, statement: str) -> None:
        with suppress(pymysql.err.MySQLError), sessions[number].cursor() as cursor:
            cursor.execute(statement)

    ask(0, "UPDATE task_results SET worker = 1 WHERE id = 1")
    waiting = [
        threading.Thread(target=ask, args=(1, "UPDATE task_results SET worker = 2 WHERE id = 1"), daemon=True),
        threading.Thread(target=ask, args=(2, "SELECT SLEEP(60) FROM task_results LIMIT 1"), daemon=True),
    ]
    for each_of in waiting:
        each_of.start()
    try:
        # By the server's clock of whole seconds all three are beyond their limits then.
        wait_for(lambda: _longest(server) >= 3, "sessions that hang")
        yield
    finally:
        for session in sessions:
            server.sql(f"KILL {session.thread_id()}")
        for each_of in waiting:
            each_of.join(10)


def _longest(server: MariaDb) -> int:
    rows = server.sql(
        "SELECT MIN(time) AS least, COUNT(*) AS n FROM information_schema.processlist WHERE user = 'app'"
    )
    return int(rows[0]["least"]) if rows[0]["n"] == 3 else 0


def _wrong_logins(server: MariaDb, count: int) -> None:
    for _ in range(count):
        with suppress(pymysql.err.OperationalError):
            server.connection(user="muster", password="guessed")


def _turned_away(server: MariaDb) -> None:
    """Take the last connections of a server for a moment, also the one for root, in which others are turned away."""
    with closing(server.connection()), closing(server.connection()), suppress(pymysql.err.OperationalError):
        server.connection(user="muster", password=SECRET)
        raise AssertionError("one more connection than there may be")
    wait_for(lambda: _connected(server) == 9 + 1, "a free connection")


def _connected(server: MariaDb) -> int:
    return int(server.sql("SHOW STATUS LIKE 'Threads_connected'")[0]["Value"])
