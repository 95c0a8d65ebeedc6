"""The schema of what is watched: containers, endpoints, databases and processes."""

from __future__ import annotations

from muster.inventory import texts
from muster.inventory.schema_words import (
    ANYTHING,
    BOUNDS,
    FILLED,
    LIMIT,
    LINE,
    LISTENING,
    MEASURED,
    NAME,
    OF_ALL,
    SPAN,
    TEXT,
    TRUST,
    YES_OR_NO,
    any_of,
    checked,
    converted,
    entry,
    field,
    given,
    many,
    mapping,
    number_or_text,
    one_of,
    or_null,
    text,
    use,
    whole_number,
)
from muster.inventory.units import statuses


def json_rule(value: object) -> object:
    return value if isinstance(value, dict) else {"equals": value}


VALUE = entry(
    "ValueEntry",
    "A number to take out of a JSON answer, and its bounds.",
    {
        "path": field(checked(texts.json_path_fault, LINE), "Where: $.memory.alloc_mb or $.queues[0]."),
        **MEASURED,
    },
)

LOG = entry(
    "LogEntry",
    "Lines to count in a container's log, and the bounds on their number.",
    {
        "pattern": field(checked(texts.line_pattern_fault, FILLED), "A regular expression found in the line."),
        "level": field(FILLED, "The level of lines of JSON: error, warn, ..."),
        "window": field(SPAN, "How far back: 30m, 24h, 7d. Default: 1h."),
        **BOUNDS,
    },
)

TABLE = entry(
    "TableEntry",
    "What must be true of the rows of a table.",
    {
        "time": field(FILLED, "The column that says when a row was written."),
        "newest": field(given(LIMIT), "Bounds on the age of the newest row: {warning: 10m}."),
        "keep": field(SPAN, "How old a row may become before it has to be deleted: 90d."),
        "rows": field(given(LIMIT), "Bounds on the number of rows."),
    },
)

QUERY = entry(
    "QueryEntry",
    "A SELECT of one number, and its bounds.",
    {
        "select": field(checked(texts.select_fault, text()), "One SELECT that gives one number."),
        **MEASURED,
    },
)

JSON = entry(
    "JsonEntry",
    "What must be true at one place of a JSON answer.",
    {
        "present": field(YES_OR_NO, "false: nothing may be there."),
        "type": field(
            one_of("object", "array", "string", "number", "integer", "boolean", "null"),
            "The type that it must be of.",
        ),
        "equals": field(ANYTHING, "The value that it must be."),
    },
)

AUTH = entry(
    "AuthEntry",
    "How to authenticate. Secrets come by ${env:NAME} or ${file:/path}.",
    {
        "bearer": field(text(texts.HEADER), "A bearer token."),
        "user": field(FILLED, "The user, for basic authentication."),
        "password": field(text(texts.HEADER), "The user's password."),
    },
)

CONTAINER = entry(
    "ContainerEntry",
    "A container that has to run.",
    {
        "match": field(FILLED, 'Glob over container names, "quota-proxy*". Default: the name here.'),
        "ports": field(
            many(checked(texts.ports_fault, text(texts.MAPPING))),
            "Port mappings that must be there, as `docker ps` writes them.",
        ),
        "health": field(
            or_null(one_of("healthy", "none")),
            "healthy: must report so; none: nothing is expected. Default: healthy if it has a check.",
        ),
        "image": field(FILLED, 'Glob over the name of its image: "quota-proxy:1.*".'),
        "digest": field(text(texts.DIGEST), "Of the image: sha256:..."),
        "restart": field(text(texts.RESTART), "The policy: unless-stopped."),
        "mounts": field(
            many(text(texts.MOUNT)),
            "Mounts that must be there: /on/the/host:/in/it, volume:/in/it, with :ro for read-only.",
        ),
        "privileges": field(
            many(text(texts.PRIVILEGE)),
            "What it may have: root, privileged, host-network, docker.sock, cap:SYS_ADMIN, ...",
        ),
        "logs": field(mapping(NAME, given(LOG)), "Lines to count in its log."),
        **OF_ALL,
    },
)

