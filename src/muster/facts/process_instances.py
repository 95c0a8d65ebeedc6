"""How many processes there are of one that runs, and since when."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.process_finding import command, found, of_running
from muster.need import need
from muster.probes import Output, Probe
from muster.targets import Process
from muster.text import plural, span


class ProcessInstances(Struct, frozen=True):
    """The live processes: of the unit's control group, of the pid file's process and all below it, or those whose
    command line matches. ``up_seconds`` is how long the oldest of them has been there. Source: proc(5)."""

    count: int
    up_seconds: float

    def __str__(self) -> str:
        return f"{plural(self.count, 'process')}, up {span(self.up_seconds)}"


def parse(output: Output, target: Process) -> ProcessInstances:
    seen = found(target, output)
    return ProcessInstances(len(seen.running), seen.listing.age(seen.running[0]))


@need(Process)
def process_instances(target: Process) -> Probe[ProcessInstances]:
    """How many processes there are, and since when; unknown where none runs."""
    return Probe(command(of_running(target)), partial(parse, target=target))
