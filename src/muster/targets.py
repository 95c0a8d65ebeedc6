"""Targets: what is watched, how it is reached and what is expected of it.

All are frozen, and compared by identity: the inventory makes each target once.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from msgspec import Struct

from muster.limits import Limit

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Position(Struct, frozen=True):
    """Where in an inventory something is written. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Connection(Struct, frozen=True, kw_only=True):
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


class DockerEngine(Struct, frozen=True, kw_only=True):
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


class Target(Struct, frozen=True, kw_only=True, eq=False):
    """What is watched.

    ``name`` is its name in the inventory, ``host`` the name of the host that it is observed from (None at
    the top level: from where the suite runs). ``timeout``, in seconds, bounds each observation of it.
    ``kind`` is what reports call it, ``plural`` what people call several of its class.
    """

    kind: ClassVar[str] = "target"
    plural: ClassVar[str] = "targets"

    name: str
    host: str | None = None
    labels: Mapping[str, str] = NOTHING
    limits: Mapping[str, Limit] = NOTHING
    timeout: float = 10.0
    position: Position = Position("", 0, 0)

    @property
    def id(self) -> str:
        """What stands in a test's id: ``proxy-1/quota-proxy``, or the name alone."""
        return f"{self.host}/{self.name}" if self.host else self.name

    def __repr__(self) -> str:
        """Short, and without the fields: an endpoint's headers may hold a secret."""
        return f"<{type(self).__name__} {self.id}>"


class FileRule(Struct, frozen=True, kw_only=True):
    """What must be true of a file: its owner and group by name, its permission bits; None: whatever they are."""

    owner: str | None = None
    group: str | None = None
    mode: int | None = None


class Host(Target, frozen=True, kw_only=True, eq=False):
    """A machine. ``groups`` are the inventory's groups that it is in.

    ``listening`` are ports that must listen, as ``8787``, ``8787/tcp``, ``127.0.0.1:8787/tcp`` or ``53/udp``;
    none but these and ``allowed_ports``, written alike, may (None: any may). ``units`` are systemd units that must be
    active.

    ``allowed_users`` are the accounts of people that may be there (None: any may). ``files`` are rules by path,
    ``closed_folders`` those in which nothing may be writable by everyone, ``certificates`` the files of certificates.
    ``sshd`` are settings by keyword, as ``sshd -T`` prints them; ``cron`` are texts that a scheduled job must hold.
    ``failed_logins`` and ``kernel_log`` are how far back, in seconds, to look for the one and in the other (None:
    not at all); ``updates`` tells whether to look for packages to upgrade.
    """

    kind: ClassVar[str] = "host"
    plural: ClassVar[str] = "hosts"

    connection: Connection = Connection(kind="local")
    groups: tuple[str, ...] = ()
    docker: DockerEngine = DockerEngine()
    listening: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    allowed_ports: tuple[str, ...] | None = None
    allowed_users: tuple[str, ...] | None = None
    files: Mapping[str, FileRule] = NOTHING
    closed_folders: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    sshd: Mapping[str, str] = NOTHING
    cron: tuple[str, ...] = ()
    failed_logins: float | None = None
    kernel_log: float | None = None
    updates: bool | None = None


#: The machine that the suite runs on: where targets of the top level are observed from.
RUNNER = Host(name="", connection=Connection(kind="local"))


def asked_from(target: Target, hosts: Mapping[str, Host]) -> Host:
    """The host that a target is observed from: itself, the one it is under, or where the suite runs."""
    if isinstance(target, Host):
        return target
    return RUNNER if target.host is None else hosts[target.host]


class LogPattern(Struct, frozen=True, kw_only=True):
    """What is counted in a container's log: lines that ``pattern``, a regular expression, is found in, or lines of
    JSON with this ``level`` (``level``, ``severity`` or ``lvl``, in any case). ``window`` is how far back, in
    seconds.
    """

    pattern: str | None = None
    level: str | None = None
    window: float = 3600.0
    limit: Limit = Limit()


class Container(Target, frozen=True, kw_only=True, eq=False):
    """A container, found by ``match``: a glob over the names of a host's containers.

    ``ports`` are mappings that must be there, as ``docker ps`` writes them
    (``127.0.0.1:8787->8787/tcp``). ``health`` is the health that its own healthcheck must report; None
    expects nothing of a container without a healthcheck, and ``healthy`` of one with. ``image`` is a glob over the
    name of its image, ``digest`` the digest of that (``sha256:...``), ``restart`` the restart policy
    (``unless-stopped``), ``mounts`` are ``/on/the/host:/in/it`` or ``volume:/in/it``, with ``:ro`` for read-only.
    ``privileges`` are those that it may have (see `muster.facts.container_privileges`). ``logs`` are what to count
    in its log, by name.
    """

    kind: ClassVar[str] = "container"
    plural: ClassVar[str] = "containers"

    match: str = ""
    ports: tuple[str, ...] = ()
    health: Literal["healthy", "none"] | None = None
    image: str | None = None
    digest: str | None = None
    restart: str | None = None
    mounts: tuple[str, ...] = ()
    privileges: tuple[str, ...] = ()
    logs: Mapping[str, LogPattern] = NOTHING


