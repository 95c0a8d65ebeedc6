"""The schema of what is watched: containers, endpoints, databases and processes."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from muster.inventory import texts
from muster.inventory.schema_words import (
    CLOSED,
    AboveCritical,
    AboveWarns,
    BelowCritical,
    BelowWarns,
    Empty,
    Filled,
    Labels,
    LimitEntry,
    Limits,
    Line,
    ListeningPort,
    Name,
    Path,
    Span,
    Text,
    Timeout,
    checked,
)
from muster.inventory.units import statuses


def json_rule(value: object) -> object:
    return value if isinstance(value, dict) else {"equals": value}


@CLOSED
class ValueEntry(TypedDict, total=False):
    """A number to take out of a JSON answer, and its bounds."""

    path: Annotated[
        Annotated[Line, checked(texts.json_path_fault)],
        Field(description="Where: $.memory.alloc_mb or $.queues[0]."),
    ]
    unit: Annotated[Line, Field(description="Its unit, for people.")]
    warning: AboveWarns
    critical: AboveCritical
    warning_below: BelowWarns
    critical_below: BelowCritical


@CLOSED
class LogEntry(TypedDict, total=False):
    """Lines to count in a container's log, and the bounds on their number."""

    pattern: Annotated[
        Annotated[Filled, checked(texts.line_pattern_fault)],
        Field(description="A regular expression found in the line."),
    ]
    level: Annotated[Filled, Field(description="The level of lines of JSON: error, warn, ...")]
    window: Annotated[Span, Field(description="How far back: 30m, 24h, 7d. Default: 1h.")]
    warning: AboveWarns
    critical: AboveCritical
    warning_below: BelowWarns
    critical_below: BelowCritical


@CLOSED
class TableEntry(TypedDict, total=False):
    """What must be true of the rows of a table."""

    time: Annotated[Filled, Field(description="The column that says when a row was written.")]
    newest: Annotated[LimitEntry, Empty, Field(description="Bounds on the age of the newest row: {warning: 10m}.")]
    keep: Annotated[Span, Field(description="How old a row may become before it has to be deleted: 90d.")]
    rows: Annotated[LimitEntry, Empty, Field(description="Bounds on the number of rows.")]


@CLOSED
class QueryEntry(TypedDict, total=False):
    """A SELECT of one number, and its bounds."""

    select: Annotated[
        Annotated[str, checked(texts.select_fault)], Field(description="One SELECT that gives one number.")
    ]
    unit: Annotated[Line, Field(description="Its unit, for people.")]
    warning: AboveWarns
    critical: AboveCritical
    warning_below: BelowWarns
    critical_below: BelowCritical


@CLOSED
class JsonEntry(TypedDict, total=False):
    """What must be true at one place of a JSON answer."""

    present: Annotated[bool, Field(description="false: nothing may be there.")]
    type: Annotated[
        Literal["object", "array", "string", "number", "integer", "boolean", "null"],
        Field(description="The type that it must be of."),
    ]
    equals: Annotated[Any, Field(description="The value that it must be.")]


@CLOSED
class AuthEntry(TypedDict, total=False):
    """How to authenticate. Secrets come by ${env:NAME} or ${file:/path}."""

    bearer: Annotated[Annotated[str, Field(pattern=texts.HEADER)], Field(description="A bearer token.")]
    user: Annotated[Filled, Field(description="The user, for basic authentication.")]
    password: Annotated[Annotated[str, Field(pattern=texts.HEADER)], Field(description="The user's password.")]


@CLOSED
class ContainerEntry(TypedDict, total=False):
    """A container that has to run."""

    match: Annotated[Filled, Field(description='Glob over container names, "quota-proxy*". Default: the name here.')]
    ports: Annotated[
        list[Annotated[str, Field(pattern=texts.MAPPING), checked(texts.ports_fault)]],
        Field(description="Port mappings that must be there, as `docker ps` writes them."),
    ]
    health: Annotated[
        Literal["healthy", "none"] | None,
        Field(description="healthy: must report so; none: nothing is expected. Default: healthy if it has a check."),
    ]
    image: Annotated[Filled, Field(description='Glob over the name of its image: "quota-proxy:1.*".')]
    digest: Annotated[Annotated[str, Field(pattern=texts.DIGEST)], Field(description="Of the image: sha256:...")]
    restart: Annotated[
        Annotated[str, Field(pattern=texts.RESTART)],
        Field(description="The policy: unless-stopped."),
    ]
    mounts: Annotated[
        list[Annotated[str, Field(pattern=texts.MOUNT)]],
        Field(description="Mounts that must be there: /on/the/host:/in/it, volume:/in/it, with :ro for read-only."),
    ]
    privileges: Annotated[
        list[Annotated[str, Field(pattern=texts.PRIVILEGE)]],
        Field(description="What it may have: root, privileged, host-network, docker.sock, cap:SYS_ADMIN, ..."),
    ]
    logs: Annotated[dict[Name, Annotated[LogEntry, Empty]], Empty, Field(description="Lines to count in its log.")]
    labels: Labels
    limits: Limits
    timeout: Timeout


