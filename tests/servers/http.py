"""Endpoints, good and bad, on free ports of 127.0.0.1.

One `HttpServer` shows every behaviour, by path: `PATHS` has them all with what each does. The server speaks
HTTP by hand, since most of what it does no decent server would do. ``server.requests`` has what was asked and
``server.connections`` counts who connected. `certificates` makes what TLS needs, good and bad:
``HttpServer(certificates(folder).good)``. Ports that refuse or stay silent are in `tests.servers.processes`.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import gzip
import json
import socket
import socketserver
import ssl
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

#: How slow is slow, in seconds: longer than any test waits. Stopping the server ends it at once.
SLOW = 60.0
GIGABYTE = 1_000_000_000

#: HTML, a terminal's escapes, NUL, a bell, broken UTF-8 and a right-to-left override.
HOSTILE = (
    b"<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    b"\x1b[2J\x1b[31mred\x1b]0;title\x07\x00\x08 \xff\xfe\xc3( \xe2\x80\xae]]> &lt; \r\nlast line"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Conversation:
    """One connection to the server, as a behaviour sees it."""

    def __init__(self, server: HttpServer, connection: socket.socket, request: Request) -> None:
        self.server = server
        self.connection = connection
        self.request = request

    def send(self, raw: bytes) -> None:
        self.connection.sendall(raw)

    def head(self, status: str = "200 OK", *headers: str, length: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        self.send("\r\n".join([*lines, "", ""]).encode())

    def answer(self, body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/json") -> None:
        self.head(status, f"Content-Type: {kind}", *headers, length=len(body))
        if self.request.method != "HEAD":
            self.send(body)

    def wait(self) -> None:
        """Be slow: until the server stops, or `SLOW` seconds."""
        self.server.stopping.wait(SLOW)

    def reset(self) -> None:
        """End the connection by RST: closing with a linger time of zero, socket(7) ``SO_LINGER``."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Behaviour = Callable[[Conversation], None]

OK = b'{"ok": true}'
STATUS = {"ok": True, "goroutines": 12, "memory": {"alloc_mb": 3.5}, "version": "1.4.2", "queues": [{"depth": 7}]}

#: As the guides of the systems document them.
FLASK = {"status": "healthy", "services": {"postgresql": "healthy", "redis": "healthy"}}
FLASK_ILL = {"status": "unhealthy", "services": {"postgresql": "healthy", "redis": "unhealthy: connection refused"}}
ONE_API = {"status": "ok", "goroutines": 1234, "memory": {"alloc_mb": 256, "sys_mb": 512, "num_gc": 42}}
CHECKED = {"status": "fail", "checks": {"db": {"status": "pass"}, "disk": {"status": "warn"}, "mail": {}}}


def _slow_body(talk: Conversation) -> None:
    talk.head(length=len(OK))
    talk.send(OK[:4])
    talk.wait()


def _trickle(talk: Conversation) -> None:
    talk.head(length=10_000)
    while not talk.server.stopping.wait(0.1):
        talk.send(b" ")


def _reset_in_body(talk: Conversation) -> None:
    talk.head(length=1000)
    talk.send(OK)
    talk.reset()


def _short_body(talk: Conversation) -> None:
    talk.head(length=1000)
    talk.send(OK)


def _bad_chunks(talk: Conversation) -> None:
    talk.head("200 OK", "Transfer-Encoding: chunked")
    talk.send(b"zz\r\n{}\r\n")


def _reset_once(talk: Conversation) -> None:
    if talk.server.asked(talk.request.path) == 1:
        talk.reset()
    else:
        talk.answer(OK)


