"""Memory of a host, from /proc/meminfo."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import size

MEMINFO = "cat /proc/meminfo"

_LINE = re.compile(r"^(\w+): +(\d+) kB$", re.MULTILINE)


class Memory(Struct, frozen=True):
    """Memory of a host, in bytes. Source: proc(5), /proc/meminfo.

    ``available_bytes`` is the kernel's own estimate of what programs can still get without swapping
    (MemAvailable); ``estimated`` is True where the kernel is older than 3.14 and has none: then it is what is
    free or holds buffers and cached files, less shared memory.
    """

    total_bytes: int
    available_bytes: int
    estimated: bool = False

    @property
    def used_percent(self) -> float:
        return 100 * (self.total_bytes - self.available_bytes) / self.total_bytes

    def __str__(self) -> str:
        about = "about " if self.estimated else ""
        available, total = size(self.available_bytes), size(self.total_bytes)
        return f"{about}{available} of {total} available, {self.used_percent:.0f} % used"


def meminfo(output: Output) -> dict[str, int]:
    """The sizes that /proc/meminfo gives, in bytes, by name."""
    return {name: int(kibibytes) * 1024 for name, kibibytes in _LINE.findall(whole(output, "/proc/meminfo"))}


def parse(output: Output) -> Memory:
    found = meminfo(output)
    total = found.get("MemTotal", 0)
    available = found.get("MemAvailable")
    estimated = available is None
    if available is None and found.keys() >= {"MemFree", "Buffers", "Cached", "Shmem"}:
        available = found["MemFree"] + found["Buffers"] + found["Cached"] - found["Shmem"]
    if available is None or not 0 <= available <= total or total == 0:
        raise Unobserved(
            "unreadable", "/proc/meminfo does not say how much memory there is and how much is available"
        )
    return Memory(total, available, estimated)


@need(Host)
def memory(host: Host) -> Probe[Memory]:
    """How much memory the host has and how much of it is available."""
    return Probe(Command(MEMINFO, timeout=host.timeout), parse)
