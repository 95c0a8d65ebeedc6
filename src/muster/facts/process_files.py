"""How many files a process has open, of how many that it may have."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.process_finding import command, found, of_running
from muster.facts.process_open import opened
from muster.need import need
from muster.probes import Output, Probe
from muster.targets import Process


class ProcessFiles(Struct, frozen=True):
    """The process of a target that is nearest to its limit: its ``pid``, how many files it has open, and how many it
    may have by its soft limit (None: no limit). Source: proc(5), /proc/PID/fd and /proc/PID/limits."""

    pid: int
    count: int
    most: int | None

    @property
    def used_percent(self) -> float:
        return 100 * self.count / self.most if self.most else 0.0

    def __str__(self) -> str:
        of = f" of at most {self.most:,}" if self.most is not None else ", without a limit"
        return f"process {self.pid} has {self.count:,} files open{of}"


def parse(output: Output, target: Process) -> ProcessFiles:
    every = opened(found(target, output))
    return max(
        (ProcessFiles(pid, each.files, each.most) for pid, each in every.items()),
        key=lambda files: (files.used_percent, files.count),
    )


@need(Process)
def process_files(target: Process) -> Probe[ProcessFiles]:
    """How many files the process has open; unknown where none runs, or we may not look."""
    return Probe(command(of_running(target), files=True), partial(parse, target=target))
