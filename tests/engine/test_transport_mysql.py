"""Sessions with MariaDB, and with what only pretends: nothing is changed, nobody waits, no password is given away."""

from __future__ import annotations

import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from pymysql.err import OperationalError

from muster.databases import Server
from muster.probes import Attempt
from muster.questions.servers import AskEach, AskServer, Select
from muster.targets import Host
from muster.transports.mysql import MysqlSession, _careful
from tests.engine.asking import answer, failure, local, observe, ssh
from tests.servers.mariadb import MariaDb
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.needs("mariadb")

SECRET = "a-secret-of-muster"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as running:
        running.sql("CREATE TABLE numbers (n int)", "INSERT INTO numbers VALUES (1), (2), (3)", database="shop")
        running.user("muster", SECRET, "SELECT ON shop.*")
        running.user("owner", SECRET, "ALL ON *.*")
        yield running


def at(server: MariaDb, **more: Any) -> Server:
    return Server(**{"engine": "mysql", "port": server.port, "user": "muster", "password": SECRET, **more})


def attempt(server: Server, host: Host | None = None, timeout: float = 5.0) -> Attempt:
    found = answer(host or local(), AskServer(server, timeout)).attempt
    assert isinstance(found, Attempt)
    return found


@pytest.mark.needs("sshd")
def test_rows_come_from_here_and_over_ssh(mariadb: MariaDb, ssh_host: Sshd) -> None:
    for host in (local(), ssh(ssh_host)):
        for way in ({}, {"socket": str(mariadb.socket)}):
            rows = answer(host, Select(at(mariadb, database="shop", **way), "SELECT n, n / 2 AS half FROM numbers"))
            assert (rows.columns, rows.truncated) == (("n", "half"), False)
            assert [row[0] for row in rows.rows] == [1, 2, 3]


def test_all_questions_take_one_connection(mariadb: MariaDb) -> None:
    before = int(mariadb.sql("SHOW STATUS LIKE 'Connections'")[0]["Value"])
    server = at(mariadb, database="shop")
    selects = tuple(Select(server, f"SELECT {number}") for number in range(9))
    found = observe(local(), AskServer(server), *selects[:3], AskEach(selects[3:]))
    assert [each.failure for each in found] == [None] * 5
    after = int(mariadb.sql("SHOW STATUS LIKE 'Connections'")[0]["Value"])
    assert after - before == 2  # and the one that asks


def test_more_rows_than_wanted_are_cut(mariadb: MariaDb) -> None:
    rows = answer(local(), Select(at(mariadb, database="shop"), "SELECT seq FROM seq_1_to_10", max_rows=4))
    assert (len(rows.rows), rows.truncated) == (4, True)


def test_rows_that_are_not_wanted_take_no_memory(mariadb: MariaDb) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = answer(local(), Select(at(mariadb, database="shop"), "SELECT seq FROM seq_1_to_1000000", timeout=30))
    assert (len(rows.rows), rows.truncated) == (1000, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # in KiB


def test_a_query_gives_its_first_column_as_short_text(mariadb: MariaDb) -> None:
    question = Select(at(mariadb), "SELECT repeat('é', 100), 2 -- ;", expression=True)
    assert answer(local(), question).rows == (("é" * 64,),)
    assert answer(local(), Select(at(mariadb), "SELECT NULL;", expression=True)).rows == ((None,),)
    many = answer(local(), Select(at(mariadb, database="shop"), "SELECT seq FROM seq_1_to_10", expression=True))
    assert len(many.rows) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM shop.numbers",
        "INSERT INTO shop.numbers VALUES (4)",
        "CREATE TABLE shop.other (n int)",
        "DROP TABLE shop.numbers",
        "CREATE USER other",
        "SELECT 1; DELETE FROM shop.numbers",
    ],
)
def test_nothing_can_be_changed_even_by_an_owner(mariadb: MariaDb, statement: str) -> None:
    assert failure(local(), Select(at(mariadb, user="owner"), statement)).cause == "wrong"
    assert mariadb.sql("SELECT COUNT(*) AS n FROM shop.numbers") == [{"n": 3}]


