"""Contests: programs that do the same work, each run as a whole process from start to exit, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Quantity = Literal["wall", "cpu", "rss"]

#: What of the caller's surroundings would change what is measured.
SURROUNDINGS = (
    *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTEST_ADDOPTS", "CI", "BUILD_NUMBER"),
    *("DOCKER_HOST", "DOCKER_TLS_VERIFY", "SSH_AUTH_SOCK", "COLUMNS", "FORCE_COLOR", "NO_COLOR"),
)

ROOT = Path(__file__).parents[2]
PYTEST = (sys.executable, "-m", "pytest")


class ContestError(Exception):
    """A contender did not do its work. The message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A program. It must exit with ``exits``, so it is known to have done its work.

    ``rounds`` is how often it is run at most; ``warm_up`` is run once before, the command itself where it is None.
    With ``terminal`` a terminal is at its three streams, else its output goes to a file.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 100
    warm_up: Sequence[str] | None = None
    terminal: bool = False
    exits: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """What is compared: how many times as fast ours is at least, or how many times as much it takes at most.

    Without ``at_least`` and ``at_most`` the ratio is there to be known.
    """

    ours: str
    theirs: str
    quantity: Quantity = "wall"
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Contest:
    """Programs and what is compared of them."""

    contenders: Sequence[Contender]
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process took: seconds from its start to its exit, seconds of processor time (user and system, with
    what it waited for), and the largest resident set of one process, in MB (wait4(2), getrusage(2))."""

    wall: float
    cpu: float
    rss: float


def held(contest: Contest, rounds: int) -> Mapping[str, Sample]:
    """The medians of each contender. All are run in turn, so that what else the machine does falls on all."""
    taken: dict[str, list[Sample]] = {each.name: [] for each in contest.contenders}
    for each in contest.contenders:
        _run(each, each.warm_up or each.command)
    for number in range(rounds):
        for each in contest.contenders:
            if number < each.rounds:
                taken[each.name].append(_run(each, each.command))
    return {name: _median(samples) for name, samples in taken.items()}


def _median(samples: Sequence[Sample]) -> Sample:
    of = statistics.median
    return Sample(of(s.wall for s in samples), of(s.cpu for s in samples), of(s.rss for s in samples))


def _run(contender: Contender, command: Sequence[str]) -> Sample:
    environment = {name: value for name, value in os.environ.items() if name not in SURROUNDINGS}
    environment |= contender.environment
    printed = contender.folder / f"{contender.name.replace(' ', '-')}.log"
    with printed.open("wb") as log:
        streams = _terminal(log.fileno()) if contender.terminal else (None, log.fileno())
        stdin, stdout = streams
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=contender.folder,
            env=environment,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=stdout,
            start_new_session=True,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        if stdin is not None:
            os.close(stdin)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != contender.exits:
        said = printed.read_text(errors="replace")[-3000:]
        raise ContestError(f"{contender.name} ended with {process.returncode}\n{said}")
    return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _terminal(log: int) -> tuple[int, int]:
    """A new terminal whose other end is read to its end in the background, as a person's would be."""
    ours, theirs = os.openpty()
    copy = os.dup(log)

    def read() -> None:
        for piece in _pieces(ours):
            os.write(copy, piece)
        os.close(copy)
        os.close(ours)

    threading.Thread(target=read, daemon=True).start()
    return theirs, theirs


def _pieces(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(descriptor, 65_536)
        except OSError:  # EIO: the last one at the other end has gone
            return
        if not piece:
            return
        yield piece
