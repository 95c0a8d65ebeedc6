"""How much processor time a process takes between two looks."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.process_finding import found, of_running, sample
from muster.need import need
from muster.probes import Probe, Samples, Unobserved
from muster.targets import Process


class ProcessCpu(Struct, frozen=True):
    """The processor time of all processes of a target together, over a second.

    ``percent`` is of one processor, so two that are busy are 200. Source: proc(5), /proc/PID/stat.
    """

    percent: float

    def __str__(self) -> str:
        return f"{self.percent:.0f} % of a processor"


def parse(samples: Samples, target: Process) -> ProcessCpu:
    first, second = found(target, samples.first), found(target, samples.second)
    # A process that has started in between has spent all its time in between.
    before = {(each.pid, each.started): each.spent for each in first.running}
    elapsed = second.listing.now - first.listing.now
    if elapsed <= 0:
        raise Unobserved("unreadable", "the clock of /proc stood still between two looks")
    spent = sum(each.spent - before.get((each.pid, each.started), 0) for each in second.running)
    return ProcessCpu(100 * max(0, spent) / elapsed)


@need(Process)
def process_cpu(target: Process) -> Probe[ProcessCpu]:
    """How much processor time the process takes over a second; unknown where none runs."""
    return Probe(sample(of_running(target)), partial(parse, target=target))
