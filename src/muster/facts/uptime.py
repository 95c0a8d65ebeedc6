"""How long a host has been up, from /proc/uptime."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from msgspec import Struct

from muster.facts.reading import whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import span

_ANSWER = re.compile(r"(\d+\.\d\d) \d+\.\d\d\nbtime (\d{1,11})\n")


class Uptime(Struct, frozen=True):
    """How long a host has been up, in seconds, and when it started, in seconds since the epoch by its own clock.

    Source: proc(5), /proc/uptime and ``btime`` in /proc/stat.
    """

    seconds: float
    booted_at: int

    def __str__(self) -> str:
        return f"Up {span(self.seconds)}, since {datetime.fromtimestamp(self.booted_at, UTC):%Y-%m-%d %H:%M} UTC"


def parse(output: Output) -> Uptime:
    found = _ANSWER.fullmatch(whole(output, "/proc/uptime"))
    if not found:
        raise Unobserved("unreadable", "/proc/uptime and /proc/stat do not tell since when the host is up")
    return Uptime(float(found[1]), int(found[2]))


@need(Host)
def uptime(host: Host) -> Probe[Uptime]:
    """How long ago the host started."""
    return Probe(Command("cat /proc/uptime && grep '^btime ' /proc/stat", timeout=host.timeout), parse)