def test_a_function_that_lifts_the_session_lifts_it_for_no_other_question(mariadb: MariaDb) -> None:
    mariadb.sql(
        "CREATE OR REPLACE FUNCTION lifts() RETURNS INT BEGIN SET SESSION tx_read_only = 0; RETURN 1; END",
        "CREATE OR REPLACE FUNCTION writes() RETURNS INT BEGIN INSERT INTO numbers VALUES (4); RETURN 1; END",
        database="shop",
    )
    server = at(mariadb, user="owner", database="shop")
    lifted, written = observe(local(), Select(server, "SELECT lifts()"), Select(server, "SELECT writes()"))
    assert lifted.value.rows == ((1,),)
    assert "READ ONLY transaction" in str(written.failure)
    assert mariadb.sql("SELECT COUNT(*) AS n FROM shop.numbers") == [{"n": 3}]


def test_the_server_ends_what_takes_too_long_and_the_session_lives_on(mariadb: MariaDb) -> None:
    server = at(mariadb)
    slow, quick = observe(local(), Select(server, "SELECT SLEEP(30)", timeout=1), Select(server, "SELECT 1"))
    assert "max_statement_time exceeded" in str(slow.failure)
    assert slow.failure is not None
    assert quick.value.rows == ((1,),)
    wait_until_nobody_sleeps(mariadb)


def wait_until_nobody_sleeps(server: MariaDb) -> None:
    count = "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
    ends = time.monotonic() + 5
    while server.sql(count)[0]["n"]:
        assert time.monotonic() < ends, "the query goes on"


def test_nobody_waits_for_a_table_that_is_locked(mariadb: MariaDb) -> None:
    holder = mariadb.connection("shop")
    try:
        holder.cursor().execute("LOCK TABLES numbers WRITE")
        found = failure(local(), Select(at(mariadb), "SELECT * FROM shop.numbers", timeout=8))
    finally:
        holder.close()
    assert (found.cause, "Lock wait timeout" in found.message) == ("timeout", True)


def test_times_are_in_utc(mariadb: MariaDb) -> None:
    assert answer(local(), Select(at(mariadb), "SELECT @@session.time_zone")).rows == (("+00:00",),)


def test_tls_is_asked_for_and_verified() -> None:
    with MariaDb(tls=True) as server:
        server.user("muster", SECRET, "SELECT ON shop.*")
        server.sql("ALTER USER muster REQUIRE SSL")
        assert attempt(at(server)).cause == "permission"
        assert attempt(at(server, tls=True, ca_file=str(server.ca_file))).connected
        assert attempt(at(server, tls=True, verify=False)).connected
        refused = attempt(at(server, tls=True))
        assert (refused.outcome, refused.cause) == ("TLS failed", "wrong")


class Impostor:
    """A server that greets as MySQL 8 does, and asks for the password by ``plugin``; ``heard`` is what it is told."""

    def __init__(self, plugin: bytes, *, switches: bool = False, first: bytes | None = None) -> None:
        self.heard = b""
        self._plugin = plugin
        self._switches = switches
        self._first = first
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    self._talk(client)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, client: socket.socket) -> None:
        client.settimeout(3)
        if self._first is not None:
            client.sendall(self._first)
            client.shutdown(socket.SHUT_WR)
            self.heard += client.recv(65_536)
            return
        client.sendall(_packet(0, _greeting(b"mysql_native_password" if self._switches else self._plugin)))
        self.heard += client.recv(65_536)
        number = 2
        if self._switches:
            client.sendall(_packet(number, b"\xfe" + self._plugin + b"\0" + b"n" * 20 + b"\0"))
            self.heard += client.recv(65_536)
            number += 2
        client.sendall(_packet(number, b"\x01\x04"))  # "I want all of it"
        self.heard += client.recv(65_536)


def _packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def _greeting(plugin: bytes) -> bytes:
    """HandshakeV10, with TLS not offered."""
    capabilities = 0x1 | 0x8 | 0x200 | 0x8000 | 0x80000 | 0x200000
    low, high = struct.pack("<I", capabilities)[:2], struct.pack("<I", capabilities)[2:]
    start = b"\x0a8.0.36\0" + struct.pack("<I", 7) + b"n" * 8 + b"\0" + low
    return start + b"\x2d\x02\x00" + high + b"\x15" + bytes(10) + b"n" * 12 + b"\0" + plugin + b"\0"


