"""HTTP and HTTPS: how the attempt went, and what was answered, bounded in size and time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from muster.probes import Attempt, Unobserved
from muster.questions.http import Answered, Exchange, HttpRequest, without_credentials
from muster.text import printable
from muster.transports.link import Link, StreamRefused
from muster.transports.outcomes import RETRY_AFTER, from_os_error, worth_another_try
from muster.transports.tunnel import piped

READ_AT_ONCE = 65_536
LONGEST_REASON = 160
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: The request's own headers that may follow a redirect to another origin: the others may hold secrets.
HARMLESS = frozenset({"accept", "accept-language", "user-agent"})


class Http:
    """Asks HTTP requests. Each goes over a connection of its own, so that its outcome is the server's today."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str | None, bool], ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None
        self._agent = f"muster/{version('pytest-muster')}"

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

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

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
                return Exchange(exchange.attempt, replace(answered, redirects=tuple(left)))
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
        began = time.monotonic()
        where = f"{hop.url.host}:{hop.url.port}"
        try:
            context = self._context(request.ca_file, request.verify) if hop.url.scheme == "https" else False
            async with (
                self._over(link, hop.url) as session,
                session.request(
                    hop.method,
                    hop.url,
                    headers=hop.headers,
                    data=None if hop.body is None else hop.body.encode(),
                    allow_redirects=False,
                    ssl=context,
                    trace_request_ctx=progress,
                ) as response,
            ):
                assert isinstance(response, _Response)
                progress.answering = True
                return await _answer(response, request.max_bytes, hop.url, began)
        except StreamRefused as error:
            if error.ours:
                raise Unobserved(error.attempt.cause or "network", str(error.attempt)) from None
            return Exchange(error.attempt)
        except aiohttp.ClientConnectorDNSError:
            return Exchange(Attempt("no such name", "network", str(hop.url.host)))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            return Exchange(Attempt("TLS failed", "wrong", _tls_reason(error)))
        except _Broken as broken:
            return Exchange(_broken_off(broken.error, where))
        except (aiohttp.ClientPayloadError, zlib.error) as error:
            return Exchange(Attempt("cut off", "unreadable", f"the body is broken: {_reason(error)}"))
        except aiohttp.ClientResponseError as error:
            return Exchange(Attempt("not HTTP", "unreadable", f"{where} answered: {_reason(error)}"))
        except aiohttp.ClientConnectorError as error:
            return Exchange(from_os_error(error.os_error, where))
        except (aiohttp.ClientError, ValueError) as error:
            return Exchange(Attempt("failed", "unreadable", f"{where}: {_reason(error)}"))
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            return Exchange(from_os_error(error, where))

    @contextlib.asynccontextmanager
    async def _over(self, link: Link, url: URL) -> AsyncIterator[aiohttp.ClientSession]:
        """A session that reaches what the host reaches."""
        if link.direct:
            if self._session is None:
                self._session = _session(
                    aiohttp.TCPConnector(limit=0, force_close=True, ttl_dns_cache=60), self._agent
                )
            yield self._session
            return
        assert url.host is not None
        assert url.port is not None
        async with piped(await link.stream(url.host, url.port)) as connected:
            connector = aiohttp.TCPConnector(
                socket_factory=lambda _: connected, resolver=_AlreadyThere(), force_close=True, limit=1
            )
            async with _session(connector, self._agent) as session:
                yield session

    def _context(self, ca_file: str | None, verify: bool) -> ssl.SSLContext:
        key = ca_file, verify
        if key not in self._contexts:
            try:
                context = ssl.create_default_context(cafile=ca_file)
            except OSError as error:
                raise Unobserved("missing", f"ca_file {ca_file}: {error.strerror or _reason(error)}") from None
            if not verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._contexts[key] = context
        return self._contexts[key]


@dataclass(slots=True)
class _Progress:
    """How far a request has come, for the message when time is up."""

    connected: bool = False
    answering: bool = False
    tries: int = 1


@dataclass(frozen=True, slots=True)
class _Hop:
    """One request of a chain of redirects. ``headers`` are those that this origin may see."""

    url: URL
    method: str
    headers: tuple[tuple[str, str], ...]
    body: str | None


class _Response(aiohttp.ClientResponse):
    """Keeps the certificate of its connection, which a short answer gives back before it can be asked for."""

    certificate: Mapping[str, Any] | None = None

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if connection.transport is not None:
            self.certificate = connection.transport.get_extra_info("peercert") or None
        return await super().start(connection)


