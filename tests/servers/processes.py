"""Processes in the background: started, waited for until they really answer, stopped by their own pid."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


class ServerError(Exception):
    """A server did not start, or did not do what it was started for. The message ends with its log."""


WORKERS = 4
"""So many workers of xdist choose ports of their own."""

_chosen: deque[int] = deque(maxlen=1_000)


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nothing listens on right now, none of those that it gave lately.

    It is none of those that the kernel gives to whoever asks for any (ip(7), ip_local_port_range): a server that
    takes seconds to start would now and then find it used for somebody's connection. Nor does another worker of xdist
    choose it meanwhile.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    while True:
        port = random.randrange(lowest // 3 + worker, lowest, WORKERS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            if port not in _chosen:
                _chosen.append(port)
                return port


def accepts(address: str, port: int) -> bool:
    """Tell whether a TCP connection is accepted there."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(ready: Callable[[], bool], what: str, *, seconds: float = 20.0) -> None:
    """Ask ``ready`` again and again until it is true.

    Raises `ServerError` where it is not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ServerError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The processes below ``pid``, nearest first, as proc(5) tells."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name, in brackets, may itself hold blanks and brackets.
                parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                below.setdefault(parent, []).append(int(entry.name))
    found = list(below.get(pid, ()))
    for each in found:
        found.extend(below.get(each, ()))
    return found


def runs(pid: int) -> bool:
    """Tell whether a process is there and has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Background:
    """A process in the background. What it prints goes to ``log``."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def wait_for(self, ready: Callable[[], bool], *, seconds: float = 20.0) -> None:
        """Wait until ``ready`` is true. Raises `ServerError` where the process ends before, or time does."""

        def ready_or_dead() -> bool:
            return self.process.poll() is not None or ready()

        name = str(self.process.args[0])  # type: ignore[index]
        try:
            wait_for(ready_or_dead, name, seconds=seconds)
        except ServerError as late:
            self.stop()
            raise ServerError(f"{late}\n{self.printed()}") from None
        if self.process.poll() is not None:
            raise ServerError(f"{name} ended with status {self.process.returncode}\n{self.printed()}")

    def printed(self) -> str:
        """What it printed so far, the last 2,000 characters."""
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self, *, seconds: float = 15.0) -> None:
        """End the process and what it started: asked first, made to after ``seconds``."""
        started = children(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(map(runs, started)), "the end of what it started")


@contextlib.contextmanager
def refusing_port(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A TCP port that refuses connections: held, so that nobody else listens there, and not listening.

    ``port`` 0 is one that is free.
    """
    with socket.socket() as held:
        held.bind((address, port))
        yield int(held.getsockname()[1])


@contextlib.contextmanager
def silent_port(address: str = "127.0.0.1") -> Iterator[int]:
    """A TCP port where connections are accepted (by the kernel) and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        listener.listen(128)
        yield int(listener.getsockname()[1])
