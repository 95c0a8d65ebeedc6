"""Docker engines: over their socket, TCP or TLS, or through the link of their host."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import docker
import requests

from muster.probes import (
    AskEngine,
    Attempt,
    Cause,
    ContainerLog,
    ContainerLogFile,
    ContainerStats,
    EngineAnswer,
    InspectContainer,
    ListContainers,
    Matches,
    Unobserved,
)
from muster.targets import DockerEngine
from muster.transports.link import Link, Stream, seen
from muster.transports.outcomes import RETRY_AFTER, from_os_error, worth_another_try
from muster.transports.tunnel import Tunnel

DEFAULT_URL = "unix:///var/run/docker.sock"
ANSWER_MAX_BYTES = 32 * 1_048_576
"""Room for the list of ten thousand containers."""

T = TypeVar("T")


class Engine:
    """A host's Docker engine. Its version and its list of containers are asked for once."""

    def __init__(self, link: Link, engine: DockerEngine, *, timeout: float) -> None:
        self._link = link
        self._timeout = timeout
        self._url, self._files = _place(engine, local=link.direct)
        self._tunnel: Tunnel | None = None
        self._reading: docker.APIClient | None = None
        self._client: docker.APIClient | None = None
        self._answer: asyncio.Task[EngineAnswer] | None = None
        self._list: asyncio.Task[list[Mapping[str, Any]]] | None = None

    async def ask(
        self,
        question: AskEngine | ListContainers | InspectContainer | ContainerStats | ContainerLog | ContainerLogFile,
    ) -> Any:
        """The answer to a question.

        Raises:
            Unobserved: there is none; a failure to reach the engine is the answer to `AskEngine` only.
        """
        if self._answer is None:
            self._answer = asyncio.create_task(self._version())
            self._answer.add_done_callback(seen)
        answer = await asyncio.shield(self._answer)
        if isinstance(question, AskEngine):
            return answer
        if not answer.attempt.connected:
            raise Unobserved(answer.attempt.cause or "network", f"Docker engine: {answer.attempt}")
        if self._list is None:
            self._list = asyncio.create_task(self._containers(answer))
            self._list.add_done_callback(seen)
        containers = await asyncio.shield(self._list)
        if isinstance(question, ListContainers):
            return containers
        return await self._inspected(question.match, containers, answer)

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
        for task in (self._answer, self._list):
            if task is not None:
                task.cancel()
        if self._tunnel is not None:
            await self._tunnel.close()
        for client in (self._reading, self._client):
            if client is not None:
                client.close()

    async def client(self) -> docker.APIClient:
        """The SDK's client, speaking the newest version that the engine speaks.

        Raises:
            Unobserved: the engine does not answer.
        """
        answer = await self.ask(AskEngine())
        if not answer.attempt.connected:
            raise Unobserved(answer.attempt.cause or "network", f"Docker engine: {answer.attempt}")
        if self._client is None:
            self._client = await self._new_client(answer.version["ApiVersion"])
        return self._client

    async def _new_client(self, version: str) -> docker.APIClient:
        client = docker.APIClient(base_url=await self.base_url(), version=version, timeout=math.ceil(self._timeout))
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

    async def _version(self) -> EngineAnswer:
        began = time.monotonic()
        tries = 1
        while True:
            try:
                version = (await self._get("/version")).json
            except _Failed as failed:
                attempt = failed.attempt
                version = None
            else:
                attempt = Attempt("connected")
                if not isinstance(version, dict) or not isinstance(version.get("ApiVersion"), str):
                    attempt = Attempt("not Docker", "unreadable", f"{self._where} answers, but names no API version")
            if tries == 1 and worth_another_try(attempt):
                tries = 2
                await asyncio.sleep(RETRY_AFTER)
                continue
            attempt = replace(attempt, seconds=time.monotonic() - began, tries=tries)
            return EngineAnswer(attempt, version if attempt.connected else None)

    async def _containers(self, answer: EngineAnswer) -> list[Mapping[str, Any]]:
        try:
            found = (await self._called(answer, "/containers/json?all=1")).json
        except _Gone as gone:
            raise Unobserved("wrong", f"Docker engine: {gone.attempt}") from None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise Unobserved("unreadable", "Docker engine: its list of containers is not a list of objects")
        return found

    async def _inspected(self, match: str, containers: Sequence[Mapping[str, Any]], answer: EngineAnswer) -> Matches:
        found = {
            name: each for each in containers if (name := name_of(each)) is not None and fnmatchcase(name, match)
        }
        meant = list(found.values())
        if len(meant) > 1:
            meant = [each for each in meant if each.get("State") == "running"]
        if len(meant) != 1:
            return Matches(tuple(found), None)
        try:
            said = await self._called(answer, f"/containers/{quote(str(meant[0].get('Id')), safe='')}/json")
        except _Gone:
            return Matches(tuple(name for name, each in found.items() if each is not meant[0]), None)
        if not isinstance(said.json, dict):
            raise Unobserved("unreadable", "Docker engine: the inspection of a container is not an object")
        return Matches(tuple(found), said.json, said.time)

    async def _called(self, answer: EngineAnswer, path: str) -> _Said:
        assert answer.version is not None
        try:
            return await self._get(f"/v{answer.version['ApiVersion']}{path}")
        except _Gone:
            raise
        except _Failed as failed:
            raise Unobserved(failed.attempt.cause or "network", f"Docker engine: {failed.attempt}") from None

    async def _get(self, path: str) -> _Said:
        try:
            if self._reading is None:
                # A client that is told a version does not ask for one: that question is ours.
                self._reading = await self._new_client("1.41")
            client = self._reading
        except docker.errors.DockerException as error:
            raise _Failed(Attempt("not reached", "unreadable", str(error))) from None
        try:
            async with asyncio.timeout(self._timeout):
                status, date, body = await in_thread(lambda: _read(client, path, self._timeout))
        except TimeoutError:
            raise _Failed(self._timed_out()) from None
        except requests.RequestException as error:
            raise _Failed(self._outcome(error)) from None
        if status == 404:
            raise _Gone(Attempt("not found", "wrong", f"{self._where} answered 404 to {path}"))
        if status in (401, 403):
            raise _Failed(Attempt("denied", "permission", f"{self._where} answered {status} to {path}"))
        if status != 200:
            text = " ".join(body[:160].decode("utf-8", "backslashreplace").split())
            raise _Failed(Attempt("failed", "wrong", f"{self._where} answered {status} to {path}: {text}"))
        if len(body) > ANSWER_MAX_BYTES:
            size = f"{ANSWER_MAX_BYTES // 1_048_576} MiB"
            raise _Failed(Attempt("too long", "unreadable", f"the answer to {path} is longer than {size}"))
        try:
            return _Said(json.loads(body), _seconds(date))
        except (ValueError, RecursionError):
            start = " ".join(body[:80].decode("utf-8", "backslashreplace").split())
            raise _Failed(Attempt("not JSON", "unreadable", f"{self._where} answered {path} with: {start}")) from None

    @property
    def _where(self) -> str:
        address = urlsplit(self._url)
        return address.path if address.scheme == "unix" else address.netloc.rpartition("@")[2]

    def _timed_out(self) -> Attempt:
        return Attempt("timed out", "timeout", f"{self._where} gave no answer in {self._timeout:g} s")

    def _outcome(self, error: requests.RequestException) -> Attempt:
        if self._tunnel is not None and self._tunnel.refused is not None:
            attempt = self._tunnel.refused.attempt
        elif isinstance(error, requests.Timeout):
            return self._timed_out()
        else:
            below = _os_error_below(error)
            attempt = from_os_error(below) if below else Attempt("failed", "network", type(error).__name__)
        match attempt.cause:
            case "missing":
                return Attempt("missing", "missing", f"{self._where} is not there")
            case "permission" if not attempt.detail or attempt.detail == self._where:
                way = f"add {self._link.user or 'the user'} to the group docker, or log in as root"
                if self._link.sudo:
                    way += "; `sudo: true` is for commands, not for the Docker socket"
                return Attempt("denied", "permission", f"{self._where}: permission denied; {way}")
            case _:
                return replace(attempt, detail=attempt.detail or self._where)


