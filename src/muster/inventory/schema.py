"""The schema of an inventory: what may stand where. It validates, and feeds the JSON Schema for editors.

Only one level of the file is looked at here; what the levels mean together is in `muster.inventory.assemble`.
The classes are typed dicts, so that what was not written is not there, and levels merge as plain mappings.
"""

from functools import cache
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from typing_extensions import TypedDict

from muster.inventory import texts
from muster.inventory.schema_targets import ContainerEntry, DatabaseEntry, EndpointEntry, ProcessEntry
from muster.inventory.schema_words import (
    CLOSED,
    AbsolutePath,
    Empty,
    Filled,
    Labels,
    Limits,
    ListeningPort,
    Name,
    Path,
    Seconds,
    Span,
    Text,
    Timeout,
    checked,
    or_empty,
)

Kind = Literal["local", "ssh", "docker", "none"]
Port = Annotated[int, Field(ge=1, le=65_535)]


def kind_alone(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else or_empty(value)


def file_alone(value: object) -> object:
    return {"file": value} if isinstance(value, str) else or_empty(value)


@CLOSED
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


@CLOSED
class DockerEntry(TypedDict, total=False):
    """Where the host's Docker engine answers, as the host sees it."""

    url: Annotated[
        Annotated[str, checked(texts.engine_fault)] | None,
        Field(description="unix:///path or tcp://address:port. Default: DOCKER_HOST or /var/run/docker.sock."),
    ]
    ca_file: Annotated[Path | None, Field(description="Certificates to trust, on this machine.")]
    cert_file: Annotated[Path | None, Field(description="The client's certificate, on this machine.")]
    key_file: Annotated[Path | None, Field(description="The client's key, on this machine.")]


@CLOSED
class FileEntry(TypedDict, total=False):
    """What must be true of a file on the host."""

    owner: Annotated[Filled, Field(description="The name of its owner.")]
    group: Annotated[Filled, Field(description="The name of its group.")]
    mode: Annotated[
        Annotated[str, Field(pattern=texts.MODE)], Field(description='Its permission bits, in quotes: "0640".')
    ]


@CLOSED
class ComposeEntry(TypedDict, total=False):
    """A compose file, on this machine: each of its services is a container that has to run."""

    file: Path
    project: Annotated[Filled, Field(description="The project's name. Default: as compose finds it.")]
    profiles: Annotated[list[Filled], Field(description="The profiles that are active.")]
    env_file: Annotated[Path, Field(description="Where its variables are set. Default: .env beside it.")]


Processes = Annotated[
    dict[Name, Annotated[ProcessEntry, Empty]], Empty, Field(description="Programs that have to run, by name.")
]
Containers = Annotated[
    dict[Name, Annotated[ContainerEntry, Empty]], Empty, Field(description="Containers that have to run, by name.")
]
Endpoints = Annotated[
    dict[Name, Annotated[EndpointEntry, Empty]],
    Empty,
    Field(description="What must answer in the network, by name."),
]
Databases = Annotated[
    dict[Name, Annotated[DatabaseEntry, Empty]], Empty, Field(description="Databases that have to be sound, by name.")
]


@CLOSED
class Level(TypedDict, total=False):
    """What defaults, groups and hosts can say alike."""

    labels: Labels
    connection: Annotated[
        ConnectionEntry,
        BeforeValidator(kind_alone, json_schema_input_type=ConnectionEntry | Kind),
        Field(description="How to log in: a mapping, or the kind alone (local, ssh, docker, none)."),
    ]
    limits: Limits
    timeout: Timeout
    docker: Annotated[DockerEntry, Empty, Field(description="Where the Docker engine answers.")]
    listening: Annotated[
        list[ListeningPort], Field(description="Ports that must listen: 8787, 53/udp, 127.0.0.1:8787/tcp.")
    ]
    allowed_ports: Annotated[
        list[ListeningPort] | None, Field(description="Ports that may listen, and no other; null for any.")
    ]
    allowed_users: Annotated[
        list[Filled] | None, Field(description="Accounts of people that may be there, and no other; null for any.")
    ]
    files: Annotated[
        dict[AbsolutePath, Annotated[FileEntry, Empty]],
        Empty,
        Field(description="What files must be, by path."),
    ]
    closed_folders: Annotated[
        list[AbsolutePath], Field(description="Folders in which nothing may be writable by everyone.")
    ]
    certificates: Annotated[list[AbsolutePath], Field(description="Files of certificates that must not expire soon.")]
    sshd: Annotated[
        dict[Annotated[str, Field(pattern=texts.KEYWORD)], Text],
        Empty,
        Field(description='Settings of sshd: {PermitRootLogin: "no"}.'),
    ]
    cron: Annotated[list[Filled], Field(description="Texts that some scheduled job must hold: backup-database.sh.")]
    failed_logins: Annotated[Span | None, Field(description="How far back to count failed logins: 24h.")]
    kernel_log: Annotated[Span | None, Field(description="How far back to look for errors of the kernel: 24h.")]
    updates: Annotated[bool, Field(description="true looks for packages to upgrade.")]
    compose: Annotated[
        ComposeEntry,
        BeforeValidator(file_alone, json_schema_input_type=ComposeEntry | str),
        Field(description="A compose file whose services have to run: its name, or a mapping."),
    ]
    processes: Processes
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


@CLOSED
class GroupEntry(Level, total=False):
    """What all hosts of a group have."""

    vars: Variables


@CLOSED
class HostEntry(GroupEntry, total=False):
    """A host, and what is expected of it and of what is on it."""

    groups: Annotated[list[str], Field(description="The groups it is in; a later one beats an earlier one.")]
    address: Annotated[Filled, Field(description="Short for connection: {address: ...}.")]


@CLOSED
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
