"""Docker engines: what they are asked of themselves and of containers, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from muster.probes import Asked, Attempt


class AskEngine(Struct, frozen=True):
    """Question: does the host's Docker engine answer? Answer: an `EngineAnswer`."""

    asked: ClassVar[Asked] = "engine"

    def describe(self) -> str:
        return "Docker: GET /version"


class EngineAnswer(Struct, frozen=True):
    """How the attempt to reach the Docker engine went, and what ``GET /version`` said."""

    attempt: Attempt
    version: Mapping[str, Any] | None = None


class ListContainers(Struct, frozen=True):
    """Question: which containers are there, stopped ones too? Answer: the JSON list of ``GET /containers/json``."""

    asked: ClassVar[Asked] = "engine"

    def describe(self) -> str:
        return "Docker: GET /containers/json?all=1"


class InspectContainer(Struct, frozen=True):
    """Question: what is the state of the container whose name matches this glob? Answer: `Matches`."""

    asked: ClassVar[Asked] = "engine"

    match: str

    def describe(self) -> str:
        return f"Docker: GET /containers/{self.match}/json"


class Matches(Struct, frozen=True):
    """The names of all containers that match, and the inspection of the one that is meant.

    One is meant where one matches, or where exactly one of those that match is running; else
    ``inspected`` is None. ``engine_time`` is what the engine's own clock said, in seconds since the epoch
    (the answer's ``Date``), None where it did not say.
    """

    names: tuple[str, ...]
    inspected: Mapping[str, Any] | None
    engine_time: float | None = None


class ContainerStats(Struct, frozen=True):
    """Question: what does the container that matches use, now and a second later? Answer: `Stats`."""

    asked: ClassVar[Asked] = "engine"

    match: str

    def describe(self) -> str:
        return f"Docker: GET /containers/{self.match}/stats?one-shot=1, twice, 1 s apart"


class Stats(Struct, frozen=True):
    """``GET /containers/{id}/stats`` of the container that is meant, twice; None where `Matches` has none."""

    matches: Matches
    first: Mapping[str, Any] | None = None
    second: Mapping[str, Any] | None = None


class LineCount(Struct, frozen=True):
    """Lines of the last ``window`` seconds of a log in which every regular expression of ``found`` is found.

    Where there is none, all lines.
    """

    window: float
    found: tuple[str, ...]


class ContainerLog(Struct, frozen=True):
    """Question: how many such lines has the log of the container that matches? Answer: `Logged`.

    Lines are counted while they are read, so that no log is too long; ``timeout`` in seconds bounds the reading. Of
    a line, 8 KiB are looked at.
    """

    asked: ClassVar[Asked] = "engine"

    match: str
    counts: tuple[LineCount, ...]
    timeout: float = 10.0

    def describe(self) -> str:
        since = max((each.window for each in self.counts), default=0.0)
        return f"Docker: GET /containers/{self.match}/logs?since={since:g} s ago"


class Counted(Struct, frozen=True):
    """How many lines were counted, and the last of them after its time (UTC), empty where there is none."""

    lines: int
    last: str = ""


class Logged(Struct, frozen=True):
    """What was counted, for each count; None where `Matches` has no container that is meant."""

    matches: Matches
    counts: tuple[Counted, ...] | None = None


class ContainerLogFile(Struct, frozen=True):
    """Question: how large is the log file of the container that matches, on its host? Answer: `LogFile`."""

    asked: ClassVar[Asked] = "engine"

    match: str

    def describe(self) -> str:
        return f"Docker: GET /containers/{self.match}/json; sh: stat -c %s LogPath"


class LogFile(Struct, frozen=True):
    """The size of a container's log file in bytes; None where the engine names no file."""

    matches: Matches
    size: int | None = None