@contextmanager
def impostor(*words: Any, **more: Any) -> Iterator[Impostor]:
    server = Impostor(*words, **more)
    serving = threading.Thread(target=server.serve, daemon=True)
    serving.start()
    try:
        yield server
    finally:
        server.close()
        serving.join(5)


@pytest.mark.parametrize("switches", [False, True])
@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"mysql_old_password", b"dialog"])
def test_a_password_is_not_sent_in_clear(plugin: bytes, switches: bool) -> None:
    with impostor(plugin, switches=switches) as server:
        found = attempt(Server(engine="mysql", port=server.port, user="muster", password=SECRET), timeout=2)
    assert not found.connected
    assert SECRET.encode() not in server.heard
    if switches:
        assert (found.outcome, found.cause, "set tls" in found.detail) == ("denied", "permission", True)


@pytest.mark.parametrize("plugin", ["sha256_password", "caching_sha2_password"])
def test_a_password_is_not_encrypted_for_whoever_asks(plugin: str) -> None:
    """Beyond this machine the key that the server names is one that anybody on the way could have put there."""
    assert plugin in _careful(private=False, trusted=False)
    assert plugin not in _careful(private=False, trusted=True)
    assert _careful(private=True, trusted=True).keys() == {"mysql_old_password"}


@pytest.mark.parametrize("switches", [False, True])
def test_a_server_of_another_machine_does_not_get_to_send_its_key(switches: bool) -> None:
    # Linux takes 0.0.0.0 for this machine, which nothing else has to know.
    with impostor(b"caching_sha2_password", switches=switches) as server:
        found = attempt(Server(engine="mysql", address="0.0.0.0", port=server.port, user="muster", password=SECRET))
    assert (found.outcome, found.cause) == ("denied", "permission")
    assert "caching_sha2_password" in found.detail
    assert SECRET.encode() not in server.heard
    assert not server.heard.endswith(b"\x01\x00\x00\x03\x02"), "it asked for the key"


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not MySQL"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", "not MySQL"),
        (b"-ERR wrong number of arguments\r\n", "not MySQL"),
        (b"\0", "not MySQL"),
        (_packet(0, b"\x0a8.0"), "failed"),
        (_packet(0, b"\x0a"), "failed"),
        (_packet(0, b"\xff\x10\x04Too many connections"), "too many connections"),
        (b"", "reset"),
    ],
    ids=["ssh", "http", "redis", "a-byte", "cut-off", "empty", "error", "nothing"],
)
def test_another_kind_of_server_is_told_from_one_that_refuses(first: bytes, outcome: str) -> None:
    with impostor(b"", first=first) as server:
        found = attempt(Server(engine="mysql", port=server.port, user="muster", password=SECRET), timeout=3)
    assert found.outcome == outcome, found
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("number", "said", "wanted"),
    [
        # As MySQL 8 says it (https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html).
        (
            1227,
            "Access denied; you need (at least one of) the SUPER, REPLICATION CLIENT privilege(s) for this operation",
            "; GRANT REPLICATION CLIENT ON *.* TO muster",
        ),
        (
            1227,
            "Access denied; you need (at least one of) the PROCESS privilege(s) for this operation",
            "; GRANT PROCESS ON *.* TO muster",
        ),
        (
            1142,
            "SELECT command denied to user 'muster'@'localhost' for table 'data_lock_waits'",
            "; GRANT SELECT ON data_lock_waits TO muster",
        ),
        (1370, "execute command denied to user 'muster'@'%' for routine 'shop.f'", "for routine 'shop.f'"),
    ],
)
def test_a_right_that_mysql_misses_is_named(number: int, said: str, wanted: str) -> None:
    session = MysqlSession(SimpleNamespace(server_version="8.0.36", open=True), Server(engine="mysql", user="muster"))
    found = session._failed(OperationalError(number, said), Select(Server(engine="mysql"), "SELECT 1"))
    assert (found.cause, found.message) == ("permission", f"MySQL: {said}{wanted if wanted[0] == ';' else ''}")
