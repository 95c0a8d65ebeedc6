"""What a host's processors do, from /proc/stat at two times."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import whole
from muster.need import need
from muster.probes import Output, Probe, Sample, Samples, Unobserved
from muster.targets import Host

# user, nice, system, idle, iowait, irq, softirq, steal; what a kernel adds to them is part of user and nice.
_ANSWER = re.compile(r"cpu +(\d{1,20}(?: \d{1,20}){7})(?: \d{1,20})*\n")
_IDLE, _IOWAIT, _STEAL = 3, 4, 7


class Cpu(Struct, frozen=True):
    """What all processors of a host did between two looks, in percent of their time.

    ``used_percent`` is all but idle and waiting; ``iowait_percent`` idle while something waits for a disk,
    ``steal_percent`` the part of what is used that the hypervisor gave to others. Source: proc(5), /proc/stat.
    """

    used_percent: float
    iowait_percent: float
    steal_percent: float

    def __str__(self) -> str:
        waits, stolen = f"{self.iowait_percent:.0f} % waits for disks", f"{self.steal_percent:.0f} % stolen"
        return f"{self.used_percent:.0f} % of the processors used, {waits}, {stolen}"


def parse(samples: Samples) -> Cpu:
    first, second = counters(samples.first), counters(samples.second)
    # Some of them now and then go back a little (proc(5), iowait).
    spent = [max(0, after - before) for before, after in zip(first, second, strict=True)]
    total = sum(spent)
    if not total:
        raise Unobserved("unreadable", "the counters of /proc/stat stood still between two looks")
    idle, iowait, steal = (100 * spent[at] / total for at in (_IDLE, _IOWAIT, _STEAL))
    return Cpu(max(0.0, 100 - idle - iowait), iowait, steal)


def counters(output: Output) -> list[int]:
    """What all processors have spent on each of eight things since the start, in ticks."""
    found = _ANSWER.fullmatch(whole(output, "/proc/stat"))
    if not found:
        raise Unobserved("unreadable", "/proc/stat does not tell what the processors spent their time on")
    return [int(each) for each in found[1].split(" ")]


@need(Host)
def cpu(host: Host) -> Probe[Cpu]:
    """What the host's processors are busy with, over a second."""
    return Probe(Sample("grep '^cpu ' /proc/stat", timeout=host.timeout), parse)
