"""What a container may do to its host. Source of the rules: CIS Docker Benchmark 1.6, chapters 4 and 5."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.facts.reading import some
from muster.need import need
from muster.probes import Probe
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import printable

#: The capabilities that every container has unless they are taken from it (Docker's documentation, "Runtime
#: privilege and Linux capabilities"): adding one of them adds nothing.
USUAL_CAPABILITIES = frozenset(
    (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)

#: The folders in which the engine's socket is: who has one of them has the socket.
AROUND_SOCKET = frozenset(("/", "/run", "/var", "/var/run"))


class ContainerPrivileges(Struct, frozen=True):
    """What a container has beyond an ordinary one.

    ``names`` are, with the point of the CIS Docker Benchmark: ``root`` (4.1, its program runs as root),
    ``cap:SYS_ADMIN`` and other capabilities that were added, ``cap:ALL`` for all (5.3), ``privileged`` (5.4),
    ``docker.sock`` (5.31, the engine's socket is mounted), ``host-network`` (5.9), ``host-pid`` (5.15),
    ``host-ipc`` (5.16). ``no_new_privileges`` (5.25) says that its programs cannot get more than they have.
    """

    names: tuple[str, ...]
    no_new_privileges: bool = False
    name: str = ""

    def beyond(self, accepted: Collection[str]) -> tuple[str, ...]:
        """Those that are not accepted. Whoever accepts ``privileged`` or ``cap:ALL`` accepts every capability."""
        every = not {"privileged", "cap:ALL"}.isdisjoint(accepted)
        return tuple(each for each in self.names if each not in accepted and not (every and each.startswith("cap:")))

    def __str__(self) -> str:
        had = some(self.names, 20) or "no privileges"
        return f"{had}, no-new-privileges" if self.no_new_privileges else had


def parse(match: str, matches: Matches) -> ContainerPrivileges:
    """Make the fact of an inspection."""
    inspected = inspection(match, matches)
    options = inspected["HostConfig"].get("SecurityOpt") or []
    closed = any(str(each).split(":")[0].split("=")[0] == "no-new-privileges" for each in options)
    closed = closed and "no-new-privileges:false" not in options and "no-new-privileges=false" not in options
    names = tuple(printable(each, 100) for each in _found(inspected))
    return ContainerPrivileges(names, closed, name_of(inspected))


def _found(inspected: Mapping[str, Any]) -> Iterator[str]:
    host = inspected["HostConfig"]
    if _is_root(str(inspected["Config"]["User"] or "")):
        yield "root"
    if host["Privileged"]:
        yield "privileged"
    for place in ("network", "pid", "ipc"):
        if host[{"network": "NetworkMode", "pid": "PidMode", "ipc": "IpcMode"}[place]] == "host":
            yield f"host-{place}"
    if any(_has_socket(str(each.get("Source") or "")) for each in inspected["Mounts"] if each["Type"] == "bind"):
        yield "docker.sock"
    for each in host["CapAdd"] or []:
        capability = str(each).upper().removeprefix("CAP_")
        if capability not in USUAL_CAPABILITIES:
            yield f"cap:{capability}"


def _is_root(user: str) -> bool:
    """Whether a user, as ``docker run --user`` takes it (``name:group``), is root; where none is named it is."""
    user = user.partition(":")[0]
    return user in ("", "root") or (user.isdecimal() and int(user) == 0)


def _has_socket(path: str) -> bool:
    path = posixpath.normpath(path)
    return posixpath.basename(path) == "docker.sock" or path in AROUND_SOCKET


@need(Container)
def container_privileges(container: Container) -> Probe[ContainerPrivileges]:
    """What the container may do beyond an ordinary one."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))
