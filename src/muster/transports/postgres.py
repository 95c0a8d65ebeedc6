"""PostgreSQL: sessions that only read, by libpq (psycopg) over a way of ours.

What a server says before it is ready for a query is read on the way, as
https://www.postgresql.org/docs/current/protocol-message-formats.html has it: so that a server of another kind is
told from one that refuses, whose reason is known by its code and not by words in the server's own language; and so
that a password goes to nobody who may not have it.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus

from muster.databases import Server
from muster.probes import Attempt, Cause, Unobserved
from muster.questions.servers import Execute, Rows, Select
from muster.text import printable
from muster.transports.link import Reader, Stream, StreamRefused
from muster.transports.servers import NotOpened, Way

# What it could not tidy up on a connection that broke it would print on standard error, where nobody else listens.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

OLDEST = 12
"""The oldest major version that the shipped questions are for; 11 has been without fixes since 2023."""

MOST = 16 * 1_048_576
"""Bytes of an answer: libpq takes up to six times as much memory for rows that are all but empty."""

LOCK_PATIENCE_MS = 1_000
LONGEST_GREETING = 65_536
LONGEST_REASON = 300
SSL_REQUEST = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")

#: The messages of a server until it is ready: Authentication, ParameterStatus, BackendKeyData, ErrorResponse,
#: NoticeResponse, NegotiateProtocolVersion, ReadyForQuery.
_GREETING = b"RSKENvZ"

#: What the codes of https://www.postgresql.org/docs/current/errcodes-appendix.html mean when somebody logs in.
_LOGIN: dict[str, tuple[str, Cause]] = {
    "28000": ("denied", "permission"),
    "28P01": ("denied", "permission"),
    "42501": ("denied", "permission"),
    "3D000": ("no such database", "missing"),
    "53300": ("too many connections", "wrong"),
    "57P03": ("not ready", "wrong"),
}

#: PgBouncer has one code, 08P01, for all that it refuses, and says which in these words.
_BY_POOLER: tuple[tuple[str, tuple[str, Cause]], ...] = (
    ("no such database", ("no such database", "missing")),
    ("no such user", ("denied", "permission")),
    ("authentication failed", ("denied", "permission")),
    ("too many", ("too many connections", "wrong")),
    ("no more connections", ("too many connections", "wrong")),
)

#: The causes of a query that failed. 55000: a view of an extension that the server has not loaded.
_CAUSES: dict[str, Cause] = {
    "42501": "permission",
    "55P03": "timeout",
    "57014": "timeout",
    "3F000": "missing",
    "42P01": "missing",
    "42703": "missing",
    "42883": "missing",
    "55000": "missing",
}


class PostgresSession:
    """A session with one database of a PostgreSQL server, in which nothing can be changed."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.version = ""
        self._connection = connection
        # Of a database without an encoding text is what somebody wrote; the server would not send it as UTF-8.
        self._raw = connection.info.parameter_status("server_encoding") == "SQL_ASCII"

    @property
    def broken(self) -> bool:
        return self._connection.closed

    async def begin(self) -> Self:
        """Ask for the version, which shows that the server answers too."""
        select = Select(Server(engine="postgresql"), "SELECT current_setting('server_version')")
        rows = await self._rows(select, select.statement)
        self.version = str(rows[1][0][0])[:80]
        return self

    async def ask(self, question: Any) -> Rows:
        """The rows of a `Select` or `Execute`, in a read-only transaction of its own.

        Raises:
            Unobserved: the server refused it, or it took too long.
        """
        statement = question.statement.strip().rstrip("; \t\n")
        most = None
        if isinstance(question, Select):
            most = question.max_rows
            if question.expression:
                # By the extended protocol, which takes one statement only. A comment may end the last line.
                statement = f"SELECT left(q.v::text, 64) FROM ({statement}\n) AS q(v) LIMIT 2"  # noqa: S608
            else:
                self._known()
                statement = f"SELECT * FROM ({statement}\n) AS q LIMIT {most + 1:d}"  # noqa: S608
        try:
            columns, rows = await self._rows(question, statement, most)
        except psycopg.Error as error:
            raise self._failed(error, question) from None
        return Rows(columns, tuple(rows[:most]), truncated=most is not None and len(rows) > most)

    async def close(self) -> None:
        await self._connection.close()

    def _known(self) -> None:
        major = re.match(r"\d+", self.version)
        if major is None or int(major[0]) < OLDEST:
            version = printable(self.version, 40)
            raise Unobserved("wrong", f"PostgreSQL {version} is too old: this is known of {OLDEST} and later")

    async def _rows(
        self, question: Select | Execute, statement: str, most: int | None = None
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Run one statement by the extended protocol, all in one round trip where nothing fails."""
        connection = self._connection
        # The server gives up first, so that the session lives on.
        patience = max(1, int(question.timeout * 900))
        try:
            async with connection.pipeline(), connection.cursor() as cursor:
                await connection.execute("BEGIN READ ONLY")
                await connection.execute("SET LOCAL TimeZone = 'UTC'")
                await connection.execute(f"SET LOCAL statement_timeout = {patience}")
                await connection.execute(f"SET LOCAL lock_timeout = {min(LOCK_PATIENCE_MS, patience)}")
                if self._raw:
                    await connection.execute("SET LOCAL client_encoding = 'SQL_ASCII'")
                await cursor.execute(statement.encode(), getattr(question, "parameters", None) or None)
                await connection.execute("ROLLBACK")
                rows = await (cursor.fetchall() if most is None else cursor.fetchmany(most + 1))
                return tuple(column.name for column in cursor.description or ()), rows
        except psycopg.Error:
            await self._recovered()
            raise

    async def _recovered(self) -> None:
        """End what a failed statement left open. A connection that cannot be used again (COPY) is closed."""
        with suppress(psycopg.Error):
            if not self.broken:
                await self._connection.rollback()
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            await self._connection.close()

    def _failed(self, error: psycopg.Error, question: Select | Execute) -> Unobserved:
        said = printable((error.diag.message_primary or _plain(error)).strip(), LONGEST_REASON)
        if error.sqlstate == "55P03":
            said += f": another session has held a lock on it for more than {LOCK_PATIENCE_MS / 1000:g} s"
        elif error.sqlstate == "57014":
            said += f" (allowed are {question.timeout * 0.9:g} s)"
        cause = _CAUSES.get(error.sqlstate or "", "network" if self.broken else "wrong")
        return Unobserved(cause, f"PostgreSQL: {said}")


async def open_session(way: Way, server: Server, timeout: float) -> PostgresSession:
    """Log in and see that the server answers.

    Raises:
        NotOpened: it cannot be logged in to, or it is no PostgreSQL server.
    """
    greeting = _Greeting(way)
    port = server.port or 5432
    path = await way.open(
        f".s.PGSQL.{port}", greet=_ask_for_tls if server.tls else None, through=greeting.reading, most=MOST
    )
    try:
        connection = await psycopg.AsyncConnection.connect(
            host=str(Path(path).parent),
            port=port,
            user=server.user or "postgres",
            password=server.password or "",
            dbname=server.database or server.user or "postgres",
            application_name="muster",
            client_encoding="utf8",
            connect_timeout=max(2, int(timeout) + 1),
            # TLS is the way's; what the environment may say of these (PGSSLMODE, ...) is about other connections.
            sslmode="disable",
            gssencmode="disable",
            channel_binding="disable",
            target_session_attrs="any",
            require_auth="!gss,!sspi" if way.private else "!gss,!sspi,!password",
            autocommit=True,
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        raise NotOpened(greeting.failure(error)) from None
    for name in ("text", "varchar", "bpchar", "name"):
        connection.adapters.register_loader(name, _Text)
    try:
        return await PostgresSession(connection).begin()
    except (psycopg.Error, IndexError, UnicodeError) as error:
        await connection.close()
        raise NotOpened(Attempt("failed", "unreadable", f"{server}: {_plain(error)}")) from None


class _Text(Loader):
    """Text of any encoding: other databases' queries are shown as the bytes that they are."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "backslashreplace")


async def _ask_for_tls(stream: Stream) -> None:
    """Ask a server whether it speaks TLS. It answers with one byte.

    Raises:
        StreamRefused: it does not.
    """
    reader, writer = stream
    writer.write(SSL_REQUEST)
    await writer.drain()
    match await reader.read(1):
        case b"S":
            return
        case b"N":
            raise StreamRefused(Attempt("TLS failed", "wrong", "the server speaks no TLS"))
        case b"":
            raise StreamRefused(Attempt("reset", "network", "the server closed the connection"))
        case other:
            raise StreamRefused(_not_postgres(other + await reader.read(40)))


class _Greeting:
    """Reads on the way what a server says until it is ready."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._error: tuple[str, str] | None = None
        self._ended = False

    def reading(self, reader: Reader) -> Reader:
        return _Greeted(reader, self)

    def failure(self, error: psycopg.Error) -> Attempt:
        """Why logging in failed, which libpq told in its own words."""
        server = self._way.server
        if self._error is not None:
            code, said = self._error
            by_words = next((found for words, found in _BY_POOLER if code == "08P01" and words in said), None)
            outcome, cause = by_words or _LOGIN.get(code, ("failed", "wrong"))
            return Attempt(outcome, cause, f"{server}: {said}")
        if self._ended:
            return Attempt("reset", "network", f"{server} closed the connection")
        return Attempt("failed", "wrong", f"{server}: {_plain(error)}")

    def heard(self, kind: bytes, body: bytes) -> bytes:
        """What libpq is to read of a message.

        Raises:
            StreamRefused: the server wants what it may not have.
        """
        if kind == b"E":
            fields = {part[:1]: part[1:].decode("utf-8", "backslashreplace") for part in body.split(b"\0")}
            self._error = fields.get(b"C", ""), printable(fields.get(b"M", "an error"), LONGEST_REASON)
        if kind == b"R":
            self._may_have(int.from_bytes(body[:4], "big"))
            # TLS is ours: libpq knows nothing of it, and would take the offer to bind the password to it for a fault.
            return body.replace(b"SCRAM-SHA-256-PLUS\0", b"")
        return body

    def ended(self) -> None:
        self._ended = True

    def _may_have(self, wanted: int) -> None:
        """Refuse to give a password away (3: in clear, 5: as MD5, 10: SASL)."""
        if wanted not in (3, 5, 10):
            return
        if not self._way.server.password:
            raise StreamRefused(
                Attempt("denied", "permission", "the server asks for a password, and the inventory names none")
            )
        if wanted == 3 and not self._way.private:
            clear = "the server asks for the password in clear, which is sent over TLS only: set tls"
            raise StreamRefused(Attempt("denied", "permission", clear))


class _Greeted:
    """Reads message by message until the server is ready, then as it comes."""

    def __init__(self, reader: Reader, greeting: _Greeting) -> None:
        self._read = partial(reader.read, 65_536)
        self._greeting = greeting
        self._buffer = bytearray()
        self._ready = False

    async def read(self, n: int = -1, /) -> bytes:
        if self._ready:
            if self._buffer:
                rest = bytes(self._buffer)
                self._buffer.clear()
                return rest
            return await self._read()
        if not await self._filled(1):
            self._greeting.ended()
            return b""
        if self._buffer[:1] not in _GREETING:
            raise StreamRefused(_not_postgres(bytes(self._buffer)))
        if not await self._filled(5):
            self._greeting.ended()
            return b""
        length = 1 + int.from_bytes(self._buffer[1:5], "big")
        if not 5 <= length <= LONGEST_GREETING:
            raise StreamRefused(_not_postgres(bytes(self._buffer)))
        if not await self._filled(length):
            self._greeting.ended()
            return b""
        kind, body = bytes(self._buffer[:1]), bytes(self._buffer[5:length])
        del self._buffer[:length]
        body = self._greeting.heard(kind, body)
        self._ready = kind == b"Z"
        return kind + (len(body) + 4).to_bytes(4, "big") + body

    async def _filled(self, length: int) -> bool:
        """Read until that many bytes are there; False where the stream ends before."""
        while len(self._buffer) < length:
            data = await self._read()
            if not data:
                return False
            self._buffer += data
        return True


def _not_postgres(answer: bytes) -> Attempt:
    said = printable(answer[:40].decode("utf-8", "backslashreplace"), 40)
    return Attempt("not PostgreSQL", "wrong", f"it answers {said!r}")


def _plain(error: Exception) -> str:
    """libpq's words, without the path of our socket."""
    text = re.sub(r'connection to server on socket "[^"]*" failed: ', "", str(error))
    return printable(text.removeprefix("connection failed: ").strip(), LONGEST_REASON) or type(error).__name__
