"""Connections from this machine itself: sockets that the event loop waits for, and nothing around them.

asyncio's own streams take twice the time of the processor, most of it for making one. Who asks each thing over a
connection of its own pays that each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest

from muster.transports.names import Address

NEXT_AFTER = 0.25
"""Seconds until the next address of a name is tried beside the one before (RFC 8305, 5)."""

FULL_FOR = 0.02
"""Seconds until a unix socket whose queue was full is tried again: it does not say when it has room."""

READ_AT_ONCE = 65_536

#: Errors that say more of this machine's network than of the other end.
_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH)


class SocketStream:
    """A connected socket, which this owns: reader and writer of a stream in one."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # Of the socket itself asyncio would make a text each time.
        self._number = connected.fileno()
        self._unsent = bytearray()
        self._sending = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    async def read(self, n: int = -1, /) -> bytes:
        """What has come, ``n`` bytes of it at most; nothing where the stream has ended or is closed."""
        while await self.readable():
            with contextlib.suppress(BlockingIOError):
                return self._socket.recv(READ_AT_ONCE if n < 0 else n)
        return b""

    def write(self, data: bytes, /) -> None:
        """Add to what `drain` sends."""
        self._unsent += data

    async def drain(self) -> None:
        """Send what was written."""
        async with self._sending:
            while self._unsent:
                try:
                    del self._unsent[: self._socket.send(self._unsent)]
                except BlockingIOError:
                    await self.writable()

    def write_eof(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket. Who waits for more to read gets nothing."""
        if self._closed:
            return
        if self._waiting:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._number)
            loop.remove_writer(self._number)
        self._socket.close()
        for waiting in self._waiting:
            _wake(waiting)

    async def readable(self) -> bool:
        """Wait until there is something to read, or the end; returns False where it was closed meanwhile."""
        loop = asyncio.get_running_loop()
        return await self._ready(loop.add_reader, loop.remove_reader)

    async def writable(self) -> bool:
        """Wait until something can be sent; returns False where it was closed meanwhile."""
        loop = asyncio.get_running_loop()
        return await self._ready(loop.add_writer, loop.remove_writer)

    @property
    def _closed(self) -> bool:
        return self._socket.fileno() < 0

    async def _ready(self, add: Callable[..., object], remove: Callable[..., object]) -> bool:
        if self._closed:
            return False
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        add(self._number, _wake, waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            # The number of a closed one may be another's by now.
            if not self._closed:
                remove(self._number)
        return not self._closed


async def connect(addresses: Sequence[Address], port: int) -> SocketStream:
    """Connect to the first of the addresses that accepts. Where one takes its time, the next is tried beside it.

    Raises:
        OSError: none does.
    """
    if len(addresses) == 1:
        return await _connected(addresses[0], port)
    left = deque(_in_turn(addresses))
    trying: set[asyncio.Task[SocketStream]] = set()
    errors: list[OSError] = []
    try:
        while left or trying:
            if left:
                trying.add(asyncio.create_task(_connected(left.popleft(), port)))
            patience = NEXT_AFTER if left else None
            done, _ = await asyncio.wait(trying, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                trying.remove(task)
                try:
                    return task.result()
                except OSError as error:
                    errors.append(error)
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_close)
    raise min(errors, key=lambda error: error.errno in _OURS)


async def connect_unix(path: str) -> SocketStream:
    """Connect to a unix socket.

    Raises:
        OSError: it does not accept.
    """
    opened = _socket(socket.AF_UNIX)
    try:
        while True:
            try:
                opened.connect(path)
                return SocketStream(opened)
            except BlockingIOError:
                await asyncio.sleep(FULL_FOR)
    except BaseException:
        opened.close()
        raise


async def _connected(address: Address, port: int) -> SocketStream:
    family, (host, _, *more) = address
    opened = _socket(family)
    stream = SocketStream(opened)
    try:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        place = (host, port, *more)
        error = opened.connect_ex(place)
        if error == errno.EINPROGRESS:
            # Asked again, a connection within this machine is there already.
            error = opened.connect_ex(place)
        if error == errno.EALREADY:
            await stream.writable()
            error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error not in (0, errno.EISCONN):  # which other systems say of what is there already
            raise OSError(error, os.strerror(error))
    except BaseException:
        stream.close()
        raise
    return stream


def _socket(family: socket.AddressFamily) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _in_turn(addresses: Sequence[Address]) -> list[Address]:
    """Those of the one family and of the other by turns, so that the one does not hold up the other (RFC 8305, 4)."""
    first = [each for each in addresses if each[0] == addresses[0][0]]
    other = [each for each in addresses if each[0] != addresses[0][0]]
    return [each for pair in zip_longest(first, other) for each in pair if each]


def _close(task: asyncio.Task[SocketStream]) -> None:
    """Close what an attempt has opened that nobody waits for any more."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
