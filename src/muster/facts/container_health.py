"""The health of a container, as its own healthcheck reports it."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import name_of, pattern, running
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import plural, printable

#: So many characters of what a healthcheck printed are kept. The engine itself keeps 4,096.
LONGEST_OUTPUT = 300


class ContainerHealth(Struct, frozen=True):
    """What the healthcheck of a running container reports.

    ``status`` is ``healthy``, ``unhealthy``, or ``none`` where the container has no healthcheck.
    ``failing_streak`` is how many times in a row it failed; ``exit_code`` and ``output`` (one line) are of
    its last run, None and empty where it did not run yet.
    """

    status: str
    failing_streak: int = 0
    exit_code: int | None = None
    output: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.status == "none":
            return "no healthcheck"
        words = [self.status]
        if self.failing_streak:
            words.append(f"failed {plural(self.failing_streak, 'time')} in a row")
        if self.exit_code:
            words.append(f"exit {self.exit_code}")
        said = ", ".join(words)
        return f"{said}: {self.output}" if self.output else said


def parse(container: Container, matches: Matches) -> ContainerHealth:
    """Make the fact of an inspection (``State.Health``, which is null without a healthcheck).

    Raises:
        DoesNotApply: there is no healthcheck, and none is expected.
        Unobserved: the container does not run, is paused, or has not been found healthy or unhealthy yet.
    """
    inspected = running(pattern(container), matches)
    state = inspected["State"]
    if state["Status"] == "paused":
        raise Unobserved("missing", f"{name_of(inspected)} is paused, so its healthcheck does not run")
    reported = state.get("Health") or {}
    status = str(reported.get("Status") or "none")
    if status == "none":
        if container.health is None:
            raise DoesNotApply("the container has no healthcheck")
        return ContainerHealth("none", name=name_of(inspected))
    log = reported.get("Log") or [{}]
    output = printable(str(log[-1].get("Output") or "").strip(), LONGEST_OUTPUT)
    exit_code = log[-1].get("ExitCode")
    health = ContainerHealth(
        status,
        int(reported.get("FailingStreak") or 0),
        None if exit_code is None else int(exit_code),
        output,
        name_of(inspected),
    )
    if status == "starting":
        last = f"; last try: exit {health.exit_code}: {output}" if exit_code else ""
        raise Unobserved("missing", f"starting: its healthcheck has not decided yet{last}")
    return health


@need(Container)
def container_health(container: Container) -> Probe[ContainerHealth]:
    """What the healthcheck of a running container reports."""
    return Probe(InspectContainer(pattern(container)), partial(parse, container))
