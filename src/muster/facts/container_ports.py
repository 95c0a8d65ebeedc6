"""Ports: where a running container's ports can be reached on its host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from muster.facts.container_lookup import name_of, pattern, running
from muster.need import need
from muster.probes import Probe
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container

_WRITTEN = re.compile(
    r"(?:(?P<address>.+):(?P<first>\d+)(?:-(?P<last>\d+))?->)?"
    r"(?P<inner>\d+)(?:-(?P<inner_last>\d+))?/(?P<protocol>\w+)",
)


class Mapped(Struct, frozen=True, order=True):
    """One port of a container. ``address`` and ``port`` are the host's, empty and 0 where it is only exposed."""

    inner: int
    address: str
    port: int
    protocol: str


class ContainerPorts(Struct, frozen=True):
    """The ports of a running container. ``network`` is its network mode, such as ``bridge`` or ``host``."""

    ports: tuple[Mapped, ...]
    network: str = "bridge"
    name: str = ""

    def lacks(self, expected: Iterable[str]) -> tuple[str, ...]:
        """Those of the expected mappings that are not there, as they are written.

        They are written as ``docker ps`` prints them, ranges too (``0.0.0.0:9000-9002->9000-9002/tcp``).
        An address of IPv6 stands with or without brackets: docker 20.10 prints none, docker 28 does.
        """
        return tuple(text for text in expected if not _is_within(text, self.ports))

    def __str__(self) -> str:
        if self.ports:
            return ", ".join(displayed(self.ports))
        return f"no ports (network mode {self.network})" if self.network == "host" else "no ports"


def mapped(inspected: Mapping[str, Any]) -> tuple[Mapped, ...]:
    """The ports in an inspection (``NetworkSettings.Ports``: ``{"8787/tcp": [{HostIp, HostPort}]}`` or null)."""

    def found() -> Iterator[Mapped]:
        for inner, bindings in ((inspected.get("NetworkSettings") or {}).get("Ports") or {}).items():
            number, _, protocol = inner.partition("/")
            if not bindings:
                yield Mapped(int(number), "", 0, protocol)
            for binding in bindings or ():
                yield Mapped(int(number), binding["HostIp"] or "0.0.0.0", int(binding["HostPort"]), protocol)  # noqa: S104

    return tuple(sorted(found()))


def displayed(ports: Iterable[Mapped]) -> list[str]:
    """Ports as ``docker ps`` prints them: neighbours in one range, and what changes its number last.

    Follows ``DisplayablePorts`` of docker's own command line.
    """
    runs: dict[tuple[str, str], tuple[int, int]] = {}
    ended: list[str] = []
    renumbered: list[str] = []
    for each in sorted(ports):
        if each.address and each.port != each.inner:
            renumbered.append(f"{_bracketed(each.address)}:{each.port}->{each.inner}/{each.protocol}")
            continue
        key = (each.address, each.protocol)
        first, last = runs.get(key, (each.inner, each.inner))
        if each.inner > last + 1:
            ended.append(_run(key, first, last))
            first = each.inner
        runs[key] = (first, each.inner)
    return [*ended, *(_run(key, first, last) for key, (first, last) in runs.items()), *renumbered]


def parse(match: str, matches: Matches) -> ContainerPorts:
    """Make the fact of an inspection. Raises `Unobserved` where the container does not run."""
    inspected = running(match, matches)
    network = str((inspected.get("HostConfig") or {}).get("NetworkMode") or "bridge")
    return ContainerPorts(mapped(inspected), network, name_of(inspected))


def _run(key: tuple[str, str], first: int, last: int) -> str:
    address, protocol = key
    numbers = f"{first}-{last}" if last > first else str(first)
    return f"{_bracketed(address)}:{numbers}->{numbers}/{protocol}" if address else f"{numbers}/{protocol}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_within(text: str, ports: tuple[Mapped, ...]) -> bool:
    """Whether every port of a mapping as ``docker ps`` writes it is among ``ports``."""
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        return False
    address = (written["address"] or "").removeprefix("[").removesuffix("]")
    inner, outer = int(written["inner"]), int(written["first"] or 0)
    count = int(written["inner_last"] or inner) - inner + 1
    # The first of a range alone may be there, so all are counted; a range longer than all ports never is.
    if count < 1 or count > len(ports):
        return False
    step = 1 if outer else 0
    wanted = (Mapped(inner + at, address, outer + at * step, written["protocol"]) for at in range(count))
    return all(each in ports for each in wanted)


@need(Container)
def container_ports(container: Container) -> Probe[ContainerPorts]:
    """Where the ports of a running container can be reached on its host."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
