"""MySQL and MariaDB: sessions that only read, by PyMySQL over a way of ours.

PyMySQL gets a socket that is connected already: told of a unix socket, it would take the way for one that nobody
can read, and send a password in clear. TLS is its own, for a server is asked for it in the midst of the greeting.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor
from pymysql.err import MySQLError

from muster.databases import Server
from muster.probes import Attempt, Cause, Unobserved
from muster.questions.servers import Rows, Select
from muster.text import printable
from muster.transports.link import Reader, StreamRefused
from muster.transports.servers import NotOpened, Way
from muster.transports.threads import in_thread

LONGEST_REASON = 300
LONGEST_VALUE = 64

LOCK_PATIENCE = 1
"""Seconds that a query waits for a table that somebody is altering."""

#: The greeting of a server: protocol 10, or an error in place of it
#: (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html).
_GREETINGS = (10, 255)

#: What the numbers of https://mariadb.com/kb/en/mariadb-error-codes/ mean when somebody logs in; MySQL has the same.
_LOGIN: dict[int, tuple[str, Cause]] = {
    **dict.fromkeys((1044, 1045, 1129, 1130, 1251, 1698, 1862, 3118, 3159, 3955, 4151), ("denied", "permission")),
    **dict.fromkeys((1040, 1203, 1226), ("too many connections", "wrong")),
    1049: ("no such database", "missing"),
    1053: ("not ready", "wrong"),
}

#: The causes of a query that failed.
_CAUSES: dict[int, Cause] = {
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1345, 1370), "permission"),
    **dict.fromkeys((1049, 1054, 1109, 1146, 1305), "missing"),
    **dict.fromkeys((1205, 1317, 1907, 1969, 3024), "timeout"),
}

#: What PyMySQL raises, and what reading garbage raises in it.
_FAULTS = (MySQLError, OSError, ValueError, IndexError, struct.error, RuntimeError, AssertionError, TypeError)


class MysqlSession:
    """A session with one database of a MySQL or MariaDB server, in which nothing can be changed."""

    def __init__(self, connection: Any, server: Server) -> None:
        # Before 11.0 MariaDB says 5.5.5 first, for replicas that took it for too old.
        self.version = printable(str(connection.server_version).removeprefix("5.5.5-"), 80)
        self._connection = connection
        self._server = server

    @property
    def broken(self) -> bool:
        return not self._connection.open

    def begin(self) -> None:
        """Let nothing be changed, all times be UTC, and nobody be kept waiting. Blocks."""
        settings = ["TRANSACTION READ ONLY", "time_zone = '+00:00'", f"lock_wait_timeout = {LOCK_PATIENCE}"]
        if not self._is_mariadb:
            settings.append("information_schema_stats_expiry = 0")
        with self._connection.cursor() as cursor:
            for setting in settings:
                cursor.execute(f"SET SESSION {setting}")

    async def ask(self, question: Any) -> Rows:
        """The rows of a `Select`.

        Raises:
            Unobserved: the server refused it, or it took too long.
        """
        try:
            return await in_thread(lambda: self._rows(question))
        except _FAULTS as error:
            raise self._failed(error, question) from None

    async def close(self) -> None:
        await in_thread(self._farewell)

    def _farewell(self) -> None:
        if self._connection.open:
            self._connection.close()

    @property
    def _is_mariadb(self) -> bool:
        return "mariadb" in self.version.lower()

    def _rows(self, question: Select) -> Rows:
        # A function that the one before called may have changed the session's variables, behind a view too.
        patience = max(0.001, 0.9 * question.timeout)  # the server gives up first, so that the session lives on
        bound = (
            f"max_statement_time = {patience:.3f}, tx_read_only = 1"
            if self._is_mariadb
            else f"max_execution_time = {patience * 1000:.0f}, transaction_read_only = 1"
        )
        statement = question.statement
        if question.expression:
            one = statement.rstrip().removesuffix(";")
            statement = f"SELECT * FROM (\n{one}\n) AS q LIMIT 2"  # noqa: S608 (an inventory's, and read-only)
        # Of more rows than are wanted none is kept: small ones take far more room here than on the way.
        with self._connection.cursor(SSCursor) as cursor:
            cursor.execute(f"SET SESSION {bound}")
            cursor.execute(statement)
            rows = cursor.fetchmany(question.max_rows + 1)
            columns = tuple(str(column[0]) for column in cursor.description or ())
        if question.expression:
            return Rows(columns[:1], tuple((_text(row[0]),) for row in rows))
        return Rows(columns, tuple(map(tuple, rows[: question.max_rows])), truncated=len(rows) > question.max_rows)

    def _failed(self, error: Exception, question: Select) -> Unobserved:
        number, said = _told(error)
        cause: Cause = "network" if self.broken else _CAUSES.get(number, "wrong")
        if cause == "permission":
            said += self._grant(said)
        elif number in (1969, 3024):
            said += f" (allowed are {question.timeout * 0.9:g} s)"
        return Unobserved(cause, f"{'MariaDB' if self._is_mariadb else 'MySQL'}: {said}")

    def _grant(self, said: str) -> str:
        """What to do about a right that is missing, by the words in which the server names it."""
        to = self._server.user or "root"
        if found := re.search(r"at least one of\) the ([A-Z_, ]{1,200}) privilege", said):
            rights = [right for right in found[1].split(", ") if right != "SUPER"]
            return f"; GRANT {rights[-1] if rights else 'SUPER'} ON *.* TO {to}" if rights else ""
        if found := re.search(r"^([A-Z ]{1,40}) command denied .{1,200} for table [`']([^']{1,150})['`]$", said):
            return f"; GRANT {found[1]} ON {found[2].replace('`', '')} TO {to}"
        return ""


async def open_session(way: Way, server: Server, timeout: float) -> MysqlSession:
    """Log in and see that the server answers. Its caller bounds the time.

    Raises:
        NotOpened: it cannot be logged in to, or it is no MySQL server.
        Unobserved: the files for TLS cannot be read.
    """
    path = await way.open(through=_Greeted, secured=False)
    context = way.context() if server.tls else None
    trusted = way.private or _is_loopback(server.address)

    def opened() -> MysqlSession:
        connection: Connection[Any] = pymysql.Connection(
            host=server.address,
            user=server.user or "root",
            password=server.password or "",
            database=server.database or None,
            charset="utf8mb4",
            ssl=context,
            ssl_disabled=context is None,
            autocommit=True,
            local_infile=False,
            defer_connect=True,
            program_name="muster",
            auth_plugin_map=_careful(private=way.private, trusted=trusted),
        )
        reached = socket.socket(socket.AF_UNIX)
        try:
            reached.connect(path)
            connection.connect(reached)
            session = MysqlSession(connection, server)
            session.begin()
        except BaseException:
            reached.close()
            raise
        return session

    try:
        return await in_thread(opened)
    except _FAULTS as error:
        raise NotOpened(_not_opened(error, server)) from None


def _not_opened(error: Exception, server: Server) -> Attempt:
    if isinstance(error, _Unsafe):
        return Attempt("denied", "permission", f"{server} {error}")
    below = getattr(error, "original_exception", error)
    if isinstance(below, ssl.SSLError):
        reason = getattr(below, "verify_message", "") or str(below.reason or below).replace("_", " ").lower()
        return Attempt("TLS failed", "wrong", f"{server}: {reason}")
    number, said = _told(error)
    if number == 1044:
        said += f"; GRANT SELECT ON {server.database}.* TO {server.user or 'root'}"
    if number in _LOGIN:
        outcome, cause = _LOGIN[number]
        return Attempt(outcome, cause, f"{server}: {said}")
    if number == 2026:
        return Attempt("TLS failed", "wrong", f"{server}: {said}")
    if number in (2003, 2006, 2013):
        return Attempt("reset", "network", f"{server} closed the connection")
    return Attempt("failed", "wrong", f"{server}: {said}")


def _told(error: Exception) -> tuple[int, str]:
    """The number of an error, 0 where it has none, and its words."""
    number, words = (*error.args, "", "")[:2]
    if isinstance(number, int):
        return number, printable(str(words), LONGEST_REASON)
    return 0, printable(str(error) or type(error).__name__, LONGEST_REASON)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value[: LONGEST_VALUE * 4].decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text[:LONGEST_VALUE]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class _Unsafe(MySQLError):
    """A server asks for a password in a way in which it may become known to others."""


class _Refusing:
    """In the place of an authentication that sends the password, or as good as that."""

    def __init__(self, connection: Any) -> None:
        pass

    def authenticate(self, packet: Any) -> Any:
        raise _Unsafe("asks for the password in clear, which is sent over TLS only: set tls")


class _ByScramble:
    """``caching_sha2_password`` of a password that the server has seen before; else it would ask for the password,
    encrypted with a key that nobody vouches for."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def authenticate(self, packet: Any) -> Any:
        connection = self._connection
        if packet.is_auth_switch_request():
            packet = self._answered(_scrambled(connection.password, packet.read_all().removesuffix(b"\0")))
        if packet.is_ok_packet():
            return packet
        if packet.is_extra_auth_data():
            packet.advance(1)
            if packet.read_uint8() == 3:
                return self._answered(None)
        raise _Unsafe("asks for the password itself (caching_sha2_password), which is sent over TLS only: set tls")

    def _answered(self, said: bytes | None) -> Any:
        if said is not None:
            self._connection.write_packet(said)
        packet = self._connection._read_packet()
        packet.check_error()
        return packet


