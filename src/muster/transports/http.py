"""HTTP and HTTPS: how the attempt went, and what was answered, bounded in size and time."""

from __future__ import annotations

import asyncio
import base64
import time
import zlib
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from muster.probes import Attempt, Unobserved
from muster.questions.http import Answered, Exchange, HttpRequest, without_credentials
from muster.text import printable
from muster.transports import http1
from muster.transports.link import Link, StreamRefused
from muster.transports.outcomes import RETRY_AFTER, worth_another_try
from muster.transports.secured import client_context, secured
from muster.transports.urls import Url, credentials
from muster.version import VERSION

LONGEST_REASON = 160
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: The methods whose requests have a length even without a body (RFC 9110, 8.6).
WITH_BODY = frozenset({"PATCH", "POST", "PUT"})

#: The request's own headers that may follow a redirect to another origin: the others may hold secrets.
HARMLESS = frozenset({"accept", "accept-language", "user-agent"})

#: How each part of what gzip has packed begins (RFC 1952, 2.2): there may be several.
GZIP_BEGINS = b"\x1f"

PACKED_MAX_BYTES, PACKED_MAX_TIMES = 1_048_576, 8
"""So much of a packed body may come: these bytes, and so many for each that is in it. Who packs byte by byte sends
six for each."""


class Http:
    """Asks HTTP requests. Each goes over a connection of its own, so that its outcome is the server's today."""

    def __init__(self) -> None:
        self._agent = f"muster/{VERSION}"

    async def ask(self, link: Link, request: HttpRequest) -> Exchange:
        """Ask a request from a host. What went wrong at the server's end is in the answer.

        Raises:
            Unobserved: it could not be asked at all.
        """
        began = time.monotonic()
        progress = _Progress()
        try:
            async with asyncio.timeout(request.timeout):
                exchange = await self._followed(link, request, progress)
        except TimeoutError:
            attempt = _timed_out(request.timeout, progress)
            exchange = Exchange(attempt, None)
        attempt = replace(exchange.attempt, seconds=time.monotonic() - began, tries=progress.tries)
        return Exchange(attempt, exchange.answered)

    async def _followed(self, link: Link, request: HttpRequest, progress: _Progress) -> Exchange:
        """Ask, and follow redirects as far as they are to be followed."""
        try:
            hop = _first(request)
        except ValueError:
            return Exchange(Attempt("not a URL", "wrong", without_credentials(request.url)))
        left: list[str] = []
        while True:
            exchange = await self._tried_twice(link, request, hop, progress)
            answered = exchange.answered
            if answered is None:
                detail = exchange.attempt.detail
                if left:
                    detail = f"{detail or 'no answer'}, after a redirect to {hop.url}"
                return Exchange(replace(exchange.attempt, detail=detail))
            after = _next(hop, answered)
            if after is None or len(left) >= request.max_redirects or str(after.url) in (*left, str(hop.url)):
                return Exchange(exchange.attempt, replace(answered, redirects=tuple(left))) if left else exchange
            left.append(str(hop.url))
            hop = after

    async def _tried_twice(self, link: Link, request: HttpRequest, hop: _Hop, progress: _Progress) -> Exchange:
        progress.tries = 1
        exchange = await self._asked(link, request, hop, progress)
        attempt = exchange.attempt
        again = worth_another_try(attempt) and (attempt.outcome == "refused" or hop.method in REPEATABLE)
        if not again:
            return exchange
        await asyncio.sleep(RETRY_AFTER)
        progress.tries = 2
        return await self._asked(link, request, hop, progress)

    async def _asked(self, link: Link, request: HttpRequest, hop: _Hop, progress: _Progress) -> Exchange:
        """Ask once, without following anything."""
        progress.connected = progress.answering = False
        url, where = hop.url, hop.url.where
        try:
            return await self._exchanged(link, request, hop, progress)
        except StreamRefused as refused:
            if refused.ours:
                raise Unobserved(refused.attempt.cause or "network", str(refused.attempt)) from None
            named = url.host if refused.attempt.outcome == "no such name" else where
            return Exchange(replace(refused.attempt, detail=refused.attempt.detail or named))
        except ValueError as error:
            return Exchange(Attempt("failed", "unreadable", f"{where}: {printable(str(error), LONGEST_REASON)}"))

    async def _exchanged(self, link: Link, request: HttpRequest, hop: _Hop, progress: _Progress) -> Exchange:
        began = time.monotonic()
        url = hop.url
        # Whether the files for it can be read is known before anybody is asked.
        context = client_context(request.ca_file, verify=request.verify) if url.scheme == "https" else None
        reader, writer = await link.stream(url.host, url.port)
        try:
            progress.connected = True
            certificate = None
            if context is not None:
                reader = writer = stream = await secured((reader, writer), context, url.host.rstrip("."))
                certificate = stream.certificate
            body = (hop.body or "").encode()
            headers = self._headers(hop, body)
            answer = await http1.ask((reader, writer), url.where, hop.method, url.target, headers, body)
            progress.answering = True
            received, truncated = await _body(answer, request.max_bytes)
        finally:
            writer.close()
        seconds = time.monotonic() - began
        answered = Answered(
            str(url), answer.status, answer.headers, received, truncated, seconds, certificate=certificate
        )
        return Exchange(Attempt("connected"), answered)

    def _headers(self, hop: _Hop, body: bytes) -> list[tuple[str, str]]:
        """The headers of a request: its own, and those without which it cannot be."""
        headers = {
            "Host": hop.url.authority,
            "User-Agent": self._agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            "Connection": "close",
        }
        if body or hop.method in WITH_BODY:
            headers["Content-Length"] = str(len(body))
        if hop.headers:
            own = {name.lower() for name, _ in hop.headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in own}
        return [*headers.items(), *hop.headers]


