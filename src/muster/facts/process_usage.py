"""What a process uses: memory and threads."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.process_finding import command, found, of_running
from muster.need import need
from muster.probes import Output, Probe
from muster.targets import Process
from muster.text import plural, size


class ProcessUsage(Struct, frozen=True):
    """What all processes of a target use together.

    ``memory_bytes`` is their resident memory in bytes: what several of them share counts for each. Source: proc(5),
    /proc/PID/stat.
    """

    memory_bytes: int
    threads: int

    def __str__(self) -> str:
        return f"{size(self.memory_bytes)}, {plural(self.threads, 'thread')}"


def parse(output: Output, target: Process) -> ProcessUsage:
    running = found(target, output).running
    return ProcessUsage(sum(each.resident for each in running), sum(each.threads for each in running))


@need(Process)
def process_usage(target: Process) -> Probe[ProcessUsage]:
    """What the process uses of memory and threads; unknown where none runs."""
    return Probe(command(of_running(target)), partial(parse, target=target))
