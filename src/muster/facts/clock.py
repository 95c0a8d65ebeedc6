"""How far a host's clock is from ours."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host

#: An answer that leaves more doubt than this about a clock says nothing of it, in seconds.
MOST_DOUBT = 10.0

# The host's clock is read before and after the rest: the time in between is not the way of the answer.
# timedatectl asks the kernel (adjtimex(2)); a bus that hangs must not cost the whole answer.
_SCRIPT = """\
date +%s.%N
if [ -d /run/systemd/system ]; then timeout 2 timedatectl show -p NTPSynchronized 2>/dev/null; fi
date +%s.%N"""

_TIME = r"(\d{9,11})\.(\d{9}|%N|)"
_ANSWER = re.compile(rf"{_TIME}\n(?:NTPSynchronized=(yes|no)\n)?{_TIME}\n")


class Clock(Struct, frozen=True):
    """How far a host's clock is from the clock of the machine that asked, both in seconds.

    ``offset_seconds`` is positive where the host's clock is ahead; it is known to within ``doubt_seconds``.
    ``synchronised`` is what the kernel says of the host's clock, None where systemd is not there to ask.
    Source: the offset is that of RFC 5905, section 8, the doubt half the time that the answer was on its
    way, and another half second where the host tells whole seconds only.
    """

    offset_seconds: float
    doubt_seconds: float
    synchronised: bool | None = None

    @property
    def least_offset_seconds(self) -> float:
        """By how much the clock is off for certain, ahead or behind. A slow answer raises no false alarm."""
        return max(0.0, abs(self.offset_seconds) - self.doubt_seconds)

    def __str__(self) -> str:
        side = "ahead of" if self.offset_seconds >= 0 else "behind"
        said = {True: ", synchronised", False: ", not synchronised", None: ""}[self.synchronised]
        return f"{abs(self.offset_seconds):.2f} s {side} ours, give or take {self.doubt_seconds:.2f} s{said}"


def parse(output: Output) -> Clock:
    found = _ANSWER.fullmatch(whole(output, "date"))
    if not found:
        raise Unobserved("unreadable", "date does not tell the seconds since the epoch")
    if not output.started_at or output.answered_at < output.started_at:
        raise Unobserved("internal", "nobody looked at our clock when the host was asked for its own")
    first, coarse = _seconds(found[1], found[2])
    last, _ = _seconds(found[4], found[5])
    took = output.answered_at - output.started_at
    # Whole seconds do not tell how long the host took; nor does a clock that was set between its readings.
    there = 0.0 if coarse else min(max(last - first, 0.0), took)
    doubt = (took - there) / 2 + (0.5 if coarse else 0.0)
    if doubt > MOST_DOUBT:
        raise Unobserved("timeout", f"the host's clock came after {took:.1f} s: too late to tell its offset")
    ours = (output.started_at + output.answered_at) / 2
    return Clock((first + last) / 2 - ours, doubt, {"yes": True, "no": False}.get(found[3]))


def _seconds(whole_seconds: str, fraction: str) -> tuple[float, bool]:
    """A time, and whether it is known to the second only: then the middle of that second."""
    if fraction.isdigit():
        return float(f"{whole_seconds}.{fraction}"), False
    return int(whole_seconds) + 0.5, True


@need(Host)
def clock(host: Host) -> Probe[Clock]:
    """How far the host's clock is from ours."""
    return Probe(Command(_SCRIPT, timeout=host.timeout), parse)
