"""How often systemd has started a process again by itself."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.process_finding import command, found, of_running
from muster.need import need
from muster.probes import DoesNotApply, Output, Probe, Unobserved
from muster.targets import Process
from muster.text import plural


class ProcessRestarts(Struct, frozen=True):
    """How often systemd has started a unit again by its ``Restart=``, since somebody started it, or ran ``systemctl
    reset-failed``. Source: org.freedesktop.systemd1(5), NRestarts."""

    count: int

    def __str__(self) -> str:
        return plural(self.count, "restart")


def parse(output: Output, target: Process) -> ProcessRestarts:
    if target.unit is None:
        raise DoesNotApply("nobody counts the restarts of a process that is no systemd unit")
    seen = found(target, output)
    if seen.cause is not None:
        raise Unobserved(seen.cause, seen.detail)
    if seen.restarts is None:
        raise DoesNotApply("systemd counts restarts of services only, and from version 235 on")
    return ProcessRestarts(seen.restarts)


@need(Process)
def process_restarts(target: Process) -> Probe[ProcessRestarts]:
    """How often systemd has started the process again by itself."""
    return Probe(command(of_running(target)), partial(parse, target=target))
