"""For how long a container has been running."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import name_of, pattern, running
from muster.facts.container_state import moment, up_seconds
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import span

#: How far, in seconds, a start may lie in the future: the engine gives its time in whole seconds.
ROUNDING = 2.0


class ContainerUptime(Struct, frozen=True):
    """Since when and for how long, in seconds, a container has been running."""

    started_at: datetime
    seconds: float
    name: str = ""

    def __str__(self) -> str:
        return f"Up {span(self.seconds)}, since {self.started_at:%Y-%m-%d %H:%M:%S} UTC"


def parse(match: str, matches: Matches) -> ContainerUptime:
    """Make the fact of an inspection.

    Raises:
        Unobserved: the container does not run, or its start lies in the future.
    """
    inspected = running(match, matches)
    started_at, seconds = moment(inspected["State"]["StartedAt"]), up_seconds(inspected, matches)
    if started_at is None or seconds is None:
        raise Unobserved("unreadable", "the engine gives no start time of a running container")
    if seconds < -ROUNDING:
        raise Unobserved("wrong", f"started {span(seconds)} in the future: the clock there and the one here differ")
    return ContainerUptime(started_at, max(seconds, 0.0), name_of(inspected))


@need(Container)
def container_uptime(container: Container) -> Probe[ContainerUptime]:
    """Since when a running container has been running."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
