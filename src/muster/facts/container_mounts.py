"""What of its host a container sees: folders and volumes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.facts.reading import some
from muster.need import need
from muster.probes import Probe
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import printable


class Mount(Struct, frozen=True, order=True):
    """One mount of a container: ``source`` is a path of the host, or a volume's name, ``inner`` the path in it."""

    source: str
    inner: str
    writable: bool = True

    def __str__(self) -> str:
        return f"{printable(self.source, 300)}:{printable(self.inner, 300)}{'' if self.writable else ':ro'}"


class ContainerMounts(Struct, frozen=True):
    """The mounts of a container. Source: ``Mounts`` of an inspection."""

    mounts: tuple[Mount, ...]
    name: str = ""

    def lacks(self, expected: Iterable[str]) -> tuple[str, ...]:
        """Those of the expected mounts that are not there, as they are written.

        They are written as ``docker run -v`` takes them: ``/on/the/host:/in/it`` or ``volume:/in/it``; with ``:ro``
        it must be read-only, with ``:rw`` writable, and without either it may be both.
        """
        return tuple(text for text in expected if not any(_fits(text, mount) for mount in self.mounts))

    def __str__(self) -> str:
        return some(map(str, self.mounts), 20) or "no mounts"


def _fits(text: str, mount: Mount) -> bool:
    source, _, rest = text.partition(":")
    inner, _, mode = rest.partition(":")
    same = _plain(source) == _plain(mount.source) and _plain(inner) == _plain(mount.inner)
    return same and (not mode or mount.writable is (mode == "rw"))


def _plain(path: str) -> str:
    return posixpath.normpath(path) if path.startswith("/") else path


def parse(match: str, matches: Matches) -> ContainerMounts:
    """Make the fact of an inspection."""
    inspected = inspection(match, matches)
    mounts = (
        Mount(str(each.get("Name") or each.get("Source") or ""), str(each["Destination"]), bool(each["RW"]))
        for each in inspected["Mounts"]
    )
    return ContainerMounts(tuple(sorted(mounts)), name_of(inspected))


@need(Container)
def container_mounts(container: Container) -> Probe[ContainerMounts]:
    """Which folders and volumes the container has."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