@dataclass(frozen=True, slots=True)
class _Said:
    """What an engine answered, and the time by its own clock, in seconds since the epoch."""

    json: Any
    time: float | None


class _Failed(Exception):
    def __init__(self, attempt: Attempt) -> None:
        super().__init__(str(attempt))
        self.attempt = attempt


class _Gone(_Failed):
    """What was asked for is not there any more."""


def name_of(container: Mapping[str, Any]) -> str | None:
    """The name of a listed container: without the leading slash, and not one that a link gave it."""
    names = container.get("Names")
    if not isinstance(names, list):
        return None
    own = (name.removeprefix("/") for name in names if isinstance(name, str))
    return next((name for name in own if name and "/" not in name), None)


async def in_thread(work: Callable[[], T]) -> T:
    """What a blocking call returns. A call that never returns keeps neither us nor the interpreter's exit waiting."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        # Where the loop has been closed, nobody waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="muster-docker", daemon=True).start()
    return await future


def _read(client: docker.APIClient, path: str, timeout: float) -> tuple[int, str, bytes]:
    """The status, date and body of one request; the body is cut where it is longer than allowed."""
    ends = time.monotonic() + timeout
    with client.get(client.base_url + path, timeout=timeout, stream=True, allow_redirects=False) as response:
        body = bytearray()
        for chunk in response.iter_content(65_536):
            body += chunk
            if len(body) > ANSWER_MAX_BYTES or time.monotonic() > ends:
                break
        return response.status_code, response.headers.get("Date", ""), bytes(body)


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
