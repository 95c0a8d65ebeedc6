"""The state of a container: whether it runs, how it ended, how often it was started again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.facts.container_ports import displayed, mapped
from muster.need import need
from muster.probes import Probe
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import plural, span

#: Exit codes that a shell or an engine gives a meaning: 125 to 127, and 128 + a signal of signal(7).
_MEANINGS = {
    126: "the command cannot be run",
    127: "no such command",
    134: "SIGABRT",
    135: "SIGBUS",
    137: "SIGKILL",
    139: "SIGSEGV",
    143: "SIGTERM",
}


class ContainerState(Struct, frozen=True):
    """The state of a container. Source: ``GET /containers/{id}/json`` of the Docker engine API.

    ``status`` is ``created``, ``running``, ``paused``, ``restarting``, ``removing``, ``exited`` or ``dead``.
    ``exit_code`` is that of the last end; while the container runs it is 0. ``oom_killed`` says that the
    kernel killed something in it for want of memory since it was last started. ``restart_count`` is how
    often its restart policy started it again. ``error`` is why the engine could not start it.
    ``started_at`` and ``finished_at`` are None where that never happened. ``up_seconds`` is None while
    it does not run. ``health`` is ``healthy``, ``unhealthy``, ``starting``, or ``none`` without a
    healthcheck. ``ports`` are as ``docker ps`` prints them.
    """

    name: str
    status: str
    exit_code: int = 0
    oom_killed: bool = False
    restart_count: int = 0
    error: str = ""
    image: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    up_seconds: float | None = None
    health: str = "none"
    ports: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The state in words, with how it came to it: ``exited with 137 (SIGKILL, out of memory)``."""
        if self.status == "exited":
            reasons = [_MEANINGS.get(self.exit_code, ""), "out of memory" if self.oom_killed else "", self.error]
            given = ", ".join(each for each in reasons if each)
            return f"exited with {self.exit_code}" + (f" ({given})" if given else "")
        if self.status == "restarting":
            return f"restarting after exit {self.exit_code}, {plural(self.restart_count, 'restart')} so far"
        if self.status == "created":
            return f"created, could not be started: {self.error}" if self.error else "created, never started"
        return f"{self.status}: {self.error}" if self.error else self.status

    def __str__(self) -> str:
        """As ``docker ps`` prints it, then how often it was started again."""
        restarts = plural(self.restart_count, "restart")
        if self.up_seconds is None:
            told = f"{self.name}: {self.summary}"
            return told if self.status == "restarting" else f"{told}, {restarts}"
        notes = [self.health] if self.health != "none" else []
        if self.status != "running":
            notes.append(self.status)
        up = f"Up {span(self.up_seconds)}" + "".join(f" ({note})" for note in notes)
        return ", ".join((up, *self.ports, restarts))


def moment(text: str) -> datetime | None:
    """A point in time as the engine writes it (RFC 3339, to the nanosecond); None for the year 1, its "never"."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return None if at.year <= 1 else at.astimezone(UTC)


def up_seconds(inspected: Mapping[str, Any], matches: Matches) -> float | None:
    """How long the container runs by now, by the engine's clock, else by ours; None where it does not run.

    Negative where the clock went back since, or is ahead of ours.
    """
    state = inspected["State"]
    started_at = moment(state["StartedAt"])
    if started_at is None or state["Status"] not in ("running", "paused"):
        return None
    now = matches.engine_time
    return (datetime.now(UTC).timestamp() if now is None else now) - started_at.timestamp()


def parse(match: str, matches: Matches) -> ContainerState:
    """Make the fact of an inspection."""
    inspected = inspection(match, matches)
    state = inspected["State"]
    return ContainerState(
        name=name_of(inspected),
        status=str(state["Status"]),
        exit_code=int(state["ExitCode"]),
        oom_killed=bool(state["OOMKilled"]),
        restart_count=int(inspected["RestartCount"]),
        error=str(state.get("Error") or ""),
        image=str((inspected.get("Config") or {}).get("Image") or ""),
        started_at=moment(state["StartedAt"]),
        finished_at=moment(state["FinishedAt"]),
        up_seconds=up_seconds(inspected, matches),
        health=str((state.get("Health") or {}).get("Status") or "none"),
        ports=tuple(displayed(mapped(inspected))),
    )


@need(Container)
def container_state(container: Container) -> Probe[ContainerState]:
    """The state of the container: whether it runs, how it ended, how often it was started again."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
