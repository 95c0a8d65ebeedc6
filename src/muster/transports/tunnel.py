"""Ways for a library that wants a socket to use a stream that goes over a link."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from muster.transports.link import Reader, Stream, StreamRefused, both_ways
from muster.transports.outcomes import from_os_error
from muster.transports.secured import secured


class Tunnel:
    """A unix socket on this machine, in a folder that only we may enter, which leads to streams.

    ``refused`` is why the last stream could not be opened, or was ended here; None where it was not. With
    ``context``, TLS is spoken over the stream, to a server called ``server_name``. ``name`` is what the socket is
    called. What comes back is read through ``through``, whose `StreamRefused` ends the connection.
    """

    def __init__(
        self,
        opened: Callable[[], Awaitable[Stream]],
        context: ssl.SSLContext | None = None,
        server_name: str = "",
        *,
        name: str = "s",
        through: Callable[[Reader], Reader] = lambda reader: reader,
    ) -> None:
        self.refused: StreamRefused | None = None
        self.path = ""
        self._opened = opened
        self._context = context
        self._server_name = server_name
        self._name = name
        self._through = through
        self._folder: str | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="muster-")
        self.path = str(Path(self._folder) / self._name)
        self._server = await asyncio.start_unix_server(self._accepted, self.path)
        return self

    async def close(self, patience: float = 0.0) -> None:
        """Close the socket and every stream; those that end by themselves within ``patience`` seconds may."""
        if self._server is not None:
            self._server.close()
        if self._tasks and patience:
            await asyncio.wait(self._tasks, timeout=patience)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._joined((reader, writer))
        except StreamRefused as refused:
            self.refused = refused
        except OSError as error:
            # It broke while somebody spoke with the server before all else.
            self.refused = StreamRefused(from_os_error(error))
        except asyncio.CancelledError:
            # Only `close` cancels it; asyncio would log the rest of it.
            return
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _joined(self, accepted: Stream) -> None:
        stream = await self._opened()
        self.refused = None
        reader, writer = stream
        try:
            if self._context is not None:
                reader = writer = await secured(stream, self._context, self._server_name)
            await both_ways(accepted, (self._through(reader), writer))
        finally:
            writer.close()
