"""Names: the addresses of each, looked up once, in threads of which there are never many."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import socket
import threading
from collections.abc import Sequence
from typing import Any

THREADS = 100
"""Names that are looked up at once. One that no server answers for keeps its thread for half a minute."""

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""An address family, and what a socket of it connects to, whatever the port."""

Found = Sequence[Address] | OSError


class Names:
    """The addresses of names, as this machine's resolver knows them. Every call comes from one event loop."""

    def __init__(self) -> None:
        self._known: dict[str, asyncio.Future[Found]] = {}
        self._wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._threads = 0

    async def addresses(self, name: str) -> Sequence[Address]:
        """All addresses of a name; an address that is written out is its own, and no thread is asked.

        Raises:
            OSError: it has none.
        """
        if address := _written_out(name):
            return (address,)
        if name not in self._known:
            self._known[name] = asyncio.get_running_loop().create_future()
            self._wanted.put(name)
            self._begin()
        found = await asyncio.shield(self._known[name])
        if isinstance(found, OSError):
            # One of its own for each: what is raised keeps the frames that it goes through.
            raise type(found)(*found.args)
        return found

    def _begin(self) -> None:
        """Start a thread, where there may be one more."""
        if self._threads < THREADS:
            self._threads += 1
            # The threads of an executor would keep the interpreter from exiting before the last one has an answer.
            threading.Thread(
                target=self._look_up, args=(asyncio.get_running_loop(),), name="muster-names", daemon=True
            ).start()

    def _look_up(self, loop: asyncio.AbstractEventLoop) -> None:
        # Where the loop has been closed, nobody waits.
        with contextlib.suppress(RuntimeError):
            with contextlib.suppress(queue.Empty):
                while True:
                    name = self._wanted.get_nowait()
                    loop.call_soon_threadsafe(self._known[name].set_result, _found(name))
            loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        self._threads -= 1
        if not self._wanted.empty():
            self._begin()


def _found(name: str) -> Found:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return _no_descriptor() or error
    except ValueError:
        # Two dots in a row, or a part of more than 63 characters.
        return socket.gaierror(socket.EAI_NONAME, "no such name")
    return [(family, place) for family, _, _, _, place in found]


def _no_descriptor() -> OSError | None:
    """Why no file can be opened. Without one glibc may say that there is no such name, though it could not look."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error
    return None


def _written_out(name: str) -> Address | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, name)
            return family, (name, 0)
    return None
