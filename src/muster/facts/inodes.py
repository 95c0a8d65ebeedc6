"""Inodes of a host's filesystems, from /proc/mounts and df."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from muster.facts.filesystems import MAX_BYTES, SCRIPT, percent, rows
from muster.facts.reading import some
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe
from muster.targets import Host


class InodeTable(Struct, frozen=True):
    """How many files the filesystem at ``mount`` can have in all, has, and can still get."""

    mount: str
    total: int
    used: int
    available: int

    @property
    def used_percent(self) -> float:
        return percent(self.used, self.available)

    def __str__(self) -> str:
        return f"{self.mount} {self.used_percent:.0f} % of {self.total:,} inodes"


class Inodes(Struct, frozen=True):
    """The filesystems of a host that have a fixed number of inodes; at least one, each once.

    Those without (btrfs, vfat, some network ones) are left out: they cannot run out of inodes.
    """

    every: tuple[InodeTable, ...]

    def __iter__(self) -> Iterator[InodeTable]:
        return iter(self.every)

    def __str__(self) -> str:
        return some(map(str, sorted(self.every, key=lambda each: -each.used_percent)))


def parse(output: Output) -> Inodes:
    counted = tuple(InodeTable(row.mount, row.total, row.used, row.available) for row in rows(output, 1) if row.total)
    if not counted:
        raise DoesNotApply("no filesystem of this host has a fixed number of inodes")
    return Inodes(counted)


@need(Host)
def inodes(host: Host) -> Probe[Inodes]:
    """How many inodes of the host's filesystems are in use."""
    return Probe(Command(SCRIPT, timeout=host.timeout, max_bytes=MAX_BYTES), parse)
