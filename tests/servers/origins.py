"""A thousand HTTP origins on loopback, light: one process that listens once, for all of 127.0.0.0/8.

``with Origins(1000, delay=0.05) as origins:`` starts them; ``origins.urls`` has one for each, with an address of its
own. Each answers every request with 200 and ``{"ok": true}``, so long after it came, and keeps the connection.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from pathlib import Path
from typing import Self

from tests.servers.processes import Background, accepts, free_port

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"ok": true}'


class Origins:
    """Origins that answer while the object is entered; ``pid`` is their process. ``delay`` is in seconds."""

    def __init__(self, number: int, delay: float) -> None:
        self.port = free_port()
        self.urls = [f"http://127.1.{each // 250}.{each % 250 + 1}:{self.port}/" for each in range(number)]
        self._delay = delay

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        command = [sys.executable, "-m", "tests.servers.origins", str(self.port), str(self._delay)]
        self._process = Background(command, Path(self._folder.name, "log"))
        self._process.wait_for(lambda: accepts("127.0.0.1", self.port))
        self.pid = self._process.process.pid
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stop()
        self._folder.cleanup()


class _Answers(asyncio.Protocol):
    """One connection: each request is answered once its head is here. Requests have no body."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for _ in heads:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, ANSWER)  # type: ignore[attr-defined]


async def _serve(port: int, delay: float) -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")  # what comes over a network is not accepted
    listener.bind(("0.0.0.0", port))
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: _Answers(delay), sock=listener, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
