"""Contests: programs that do the same work, each run as a whole process from start to exit, in turn."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.figures import Bar as Bar
from tests.benchmarks.figures import Figure

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

    ``rounds`` is how often it is run at most; ``warm_up`` is run once before, the command itself where it is None;
    ``after`` is run after each time, and not measured. With ``terminal`` a terminal is at its three streams, else
    its output goes to a file.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 100
    warm_up: Sequence[str] | None = None
    terminal: bool = False
    exits: int = 0
    after: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Contest:
    """Programs and what is compared of them.

    ``servers`` are the processes that they ask, whose processor time is on the same cores and is told apart; ``on``
    says what else took part, such as ``asyncssh 2.24``.
    """

    contenders: Sequence[Contender]
    bars: Sequence[Bar]
    servers: Sequence[int] = ()
    on: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process took: seconds from its start to its exit, seconds of processor time (user and system, with
    what it waited for), and the largest resident set of one process, in MB (wait4(2), getrusage(2)); and the
    seconds of processor time that the servers took meanwhile."""

    wall: float
    cpu: float
    rss: float
    served: float = 0


def versions(*distributions: str) -> list[str]:
    """Python distributions that take part, each with its version."""
    return [f"{name} {version(name)}" for name in distributions]


def held(contest: Contest, rounds: int, tell: Callable[[str], None] = print) -> Mapping[str, Sequence[Sample]]:
    """The samples of each contender. All are run in turn, so that what else the machine does falls on all."""
    taken: dict[str, list[Sample]] = {each.name: [] for each in contest.contenders}
    for each in contest.contenders:
        tell(f"warming up: {each.name}")
        _run(each, each.warm_up or each.command)
    for number in range(1, rounds + 1):
        for each in contest.contenders:
            if number <= each.rounds:
                sample = _run(each, each.command, contest.servers)
                taken[each.name].append(sample)
                tell(f"round {number} of {min(rounds, each.rounds)}: {each.name}, {sample.wall:.2f} s")
    return taken


def figures(contest: Contest, taken: Mapping[str, Sequence[Sample]]) -> Sequence[Figure]:
    """What was measured for each bar."""

    def values(bar: Bar, name: str | None) -> Sequence[float]:
        return [getattr(sample, bar.quantity) for sample in taken[name]] if name else ()

    return [Figure(bar, values(bar, bar.ours), values(bar, bar.theirs)) for bar in contest.bars]


def served(contest: Contest, taken: Mapping[str, Sequence[Sample]]) -> str | None:
    """What the servers took for each contender, None where none were counted."""
    if not contest.servers:
        return None
    each = (f"{name} {statistics.median(s.served for s in samples):.2f} s" for name, samples in taken.items())
    return f"CPU of the servers, on the same cores: {', '.join(each)}"


def _run(contender: Contender, command: Sequence[str], servers: Sequence[int] = ()) -> Sample:
    environment = {name: value for name, value in os.environ.items() if name not in SURROUNDINGS}
    environment |= contender.environment
    printed = contender.folder / f"{contender.name.replace(' ', '-')}.log"
    with printed.open("wb") as log:
        streams = _terminal(log.fileno()) if contender.terminal else (None, log.fileno())
        stdin, stdout = streams
        before = processor_seconds(servers)
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
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C does not reach it: it has a session of its own
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        wall = time.perf_counter() - began
        taken = processor_seconds(servers) - before
        if stdin is not None:
            os.close(stdin)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != contender.exits:
        said = printed.read_text(errors="replace")[-3000:]
        raise ContestError(f"{contender.name} ended with {process.returncode}\n{said}")
    if contender.after is not None:
        subprocess.run(
            contender.after,
            cwd=contender.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, taken)


def processor_seconds(pids: Sequence[int]) -> float:
    """The processor time of processes and of those that they waited for (proc_pid_stat(5), fields 14 to 17)."""
    stats = (Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split() for pid in pids)
    return sum(sum(map(int, fields[11:15])) for fields in stats) / os.sysconf("SC_CLK_TCK")


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