class _AlreadyThere(AbstractResolver):
    """Resolves nothing: the connection is open already, and the name was resolved where it was opened."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0),
        ]

    async def close(self) -> None:
        return


def _session(connector: aiohttp.BaseConnector, agent: str) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_note_connected)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        trust_env=False,
        auto_decompress=False,
        response_class=_Response,
        trace_configs=[trace],
        middlewares=[_once],
        headers={"User-Agent": agent, "Accept-Encoding": "gzip"},
    )


class _Broken(aiohttp.ClientError):
    """A connection that broke before the answer."""

    def __init__(self, error: aiohttp.ClientError) -> None:
        super().__init__(str(error))
        self.error = error


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a request by itself: how often it was tried is part of the answer."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken(error) from error


async def _note_connected(session: aiohttp.ClientSession, context: Any, params: Any) -> None:
    context.trace_request_ctx.connected = True


async def _answer(response: _Response, max_bytes: int, url: URL, began: float) -> Exchange:
    body, truncated = await _body(response, max_bytes)
    answered = Answered(
        url=str(url),
        status=response.status,
        headers=tuple((name.lower(), value) for name, value in response.headers.items()),
        body=body,
        truncated=truncated,
        seconds=time.monotonic() - began,
        certificate=response.certificate,
    )
    return Exchange(Attempt("connected"), answered)


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> tuple[bytes, bool]:
    """The body, unpacked, and whether there was more of it than was to be read."""
    unpack = _unpacker(response.headers.get("Content-Encoding", "").strip().lower())
    body = bytearray()
    begun = False
    while chunk := await response.content.read(READ_AT_ONCE):
        begun = True
        body += unpack.decompress(chunk, max_bytes + 1 - len(body)) if unpack else chunk
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), True
        if unpack and unpack.eof:
            # What stands behind it is nothing; zlib would keep all of it.
            break
    if unpack and begun and not unpack.eof:
        raise zlib.error("what is packed ends too early")
    return bytes(body), False


def _unpacker(encoding: str) -> Any:
    """An object of zlib that unpacks chunk by chunk; None where nothing is packed."""
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    if encoding == "deflate":
        return zlib.decompressobj()
    return None


def _first(request: HttpRequest) -> _Hop:
    """The first request. A user and password in the URL become basic authentication.

    Raises:
        ValueError: the URL cannot be asked.
    """
    url = URL(request.url)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError
    headers = request.headers
    if url.user is not None and not any(name.lower() == "authorization" for name, _ in headers):
        basic = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
        headers = (*headers, ("Authorization", f"Basic {basic}"))
    return _Hop(url.with_user(None), request.method, headers, request.body)


def _next(hop: _Hop, answered: Answered) -> _Hop | None:
    """The request that a redirect asks for; None where this is no redirect, or none that is to be followed."""
    location = dict(answered.headers).get("location")
    if answered.status not in REDIRECTS or not location:
        return None
    try:
        url = hop.url.join(URL(location)).with_user(None).with_fragment(None)
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.host:
        return None
    method, body = hop.method, hop.body
    if (answered.status == 303 and method != "HEAD") or (answered.status in (301, 302) and method == "POST"):
        method, body = "GET", None
    if url.origin() == hop.url.origin():
        return _Hop(url, method, hop.headers, body)
    if body is not None:
        return None
    return _Hop(url, method, tuple(each for each in hop.headers if each[0].lower() in HARMLESS), None)


def _timed_out(seconds: float, progress: _Progress) -> Attempt:
    if progress.answering:
        return Attempt("timed out", "timeout", f"connected, but the answer did not end in {seconds:g} s")
    if progress.connected:
        return Attempt("timed out", "timeout", f"connected, but no answer in {seconds:g} s")
    return Attempt("timed out", "network", f"no connection in {seconds:g} s")


def _tls_reason(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.replace("_", " ").lower()
    return _reason(cause)


def _broken_off(error: aiohttp.ClientError, where: str) -> Attempt:
    if isinstance(error, OSError) and error.errno is not None:
        return from_os_error(error, where)
    return Attempt("reset", "network", f"{where} closed the connection without an answer")


def _reason(error: BaseException) -> str:
    text = getattr(error, "message", "") or str(error) or type(error).__name__
    return printable(text, LONGEST_REASON)
