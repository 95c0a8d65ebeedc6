"""Database servers: one session with each, over the link of its host."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Protocol

from msgspec.structs import replace

from muster.databases import Server
from muster.probes import Attempt, Unobserved
from muster.questions.servers import AskEach, AskRedis, AskServer, CountKeys, Execute, Select, ServerAnswer
from muster.text import printable
from muster.transports.link import Link, Reader, Stream, StreamRefused, seen
from muster.transports.outcomes import RETRY_AFTER, worth_another_try
from muster.transports.secured import client_context
from muster.transports.tunnel import Tunnel

SERVERS_AT_ONCE = 8
SERVERS_AT_ONCE_HERE = 64
"""Servers that are asked at once over a link, and from this machine: there is no sshd to spare here."""

MOST = 64 * 1_048_576
"""Bytes that a server may send in answer to one question, unless its driver wants less."""

LOSSES = 2
"""Sessions with one server that may be lost before nothing more is asked of it."""

KEPT = 64
"""Sessions that stay open for what may yet be asked: each takes a handful of file descriptors."""

GOODBYE = 0.2
LETTING_GO = 1.0
"""Seconds that a driver's farewell may take to get there, and that it may take to see that its way is closed."""

NAMES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "redis": "Redis"}

#: The module that speaks with each engine: it has ``open_session``.
SPEAKERS = {
    "postgresql": "muster.transports.postgres",
    "mysql": "muster.transports.mysql",
    "redis": "muster.transports.redis_server",
}


class NotOpened(Exception):
    """A server could not be logged in to. ``attempt`` says what happened."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(str(attempt))
        self.attempt = attempt


class Session(Protocol):
    """A connection to a server that is logged in and has answered. It is asked one question at a time.

    ``version`` is the server's, as it names it; ``broken`` is True once the connection is of no use any more.
    """

    version: str

    @property
    def broken(self) -> bool: ...

    async def ask(self, question: Select | Execute | AskRedis | CountKeys) -> Any:
        """The answer. Whoever asks bounds the time, and closes the `Way` where it is over: that must end this.

        Raises:
            Unobserved: there is none.
        """

    async def close(self) -> None:
        """Say farewell to the server and let go of the connection."""


class Way:
    """How a driver reaches a server: by a unix socket that only we may use, which leads there over a link.

    ``connected`` is True once a stream to the server was open, ``heard`` once anything came over it; ``most`` bytes
    may come in answer to one question.
    """

    def __init__(self, link: Link, server: Server) -> None:
        self.server = server
        self.connected = self.heard = False
        self.most = self._left = MOST
        self._link = link
        self._tunnel: Tunnel | None = None

    @property
    def private(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.server.tls or self.server.socket is not None

    @property
    def refused(self) -> StreamRefused | None:
        """Why the last connection did not come about, or was ended by us, which the driver cannot know."""
        return self._tunnel.refused if self._tunnel is not None else None

    async def open(
        self,
        name: str = "s",
        *,
        greet: Callable[[Stream], Awaitable[None]] | None = None,
        through: Callable[[Reader], Reader] = lambda reader: reader,
        secured: bool = True,
        most: int | None = None,
    ) -> str:
        """Make the socket, called ``name``, and return its path.

        ``greet`` speaks with the server before anything else, in the clear. With ``tls`` TLS follows, unless
        ``secured`` is False: then the driver has to do it, with `context`. ``through`` reads what comes back, of
        ``most`` bytes for each question.

        Raises:
            Unobserved: the files for TLS cannot be read.
        """

        if most is not None:
            self.most = self._left = most

        async def opened() -> Stream:
            reader, writer = await reached(self._link, self.server)
            self.connected = True
            stream = _Bounded(reader, self), writer
            if greet is not None:
                try:
                    await greet(stream)
                except BaseException:
                    writer.close()
                    raise
            return stream

        context = self.context() if self.server.tls and secured else None
        self._tunnel = Tunnel(opened, context, self.server.address, name=name, through=through)
        return (await self._tunnel.open()).path

    def context(self) -> ssl.SSLContext:
        """What the inventory says of TLS with this server.

        Raises:
            Unobserved: its ``ca_file`` cannot be read.
        """
        return client_context(self.server.ca_file, verify=self.server.verify)

    def take(self, count: int) -> None:
        """Count bytes that came. Raises `StreamRefused` where they are too many."""
        self.heard = self.heard or count > 0
        self._left -= count
        if self._left < 0:
            raise StreamRefused(Attempt("too much", "unreadable", f"it sent more than {self.most >> 20} MiB"))

    def ask(self) -> None:
        """Count from the beginning: a question is asked."""
        self._left = self.most

    async def close(self, patience: float = 0.0) -> None:
        if self._tunnel is not None:
            await self._tunnel.close(patience)


async def reached(link: Link, server: Server) -> Stream:
    """A stream to a server.

    Raises:
        StreamRefused: it could not be opened.
    """
    if server.socket is not None:
        return await link.unix_stream(server.socket)
    return await link.stream(server.address, server.port)


class _Bounded:
    """Ends a connection over which more comes than the way takes."""

    def __init__(self, reader: Reader, way: Way) -> None:
        self._reader = reader
        self._way = way

    async def read(self, n: int = -1, /) -> bytes:
        data = await self._reader.read(n)
        self._way.take(len(data))
        return data


class Servers:
    """The database servers that a host reaches. Each is logged in to once, and asked one question at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._places: dict[Server, _Place] = {}
        self._at_once = asyncio.Semaphore(SERVERS_AT_ONCE_HERE if link.direct else SERVERS_AT_ONCE)

    async def ask(self, question: AskServer | Select | Execute | AskRedis | CountKeys | AskEach) -> Any:
        """The answer to a question.

        Raises:
            Unobserved: there is none; a failure to log in is the answer to `AskServer` only.
        """
        if isinstance(question, AskEach):
            return tuple([await self._or_failure(each) for each in question.questions])
        place = self._places.get(question.server)
        if place is None:
            place = self._places[question.server] = _Place(self._link, question.server)
        place.askers += 1
        try:
            # In this order: what waits for its own server keeps no other one waiting.
            async with place.turn, self._at_once:
                return await place.ask(question)
        finally:
            place.askers -= 1
            if not place.askers and sum(each.open for each in self._places.values()) > KEPT:
                await place.rest()

    async def _or_failure(self, question: Select | CountKeys) -> Any:
        try:
            return await self.ask(question)
        except Unobserved as failure:
            return failure

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(place.close() for place in self._places.values()), return_exceptions=True)


