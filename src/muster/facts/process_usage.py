"""What a process uses: processor time between two looks, memory and threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from muster.facts.process_finding import found, of_running, sample
from muster.need import need
from muster.probes import Probe, Samples, Unobserved
from muster.targets import Process
from muster.text import plural, size


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What all processes of a target use together.

    ``cpu_percent`` is of one processor, so two that are busy are 200. ``memory`` is their resident memory in bytes:
    what several of them share counts for each. Source: proc(5), /proc/PID/stat.
    """

    cpu_percent: float
    memory: int
    threads: int

    def __str__(self) -> str:
        return f"{self.cpu_percent:.0f} % of a processor, {size(self.memory)}, {plural(self.threads, 'thread')}"


def parse(samples: Samples, target: Process) -> ProcessUsage:
    first, second = found(target, samples.first), found(target, samples.second)
    # A process that has started in between has spent all its time in between.
    before = {(each.pid, each.started): each.spent for each in first.running}
    elapsed = second.listing.now - first.listing.now
    if elapsed <= 0:
        raise Unobserved("unreadable", "the clock of /proc stood still between two looks")
    spent = sum(each.spent - before.get((each.pid, each.started), 0) for each in second.running)
    return ProcessUsage(
        100 * max(0, spent) / elapsed,
        sum(each.resident for each in second.running),
        sum(each.threads for each in second.running),
    )


@need(Process)
def process_usage(target: Process) -> Probe[ProcessUsage]:
    """What the process uses of processors, memory and threads, over a second; unknown where none runs."""
    return Probe(sample(of_running(target)), partial(parse, target=target))
