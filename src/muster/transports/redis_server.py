"""Redis: sessions in which only commands that read are sent, by redis-py over a way of ours, in RESP2."""

from __future__ import annotations

import time
from typing import Any, Self

from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import InvalidResponse, NoPermissionError, RedisError, ResponseError

from muster.databases import Server
from muster.probes import Attempt, Cause, Unobserved
from muster.questions.servers import AskRedis, CountKeys
from muster.text import printable
from muster.transports.servers import NotOpened, Way

LONGEST_REASON = 300

SCANNED_AT_ONCE = 1_000
"""Keys that one ``SCAN`` looks at: a millisecond or so of the server's one thread."""

MOST = 4 * 1_048_576
"""Bytes that an answer may have: ``INFO`` has some 10 KB, a slow log at most half a MiB. One of nothing but small
numbers takes twenty times as much memory."""

#: Commands that read and do not block the server for long; of some of them, only these subcommands.
READING: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("DBSIZE", "EXISTS", "HLEN", "INFO", "LASTSAVE", "LLEN", "PFCOUNT", "PING", "PTTL", "ROLE"), ()),
    **dict.fromkeys(("SCAN", "SCARD", "STRLEN", "TIME", "TTL", "TYPE", "XLEN", "ZCARD"), ()),
    "CLIENT": ("INFO", "LIST"),
    "CLUSTER": ("INFO", "NODES"),
    "CONFIG": ("GET",),
    "LATENCY": ("LATEST",),
    "MEMORY": ("DOCTOR", "STATS", "USAGE"),
    "SLOWLOG": ("GET", "LEN"),
}

#: What a server answers to PING before anybody has logged in, where it is one that can be spoken with.
ASKS_TO_LOG_IN = ("NOAUTH", "NOPERM", "MASTERDOWN")


class RedisSession:
    """A session with one database of a Redis server."""

    def __init__(self, connection: Any, way: Way) -> None:
        self.version = ""
        self._connection = connection
        self._way = way
        self._server = way.server

    @property
    def broken(self) -> bool:
        return not self._connection.is_connected

    async def begin(self) -> Self:
        """See that it is Redis, log in, and ask for the version.

        Raises:
            NotOpened: one of these failed.
        """
        # A password is sent in clear: what is no Redis does not get to see it.
        try:
            await self._said("PING")
        except (ResponseError, Broken) as error:
            if _code(error) not in ASKS_TO_LOG_IN:
                raise
        if self._server.password is not None:
            names = [] if self._server.user is None else [self._server.user]
            await self._said("AUTH", *names, self._server.password)
        try:
            await self._said("PING")
        except NoPermissionError:
            pass
        except (ResponseError, Broken) as error:
            if _code(error) != "MASTERDOWN":
                raise
        if self._server.database not in ("", "0"):
            await self._select(self._server.database)
        try:
            info = await self._said("INFO", "server")
        except NoPermissionError:
            return self
        lines = info.decode("utf-8", "replace").splitlines() if isinstance(info, bytes) else []
        told = next((line.partition(":")[2] for line in lines if line.startswith("redis_version:")), None)
        if told is None:
            raise NotOpened(Attempt("not Redis", "wrong", f"{self._server}: INFO names no redis_version"))
        self.version = printable(told, 80)
        return self

    async def _select(self, database: str) -> None:
        try:
            await self._said("SELECT", database)
        except ResponseError as error:
            if "index" not in str(error):
                raise
            nowhere = f"{self._server} has no database {database}: {_plain(error)}"
            raise NotOpened(Attempt("no such database", "missing", nowhere)) from None

    async def ask(self, question: Any) -> Any:
        """The answer of `AskRedis`, as bytes, numbers, None and lists of them; the number of `CountKeys`.

        Raises:
            Unobserved: the server refused it, or lacks the time.
        """
        words = question.words if isinstance(question, AskRedis) else ("SCAN",)
        if not _reads(words):
            raise Unobserved(
                "internal", f"{' '.join(words[:2])} is not sent: it is not known to be one that only reads"
            )
        try:
            return await (self._said(*words) if isinstance(question, AskRedis) else self._count(question))
        except NoPermissionError:
            raise Unobserved("permission", f"Redis: {self._right(words)}") from None
        except (RedisError, OSError, ValueError, RecursionError) as error:
            cause: Cause = "network" if self.broken else "wrong"
            raise Unobserved(cause, f"Redis: {_plain(error)}") from None

    async def close(self) -> None:
        await self._connection.disconnect(nowait=True)

    async def _said(self, *words: str) -> Any:
        await self._connection.send_command(*words, check_health=False)
        return await self._connection.read_response(disable_decoding=True)

    async def _count(self, question: CountKeys) -> int:
        ends = time.monotonic() + 0.9 * question.timeout
        there = await self._said("DBSIZE")
        if not isinstance(there, int):
            raise Unobserved("unreadable", f"this is no answer to DBSIZE: {printable(str(there), 80)}")
        if there > question.most:
            raise Unobserved("timeout", f"{there:,} keys are too many to look through: at most {question.most:,} are")
        count, cursor = 0, b"0"
        while True:
            self._way.ask()  # what one part of the answer may have
            answer = await self._said(
                "SCAN", cursor.decode("ascii", "replace"), "MATCH", question.pattern, "COUNT", str(SCANNED_AT_ONCE)
            )
            match answer:
                case [bytes() as cursor, list() as keys]:
                    count += len(keys)
                case _:
                    raise Unobserved("unreadable", f"this is no answer to SCAN: {printable(str(answer)[:200], 80)}")
            if cursor == b"0":
                return count
            if time.monotonic() > ends or count > question.most:
                raise Unobserved("timeout", f"{count:,} keys match so far, but not all were seen in time")

    def _right(self, words: tuple[str, ...]) -> str:
        """What to do about a command that an ACL forbids."""
        user = self._server.user or "default"
        command = words[0].lower()
        rights = f"+{command}|{words[1].lower()}" if READING[words[0].upper()] else f"+{command}"
        if words == ("SCAN",):
            rights = "+scan +dbsize"
        return f"{user} may not run {command.upper()}; allow it: ACL SETUSER {user} {rights}"


