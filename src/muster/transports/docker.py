"""Docker engines: what they say of themselves and of their containers, each thing asked once."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec.structs import replace

from muster.probes import Attempt, Unobserved
from muster.questions.docker import (
    AskEngine,
    ContainerLog,
    ContainerLogFile,
    ContainerStats,
    EngineAnswer,
    InspectContainer,
    ListContainers,
    LogFile,
    Logged,
    Matches,
    Stats,
)
from muster.targets import DockerEngine
from muster.transports.container_log import LogCount, size_of
from muster.transports.engine_api import EngineApi, Failed, Gone, Said
from muster.transports.link import Link, seen
from muster.transports.outcomes import RETRY_AFTER, worth_another_try

SAMPLED_APART = 1.0
"""Seconds from the one look at what a container uses to the other, as of `docker stats`."""

UNREADABLE_LOG = (500, 501)
"""The statuses with which an engine refuses to read what a log driver has sent elsewhere."""

#: An API's version, which becomes part of every path after (Docker Engine API, "Versioning").
API_VERSION = re.compile(r"\d+\.\d+", re.ASCII)

T = TypeVar("T")
Ask = AskEngine | ListContainers | InspectContainer | ContainerStats | ContainerLog | ContainerLogFile


class Engine:
    """A host's Docker engine. Its version, its list of containers and each inspection are asked for once."""

    def __init__(self, link: Link, engine: DockerEngine, *, timeout: float) -> None:
        self._link = link
        self._api = EngineApi(link, engine, timeout=timeout)
        self._asked: dict[object, asyncio.Task[Any]] = {}

    async def ask(self, question: Ask) -> Any:
        """The answer to a question.

        Raises:
            Unobserved: there is none; a failure to reach the engine is the answer to `AskEngine` only.
        """
        answer: EngineAnswer = await self._once(AskEngine, self._version)
        if isinstance(question, AskEngine):
            return answer
        if not answer.attempt.connected:
            raise Unobserved(answer.attempt.cause or "network", f"Docker engine: {answer.attempt}")
        if isinstance(question, ListContainers):
            return await self._containers()
        matches = await self._once(question.match, lambda: self._matches(question.match))
        match question:
            case InspectContainer():
                return matches
            case ContainerStats():
                return await self._stats(matches)
            case ContainerLog():
                return await self._log(question, matches)
            case ContainerLogFile():
                return await self._log_file(matches)

    async def base_url(self) -> str:
        """The URL at which this machine reaches the engine, for a client of one's own."""
        return await self._once(EngineApi.base_url, self._api.base_url)

    async def close(self) -> None:
        for task in self._asked.values():
            task.cancel()
        await self._api.close()

    async def called(self, path: str, sent: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Said:
        """What the engine answers to a path below its version, with ``sent`` as JSON where there is any.

        Raises:
            Failed: it does not; `Gone` where what was asked for is not there.
            Unobserved: the engine cannot be reached.
        """
        path = await self.prefix() + path
        return await (self._api.get(path, timeout=timeout) if sent is None else self._api.post(path, sent))

    async def prefix(self) -> str:
        """What stands before every path that has a version: the newest that the engine speaks.

        Raises:
            Unobserved: the engine does not answer.
        """
        answer: EngineAnswer = await self._once(AskEngine, self._version)
        if answer.version is None:
            raise Unobserved(answer.attempt.cause or "network", f"Docker engine: {answer.attempt}")
        return f"/v{answer.version['ApiVersion']}"

    async def _once(self, key: object, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``ask`` gives, or how it fails, the first time that it is asked for by ``key``."""
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(ask())
            task.add_done_callback(seen)
        found: T = await asyncio.shield(task)
        return found

    async def _version(self) -> EngineAnswer:
        began = time.monotonic()
        tries = 1
        while True:
            try:
                version = (await self._api.get("/version")).json
            except Failed as failed:
                attempt = failed.attempt
                version = None
            else:
                attempt = Attempt("connected")
                named = version.get("ApiVersion") if isinstance(version, dict) else None
                if not isinstance(named, str) or not API_VERSION.fullmatch(named):
                    where = self._api.where
                    attempt = Attempt("not Docker", "unreadable", f"{where} answers, but names no API version")
            if tries == 1 and worth_another_try(attempt):
                tries = 2
                await asyncio.sleep(RETRY_AFTER)
                continue
            attempt = replace(attempt, seconds=time.monotonic() - began, tries=tries)
            return EngineAnswer(attempt, version if attempt.connected else None)

    async def _containers(self) -> list[Mapping[str, Any]]:
        return await self._once(ListContainers, self._listed)

    async def _listed(self) -> list[Mapping[str, Any]]:
        try:
            found = (await self._called("/containers/json?all=1")).json
        except Gone as gone:
            raise Unobserved("wrong", f"Docker engine: {gone.attempt}") from None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise Unobserved("unreadable", "Docker engine: its list of containers is not a list of objects")
        return found

    async def _matches(self, match: str) -> Matches:
        found = {
            name: each
            for each in await self._containers()
            if (name := name_of(each)) is not None and fnmatchcase(name, match)
        }
        meant = list(found.values())
        if len(meant) > 1:
            meant = [each for each in meant if each.get("State") == "running"]
        if len(meant) != 1:
            return Matches(tuple(found), None)
        path = _path_of(meant[0])
        try:
            said = await self._once(path, lambda: self._called(f"{path}/json"))
        except Gone:
            return Matches(tuple(name for name, each in found.items() if each is not meant[0]), None)
        if not isinstance(said.json, dict):
            raise Unobserved("unreadable", "Docker engine: the inspection of a container is not an object")
        return Matches(tuple(found), said.json, said.time)

    async def _stats(self, matches: Matches) -> Stats:
        if not _runs(matches):
            return Stats(matches)
        path = f"{_path_of(matches.inspected)}/stats?stream=false&one-shot=true"
        began = time.monotonic()
        try:
            # An old engine looks once a second only, and keeps whoever asks waiting for it.
            timeout = self._api.timeout + SAMPLED_APART
            first = await self._called(path, timeout)
            await asyncio.sleep(SAMPLED_APART - (time.monotonic() - began))
            second = await self._called(path, timeout)
        except Gone:
            return Stats(Matches((), None))
        if not isinstance(first.json, dict) or not isinstance(second.json, dict):
            raise Unobserved("unreadable", "Docker engine: what a container uses is not an object")
        return Stats(matches, first.json, second.json)

    async def _log(self, question: ContainerLog, matches: Matches) -> Logged:
        if matches.inspected is None:
            return Logged(matches)
        now = time.time() if matches.engine_time is None else matches.engine_time
        terminal = bool(_part(matches.inspected, "Config").get("Tty"))
        counting = LogCount(question.counts, now, framed=not terminal)
        since = int(now - max((each.window for each in question.counts), default=0.0))
        words = f"stdout=1&stderr=1&timestamps=1&since={max(since, 0)}"
        path = f"{await self.prefix()}{_path_of(matches.inspected)}/logs?{words}"
        try:
            await self._api.read(path, counting.take, timeout=question.timeout)
        except Gone:
            return Logged(Matches((), None))
        except Failed as failed:
            raise self._no_log(failed, question, matches) from None
        return counting.logged(matches)

    def _no_log(self, failed: Failed, question: ContainerLog, matches: Matches) -> Unobserved:
        """Why a log cannot be read, and the way out."""
        driver = _part(_part(matches.inspected, "HostConfig"), "LogConfig").get("Type")
        if failed.status in UNREADABLE_LOG and driver not in ("json-file", "local", "journald"):
            return Unobserved(
                "missing",
                f"its log driver {driver} keeps nothing that the engine can read; let it log to local or json-file",
            )
        if failed.attempt.cause == "timeout":
            return Unobserved(
                "timeout",
                f"its log could not be read in {question.timeout:g} s; set a shorter window or a longer timeout",
            )
        return failed.unobserved()

    async def _log_file(self, matches: Matches) -> LogFile:
        path = matches.inspected.get("LogPath") if matches.inspected is not None else None
        if not path or not isinstance(path, str):
            return LogFile(matches)
        if not self._api.is_here:
            raise Unobserved(
                "missing",
                f"its log file is on the machine of the engine at {self._api.where}, which is not logged in to; put "
                "the container under that machine in the inventory",
            )
        return LogFile(matches, await size_of(path, self._link))

    async def _called(self, path: str, timeout: float | None = None) -> Said:
        """What the engine answers. Raises `Gone` where what was asked for is not there, else `Unobserved`."""
        try:
            return await self.called(path, timeout=timeout)
        except Gone:
            raise
        except Failed as failed:
            raise failed.unobserved() from None


def name_of(container: Mapping[str, Any]) -> str | None:
    """The name of a listed container: without the leading slash, and not one that a link gave it."""
    names = container.get("Names")
    if not isinstance(names, list):
        return None
    own = (name.removeprefix("/") for name in names if isinstance(name, str))
    return next((name for name in own if name and "/" not in name), None)


def _path_of(container: Mapping[str, Any] | None) -> str:
    return f"/containers/{quote(str((container or {}).get('Id')), safe='')}"


def _runs(matches: Matches) -> bool:
    return _part(matches.inspected, "State").get("Status") in ("running", "paused")


def _part(said: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """An object within what an engine said; empty where it is none, for engines may say anything."""
    part = (said or {}).get(name)
    return part if isinstance(part, dict) else {}
