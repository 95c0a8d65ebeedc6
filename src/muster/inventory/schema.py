"""The schema of an inventory: what may stand where. It validates, and feeds the JSON Schema for editors.

Only one level of the file is looked at here; what the levels mean together is in `muster.inventory.assemble`.
What was not written is not there, so that levels merge as plain mappings.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic_core import SchemaValidator
from pydantic_core import core_schema as core

from muster.inventory import texts
from muster.inventory.schema_targets import (
    AUTH,
    CONTAINER,
    DATABASE,
    ENDPOINT,
    EXPECT,
    JSON,
    LOG,
    PROCESS,
    QUERY,
    TABLE,
    VALUE,
)
from muster.inventory.schema_words import (
    ABSOLUTE,
    FILLED,
    LIMIT,
    LISTENING,
    NAME,
    OF_ALL,
    SECONDS,
    SPAN,
    TEXT,
    TRUST,
    YES_OR_NO,
    Fields,
    any_of,
    checked,
    converted,
    entry,
    field,
    given,
    many,
    mapping,
    one_of,
    or_empty,
    or_null,
    text,
    use,
    whole_number,
)

KIND = one_of("local", "ssh", "docker", "none")


def kind_alone(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else or_empty(value)


def file_alone(value: object) -> object:
    return {"file": value} if isinstance(value, str) else or_empty(value)


CONNECTION = entry(
    "ConnectionEntry",
    "How a host is logged in to. What is not said is left to ~/.ssh/config and the agent.",
    {
        "kind": field(KIND, "local: this machine; ssh; docker: inside a container; none: nothing to log in to."),
        "address": field(FILLED, "Host name or address, or the container's name. Default: the host's."),
        "user": field(or_null(FILLED), "The user to log in as."),
        "port": field(or_null(whole_number(1, 65_535)), "The port of the SSH server."),
        "key_file": field(or_null(FILLED), "A private key on this machine."),
        "known_hosts": field(or_null(FILLED), "The file of known host keys on this machine."),
        "host_key_check": field(YES_OR_NO, "false accepts any host key."),
        "via": field(or_null(FILLED), "A host of this inventory to go through; null for none."),
        "connect_timeout": field(SECONDS, "How long logging in may take: 500ms, 5s, or seconds."),
        "sudo": field(YES_OR_NO, "true runs what is asked of the host as root, through `sudo -n`."),
    },
)

DOCKER = entry(
    "DockerEntry",
    "Where the host's Docker engine answers, as the host sees it.",
    {
        "url": field(
            or_null(checked(texts.engine_fault, text())),
            "unix:///path or tcp://address:port. Default: DOCKER_HOST or /var/run/docker.sock.",
        ),
        "ca_file": TRUST["ca_file"],
        "cert_file": field(or_null(FILLED), "The client's certificate, on this machine."),
        "key_file": field(or_null(FILLED), "The client's key, on this machine."),
    },
)

FILE = entry(
    "FileEntry",
    "What must be true of a file on the host.",
    {
        "owner": field(FILLED, "The name of its owner."),
        "group": field(FILLED, "The name of its group."),
        "mode": field(text(texts.MODE), 'Its permission bits, in quotes: "0640".'),
    },
)

COMPOSE = entry(
    "ComposeEntry",
    "A compose file, on this machine: each of its services is a container that has to run.",
    {
        "file": field(FILLED, "A file on this machine; a relative one is beside the inventory."),
        "project": field(FILLED, "The project's name. Default: as compose finds it."),
        "profiles": field(many(FILLED), "The profiles that are active."),
        "env_file": field(FILLED, "Where its variables are set. Default: .env beside it."),
    },
)

#: What stands at the top level too.
WATCHED: Fields = {
    "containers": field(mapping(NAME, given(CONTAINER)), "Containers that have to run, by name."),
    "endpoints": field(mapping(NAME, given(ENDPOINT)), "What must answer in the network, by name."),
    "databases": field(mapping(NAME, given(DATABASE)), "Databases that have to be sound, by name."),
}

#: What defaults, groups and hosts can say alike.
LEVEL: Fields = {
    **OF_ALL,
    "connection": field(
        converted(kind_alone, use(CONNECTION), written=any_of(use(CONNECTION), KIND)),
        "How to log in: a mapping, or the kind alone (local, ssh, docker, none).",
    ),
    "docker": field(given(DOCKER), "Where the Docker engine answers."),
    "listening": field(many(LISTENING), "Ports that must listen: 8787, 53/udp, 127.0.0.1:8787/tcp."),
    "allowed_ports": field(or_null(many(LISTENING)), "Ports that may listen, and no other; null for any."),
    "allowed_users": field(
        or_null(many(FILLED)), "Accounts of people that may be there, and no other; null for any."
    ),
    "files": field(mapping(ABSOLUTE, given(FILE)), "What files must be, by path."),
    "closed_folders": field(many(ABSOLUTE), "Folders in which nothing may be writable by everyone."),
    "certificates": field(many(ABSOLUTE), "Files of certificates that must not expire soon."),
    "sshd": field(mapping(text(texts.KEYWORD), TEXT), 'Settings of sshd: {PermitRootLogin: "no"}.'),
    "cron": field(many(FILLED), "Texts that some scheduled job must hold: backup-database.sh."),
    "failed_logins": field(or_null(SPAN), "How far back to count failed logins: 24h."),
    "kernel_log": field(or_null(SPAN), "How far back to look for errors of the kernel: 24h."),
    "updates": field(YES_OR_NO, "true looks for packages to upgrade."),
    "compose": field(
        converted(file_alone, use(COMPOSE), written=any_of(use(COMPOSE), text())),
        "A compose file whose services have to run: its name, or a mapping.",
    ),
    "processes": field(mapping(NAME, given(PROCESS)), "Programs that have to run, by name."),
    "units": field(many(text(texts.UNIT)), "systemd units that must be active."),
    **WATCHED,
}

VARIABLES: Fields = {
    "vars": field(
        mapping(text(), any_of(text(), whole_number(), core.float_schema(), YES_OR_NO)),
        "Variables for ${name}; the innermost wins, --set name=value beats all.",
    )
}

DEFAULTS = entry("Level", "What defaults, groups and hosts can say alike.", LEVEL)
GROUP = entry("GroupEntry", "What all hosts of a group have.", {**LEVEL, **VARIABLES})
HOST = entry(
    "HostEntry",
    "A host, and what is expected of it and of what is on it.",
    {
        **LEVEL,
        **VARIABLES,
        "groups": field(many(text()), "The groups it is in; a later one beats an earlier one."),
        "address": field(FILLED, "Short for connection: {address: ...}."),
    },
)

INVENTORY = entry(
    "InventoryFile",
    "What is watched, how it is reached, and what is expected of it.",
    {
        **VARIABLES,
        "defaults": field(given(DEFAULTS), "What holds wherever nothing else is said."),
        "groups": field(mapping(text(), given(GROUP)), "What many hosts have alike, by name."),
        "hosts": field(mapping(text(), given(HOST)), "Hosts by name; web-[01:40] stands for forty of them."),
        **WATCHED,
    },
)

SCHEMA = core.definitions_schema(
    use(INVENTORY),
    [
        *(LIMIT, VALUE, LOG, TABLE, QUERY, JSON, AUTH, CONTAINER, EXPECT, ENDPOINT, DATABASE, PROCESS),
        *(CONNECTION, DOCKER, FILE, COMPOSE, DEFAULTS, GROUP, HOST, INVENTORY),
    ],
)


@cache
def validator() -> SchemaValidator:
    """The validator of a file, made once."""
    return SchemaValidator(SCHEMA)


@cache
def json_schema() -> dict[str, Any]:
    """What JSON Schema can say of it."""
    # Half of pydantic is for this, and few ask for it.
    from pydantic.json_schema import GenerateJsonSchema

    return GenerateJsonSchema().generate(SCHEMA)