def _gigabyte(talk: Conversation) -> None:
    talk.head("200 OK", "Content-Type: application/json", length=GIGABYTE)
    block = b"x" * 65536
    for _ in range(GIGABYTE // len(block) + 1):
        if talk.server.stopping.is_set():
            return
        talk.send(block)


def _endless(talk: Conversation) -> None:
    talk.head("200 OK", "Transfer-Encoding: chunked", "Content-Type: text/plain")
    while not talk.server.stopping.is_set():
        talk.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


def _endless_headers(talk: Conversation) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\n")
    while not talk.server.stopping.is_set():
        talk.send(b"X-More: " + b"x" * 1000 + b"\r\n")


@cache
def gzip_bomb() -> bytes:
    """A quarter of a gigabyte of zeros, in a quarter of a megabyte (RFC 1952).

    Deflated once: what ends with a full flush refers to nothing before it, and can be repeated.
    """
    block, times = bytes(1 << 20), 256
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(times):
        checksum = zlib.crc32(block, checksum)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + packed * times + packer.flush() + struct.pack("<II", checksum, len(block) * times)


def _gzip_bomb(talk: Conversation) -> None:
    talk.answer(gzip_bomb(), "Content-Encoding: gzip")


def _private(talk: Conversation) -> None:
    expected = "Basic " + base64.b64encode(b"ops:opensesame").decode()
    if talk.request.headers.get("authorization") == expected:
        talk.answer(OK)
    else:
        talk.answer(b'{"error": "who are you?"}', 'WWW-Authenticate: Basic realm="ops"', status="401 Unauthorized")


def _private_token(talk: Conversation) -> None:
    if talk.request.headers.get("authorization") == "Bearer let-me-in":
        talk.answer(OK)
    else:
        talk.answer(b'{"error": "who are you?"}', status="401 Unauthorized")


def _echo(talk: Conversation) -> None:
    asked = talk.request
    said = {"method": asked.method, "headers": dict(asked.headers), "body": asked.body.decode(errors="replace")}
    talk.answer(json.dumps(said).encode())


#: What each path does.
PATHS: dict[str, Behaviour] = {
    # good
    "/healthz": lambda talk: talk.answer(OK),
    "/status": lambda talk: talk.answer(json.dumps(STATUS).encode()),
    "/page": lambda talk: talk.answer(b"<p>hello</p>", kind="text/html; charset=utf-8"),
    "/gzip": lambda talk: talk.answer(gzip.compress(OK), "Content-Encoding: gzip"),
    "/empty": lambda talk: talk.head("204 No Content"),
    "/moved": lambda talk: talk.answer(b"", "Location: /healthz", status="301 Moved Permanently"),
    "/private": _private,  # wants Basic ops:opensesame
    "/echo": _echo,  # the request, as JSON
    "/private-token": _private_token,  # wants Bearer let-me-in
    "/api/health": lambda talk: talk.answer(json.dumps(FLASK).encode()),
    "/api/health/ill": lambda talk: talk.answer(json.dumps(FLASK_ILL).encode()),
    "/api/health/checks": lambda talk: talk.answer(json.dumps(CHECKED).encode()),
    "/api/health/empty": lambda talk: talk.answer(json.dumps({"status": "healthy", "services": {}}).encode()),
    "/api/monitor/health": lambda talk: talk.answer(json.dumps(ONE_API).encode()),
    # wrong answers
    "/wrong-status": lambda talk: talk.answer(b'{"ok": false}', status="503 Service Unavailable"),
    "/not-found": lambda talk: talk.answer(b'{"error": "no such thing"}', status="404 Not Found"),
    "/wrong-body": lambda talk: talk.answer(b'{"ok": false}'),
    "/wrong-type": lambda talk: talk.answer(b"<h1>It works!</h1>", kind="text/html"),
    "/not-json": lambda talk: talk.answer(b'{"ok": tru'),
    "/deep-json": lambda talk: talk.answer(b"[" * 200_000),
    "/hostile": lambda talk: talk.answer(HOSTILE, kind="text/html"),
    "/hostile-status": lambda talk: talk.answer(HOSTILE, kind="text/html", status="500 Broken"),
    "/hostile-json": lambda talk: talk.answer(json.dumps({"ok": HOSTILE.decode(errors="replace")}).encode()),
    # redirects
    "/circle": lambda talk: talk.answer(b"", "Location: /circle-2", status="302 Found"),
    "/circle-2": lambda talk: talk.answer(b"", "Location: /circle", status="302 Found"),
    "/to-file": lambda talk: talk.answer(b"", "Location: file:///etc/passwd", status="302 Found"),
    "/to-nowhere": lambda talk: talk.answer(b"", "Location: http://[", status="302 Found"),
    # slow
    "/slow-headers": lambda talk: talk.wait(),
    "/slow-body": _slow_body,
    "/trickle": _trickle,  # ten bytes a second
    # broken off
    "/reset": lambda talk: talk.reset(),
    "/reset-once": _reset_once,  # the first request only
    "/reset-in-body": _reset_in_body,
    "/closed": lambda talk: None,  # closed without a word
    "/short-body": _short_body,
    # too much
    "/gigabyte": _gigabyte,
    "/endless": _endless,
    "/endless-headers": _endless_headers,
    "/gzip-bomb": _gzip_bomb,
    # not HTTP
    "/garbage": lambda talk: talk.send(b"\x00\xff\x16\x03 SSH-2.0-nothing you know\r\n\r\n" + HOSTILE),
    "/bad-chunks": _bad_chunks,
    "/bad-gzip": lambda talk: talk.answer(OK, "Content-Encoding: gzip"),
}


class HttpServer:
    """A server that behaves as the path says; see `PATHS`, and ``paths`` for more of a test's own.

    ``tls`` makes it HTTPS. It runs while the object is entered; stopping it ends slow answers too.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        paths: Mapping[str, Behaviour] | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.paths = {**PATHS, **(paths or {})}
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        ours = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                ours._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that goes away is what these servers are for

            def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
                assert isinstance(request, socket.socket)
                with contextlib.suppress(OSError):
                    request.close()

        self._server = Server((address, 0), Handler)
        self.address = address
        self.port = int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self.address}:{self.port}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        with self._lock:
            return Counter(each.path for each in self.requests)[path]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
        connection.settimeout(SLOW)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        try:
            request = _read(connection)
            if request is None:
                return
            with self._lock:
                self.requests.append(request)
            behave = self.paths.get(request.path, self.paths["/not-found"])
            behave(Conversation(self, connection, request))
        finally:
            _hang_up(connection)


def _read(connection: socket.socket) -> Request | None:
    """The request on a connection, or None where it ends before one."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, target, _ = first.split(" ", 2)
    return Request(method, target.partition("?")[0], headers, body)


def _hang_up(connection: socket.socket) -> None:
    """Close politely: what was sent still arrives, which a plain close with unread input would undo."""
    with contextlib.suppress(OSError):
        if isinstance(connection, ssl.SSLSocket):
            connection.settimeout(1)
            connection = connection.unwrap()
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        connection.recv(65536)
    connection.close()


@dataclass(frozen=True, slots=True)
class Certificates:
    """TLS for servers, and ``ca_file``, which trusts ``good``, ``expired``, ``wrong_name`` but not the others."""

    ca_file: Path
    good: ssl.SSLContext
    expired: ssl.SSLContext
    wrong_name: ssl.SSLContext
    self_signed: ssl.SSLContext
    unknown_ca: ssl.SSLContext


def certificates(folder: Path) -> Certificates:
    """Make certificates for 127.0.0.1 and localhost: a good one (valid for 20 more days) and bad ones."""
    import trustme

    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    ca, stranger = trustme.CA(), trustme.CA()
    ca_file = folder / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)

    def serve(certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    names = ("127.0.0.1", "localhost")
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = folder / "self-signed.pem"
    pem.write_bytes(stranger.private_key_pem.bytes() + stranger.cert_pem.bytes())
    alone.load_cert_chain(pem)
    return Certificates(
        ca_file=ca_file,
        good=serve(ca.issue_cert(*names, not_before=now - day, not_after=now + 20 * day + day / 2)),
        expired=serve(ca.issue_cert(*names, not_before=now - 30 * day, not_after=now - day)),
        wrong_name=serve(ca.issue_cert("elsewhere.example")),
        self_signed=alone,
        unknown_ca=serve(stranger.issue_cert(*names)),
    )
