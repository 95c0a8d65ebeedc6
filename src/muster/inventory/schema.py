"""The schema of an inventory: what may stand where. It validates, and feeds the JSON Schema for editors.

Only one level of the file is looked at here; what the levels mean together is in `muster.inventory.assemble`.
The classes are typed dicts, so that what was not written is not there, and levels merge as plain mappings.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from muster.inventory import texts
from muster.inventory.ranges import name_fault
from muster.inventory.units import seconds

_CLOSED = with_config({"extra": "forbid", "allow_inf_nan": False})


def _checked(rule: Callable[[str], str | None]) -> AfterValidator:
    """A validator of text: ``rule`` gives what is wrong with it, never with the text itself in the words."""

    def check(text: str) -> str:
        if fault := rule(text):
            raise ValueError(fault)
        return text

    return AfterValidator(check)


def _number_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _or_empty(value: object) -> object:
    return {} if value is None else value


def _kind_alone(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else _or_empty(value)


def _bound(value: object) -> object:
    if value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
        return value
    raise ValueError("is not a number")


Kind = Literal["local", "ssh", "docker", "none"]
Empty = BeforeValidator(_or_empty)
Text = Annotated[str, BeforeValidator(_number_text)]
Line = Annotated[Text, Field(pattern=texts.LINE)]
Filled = Annotated[Text, Field(pattern=texts.FILLED)]
Name = Annotated[str, _checked(name_fault)]
Listening = Annotated[str, Field(pattern=texts.LISTENING)]
Duration = Annotated[str, Field(pattern=texts.DURATION)]
Seconds = Annotated[float, BeforeValidator(seconds, json_schema_input_type=float | Duration)]
Bound = Annotated[Any, BeforeValidator(_bound, json_schema_input_type=float | str | None)]
Labels = Annotated[
    dict[Annotated[str, Field(pattern=texts.LABEL)], Annotated[str, Field(pattern=texts.LINE)]],
    Empty,
    Field(description="Labels to select by (`--limit role=proxy`) and to see in reports."),
]
Port = Annotated[int, Field(ge=1, le=65_535)]
Path = Annotated[Filled, Field(description="A file on this machine; a relative one is beside the inventory.")]

Warning_ = Annotated[Bound, Field(description="Above this the verdict is warning.")]
Critical = Annotated[Bound, Field(description="Above this the verdict is critical.")]
WarningBelow = Annotated[Bound, Field(description="Below this the verdict is warning.")]
CriticalBelow = Annotated[Bound, Field(description="Below this the verdict is critical.")]


@_CLOSED
class LimitEntry(TypedDict, total=False):
    """Bounds on one measurement, in its unit; text may have a unit of its own, such as 500ms or 4GiB."""

    warning: Warning_
    critical: Critical
    warning_below: WarningBelow
    critical_below: CriticalBelow


@_CLOSED
class ValueEntry(TypedDict, total=False):
    """A number to take out of a JSON answer, and its bounds."""

    path: Annotated[
        Annotated[Line, _checked(texts.json_path_fault)],
        Field(description="Where: $.memory.alloc_mb or $.queues[0]."),
    ]
    unit: Annotated[Line, Field(description="Its unit, for people.")]
    warning: Warning_
    critical: Critical
    warning_below: WarningBelow
    critical_below: CriticalBelow


Limits = Annotated[
    dict[Filled, Annotated[LimitEntry, Empty]],
    Empty,
    Field(description="Bounds by name of measurement, such as filesystem_used_percent."),
]
Timeout = Annotated[Seconds, Field(description="How long one observation may take: 500ms, 5s, 2m, or seconds.")]


@_CLOSED
class ConnectionEntry(TypedDict, total=False):
    """How a host is logged in to. What is not said is left to ~/.ssh/config and the agent."""

    kind: Annotated[
        Kind,
        Field(description="local: this machine; ssh; docker: inside a container; none: nothing to log in to."),
    ]
    address: Annotated[
        Filled, Field(description="Host name or address, or the container's name. Default: the host's.")
    ]
    user: Annotated[Filled | None, Field(description="The user to log in as.")]
    port: Annotated[Port | None, Field(description="The port of the SSH server.")]
    key_file: Annotated[Path | None, Field(description="A private key on this machine.")]
    known_hosts: Annotated[Path | None, Field(description="The file of known host keys on this machine.")]
    host_key_check: Annotated[bool, Field(description="false accepts any host key.")]
    via: Annotated[Filled | None, Field(description="A host of this inventory to go through; null for none.")]
    connect_timeout: Annotated[Seconds, Field(description="How long logging in may take: 500ms, 5s, or seconds.")]
    sudo: Annotated[bool, Field(description="true runs what is asked of the host as root, through `sudo -n`.")]


@_CLOSED
class DockerEntry(TypedDict, total=False):
    """Where the host's Docker engine answers, as the host sees it."""

    url: Annotated[
        Annotated[str, _checked(texts.engine_fault)] | None,
        Field(description="unix:///path or tcp://address:port. Default: DOCKER_HOST or /var/run/docker.sock."),
    ]
    ca_file: Annotated[Path | None, Field(description="Certificates to trust, on this machine.")]
    cert_file: Annotated[Path | None, Field(description="The client's certificate, on this machine.")]
    key_file: Annotated[Path | None, Field(description="The client's key, on this machine.")]


