"""The API of a Docker engine: over its socket, TCP or TLS, or through the link of its host."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from muster.probes import Attempt, Cause, Unobserved
from muster.targets import DockerEngine
from muster.text import printable
from muster.transports import http1
from muster.transports.link import Link, Stream, StreamRefused
from muster.transports.secured import secured
from muster.transports.tunnel import Tunnel

DEFAULT_URL = "unix:///var/run/docker.sock"
AT_ONCE = 16
"""Requests that one engine is asked at once, each over a connection of its own. An old one takes a second for one."""

LONGEST_REASON = 160

ANSWER_MAX_BYTES = 32 * 1_048_576
"""Room for the list of ten thousand containers."""


class EngineApi:
    """Requests to an engine, as its host sees it. Raises `Unobserved` where it is nowhere that we can reach."""

    def __init__(self, link: Link, engine: DockerEngine, *, timeout: float) -> None:
        self.timeout = timeout
        self._link = link
        self._url, self._files = _place(engine, local=link.direct)
        self._address = _understood(self._url)
        self._tunnel: Tunnel | None = None
        self._made: ssl.SSLContext | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def where(self) -> str:
        """Where the engine answers, for messages."""
        address = self._address
        return address.path if address.scheme == "unix" else address.netloc.rpartition("@")[2]

    @property
    def is_here(self) -> bool:
        """Whether it runs on the host that it is asked from, so that its files are there."""
        return self._address.scheme == "unix" or self._address.hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def _host(self) -> str:
        return self._address.hostname or "localhost"

    @property
    def _is_secured(self) -> bool:
        return bool(self._files) or self._address.scheme == "https"

    async def base_url(self) -> str:
        """The URL at which this machine reaches the engine, for a client of one's own. To be asked for once."""
        if self._link.direct and not self._is_secured:
            return self._url
        context = self._context() if self._is_secured else None
        self._tunnel = Tunnel(self._stream, context, self._host)
        await self._tunnel.open()
        return f"unix://{self._tunnel.path}"

    async def close(self) -> None:
        if self._tunnel is not None:
            await self._tunnel.close()

    async def get(self, path: str, *, timeout: float | None = None) -> Said:
        """The JSON that the engine answers to a path. ``timeout``, in seconds, is the host's unless given.

        Raises:
            Failed: it does not, in time or at all; `Gone` where what was asked for is not there.
        """
        return await self._said("GET", path, timeout=timeout)

    async def post(self, path: str, sent: Mapping[str, Any]) -> Said:
        """The JSON that the engine answers to some that is sent. Raises as `get` does."""
        return await self._said("POST", path, sent)

    async def read(self, path: str, take: Callable[[bytes], object], *, timeout: float) -> None:
        """Hand the body of an answer to ``take``, piece by piece. Raises as `get` does, and what ``take`` raises."""
        await self._exchanged("GET", path, None, take, timeout)

    async def _said(
        self, method: str, path: str, sent: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> Said:
        body = bytearray()

        def take(piece: bytes) -> None:
            body.extend(piece)
            if len(body) > ANSWER_MAX_BYTES:
                size = f"{ANSWER_MAX_BYTES // 1_048_576} MiB"
                raise Failed(Attempt("too long", "unreadable", f"the answer to {path} is longer than {size}"))

        date = await self._exchanged(method, path, sent, take, timeout or self.timeout)
        try:
            return Said(json.loads(body), _seconds(date))
        except (ValueError, RecursionError):
            start = " ".join(body[:80].decode("utf-8", "backslashreplace").split())
            raise Failed(Attempt("not JSON", "unreadable", f"{self.where} answered {path} with: {start}")) from None

    async def _exchanged(
        self,
        method: str,
        path: str,
        sent: Mapping[str, Any] | None,
        take: Callable[[bytes], object],
        timeout: float,
    ) -> str:
        """Ask, and hand the body of the answer to ``take``; returns the answer's date."""
        body = b"" if sent is None else json.dumps(sent).encode()
        headers = [("Host", self._host), ("Connection", "close")]
        if body:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        context = self._context() if self._is_secured else None
        connected = False
        async with self._slots:
            try:
                async with asyncio.timeout(timeout):
                    stream = await self._stream()
                    connected = True
                    with closing(stream[1]):
                        if context is not None:
                            made = await secured(stream, context, self._host)
                            stream = made, made
                        answer = await http1.ask(stream, self.where, method, path, headers, body)
                        if answer.status not in (200, 201):
                            raise self._failed(answer.status, path, await answer.read())
                        while piece := await answer.read():
                            take(piece)
            except TimeoutError:
                raise Failed(self._timed_out(timeout, connected=connected)) from None
            except StreamRefused as refused:
                raise Failed(self._not_reached(refused.attempt)) from None
        return answer.header("date")

    async def _stream(self) -> Stream:
        if self._address.scheme == "unix":
            return await self._link.unix_stream(self._address.path)
        return await self._link.stream(self._host, self._address.port or (2376 if self._files else 2375))

    def _context(self) -> ssl.SSLContext:
        if self._made is not None:
            return self._made
        try:
            context = ssl.create_default_context(cafile=self._files.get("ca"))
            if self._files.get("cert"):
                context.load_cert_chain(self._files["cert"], self._files.get("key"))
        except OSError as error:
            # "missing" is said of engines only: one that is not there, and not expected, is no fault.
            cause: Cause = "permission" if isinstance(error, PermissionError) else "wrong"
            raise Unobserved(cause, f"TLS files of the Docker engine: {error.strerror or error}") from None
        self._made = context
        return context

    def _timed_out(self, seconds: float, *, connected: bool) -> Attempt:
        if connected:
            return Attempt("timed out", "timeout", f"{self.where} gave no answer in {seconds:g} s")
        return Attempt("timed out", "network", f"no connection to {self.where} in {seconds:g} s")

    def _failed(self, status: int, path: str, said: bytes) -> Failed:
        if status == 404:
            return Gone(Attempt("not found", "wrong", f"{self.where} answered 404 to {path}"), status)
        if status in (401, 403):
            return Failed(Attempt("denied", "permission", f"{self.where} answered {status} to {path}"), status)
        return Failed(Attempt("failed", "wrong", f"{self.where} answered {status} to {path}: {_why(said)}"), status)

    def _not_reached(self, attempt: Attempt) -> Attempt:
        match attempt.cause:
            case "missing":
                return Attempt("missing", "missing", f"{self.where} is not there")
            case "permission" if not attempt.detail or attempt.detail == self.where:
                way = f"add {self._link.user or 'the user'} to the group docker, or log in as root"
                if self._link.sudo:
                    way += "; `sudo: true` is for commands, not for the Docker socket"
                return Attempt("denied", "permission", f"{self.where}: permission denied; {way}")
            case _:
                return replace(attempt, detail=attempt.detail or self.where)


class Said(Struct, frozen=True):
    """What an engine answered, and the time by its own clock, in seconds since the epoch."""

    json: Any
    time: float | None


class Failed(Exception):
    """A request got no answer that is any use. ``status`` is that of HTTP, 0 where there is none."""

    def __init__(self, attempt: Attempt, status: int = 0) -> None:
        super().__init__(str(attempt))
        self.attempt = attempt
        self.status = status

    def unobserved(self) -> Unobserved:
        return Unobserved(self.attempt.cause or "network", f"Docker engine: {self.attempt}")


class Gone(Failed):
    """What was asked for is not there any more."""


def _why(said: bytes) -> str:
    """What an engine says of an error (Docker API, "ErrorResponse"), or whatever else it is that was said."""
    try:
        text = json.loads(said)["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        text = said.decode("utf-8", "backslashreplace")
    return printable(str(text), LONGEST_REASON)


def _seconds(date: str) -> float | None:
    """A date as HTTP has it (RFC 9110, 5.6.7), in seconds since the epoch."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _place(engine: DockerEngine, *, local: bool) -> tuple[str, dict[str, str]]:
    """Where the engine is, and the files for TLS where it is spoken. A local host asks ``DOCKER_HOST`` too."""
    if engine.url is None and local and os.environ.get("DOCKER_HOST"):
        files = {}
        if os.environ.get("DOCKER_TLS_VERIFY"):
            folder = Path(os.environ.get("DOCKER_CERT_PATH") or "~/.docker").expanduser()
            files = {part: str(folder / f"{part}.pem") for part in ("ca", "cert", "key")}
        return os.environ["DOCKER_HOST"], files
    named = {"ca": engine.ca_file, "cert": engine.cert_file, "key": engine.key_file}
    return engine.url or DEFAULT_URL, {part: file for part, file in named.items() if file}


def _understood(url: str) -> SplitResult:
    """Where an engine is, taken apart. Raises `Unobserved` where we can reach none there."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("unix", "tcp", "http", "https") and parts.port != 0:
            return parts
    raise Unobserved(
        "wrong",
        f"a Docker engine at {url} cannot be reached: unix:// or tcp:// is understood; for an engine "
        "behind SSH, give its host a connection of kind ssh",
    )