async def open_session(way: Way, server: Server, timeout: float) -> RedisSession:
    """Log in and see that the server answers. Its caller bounds the time.

    Raises:
        NotOpened: it cannot be logged in to, or it is no Redis.
    """
    connection: Any = UnixDomainSocketConnection(
        path=await way.open(most=MOST), protocol=2, driver_info=None, socket_timeout=None
    )
    session = RedisSession(connection, way)
    try:
        await connection.connect()
        return await session.begin()
    except NotOpened:
        await session.close()
        raise
    except (RedisError, OSError, ValueError, RecursionError) as error:
        await session.close()
        raise NotOpened(_failed(error, server)) from None


def _failed(error: Exception, server: Server) -> Attempt:
    """Why a server could not be logged in to."""
    said = f"{server}: {_plain(error)}"
    text = str(error).lower()
    match _code(error):
        case "NOAUTH":
            return Attempt("denied", "permission", f"{server} asks for a password, and the inventory names none")
        case "WRONGPASS" | "NOPERM":
            return Attempt("denied", "permission", said)
        case "LOADING":
            return Attempt(
                "loading", "wrong", f"{server} still reads what it holds from disk, and answers nothing else"
            )
    if text.startswith("denied") and "protected mode" in text:
        rest = "is in protected mode: it has no password, and speaks only to clients of its own machine"
        return Attempt("denied", "permission", f"{server} {rest}")
    if "max number of clients" in text:
        return Attempt("too many clients", "wrong", said)
    if "password" in text:
        return Attempt("denied", "permission", said)
    if isinstance(error, InvalidResponse | ValueError | RecursionError):
        return Attempt("not Redis", "wrong", said)
    if isinstance(error, ResponseError):
        return Attempt("failed", "wrong", said)
    return Attempt("reset", "network", f"{server} closed the connection")


def _reads(words: tuple[str, ...]) -> bool:
    if not words or words[0].upper() not in READING:
        return False
    under = READING[words[0].upper()]
    return not under or (len(words) > 1 and words[1].upper() in under)


def _code(error: Exception) -> str:
    return str(getattr(error, "status_code", None) or "")


def _plain(error: Exception) -> str:
    return printable(str(error) or type(error).__name__, LONGEST_REASON)
