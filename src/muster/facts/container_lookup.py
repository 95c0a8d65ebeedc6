"""Which container an inventory's glob means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from muster.need import need
from muster.probes import Cause, Probe, Unobserved
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import plural

#: So many names stand in a message.
NAMED = 10


class ContainerLookup(Struct, frozen=True):
    """What a host has by the name of a container.

    ``match`` is the glob, ``names`` are all containers that it matches, stopped ones too, and ``name`` is
    the one that is meant: the only match, or the only running one; None where none is.
    """

    match: str
    names: tuple[str, ...]
    name: str | None

    @property
    def cause(self) -> Cause | None:
        """``missing`` where nothing matches, ``wrong`` where several do and none is singled out."""
        if self.name is not None:
            return None
        return "wrong" if self.names else "missing"

    def __str__(self) -> str:
        if not self.names:
            return f"no container matches {self.match}"
        if self.name is not None:
            others = len(self.names) - 1
            return f"{self.name} (the running one of {len(self.names)} that match)" if others else self.name
        more = f", and {len(self.names) - NAMED} more" if len(self.names) > NAMED else ""
        return f"{plural(len(self.names), 'container')} match {self.match}: {', '.join(self.names[:NAMED])}{more}"


def pattern(container: Container) -> str:
    """The glob by which a container is found: its ``match``, else its name."""
    return container.match or container.name


def parse(match: str, matches: Matches) -> ContainerLookup:
    """Make the fact of what the engine has by that name."""
    inspected = matches.inspected
    name = None if inspected is None else name_of(inspected)
    return ContainerLookup(match, tuple(each.lstrip("/") for each in matches.names), name)


def name_of(inspected: Mapping[str, Any]) -> str:
    """The name of a container, as ``docker ps`` shows it."""
    return str(inspected["Name"]).lstrip("/")


def inspection(match: str, matches: Matches) -> Mapping[str, Any]:
    """What the engine says of the one container that is meant.

    Raises:
        Unobserved: none matches, or several do and none is singled out.
    """
    lookup = parse(match, matches)
    if matches.inspected is None:
        raise Unobserved(lookup.cause or "missing", str(lookup))
    return matches.inspected


def running(match: str, matches: Matches) -> Mapping[str, Any]:
    """The inspection of the container, where it runs. A paused one runs too, as ``docker ps`` has it.

    Raises:
        Unobserved: there is no such container, or it does not run.
    """
    inspected = inspection(match, matches)
    status = str(inspected["State"]["Status"])
    if status not in ("running", "paused"):
        raise Unobserved("missing", f"{name_of(inspected)} is not running ({status})")
    return inspected


@need(Container)
def container_lookup(container: Container) -> Probe[ContainerLookup]:
    """Which containers of the host match, and which of them is meant."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