EXPECT = entry(
    "ExpectEntry",
    "What the endpoint must answer.",
    {
        "status": field(
            converted(
                statuses,
                ANYTHING,
                written=or_null(any_of(whole_number(), text(), many(any_of(whole_number(), text())))),
            ),
            'The status code, or several: 200, "200-299", [200, 204]. Default: any below 400.',
        ),
        "at": field(
            mapping(checked(texts.json_path_fault, text()), converted(json_rule, use(JSON), written=ANYTHING)),
            "Single places of the JSON: {$.version: {type: string}, $.ready: true}.",
        ),
        "text": field(number_or_text(min_length=1), "Text that must be in the body."),
        "matches": field(
            checked(texts.pattern_fault, FILLED), "A regular expression that must be found in the body."
        ),
        "headers": field(
            mapping(text(texts.TOKEN), FILLED),
            "Headers of the answer, each with a glob: {content-type: application/json*}.",
        ),
        "redirect": field(FILLED, "Where it must send to; a glob over the whole URL."),
        "open": field(YES_OR_NO, "tcp://: false where nothing may listen."),
        "answers": field(many(FILLED), "dns: all the records that must come back, in any order."),
        "protocol": field(one_of("TLSv1.2", "TLSv1.3"), "tls://: the oldest version of TLS that will do."),
        "json": field(
            ANYTHING, "What the JSON must contain; further members of an object are allowed: {} is any object."
        ),
    },
)

ENDPOINT = entry(
    "EndpointEntry",
    "Something in the network that has to answer.",
    {
        "url": field(
            checked(texts.endpoint_fault, text()),
            "http(s)://..., tcp://address:port, tls://address:port or dns:name; asked from the host.",
        ),
        "method": field(text(texts.TOKEN), "GET, HEAD, POST, ..."),
        "headers": field(
            mapping(text(texts.TOKEN), text(texts.HEADER)),
            "Headers to send. A secret comes by ${env:NAME} or ${file:/path}.",
        ),
        "body": field(or_null(TEXT), "The body to send."),
        "auth": field(given(AUTH), "How to authenticate."),
        "serves": field(text(texts.LABEL), "For checks that know it: rabbitmq."),
        "starttls": field(one_of("smtp", "postgres"), "tls://: how TLS is asked for."),
        "server_name": field(FILLED, "tls://: the name on the certificate. Default: the address."),
        "parts": field(
            mapping(checked(texts.json_parts_fault, text()), many(FILLED)),
            "The words that each part may say: {$.services.*: [healthy]}.",
        ),
        "expect": field(given(EXPECT), "What it must answer."),
        "values": field(mapping(NAME, given(VALUE)), "Numbers in the JSON answer to measure."),
        **TRUST,
        **OF_ALL,
    },
)

DATABASE = entry(
    "DatabaseEntry",
    "A database that has to be there and sound.",
    {
        "url": field(
            checked(texts.database_fault, text()),
            "sqlite:////absolute/path, postgresql://, mysql:// or redis://user@address:port/name.",
        ),
        "user": field(FILLED, "The user to log in as, unless the url names one."),
        "password": field(text(), "The password, by ${env:NAME} or ${file:/path}."),
        "tls": field(YES_OR_NO, "true encrypts the connection, and verifies the server's certificate."),
        **TRUST,
        "min_version": field(number_or_text(texts.VERSION), 'The oldest version that will do: "15.4".'),
        "role": field(one_of("primary", "replica"), "What the server must be."),
        "tables": field(mapping(FILLED, given(TABLE)), "Tables (schema.table) and their rows."),
        "queries": field(mapping(NAME, given(QUERY)), "Numbers to select and measure, by name."),
        "keys": field(
            mapping(FILLED, given(LIMIT)),
            "redis: bounds on the number of keys, by pattern: {session:*: {warning: 10000}}.",
        ),
        **OF_ALL,
    },
)

PROCESS = entry(
    "ProcessEntry",
    "A program that has to run, found by its unit, its pid file or its command line.",
    {
        "unit": field(text(texts.UNIT), "Its systemd unit."),
        "pid_file": field(text(texts.ABSOLUTE), "The file with its process id, on the host."),
        "command": field(
            checked(texts.line_pattern_fault, FILLED), "A regular expression that is found in its command line."
        ),
        "state": field(one_of("running", "stopped"), "The state that it must be in."),
        "listening": field(many(LISTENING), "Ports that it must listen on."),
        **OF_ALL,
    },
)
