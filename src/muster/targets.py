"""Targets: what is watched, how it is reached and what is expected of it.

All are frozen, and compared by identity: the inventory makes each target once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from muster.limits import Limit

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Position:
    """Where in an inventory something is written. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a host is logged in to.

    ``kind``: ``local`` (this machine), ``ssh``, ``docker`` (inside the container named by ``address``) or
    ``none`` (the host has only targets that need no login). What is None is left to ``~/.ssh/config``
    and the agent. ``connect_timeout`` is in seconds. ``via`` names another host of the inventory
    through which an ssh connection is made. ``host_key_check`` False accepts any host key.
    ``sudo`` runs what is asked of the host as root, through ``sudo -n``.
    """

    kind: Literal["local", "ssh", "docker", "none"] = "ssh"
    address: str = ""
    user: str | None = None
    port: int | None = None
    key_file: str | None = None
    known_hosts: str | None = None
    host_key_check: bool = True
    via: str | None = None
    connect_timeout: float = 5.0
    sudo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerEngine:
    """Where a host's Docker engine answers, as that host sees it.

    ``url`` is ``unix:///path`` or ``tcp://address:port``; None means what ``DOCKER_HOST`` says for a local
    host and ``unix:///var/run/docker.sock`` elsewhere. The three files are for TLS, on this machine.
    ``expected`` is True where the inventory names an engine or a container of this host: then a
    missing engine is a fault, else it is just not there.
    """

    url: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Target:
    """What is watched.

    ``name`` is its name in the inventory, ``host`` the name of the host that it is observed from (None at
    the top level: from where the suite runs). ``timeout``, in seconds, bounds each observation of it.
    """

    kind: ClassVar[str] = "target"

    name: str
    host: str | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    limits: Mapping[str, Limit] = field(default_factory=lambda: NOTHING)
    timeout: float = 10.0
    position: Position = Position("", 0, 0)

    @property
    def id(self) -> str:
        """What stands in a test's id: ``proxy-1/quota-proxy``, or the name alone."""
        return f"{self.host}/{self.name}" if self.host else self.name

    def __repr__(self) -> str:
        """Short, and without the fields: an endpoint's headers may hold a secret."""
        return f"<{type(self).__name__} {self.id}>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Host(Target):
    """A machine. ``groups`` are the inventory's groups that it is in.

    ``listening`` are ports that must listen, as ``8787``, ``8787/tcp``, ``127.0.0.1:8787/tcp`` or ``53/udp``.
    ``units`` are systemd units that must be active.
    """

    kind: ClassVar[str] = "host"

    connection: Connection = Connection(kind="local")
    groups: tuple[str, ...] = ()
    docker: DockerEngine = DockerEngine()
    listening: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


#: The machine that the suite runs on: where targets of the top level are observed from.
RUNNER = Host(name="", connection=Connection(kind="local"))


def asked_from(target: Target, hosts: Mapping[str, Host]) -> Host:
    """The host that a target is observed from: itself, the one it is under, or where the suite runs."""
    if isinstance(target, Host):
        return target
    return RUNNER if target.host is None else hosts[target.host]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Container(Target):
    """A container, found by ``match``: a glob over the names of a host's containers.

    ``ports`` are mappings that must be there, as ``docker ps`` writes them
    (``127.0.0.1:8787->8787/tcp``). ``health`` is the health that its own healthcheck must report; None
    expects nothing of a container without a healthcheck, and ``healthy`` of one with.
    """

    kind: ClassVar[str] = "container"

    match: str = ""
    ports: tuple[str, ...] = ()
    health: Literal["healthy", "none"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number to take out of a JSON answer: where (``$.memory.alloc_mb``), its unit and its limit."""

    path: str
    unit: str = ""
    limit: Limit = Limit()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Endpoint(Target):
    """An HTTP or HTTPS endpoint.

    ``status`` is the expected status code, None where any that is not an error (below 400) will do.
    ``json`` is what the JSON answer must contain, None where nothing is expected of it: an object's
    further members are allowed, a list must be equal. ``values`` are numbers to measure.
    ``ca_file`` holds the certificates to trust, on this machine; ``verify`` False trusts any.
    """

    kind: ClassVar[str] = "endpoint"

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    status: int | None = None
    json: Any = None
    values: Mapping[str, Value] = field(default_factory=lambda: NOTHING)
    ca_file: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Database(Target):
    """A database. ``url`` is ``sqlite:////absolute/path``; other kinds of database come later."""

    kind: ClassVar[str] = "database"

    url: str
