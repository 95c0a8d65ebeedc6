"""Links: one open connection to one host, over which everything that it is asked goes."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Protocol

from muster.probes import Attempt, Unobserved


class NotReached(Exception):
    """A host could not be logged in to. ``attempt`` says what happened, ``message`` in one line for people."""

    def __init__(self, attempt: Attempt, message: str) -> None:
        super().__init__(message)
        self.attempt = attempt
        self.message = message

    def unobserved(self) -> Unobserved:
        """The failure of everything else that this host was to be asked."""
        return Unobserved(self.attempt.cause or "network", self.message, host_down=True)


class NoRoom(Exception):
    """A host takes no more shells over this link than it has. ``others`` is True while one of ours is among them."""

    def __init__(self, message: str, *, others: bool) -> None:
        super().__init__(message)
        self.others = others


class StreamRefused(Exception):
    """A stream to an address beyond a link could not be opened.

    ``attempt`` is how it went, as seen from the host. ``ours`` is True where the link does not let us
    try, so that nothing is known about the address.
    """

    def __init__(self, attempt: Attempt, *, ours: bool = False) -> None:
        super().__init__(str(attempt))
        self.attempt = attempt
        self.ours = ours


class Listener(Protocol):
    """Hears what a shell says, as it comes. The methods are called on the event loop and return at once."""

    def stdout(self, data: bytes) -> None: ...

    def stderr(self, data: bytes) -> None: ...

    def ended(self, status: int | None, error: str) -> None:
        """The shell has ended or was cut off: its exit status where there is one, else what happened."""


class Shell(Protocol):
    """A POSIX shell that runs on the host and waits for its script."""

    def send(self, script: bytes) -> None:
        """Feed it the whole script, through its standard input. Once only."""

    async def stop(self) -> None:
        """End it with all that it started, as far as the link can, and free what it holds here."""


class Reader(Protocol):
    async def read(self, n: int = -1, /) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes, /) -> None: ...

    async def drain(self) -> None: ...

    def write_eof(self) -> None: ...

    def close(self) -> None: ...


Stream = tuple[Reader, Writer]


class Link(ABC):
    """An open connection to a host.

    ``direct`` is True where the host is this machine, so that its network is reached without the link.
    ``attempt`` is how opening it went, ``user`` who is logged in, ``sudo`` whether commands run as root
    through sudo. ``path`` are further directories to look for programs in.
    """

    direct = False

    def __init__(self, attempt: Attempt, *, user: str = "", sudo: bool = False, path: str = "") -> None:
        self.attempt = attempt
        self.user = user
        self.sudo = sudo
        self.path = path

    @abstractmethod
    async def shell(self, listener: Listener) -> Shell:
        """Start ``sh`` on the host.

        Raises:
            Unobserved: it could not be started.
            NoRoom: not now; one that is open, or just was, has to end first.
        """

    @abstractmethod
    async def stream(self, address: str, port: int) -> Stream:
        """Open a TCP connection from the host.

        Raises:
            StreamRefused: it could not be opened.
        """

    @abstractmethod
    async def unix_stream(self, path: str) -> Stream:
        """Open a connection to a unix socket on the host.

        Raises:
            StreamRefused: it could not be opened.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the connection and all that goes over it."""


async def both_ways(one: Stream, other: Stream) -> None:
    """Copy between two streams until both directions have ended."""
    await asyncio.gather(_pump(one[0], other[1]), _pump(other[0], one[1]))


async def _pump(reader: Reader, writer: Writer) -> None:
    """Copy a stream to its end, and tell the other side that this was the end."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (OSError, NotImplementedError, RuntimeError):
        # Broken, closed already, or TLS, which cannot end one direction only.
        writer.close()


def seen(task: asyncio.Task[Any]) -> None:
    """Look at how a shared task ended, so that asyncio does not complain where nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
