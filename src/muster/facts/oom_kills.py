"""Processes that the kernel killed for want of memory, from /proc/vmstat."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural

_ANSWER = re.compile(r"(?:oom_kill (\d{1,20})\n)?end\n")


class OomKills(Struct, frozen=True):
    """How many processes the kernel has killed since it started because there was no memory left for them.

    Those at the limit of their control group (a container, a service) count too. Source: ``oom_kill`` in
    /proc/vmstat, since Linux 4.13.
    """

    count: int

    def __str__(self) -> str:
        return f"{plural(self.count, 'process')} killed for want of memory since the kernel started"


def parse(output: Output) -> OomKills:
    found = _ANSWER.fullmatch(whole(output, "/proc/vmstat"))
    if not found:
        raise Unobserved("unreadable", "/proc/vmstat does not tell how often the kernel killed for want of memory")
    if found[1] is None:
        raise Unobserved(
            "missing",
            "the kernel does not count what it kills for want of memory: it is older than 4.13; look in dmesg",
        )
    return OomKills(int(found[1]))


@need(Host)
def oom_kills(host: Host) -> Probe[OomKills]:
    """How many processes were killed for want of memory since the host started."""
    script = "grep '^oom_kill ' /proc/vmstat || [ $? = 1 ] || exit; echo end"
    return Probe(Command(script, timeout=host.timeout), parse)