def _scrambled(password: bytes, nonce: bytes) -> bytes:
    """SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce), as MySQL's documentation has it."""
    if not password:
        return b""
    once = hashlib.sha256(password).digest()
    mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))


def _careful(*, private: bool, trusted: bool) -> dict[str, Callable[[Any], Any]]:
    """How to authenticate, by plugin, where the plain way would give a password away.

    ``private``: nobody on the way can read. ``trusted``: whoever could change what is sent has the server too.
    """
    refused: dict[str, Callable[[Any], Any]] = {"mysql_old_password": _Refusing}
    if not private:
        refused |= {"mysql_clear_password": _Refusing, "dialog": _Refusing}
    if not trusted:
        refused |= {"sha256_password": _Refusing, "caching_sha2_password": _ByScramble}
    return refused


class _Greeted:
    """Reads what a server says, which has to begin as MySQL does."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._begun = False

    async def read(self, n: int = -1, /) -> bytes:
        data = await self._reader.read(n)
        if self._begun or not data:
            return data
        while len(data) < 5 and (more := await self._reader.read(n)):
            data += more
        self._begun = True
        if len(data) < 5 or data[3] != 0 or data[4] not in _GREETINGS:
            said = printable(data[:40].decode("utf-8", "backslashreplace"), 40)
            raise StreamRefused(Attempt("not MySQL", "wrong", f"it answers {said!r}"))
        return data
