"""How large the log file of a container is."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.docker import ContainerLogFile, LogFile
from muster.targets import Container
from muster.text import printable, size


class ContainerLogSize(Struct, frozen=True):
    """The size, in bytes, of the file that a container logs to now (``LogPath``)."""

    size_bytes: int
    name: str = ""

    def __str__(self) -> str:
        return f"log of {size(self.size_bytes)}"


def parse(match: str, found: LogFile) -> ContainerLogSize:
    """Make the fact of the file's size.

    Raises:
        Unobserved: there is no such container, or its log driver names no file.
    """
    inspected = inspection(match, found.matches)
    if found.size is None:
        driver = printable(str(inspected["HostConfig"]["LogConfig"]["Type"]), 100)
        raise Unobserved("missing", f"its log driver {driver} names no file whose size could be looked at")
    return ContainerLogSize(found.size, name_of(inspected))


@need(Container)
def container_log_size(container: Container) -> Probe[ContainerLogSize]:
    """How large the container's log file is, on its engine's host."""
    match = pattern(container)
    return Probe(ContainerLogFile(match), partial(parse, match))
