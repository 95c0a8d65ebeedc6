"""Swap space of a host, from /proc/meminfo."""

from __future__ import annotations

from msgspec import Struct

from muster.facts.memory import MEMINFO, meminfo
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import size


class Swap(Struct, frozen=True):
    """Swap space of a host that has some, in bytes. Source: proc(5), /proc/meminfo."""

    total_bytes: int
    free_bytes: int

    @property
    def used_percent(self) -> float:
        return 100 * (self.total_bytes - self.free_bytes) / self.total_bytes

    def __str__(self) -> str:
        return f"{size(self.free_bytes)} of {size(self.total_bytes)} swap free, {self.used_percent:.0f} % used"


def parse(output: Output) -> Swap:
    found = meminfo(output)
    total, free = found.get("SwapTotal"), found.get("SwapFree")
    if total is None or free is None or free > total:
        raise Unobserved("unreadable", "/proc/meminfo does not say how much swap there is and how much is free")
    if total == 0:
        raise DoesNotApply("no swap on this host")
    return Swap(total, free)


@need(Host)
def swap(host: Host) -> Probe[Swap]:
    """How much swap the host has and how much of it is free."""
    return Probe(Command(MEMINFO, timeout=host.timeout), parse)