@CLOSED
class ExpectEntry(TypedDict, total=False):
    """What the endpoint must answer."""

    status: Annotated[
        Any,
        BeforeValidator(statuses, json_schema_input_type=int | str | list[int | str] | None),
        Field(description='The status code, or several: 200, "200-299", [200, 204]. Default: any below 400.'),
    ]
    at: Annotated[
        dict[
            Annotated[str, checked(texts.json_path_fault)],
            Annotated[JsonEntry, BeforeValidator(json_rule, json_schema_input_type=Any)],
        ],
        Empty,
        Field(description="Single places of the JSON: {$.version: {type: string}, $.ready: true}."),
    ]
    text: Annotated[Text, Field(min_length=1, description="Text that must be in the body.")]
    matches: Annotated[
        Annotated[Filled, checked(texts.pattern_fault)],
        Field(description="A regular expression that must be found in the body."),
    ]
    headers: Annotated[
        dict[Annotated[str, Field(pattern=texts.TOKEN)], Filled],
        Empty,
        Field(description="Headers of the answer, each with a glob: {content-type: application/json*}."),
    ]
    redirect: Annotated[Filled, Field(description="Where it must send to; a glob over the whole URL.")]
    open: Annotated[bool, Field(description="tcp://: false where nothing may listen.")]
    answers: Annotated[list[Filled], Field(description="dns: all the records that must come back, in any order.")]
    protocol: Annotated[
        Literal["TLSv1.2", "TLSv1.3"], Field(description="tls://: the oldest version of TLS that will do.")
    ]
    json: Annotated[
        Any,
        Field(description="What the JSON must contain; further members of an object are allowed: {} is any object."),
    ]


@CLOSED
class EndpointEntry(TypedDict, total=False):
    """Something in the network that has to answer."""

    url: Annotated[
        str,
        checked(texts.endpoint_fault),
        Field(description="http(s)://..., tcp://address:port, tls://address:port or dns:name; asked from the host."),
    ]
    method: Annotated[str, Field(pattern=texts.TOKEN, description="GET, HEAD, POST, ...")]
    headers: Annotated[
        dict[Annotated[str, Field(pattern=texts.TOKEN)], Annotated[str, Field(pattern=texts.HEADER)]],
        Empty,
        Field(description="Headers to send. A secret comes by ${env:NAME} or ${file:/path}."),
    ]
    body: Annotated[Text | None, Field(description="The body to send.")]
    auth: Annotated[AuthEntry, Empty, Field(description="How to authenticate.")]
    serves: Annotated[
        Annotated[str, Field(pattern=texts.LABEL)],
        Field(description="For checks that know it: rabbitmq."),
    ]
    starttls: Annotated[Literal["smtp", "postgres"], Field(description="tls://: how TLS is asked for.")]
    server_name: Annotated[Filled, Field(description="tls://: the name on the certificate. Default: the address.")]
    parts: Annotated[
        dict[Annotated[str, checked(texts.json_parts_fault)], list[Filled]],
        Empty,
        Field(description="The words that each part may say: {$.services.*: [healthy]}."),
    ]
    expect: Annotated[ExpectEntry, Empty, Field(description="What it must answer.")]
    values: Annotated[
        dict[Name, Annotated[ValueEntry, Empty]], Empty, Field(description="Numbers in the JSON answer to measure.")
    ]
    ca_file: Annotated[Path | None, Field(description="Certificates to trust, on this machine.")]
    verify: Annotated[bool, Field(description="false trusts any certificate.")]
    labels: Labels
    limits: Limits
    timeout: Timeout


@CLOSED
class DatabaseEntry(TypedDict, total=False):
    """A database that has to be there and sound."""

    url: Annotated[
        str,
        checked(texts.database_fault),
        Field(description="sqlite:////absolute/path, postgresql://, mysql:// or redis://user@address:port/name."),
    ]
    user: Annotated[Filled, Field(description="The user to log in as, unless the url names one.")]
    password: Annotated[str, Field(description="The password, by ${env:NAME} or ${file:/path}.")]
    tls: Annotated[bool, Field(description="true encrypts the connection, and verifies the server's certificate.")]
    ca_file: Annotated[Path | None, Field(description="Certificates to trust, on this machine.")]
    verify: Annotated[bool, Field(description="false trusts any certificate.")]
    min_version: Annotated[
        Annotated[Text, Field(pattern=texts.VERSION)], Field(description='The oldest version that will do: "15.4".')
    ]
    role: Annotated[Literal["primary", "replica"], Field(description="What the server must be.")]
    tables: Annotated[
        dict[Filled, Annotated[TableEntry, Empty]], Empty, Field(description="Tables (schema.table) and their rows.")
    ]
    queries: Annotated[
        dict[Name, Annotated[QueryEntry, Empty]], Empty, Field(description="Numbers to select and measure, by name.")
    ]
    keys: Annotated[
        dict[Filled, Annotated[LimitEntry, Empty]],
        Empty,
        Field(description="redis: bounds on the number of keys, by pattern: {session:*: {warning: 10000}}."),
    ]
    labels: Labels
    limits: Limits
    timeout: Timeout


@CLOSED
class ProcessEntry(TypedDict, total=False):
    """A program that has to run, found by its unit, its pid file or its command line."""

    unit: Annotated[Annotated[str, Field(pattern=texts.UNIT)], Field(description="Its systemd unit.")]
    pid_file: Annotated[
        Annotated[str, Field(pattern=texts.ABSOLUTE)], Field(description="The file with its process id, on the host.")
    ]
    command: Annotated[
        Annotated[Filled, checked(texts.line_pattern_fault)],
        Field(description="A regular expression that is found in its command line."),
    ]
    state: Annotated[Literal["running", "stopped"], Field(description="The state that it must be in.")]
    listening: Annotated[list[ListeningPort], Field(description="Ports that it must listen on.")]
    labels: Labels
    limits: Limits
    timeout: Timeout