class _Progress(Struct):
    """How far a request has come, for the message when time is up."""

    connected: bool = False
    answering: bool = False
    tries: int = 1


class _Hop(Struct, frozen=True):
    """One request of a chain of redirects. ``headers`` are those that this origin may see."""

    url: Url
    method: str
    headers: tuple[tuple[str, str], ...]
    body: str | None


def _first(request: HttpRequest) -> _Hop:
    """The first request. A user and password in the URL become basic authentication.

    Raises:
        ValueError: the URL cannot be asked.
    """
    headers = request.headers
    named = credentials(request.url)
    if named is not None and not any(name.lower() == "authorization" for name, _ in headers):
        basic = base64.b64encode(":".join(named).encode()).decode()
        headers = (*headers, ("Authorization", f"Basic {basic}"))
    return _Hop(Url.of(request.url), request.method, headers, request.body)


def _next(hop: _Hop, answered: Answered) -> _Hop | None:
    """The request that a redirect asks for; None where this is no redirect, or none that is to be followed."""
    location = dict(answered.headers).get("location")
    if answered.status not in REDIRECTS or not location:
        return None
    try:
        url = hop.url.joined(location)
    except ValueError:
        return None
    method, body = hop.method, hop.body
    if (answered.status == 303 and method != "HEAD") or (answered.status in (301, 302) and method == "POST"):
        method, body = "GET", None
    if url.origin == hop.url.origin:
        return _Hop(url, method, hop.headers, body)
    if body is not None:
        return None
    return _Hop(url, method, tuple(each for each in hop.headers if each[0].lower() in HARMLESS), None)


async def _body(answer: http1.Answer, max_bytes: int) -> tuple[bytes, bool]:
    """The body, unpacked, and whether there was more of it than was to be read."""
    encoding = answer.header("content-encoding").strip().lower()
    unpack = _unpacker(encoding)
    body = bytearray()
    packed = 0
    while piece := await answer.read():
        packed += len(piece)
        while piece:
            if unpack and unpack.eof:
                if not piece.startswith(GZIP_BEGINS):
                    # What else stands behind it is nothing; zlib would keep all of it.
                    return bytes(body), False
                unpack = _unpacker(encoding)
            try:
                body += unpack.decompress(piece, max_bytes + 1 - len(body)) if unpack else piece
            except zlib.error as error:
                raise http1.broken(str(error)) from None
            if len(body) > max_bytes:
                return bytes(body[:max_bytes]), True
            piece = unpack.unused_data if unpack else b""
        if packed > PACKED_MAX_BYTES + PACKED_MAX_TIMES * len(body):
            raise http1.broken("there is next to nothing in what is packed")
    if unpack and packed and not unpack.eof:
        raise http1.broken("what is packed ends too early")
    return bytes(body), False


def _unpacker(encoding: str) -> Any:
    """An object of zlib that unpacks chunk by chunk; None where nothing is packed."""
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    if encoding == "deflate":
        return zlib.decompressobj()
    return None


def _timed_out(seconds: float, progress: _Progress) -> Attempt:
    if progress.answering:
        return Attempt("timed out", "timeout", f"connected, but the answer did not end in {seconds:g} s")
    if progress.connected:
        return Attempt("timed out", "timeout", f"connected, but no answer in {seconds:g} s")
    return Attempt("timed out", "network", f"no connection in {seconds:g} s")
