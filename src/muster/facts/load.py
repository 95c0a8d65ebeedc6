"""Load of a host, from /proc/loadavg."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural

_ANSWER = re.compile(r"(\d+\.\d\d) (\d+\.\d\d) (\d+\.\d\d) \d+/\d+ \d+\n([1-9]\d*)\n")


class Load(Struct, frozen=True):
    """How many tasks run, wait to run, or wait for a disk: averages over 1, 5 and 15 minutes.

    ``cores`` is the number of processors that are online. Source: proc(5), /proc/loadavg and /proc/stat.
    """

    one: float
    five: float
    fifteen: float
    cores: int

    @property
    def per_core(self) -> float:
        """The average over 5 minutes, for each core."""
        return self.five / self.cores

    def __str__(self) -> str:
        return f"load {self.one:.2f}, {self.five:.2f}, {self.fifteen:.2f} on {plural(self.cores, 'core')}"


def parse(output: Output) -> Load:
    found = _ANSWER.fullmatch(whole(output, "/proc/loadavg"))
    if not found:
        raise Unobserved("unreadable", "/proc/loadavg and /proc/stat do not tell load and number of cores")
    one, five, fifteen, cores = found.groups()
    return Load(float(one), float(five), float(fifteen), int(cores))


@need(Host)
def load(host: Host) -> Probe[Load]:
    """How much work waits for the host's processors, and how many of them there are."""
    return Probe(Command("cat /proc/loadavg && grep -c '^cpu[0-9]' /proc/stat", timeout=host.timeout), parse)