@_CLOSED
class ContainerEntry(TypedDict, total=False):
    """A container that has to run."""

    match: Annotated[Filled, Field(description='Glob over container names, "quota-proxy*". Default: the name here.')]
    ports: Annotated[
        list[Annotated[str, Field(pattern=texts.MAPPING), _checked(texts.ports_fault)]],
        Field(description="Port mappings that must be there, as `docker ps` writes them."),
    ]
    health: Annotated[
        Literal["healthy", "none"] | None,
        Field(description="healthy: must report so; none: nothing is expected. Default: healthy if it has a check."),
    ]
    labels: Labels
    limits: Limits
    timeout: Timeout


@_CLOSED
class ExpectEntry(TypedDict, total=False):
    """What the endpoint must answer."""

    status: Annotated[
        Annotated[int, Field(ge=100, le=599)] | None, Field(description="The status code. Default: any below 400.")
    ]
    json: Annotated[
        Any,
        Field(description="What the JSON must contain; further members of an object are allowed: {} is any object."),
    ]


@_CLOSED
class EndpointEntry(TypedDict, total=False):
    """An HTTP or HTTPS endpoint that has to answer."""

    url: Annotated[str, _checked(texts.url_fault), Field(description="http:// or https://, asked from the host.")]
    method: Annotated[str, Field(pattern=texts.TOKEN, description="GET, HEAD, POST, ...")]
    headers: Annotated[
        dict[Annotated[str, Field(pattern=texts.TOKEN)], Annotated[str, Field(pattern=texts.HEADER)]],
        Empty,
        Field(description="Headers to send. A secret comes by ${env:NAME} or ${file:/path}."),
    ]
    body: Annotated[Text | None, Field(description="The body to send.")]
    expect: Annotated[ExpectEntry, Empty, Field(description="What it must answer.")]
    values: Annotated[
        dict[Name, Annotated[ValueEntry, Empty]], Empty, Field(description="Numbers in the JSON answer to measure.")
    ]
    ca_file: Annotated[Path | None, Field(description="Certificates to trust, on this machine.")]
    verify: Annotated[bool, Field(description="false trusts any certificate.")]
    labels: Labels
    limits: Limits
    timeout: Timeout


@_CLOSED
class DatabaseEntry(TypedDict, total=False):
    """A database that has to be there and sound."""

    url: Annotated[str, _checked(texts.database_fault), Field(description="sqlite:////absolute/path on the host.")]
    labels: Labels
    limits: Limits
    timeout: Timeout


Containers = Annotated[
    dict[Name, Annotated[ContainerEntry, Empty]], Empty, Field(description="Containers that have to run, by name.")
]
Endpoints = Annotated[
    dict[Name, Annotated[EndpointEntry, Empty]],
    Empty,
    Field(description="HTTP endpoints that must answer, by name."),
]
Databases = Annotated[
    dict[Name, Annotated[DatabaseEntry, Empty]], Empty, Field(description="Databases that have to be sound, by name.")
]


@_CLOSED
class Level(TypedDict, total=False):
    """What defaults, groups and hosts can say alike."""

    labels: Labels
    connection: Annotated[
        ConnectionEntry,
        BeforeValidator(_kind_alone, json_schema_input_type=ConnectionEntry | Kind),
        Field(description="How to log in: a mapping, or the kind alone (local, ssh, docker, none)."),
    ]
    limits: Limits
    timeout: Timeout
    docker: Annotated[DockerEntry, Empty, Field(description="Where the Docker engine answers.")]
    listening: Annotated[
        list[
            Annotated[
                str,
                BeforeValidator(
                    _number_text, json_schema_input_type=int | Annotated[str, Field(pattern=texts.LISTENING)]
                ),
                Field(pattern=texts.LISTENING),
                _checked(texts.ports_fault),
            ]
        ],
        Field(description="Ports that must listen: 8787, 53/udp, 127.0.0.1:8787/tcp."),
    ]
    units: Annotated[
        list[Annotated[str, Field(pattern=texts.UNIT)]],
        Field(description="systemd units that must be active."),
    ]
    containers: Containers
    endpoints: Endpoints
    databases: Databases


Variables = Annotated[
    dict[str, str | int | float | bool],
    Empty,
    Field(description="Variables for ${name}; the innermost wins, --set name=value beats all."),
]


@_CLOSED
class GroupEntry(Level, total=False):
    """What all hosts of a group have."""

    vars: Variables


@_CLOSED
class HostEntry(GroupEntry, total=False):
    """A host, and what is expected of it and of what is on it."""

    groups: Annotated[list[str], Field(description="The groups it is in; a later one beats an earlier one.")]
    address: Annotated[Filled, Field(description="Short for connection: {address: ...}.")]


@_CLOSED
class InventoryFile(TypedDict, total=False):
    """What is watched, how it is reached, and what is expected of it."""

    vars: Variables
    defaults: Annotated[Level, Empty, Field(description="What holds wherever nothing else is said.")]
    groups: Annotated[
        dict[str, Annotated[GroupEntry, Empty]], Empty, Field(description="What many hosts have alike, by name.")
    ]
    hosts: Annotated[
        dict[str, Annotated[HostEntry, Empty]],
        Empty,
        Field(description="Hosts by name; web-[01:40] stands for forty of them."),
    ]
    containers: Containers
    endpoints: Endpoints
    databases: Databases


@cache
def adapter() -> TypeAdapter[InventoryFile]:
    """The validator of a file, made once: that takes longer than an ordinary file."""
    return TypeAdapter(InventoryFile)
