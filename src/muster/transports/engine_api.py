"""The API of a Docker engine: over its socket, TCP or TLS, or through the link of its host."""

from __future__ import annotations

import asyncio
import json
import math
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import requests

from muster.probes import Attempt, Cause, Unobserved
from muster.targets import DockerEngine
from muster.transports.link import Link, Stream
from muster.transports.outcomes import from_os_error
from muster.transports.threads import in_thread
from muster.transports.tunnel import Tunnel

DEFAULT_URL = "unix:///var/run/docker.sock"
AT_ONCE = 16
"""Requests that one engine is asked at once, each in a thread of its own. An old engine takes a second for one."""

ANSWER_MAX_BYTES = 32 * 1_048_576
"""Room for the list of ten thousand containers."""


class EngineApi:
    """Requests to an engine, as its host sees it."""

    def __init__(self, link: Link, engine: DockerEngine, *, timeout: float) -> None:
        self.timeout = timeout
        self._link = link
        self._url, self._files = _place(engine, local=link.direct)
        self._tunnel: Tunnel | None = None
        self._reading: docker.APIClient | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def where(self) -> str:
        """Where the engine answers, for messages."""
        address = urlsplit(self._url)
        return address.path if address.scheme == "unix" else address.netloc.rpartition("@")[2]

    @property
    def is_here(self) -> bool:
        """Whether it runs on the host that it is asked from, so that its files are there."""
        address = urlsplit(self._url)
        return address.scheme == "unix" or address.hostname in ("localhost", "127.0.0.1", "::1")

    async def base_url(self) -> str:
        """The URL at which this machine reaches the engine, for a client of one's own."""
        address = urlsplit(self._url)
        if address.scheme not in ("unix", "tcp", "http", "https"):
            raise Unobserved(
                "wrong",
                f"a Docker engine at {self._url} cannot be reached: unix:// or tcp:// is understood; for an engine "
                "behind SSH, give its host a connection of kind ssh",
            )
        secured = bool(self._files) or address.scheme == "https"
        if self._link.direct and not secured:
            return self._url
        if self._tunnel is None:
            context = self._context() if secured else None
            self._tunnel = await Tunnel(self._stream, context, address.hostname or "").open()
        return f"unix://{self._tunnel.path}"

    async def close(self) -> None:
        if self._tunnel is not None:
            await self._tunnel.close()
        if self._reading is not None:
            self._reading.close()

    async def client(self, version: str) -> docker.APIClient:
        client = docker.APIClient(
            base_url=await self.base_url(),
            version=version,
            timeout=math.ceil(self.timeout),
            max_pool_size=AT_ONCE,
        )
        client.trust_env = False
        return client

    async def _stream(self) -> Stream:
        address = urlsplit(self._url)
        if address.scheme == "unix":
            return await self._link.unix_stream(address.path)
        return await self._link.stream(
            address.hostname or "localhost", address.port or (2376 if self._files else 2375)
        )

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._files.get("ca"))
            if self._files.get("cert"):
                context.load_cert_chain(self._files["cert"], self._files.get("key"))
        except OSError as error:
            # "missing" is said of engines only: one that is not there, and not expected, is no fault.
            cause: Cause = "permission" if isinstance(error, PermissionError) else "wrong"
            raise Unobserved(cause, f"TLS files of the Docker engine: {error.strerror or error}") from None
        return context

    async def get(self, path: str, *, timeout: float | None = None) -> Said:
        """The JSON that the engine answers to a path. ``timeout``, in seconds, is the host's unless given.

        Raises:
            Failed: it does not, in time or at all; `Gone` where what was asked for is not there.
        """
        body = bytearray()
        date = await self.read(path, body.extend, most=ANSWER_MAX_BYTES, timeout=timeout)
        if len(body) > ANSWER_MAX_BYTES:
            size = f"{ANSWER_MAX_BYTES // 1_048_576} MiB"
            raise Failed(Attempt("too long", "unreadable", f"the answer to {path} is longer than {size}"))
        try:
            return Said(json.loads(body), _seconds(date))
        except (ValueError, RecursionError):
            start = " ".join(body[:80].decode("utf-8", "backslashreplace").split())
            raise Failed(Attempt("not JSON", "unreadable", f"{self.where} answered {path} with: {start}")) from None

    async def read(
        self, path: str, take: Callable[[bytes], object], *, most: int | None = None, timeout: float | None = None
    ) -> str:
        """Hand the body of an answer to ``take``, piece by piece, in another thread; stop after ``most`` bytes.

        Returns the answer's date.

        Raises:
            Failed: as of `get`.
        """
        timeout = timeout or self.timeout
        async with self._slots:
            try:
                if self._reading is None:
                    # A client that is told a version does not ask for one: that question is ours.
                    self._reading = await self.client("1.41")
                client = self._reading
            except docker.errors.DockerException as error:
                raise Failed(Attempt("not reached", "unreadable", str(error))) from None
            try:
                async with asyncio.timeout(timeout):
                    status, date, said = await in_thread(lambda: _read(client, path, take, most, timeout))
            except TimeoutError:
                raise Failed(self._timed_out(timeout)) from None
            except requests.RequestException as error:
                raise Failed(self._outcome(error, timeout)) from None
        if status == 404:
            raise Gone(Attempt("not found", "wrong", f"{self.where} answered 404 to {path}"), status)
        if status in (401, 403):
            raise Failed(Attempt("denied", "permission", f"{self.where} answered {status} to {path}"), status)
        if status != 200:
            text = " ".join(said[:160].decode("utf-8", "backslashreplace").split())
            raise Failed(Attempt("failed", "wrong", f"{self.where} answered {status} to {path}: {text}"), status)
        return date

    def _timed_out(self, timeout: float) -> Attempt:
        return Attempt("timed out", "timeout", f"{self.where} gave no answer in {timeout:g} s")

    def _outcome(self, error: requests.RequestException, timeout: float) -> Attempt:
        if self._tunnel is not None and self._tunnel.refused is not None:
            attempt = self._tunnel.refused.attempt
        elif isinstance(error, requests.Timeout):
            return self._timed_out(timeout)
        else:
            below = _os_error_below(error)
            attempt = from_os_error(below) if below else Attempt("failed", "network", type(error).__name__)
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


@dataclass(frozen=True, slots=True)
class Said:
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


def _read(
    client: docker.APIClient, path: str, take: Callable[[bytes], object], most: int | None, timeout: float
) -> tuple[int, str, bytes]:
    """The status and date of one request, and how the body of a failed one begins; ``take`` gets that of another."""
    ends = time.monotonic() + timeout
    with client.get(client.base_url + path, timeout=timeout, stream=True, allow_redirects=False) as response:
        status, date = response.status_code, response.headers.get("Date", "")
        taken = 0
        for chunk in response.iter_content(65_536):
            if status != 200:
                return status, date, chunk
            take(chunk)
            taken += len(chunk)
            if most is not None and taken > most:
                break
            if time.monotonic() > ends:
                raise requests.Timeout
        return status, date, b""


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


def _os_error_below(error: BaseException) -> OSError | None:
    """The operating system's error that requests and urllib3 have wrapped."""
    seen: set[int] = set()
    below: list[BaseException] = [error]
    while below:
        each = below.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OSError) and each.errno is not None:
            return each
        below += [part for part in (*each.args, each.__cause__, each.__context__) if isinstance(part, BaseException)]
    return None
