"""All containers of a host, whether the inventory names them or not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from muster.facts.docker_engine import NO_ENGINE
from muster.facts.reading import some
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.docker import ListContainers
from muster.targets import Host
from muster.text import plural

#: Exit codes of a program that did as it was told: it ended well, or was asked to stop (128 + SIGINT or SIGTERM).
STOPPED = frozenset({0, 130, 143})

_HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)$")
_EXITED = re.compile(r"Exited \((-?\d+)\)")


class ListedContainer(Struct, frozen=True):
    """A container as the engine lists it: ``state`` is ``running``, ``exited``, ``restarting``, ...; ``status`` is
    the same in words (``Up 3 hours (healthy)``); ``health`` is ``healthy``, ``unhealthy``, ``starting`` or, without
    a healthcheck, ``none``; ``exit_code`` is None unless it exited."""

    name: str
    image: str
    state: str
    status: str
    health: str = "none"
    exit_code: int | None = None

    @property
    def troubled(self) -> bool:
        """Whether it is restarting, dead, unhealthy, or exited with an error."""
        failed = self.exit_code is not None and self.exit_code not in STOPPED
        return self.state in ("restarting", "dead") or self.health == "unhealthy" or failed

    def __str__(self) -> str:
        return f"{self.name}: {self.status or self.state}"


class DockerContainers(Struct, frozen=True):
    """The containers of a host, stopped ones too. Source: Docker Engine API, ``GET /containers/json``."""

    every: tuple[ListedContainer, ...]

    @property
    def troubled(self) -> list[str]:
        return [str(each) for each in self.every if each.troubled]

    def __str__(self) -> str:
        if not self.every:
            return "no containers"
        states = ", ".join(f"{count} {state}" for state, count in Counter(each.state for each in self.every).items())
        return f"{plural(len(self.every), 'container')}, {states}: {some(each.name for each in self.every)}"


def parse(listed: Sequence[Mapping[str, Any]]) -> DockerContainers:
    if isinstance(listed, Mapping):
        raise Unobserved("unreadable", "the Docker engine does not answer with a list of containers")
    return DockerContainers(tuple(sorted((_container(each) for each in listed), key=lambda each: each.name)))


def _container(said: Mapping[str, Any]) -> ListedContainer:
    # A container whose creation or removal is under way may have no name.
    names = said["Names"] or [said["Id"][:12]]
    state, status = said["State"], said["Status"]
    if not (isinstance(state, str) and isinstance(status, str) and state):
        raise Unobserved("unreadable", f"the Docker engine does not tell the state of container {names[0]}")
    health = _HEALTH.search(status)
    exited = _EXITED.match(status) if state == "exited" else None
    if state == "exited" and exited is None:
        raise Unobserved("unreadable", f"the Docker engine does not tell how container {names[0]} exited: {status}")
    return ListedContainer(
        min(names, key=len).removeprefix("/"),
        said["Image"],
        state,
        status,
        health[1] if health else "none",
        int(exited[1]) if exited else None,
    )


def without(failure: Unobserved, expected: bool) -> Unobserved | DoesNotApply:
    """A host that has no engine, and is not expected to have one, has no containers to look at."""
    absent = failure.cause == "missing" and not failure.host_down
    return DoesNotApply(NO_ENGINE) if absent and not expected else failure


@need(Host)
def docker_containers(host: Host) -> Probe[DockerContainers]:
    """Which containers the host's Docker engine has, and how they fare."""
    return Probe(ListContainers(), parse, partial(without, expected=host.docker.expected))
