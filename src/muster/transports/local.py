"""The machine that the suite runs on."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
import sys
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from muster.probes import Attempt
from muster.transports.link import Link, Listener, Shell, Stream, StreamRefused
from muster.transports.names import Names
from muster.transports.outcomes import from_os_error
from muster.transports.sockets import connect, connect_unix

EXIT_TIMEOUT = 1.0


class LocalLink(Link):
    """This machine: its shell in a session of its own, its network as it is.

    ``names`` are those that were looked up before; without them it begins with none.
    """

    direct = True

    def __init__(self, names: Names | None = None, *, sudo: bool = False) -> None:
        super().__init__(
            Attempt("connected"), user=getpass.getuser(), sudo=sudo, path=str(Path(sys.executable).parent)
        )
        self._names = names or Names()

    async def shell(self, listener: Listener) -> Shell:
        argv = ["sudo", "-n", "sh", "-s"] if self.sudo else ["sh", "-s"]
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: _Process(listener), *argv, start_new_session=True
            )
        except FileNotFoundError:
            listener.ended(127, "")
            return _Nothing()
        return _LocalShell(transport, protocol)

    async def stream(self, address: str, port: int) -> Stream:
        try:
            stream = await connect(await self._names.addresses(address), port)
        except OSError as error:
            raise _refused(error) from None
        return stream, stream

    async def unix_stream(self, path: str) -> Stream:
        try:
            stream = await connect_unix(path)
        except OSError as error:
            raise _refused(error) from None
        return stream, stream

    async def close(self) -> None:
        return


def _refused(error: OSError) -> StreamRefused:
    attempt = from_os_error(error)
    if attempt.cause != "internal":
        return StreamRefused(attempt)
    return StreamRefused(replace(attempt, detail="raise `ulimit -n`"), ours=True)


class _Process(asyncio.SubprocessProtocol):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.SubprocessTransport | None = None
        self.exited = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self._listener.stdout if fd == 1 else self._listener.stderr)(data)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._listener.ended(self._transport.get_returncode() or 0, "")


class _LocalShell:
    def __init__(self, transport: asyncio.SubprocessTransport, protocol: _Process) -> None:
        self._transport = transport
        self._protocol = protocol

    def send(self, script: bytes) -> None:
        stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        stdin.write(script)
        stdin.write_eof()

    async def stop(self) -> None:
        # Under sudo the group is root's: there the next batch kills it, with the right to do so.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), signal.SIGKILL)
        # Closing asks for the exit status too: before the child's watcher has it, asyncio complains in its log.
        await asyncio.wait([self._protocol.exited], timeout=EXIT_TIMEOUT)
        with contextlib.suppress(PermissionError):
            self._transport.close()


class _Nothing:
    def send(self, script: bytes) -> None:
        return

    async def stop(self) -> None:
        return