class Process(Target, frozen=True, kw_only=True, eq=False):
    """A program that has to run, found in one of three ways.

    ``unit`` is its systemd unit, ``pid_file`` the file with its process id, ``command`` a regular expression that is
    found in its command line (the arguments with a space between them). ``state`` is the state that it must
    be in: ``running`` or ``stopped``. ``listening`` are ports that it must listen on, written as a host's.
    """

    kind: ClassVar[str] = "process"
    plural: ClassVar[str] = "processes"

    unit: str | None = None
    pid_file: str | None = None
    command: str | None = None
    state: Literal["running", "stopped"] = "running"
    listening: tuple[str, ...] = ()


class Value(Struct, frozen=True, kw_only=True):
    """A number to take out of a JSON answer: where (``$.memory.alloc_mb``), its unit and its limit."""

    path: str
    unit: str = ""
    limit: Limit = Limit()


class JsonRule(Struct, frozen=True, kw_only=True):
    """What must be true at one place of a JSON answer: that it is there or not, of a type of JSON, equal to a value.

    ``type`` is ``object``, ``array``, ``string``, ``number``, ``integer``, ``boolean`` or ``null``. ``equals`` counts
    only where ``compares`` is True, for null is a value.
    """

    present: bool = True
    type: str | None = None
    equals: Any = None
    compares: bool = False


class Endpoint(Target, frozen=True, kw_only=True, eq=False):
    """Something that answers in the network. ``url`` says what it speaks: see the classes below.

    ``ca_file`` holds the certificates to trust, on this machine; ``verify`` False trusts any.
    """

    kind: ClassVar[str] = "endpoint"
    plural: ClassVar[str] = "endpoints"

    url: str
    ca_file: str | None = None
    verify: bool = True


class HttpEndpoint(Endpoint, frozen=True, kw_only=True, eq=False):
    """An HTTP or HTTPS endpoint.

    ``headers`` hold what authenticates as well. ``status`` are the expected status codes, each as first and last of
    a range; empty where any that is not an error (below 400) will do. ``json`` is what the JSON answer must
    contain, None where nothing is expected of it: an object's further members are allowed, a list must be
    equal. ``rules`` are what must be true at single paths of it, ``values`` numbers to measure, ``parts`` the words
    that what stands at a path with ``*`` may say: ``{"$.services.*": ("healthy",)}``. ``text`` must be in the body,
    ``matches`` (a regular expression) found in it, ``answer_headers`` are globs by header, ``redirect`` is where it
    must send to. ``serves`` names what it is, for checks that know it: ``rabbitmq``.
    """

    plural: ClassVar[str] = "HTTP endpoints"

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    status: tuple[tuple[int, int], ...] = ()
    json: Any = None
    rules: Mapping[str, JsonRule] = NOTHING
    values: Mapping[str, Value] = NOTHING
    parts: Mapping[str, tuple[str, ...]] = NOTHING
    text: str | None = None
    matches: str | None = None
    answer_headers: Mapping[str, str] = NOTHING
    redirect: str | None = None
    serves: str | None = None


class TcpEndpoint(Endpoint, frozen=True, kw_only=True, eq=False):
    """A TCP port, ``tcp://address:port``, that must be ``open``, or must not."""

    plural: ClassVar[str] = "TCP ports"

    address: str
    port: int
    open: bool = True


class TlsEndpoint(Endpoint, frozen=True, kw_only=True, eq=False):
    """A port that speaks TLS, ``tls://address:port``, at once or after ``starttls``.

    ``server_name`` is the name that the certificate must be for, the address unless given. ``protocol`` is the
    oldest version of TLS that will do (``TLSv1.2``).
    """

    plural: ClassVar[str] = "TLS ports"

    address: str
    port: int
    starttls: Literal["smtp", "postgres"] | None = None
    server_name: str | None = None
    protocol: str | None = None


class DnsEndpoint(Endpoint, frozen=True, kw_only=True, eq=False):
    """A name to resolve, as RFC 4501 writes it: ``dns://server:53/www.example.net?type=A``.

    Without a server, ``dns:www.example.net``, the host's own resolver is asked, which knows A and AAAA. ``answers``
    are all the records that must come back, in any order; None where any will do.
    """

    plural: ClassVar[str] = "DNS names"

    name_asked: str
    type: str = "A"
    server: str | None = None
    port: int = 53
    answers: tuple[str, ...] | None = None
