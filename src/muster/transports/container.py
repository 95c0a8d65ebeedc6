"""The inside of a container, as a host: through its engine's exec."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import cast
from urllib.parse import quote, urlsplit

from muster.probes import Attempt, Unobserved
from muster.questions.docker import AskEngine
from muster.targets import Host
from muster.transports.docker import Engine
from muster.transports.engine_api import Failed, Gone
from muster.transports.link import Link, Listener, NotReached, Shell, Stream, StreamRefused
from muster.transports.outcomes import from_os_error, from_text

HEADER = struct.Struct(">BxxxL")
"""Before each piece of output: 1 for standard output or 2 for standard error, and its length (Docker API, attach)."""

STDERR = 2
HEAD_MAX_BYTES = 16_384
PIECE_MAX_BYTES = 1_048_576
"""An engine sends pieces of 32 KiB at most."""
CONNECTED = b"connected\n"

# What a container has for making a connection differs: any of these will do. Each says first that it is
# connected; netcat cannot say it, so there a refused connection looks like one that was closed at once.
RELAY = """\
if command -v python3 >/dev/null 2>&1; then exec python3 -c "$3" "$1" "$2"
elif command -v bash >/dev/null 2>&1; then
exec bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1; echo connected; cat <&3 & exec cat >&3' "$1" "$2"
elif command -v nc >/dev/null 2>&1; then echo connected; exec nc "$1" "$2"
else exit 127; fi
"""
RELAY_PYTHON = """\
import os, socket, sys, threading
try:
    peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
except OSError as error:
    sys.exit(error.strerror or str(error))
os.write(1, b"connected\\n")
def there():
    while data := os.read(0, 65536):
        peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=there, daemon=True).start()
while data := peer.recv(65536):
    os.write(1, data)
"""


class ContainerLink(Link):
    """A running container. ``sudo`` runs what is asked as its root."""

    def __init__(self, attempt: Attempt, engine: Engine, host: Host) -> None:
        super().__init__(attempt, user=host.connection.user or "")
        self._engine = engine
        self._container = host.connection.address or host.name
        self._as = "0" if host.connection.sudo else self.user

    async def shell(self, listener: Listener) -> Shell:
        return await self._exec(["sh", "-s"], listener)

    async def stream(self, address: str, port: int) -> Stream:
        relayed = _Relayed()
        try:
            process = await self._exec(["sh", "-c", RELAY, "sh", address, str(port), RELAY_PYTHON], relayed)
        except Unobserved as failure:
            raise StreamRefused(Attempt("lost", failure.cause, failure.message), ours=True) from None
        try:
            refused = await relayed.opened
        except asyncio.CancelledError:
            await process.stop()
            raise
        if refused is not None:
            await process.stop()
            raise StreamRefused(refused, ours=refused.cause == "missing")
        # Who reads slowly is not sent more than fits into the reader.
        relayed.reader.set_transport(process.transport)
        return relayed.reader, _Writer(process)

    async def unix_stream(self, path: str) -> Stream:
        detail = f"{path}: a unix socket inside a container cannot be reached from outside"
        raise StreamRefused(Attempt("not reached", "missing", detail), ours=True)

    async def close(self) -> None:
        await self._engine.close()

    async def _exec(self, argv: Sequence[str], listener: Listener) -> _Process:
        """Start a program in the container, with a connection of asyncio's for its three streams."""
        attached = dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr"), True)
        try:
            made = await self._engine.called(
                f"{_path_of(self._container)}/exec", {**attached, "Cmd": list(argv), "User": self._as}
            )
            path = f"/exec/{quote(made.json['Id'], safe='')}"
        except (Failed, KeyError, TypeError) as error:
            raise Unobserved("missing", f"docker exec in {self._container}: {error}") from None

        async def status() -> int | None:
            try:
                code = (await self._engine.called(f"{path}/json")).json["ExitCode"]
            except (Failed, Unobserved, KeyError, TypeError):
                return None
            return code if isinstance(code, int) else None

        start = f"{await self._engine.prefix()}{path}/start"
        address = urlsplit(await self._engine.base_url())
        loop = asyncio.get_running_loop()

        def protocol() -> _Process:
            return _Process(listener, status)

        try:
            if address.scheme == "unix":
                _, process = await loop.create_unix_connection(protocol, address.path)
            else:
                _, process = await loop.create_connection(protocol, address.hostname or "", address.port or 2375)
        except OSError as error:
            raise Unobserved("network", f"docker exec in {self._container}: {from_os_error(error)}") from None
        try:
            # What is sent before the engine has answered gets lost there.
            refused = await process.start(start)
        except asyncio.CancelledError:
            process.abandon()
            raise
        if refused:
            process.abandon()
            raise Unobserved("missing", f"docker exec in {self._container}: the engine answered {refused}")
        return process


