"""Whether a host can be logged in to."""

from __future__ import annotations

from muster.need import need
from muster.probes import Attempt, Login, Probe
from muster.targets import Host


def parse(attempt: Attempt) -> Attempt:
    """The attempt is the fact: that a host is down is observed, not unknown."""
    return attempt


@need(Host)
def login(host: Host) -> Probe[Attempt]:
    """How the attempt to log in to the host went."""
    return Probe(Login(), parse)