class _Place:
    """One server, and the session with it. ``turn`` is held by who asks, of ``askers`` that want to."""

    def __init__(self, link: Link, server: Server) -> None:
        self.turn = asyncio.Lock()
        self.askers = 0
        self._link = link
        self._server = server
        self._way = Way(link, server)
        self._session: Session | None = None
        self._answer: ServerAnswer | Unobserved | None = None
        self._losses = 0

    async def ask(self, question: AskServer | Select | Execute | AskRedis | CountKeys) -> Any:
        if self._answer is None:
            self._answer = await self._logged_in(question.timeout)
        if isinstance(self._answer, Unobserved):
            raise self._answer
        if isinstance(question, AskServer):
            return self._answer
        attempt = self._answer.attempt
        if self._session is None:
            raise Unobserved(attempt.cause or "network", f"{self._server.engine} at {self._server}: {attempt}")
        self._way.ask()
        try:
            return await self._in_time(self._session.ask(question), question.timeout)
        except TimeoutError:
            await self._lost(said=False)
            raise Unobserved("timeout", f"{self._server} did not answer in {question.timeout:g} s") from None
        except Unobserved:
            ended = self._way.refused
            if ended is None:
                raise
            # The driver knows only that its connection broke.
            raise Unobserved(ended.attempt.cause or "network", f"{self._server}: {ended.attempt}") from None
        finally:
            if self._session is not None and self._session.broken:
                await self._lost(said=True)

    @property
    def open(self) -> bool:
        return self._session is not None

    async def rest(self) -> None:
        """Close the session that nobody waits for; another is opened for whoever asks again."""
        if self._session is not None:
            self._answer = None
            await self.close()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._way.close(GOODBYE if session is not None else 0)

    async def _lost(self, *, said: bool) -> None:
        """Give a session up. Another is opened for the next question, unless too many were lost."""
        self._losses += 1
        self._session = None
        await self._way.close(GOODBYE if said else 0)
        if self._losses < LOSSES:
            self._answer = None
        elif isinstance(self._answer, ServerAnswer):
            gone = Attempt("lost", "timeout", f"{LOSSES} sessions with it broke or did not answer in time")
            self._answer = replace(self._answer, attempt=gone)

    async def _logged_in(self, timeout: float) -> ServerAnswer | Unobserved:
        """Log in, within ``timeout`` seconds, twice where that may help."""
        began = time.monotonic()
        tries = 0
        while True:
            tries += 1
            left = max(0.0, timeout - (time.monotonic() - began))
            try:
                answer = await self._opened(left)
            except NotOpened as failed:
                answer = ServerAnswer(failed.attempt)
            except TimeoutError:
                answer = ServerAnswer(await self._late(timeout))
            except StreamRefused as ours:
                return Unobserved(ours.attempt.cause or "network", str(ours.attempt))
            except Unobserved as failure:
                return failure
            if tries > 1 or not worth_another_try(answer.attempt):
                attempt = replace(answer.attempt, seconds=time.monotonic() - began, tries=tries)
                return replace(answer, attempt=attempt)
            await asyncio.sleep(RETRY_AFTER)

    async def _opened(self, timeout: float) -> ServerAnswer:
        """Open a session.

        Raises:
            NotOpened: it could not be.
            StreamRefused: the link does not let us try.
            TimeoutError: it took too long.
        """
        self._way = Way(self._link, self._server)
        open_session = import_module(SPEAKERS[self._server.engine]).open_session
        try:
            self._session = await self._in_time(open_session(self._way, self._server, timeout), timeout)
        except NotOpened:
            await self._way.close()
            refused = self._way.refused
            if refused is not None and refused.ours:
                raise refused from None
            if refused is not None:
                attempt = refused.attempt
                raise NotOpened(replace(attempt, detail=attempt.detail or str(self._server))) from None
            raise
        except BaseException:
            await self._way.close()
            raise
        assert self._session is not None
        return ServerAnswer(Attempt("connected"), self._session.version)

    async def _late(self, seconds: float) -> Attempt:
        """What it means that nobody could log in within that time."""
        if not self._way.connected:
            return Attempt("timed out", "network", f"no connection in {seconds:g} s")
        if not self._way.heard and (said := await self._said_to_a_line()):
            name, answer = NAMES[self._server.engine], printable(said.decode("utf-8", "backslashreplace"), 40)
            return Attempt(f"not {name}", "wrong", f"it answers {answer!r} to a line of text")
        return Attempt("timed out", "timeout", f"connected, but no answer in {seconds:g} s")

    async def _said_to_a_line(self) -> bytes:
        """What answers to a line, as servers of HTTP, Redis and others do that wait for the end of one."""
        try:
            async with asyncio.timeout(LETTING_GO):
                reader, writer = await reached(self._link, self._server)
                try:
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    await writer.drain()
                    return await reader.read(40)
                finally:
                    writer.close()
        except (StreamRefused, OSError):
            return b""

    async def _in_time(self, work: Any, timeout: float) -> Any:
        """What ``work`` returns, within ``timeout`` seconds.

        A driver is not cancelled: it would ask a server that does not answer to stop. The way is taken from it.

        Raises:
            TimeoutError: it took too long.
        """
        task = asyncio.create_task(work)
        task.add_done_callback(seen)
        try:
            await asyncio.wait([task], timeout=timeout)
        except asyncio.CancelledError:
            await self._taken_from(task)
            raise
        if not task.done():
            await self._taken_from(task)
            raise TimeoutError
        return task.result()

    async def _taken_from(self, task: asyncio.Task[Any]) -> None:
        """Close the way, which ends what a driver does on it."""
        await self._way.close()
        await asyncio.wait([task], timeout=LETTING_GO)
        task.cancel()