class _Process(asyncio.Protocol):
    """Takes the output of a program in a container apart.

    After one request the connection belongs to the program (Docker API, "exec start").
    """

    transport: asyncio.Transport

    def __init__(self, listener: Listener, status: Callable[[], Awaitable[int | None]]) -> None:
        self._listener = listener
        self._status = status
        self._buffer = bytearray()
        self._answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stopped = False
        self._ending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    async def start(self, path: str) -> str:
        """Start the program by a POST to this path; returns what the engine answered where it did not."""
        body = b'{"Detach": false, "Tty": false}'
        self.transport.write(
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"
            f"Upgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return await self._answered

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._answered.done():
            self._read_answer()
        if not self._answered.done() or self._answered.result():
            return
        while len(self._buffer) >= HEADER.size:
            stream, length = HEADER.unpack_from(self._buffer)
            if length > PIECE_MAX_BYTES:
                self.transport.abort()
                return
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            piece = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            (self._listener.stderr if stream == STDERR else self._listener.stdout)(piece)

    def _read_answer(self) -> None:
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].decode("ascii", "replace")[:80].removeprefix("HTTP/1.1 ")
        if end and status.startswith(("101", "200")):
            self._answered.set_result("")
            self._buffer = bytearray(rest)
        elif end or len(head) > HEAD_MAX_BYTES:
            self._answered.set_result(status or "nothing")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():
            self._answered.set_result("nothing")
        elif not self._stopped:
            self._ending = asyncio.get_running_loop().create_task(self._end())

    def abandon(self) -> None:
        """Cut the connection; how the program ends does not matter any more."""
        self._stopped = True
        self.transport.abort()

    async def stop(self) -> None:
        self.abandon()
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.wait([self._ending])

    def send(self, script: bytes) -> None:
        self.transport.write(script)

    async def _end(self) -> None:
        status = await self._status()
        self._listener.ended(status, "the engine closed the connection")


class _Relayed:
    """The output of a relay: a line that says that it is connected, then the stream."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.opened: asyncio.Future[Attempt | None] = asyncio.get_running_loop().create_future()
        self._first = b""
        self._complaint = b""

    def stdout(self, data: bytes) -> None:
        if self.opened.done():
            self.reader.feed_data(data)
            return
        self._first += data
        if self._first.startswith(CONNECTED):
            self.opened.set_result(None)
            self.reader.feed_data(self._first.removeprefix(CONNECTED))

    def stderr(self, data: bytes) -> None:
        self._complaint = (self._complaint + data)[-1_000:]

    def ended(self, status: int | None, error: str) -> None:
        self.reader.feed_eof()
        if self.opened.done():
            return
        if status in (126, 127):
            detail = "the container has no python3, bash or nc to make a connection with"
            self.opened.set_result(Attempt("not tried", "missing", detail))
        else:
            lines = self._complaint.decode("utf-8", "backslashreplace").strip().splitlines()
            self.opened.set_result(from_text(lines[-1] if lines else error))


class _Writer:
    def __init__(self, process: _Process) -> None:
        self._process = process

    def write(self, data: bytes, /) -> None:
        self._process.transport.write(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def write_eof(self) -> None:
        self._process.transport.write_eof()

    def close(self) -> None:
        self._process.abandon()


async def open_link(host: Host, engine: Engine) -> ContainerLink:
    """Find the container.

    Raises:
        NotReached: its engine does not answer, or it is not there, or it does not run.
    """
    name = host.connection.address or host.name
    answer = await engine.ask(AskEngine())
    attempt: Attempt = answer.attempt
    if not attempt.connected:
        raise NotReached(attempt, f"docker: {attempt}")
    try:
        state = (await engine.called(f"{_path_of(name)}/json")).json["State"]["Status"]
    except Gone:
        attempt = Attempt("missing", "missing", f"there is no container {name}")
    except (Failed, KeyError, TypeError) as error:
        attempt = Attempt("failed", "unreadable", f"container {name}: {error}")
    else:
        if state == "running":
            return ContainerLink(attempt, engine, host)
        attempt = Attempt("not running", "wrong", f"the container {name} is {state}")
    raise NotReached(attempt, f"docker: {attempt}")


def _path_of(container: str) -> str:
    return f"/containers/{quote(container, safe='')}"
