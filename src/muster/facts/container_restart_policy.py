"""Whether, and when, a container is started again that has ended."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.need import need
from muster.probes import Probe
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import printable


class ContainerRestartPolicy(Struct, frozen=True):
    """The restart policy of a container, as ``docker run --restart`` takes it: ``no``, ``always``,
    ``unless-stopped``, ``on-failure`` or ``on-failure:3``."""

    policy: str
    name: str = ""

    def __str__(self) -> str:
        return f"restart policy {self.policy}"


def parse(match: str, matches: Matches) -> ContainerRestartPolicy:
    """Make the fact of an inspection (``HostConfig.RestartPolicy``, whose name is empty for ``no``)."""
    inspected = inspection(match, matches)
    said = inspected["HostConfig"]["RestartPolicy"]
    policy = printable(str(said["Name"] or "no"), 100)
    if policy == "on-failure" and (tries := int(said.get("MaximumRetryCount") or 0)):
        policy = f"on-failure:{tries}"
    return ContainerRestartPolicy(policy, name_of(inspected))


@need(Container)
def container_restart_policy(container: Container) -> Probe[ContainerRestartPolicy]:
    """The container's restart policy."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
