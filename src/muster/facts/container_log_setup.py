"""Where a container logs to, and whether that is bounded."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.need import need
from muster.probes import Probe
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import printable


class ContainerLogSetup(Struct, frozen=True):
    """Where a container logs to: ``driver`` is ``json-file``, ``local``, ``journald``, ``none``, ...

    ``max_size`` is the size at which a file of the log is ended (``10m``), empty where it never is, and ``max_file``
    how many are kept, as they are given to the driver.
    """

    driver: str
    max_size: str = ""
    max_file: str = ""
    name: str = ""

    @property
    def is_bounded(self) -> bool:
        """Whether the log stops to grow. ``json-file`` grows without end unless it is told a size; ``local`` has 100
        MB at most; what goes to others, such as journald, is theirs to bound."""
        return self.driver != "json-file" or self.max_size not in ("", "-1", "0")

    def __str__(self) -> str:
        if self.driver != "json-file":
            return f"logs to {self.driver}"
        if not self.is_bounded:
            return "logs to json-file without max-size"
        return f"logs to json-file, {self.max_file or '1'} x {self.max_size}"


def parse(match: str, matches: Matches) -> ContainerLogSetup:
    """Make the fact of an inspection (``HostConfig.LogConfig``, with the engine's own defaults in it)."""
    inspected = inspection(match, matches)
    setup = inspected["HostConfig"]["LogConfig"]
    options = setup["Config"] or {}
    given = (setup["Type"], options.get("max-size") or "", options.get("max-file") or "")
    driver, max_size, max_file = (printable(str(each), 100) for each in given)
    return ContainerLogSetup(driver, max_size, max_file, name_of(inspected))


@need(Container)
def container_log_setup(container: Container) -> Probe[ContainerLogSetup]:
    """Where the container logs to, and whether that is bounded."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
