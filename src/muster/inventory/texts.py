"""How single things are written in an inventory: URLs, ports, labels; and what is wrong with what is not."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qs, urlsplit

from muster.jsonpath import parse_parts, parse_path
from muster.text import printable

# Patterns, rather than functions, wherever they will do: pydantic runs them in Rust, editors in their own way.
LINE = r"^[^\x00-\x1f\x7f]*$"
FILLED = r"^[^\x00-\x1f\x7f]+$"
LABEL = r"^[\w.-]+$"
HEADER = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
TOKEN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"  # noqa: S105 (a word of RFC 9110, 5.6.2)
UNIT = r"^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*$"
MODE = r"^0?[0-7]{3,4}$"
ABSOLUTE = r"^/[^\x00-\x1f\x7f]*$"
KEYWORD = r"^[A-Za-z][A-Za-z0-9]*$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
RESTART = r"^(?:no|always|unless-stopped|on-failure(?::[0-9]+)?)$"
MOUNT = r"^[^:\x00-\x1f\x7f]+:/[^:\x00-\x1f\x7f]*(?::r[ow])?$"
PRIVILEGE = r"^(?:root|privileged|host-network|host-pid|host-ipc|docker\.sock|cap:[A-Z_]+)$"
VERSION = r"^[0-9]+(?:\.[0-9]+)*$"
DURATION = r"^[0-9.]+ *(?:ms|s|m|h|d)?$"
_PORT = "[1-9][0-9]{0,4}"
_PORTS = f"{_PORT}(?:-{_PORT})?"
_ADDRESS = r"(?:[\w.*-]+|\[[0-9a-fA-F:.]*\]|[0-9a-fA-F:]*:)"
MAPPING = f"^(?:{_ADDRESS}:{_PORTS}->)?{_PORTS}/(?:tcp|udp|sctp)$"
LISTENING = f"^(?:{_ADDRESS}:)?{_PORT}(?:/(?:tcp|udp))?$"

_DNS = re.compile(
    r"dns:(?://(?P<server>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?/)?(?P<name>[\w.-]+)"
    r"(?:\?type=(?P<type>\w+))?",
    re.IGNORECASE,
)

#: The types of DNS records that people look up (RFC 1035, 3596, 2782, 8659, 9460).
RECORDS = ("A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "TLSA", "TXT")

#: What is wrong with what does not match, and how to write it.
MISMATCH = {
    LINE: "has a control character in it",
    FILLED: "is empty, or has a control character in it",
    LABEL: "is not the name of a label; it has letters, digits, - . _",
    HEADER: "has a line end or another control character in it",
    TOKEN: "is not a word of HTTP; it has letters, digits and - without spaces",
    UNIT: "is not the name of a systemd unit",
    MAPPING: "is not a port mapping; write it as docker ps does: 127.0.0.1:8787->8787/tcp",
    LISTENING: "is not a port; write 8787, 53/udp or 127.0.0.1:8787/tcp",
    MODE: 'is not a mode; write it in quotes, in octal: "0640"',
    ABSOLUTE: "is not an absolute path",
    KEYWORD: "is not a keyword of sshd_config",
    DIGEST: "is not a digest; write sha256: and 64 hexadecimal digits",
    RESTART: "is not a restart policy; write no, always, unless-stopped or on-failure:3",
    MOUNT: "is not a mount; write /on/the/host:/in/it or volume:/in/it, with :ro for read-only",
    PRIVILEGE: "is not a privilege that is known; known are root, privileged, host-network, host-pid, host-ipc, "
    "docker.sock and cap:NAME",
    VERSION: "is not a version; write 15 or 15.4",
}


def ports_fault(text: str) -> str | None:
    """What is wrong with the ports of a mapping or of what listens: none is above 65535."""
    sides = (side.partition("/")[0].rpartition(":")[2] for side in text.split("->"))
    numbers = [int(number) for side in sides for number in side.split("-")]
    return None if max(numbers) <= 65_535 else "has a port above 65535"


def url_fault(text: str) -> str | None:
    """What is wrong with an HTTP URL, or None."""
    try:
        parts, port = _split(text)
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "is not a URL that is understood; write http://... or https://..."
    if not parts.hostname or port == 0:
        return "is not a URL: it names no host" if port != 0 else "is not a URL: there is no port 0"
    return None


def endpoint_fault(text: str) -> str | None:
    """What is wrong with the URL of an endpoint, or None."""
    scheme = text.partition(":")[0].lower()
    if scheme in ("tcp", "tls"):
        return _port_fault(text)
    if scheme == "dns":
        return _dns_fault(text)
    if scheme in ("http", "https"):
        return url_fault(text)
    return "is not a URL that is understood; write http(s)://..., tcp://address:port, tls://address:port or dns:name"


def _port_fault(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        complete = parts.hostname and parts.port and not (parts.path.strip("/") or parts.query or parts.username)
    except ValueError:
        complete = None
    return None if complete else f"is not an address and a port; write {text.partition(':')[0]}://address:port"


def _dns_fault(text: str) -> str | None:
    question = dns_question(text)
    if question is None:
        return "is not a name to resolve; write dns:name or dns://server:53/name?type=A"
    server, _, _, kind = question
    if kind not in RECORDS:
        return f"has the unknown type {printable(kind, 20)}; known are {', '.join(RECORDS)}"
    if server is None and kind not in ("A", "AAAA"):
        return f"names no server, and a host's own resolver knows no {kind}; write dns://server/name?type={kind}"
    return None


def dns_question(text: str) -> tuple[str | None, int, str, str] | None:
    """Server, port, name and type of a URL as RFC 4501 writes them; None where it is none."""
    found = _DNS.fullmatch(text)
    if not found or not 0 < int(found["port"] or 53) <= 65_535:
        return None
    server = found["server"].strip("[]") if found["server"] else None
    return server, int(found["port"] or 53), found["name"], (found["type"] or "A").upper()


#: The schemes of databases, and the port that each has unless the URL says otherwise.
ENGINES = {
    "postgresql": ("postgresql", 5432),
    "postgres": ("postgresql", 5432),
    "mysql": ("mysql", 3306),
    "mariadb": ("mysql", 3306),
    "redis": ("redis", 6379),
}


def database_fault(text: str) -> str | None:
    """What is wrong with the URL of a database, or None."""
    scheme, found, path = text.partition("://")
    if found and scheme in ENGINES:
        return _server_fault(text)
    if not found or scheme != "sqlite":
        return (
            "is not a database that is understood; write sqlite:////absolute/path/of/the/file, "
            "postgresql://user@address:5432/name, mysql://... or redis://..."
        )
    if not path.startswith("//"):
        return "is a relative path, and there is no folder that it is relative to; write sqlite:////absolute/path"
    return "names no file" if path.endswith("/") or "\x00" in path else None


def _split(text: str) -> tuple[SplitResult, int | None]:
    """The parts of a URL, and its port. Raises ValueError, which says what is wrong with it."""
    if re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError("is not a URL: it has a space or a control character in it")
    try:
        parts = urlsplit(text)
        return parts, parts.port
    except ValueError as error:
        fault = "the port is not a number up to 65535" if "ort" in str(error) else "bad address"
        raise ValueError(f"is not a URL: {fault}") from None


def _server_fault(text: str) -> str | None:
    try:
        parts, port = _split(text)
    except ValueError as error:
        return str(error)
    if port == 0:
        return "is not a URL: there is no port 0"
    asked = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(asked.keys() - {"host"}):
        way = "; write tls: true beside it" if any("ssl" in name or "tls" in name for name in unknown) else ""
        return f'has the parameter "{unknown[0]}", which is not understood here{way}'
    socket = asked.get("host", [""])[0]
    if socket and not socket.startswith("/"):
        return "names a host twice; host= is for the folder, or the path, of a unix socket"
    if not socket and not parts.hostname:
        return "names no host; write 127.0.0.1 for the host's own"
    name = parts.path.strip("/")
    if parts.scheme == "redis" and name and not (name.isascii() and name.isdigit()):
        return "has no number of a database behind the port: redis://address:6379/0"
    return None


#: The pieces of a regular expression (Python's `re`): what is escaped, a set, the beginning of a group, one sign.
_PIECE = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P<\w+>|<?[=!]|>|[a-zA-Z-]*:|[a-zA-Z]+\)|P=\w+\)|#[^)]*\))|.", re.DOTALL
)
_REPEATS = ("*", "+", "{")


def pattern_fault(text: str) -> str | None:
    """What is wrong with a regular expression, or None."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"
    return None


def line_pattern_fault(text: str) -> str | None:
    """What is wrong with a regular expression for lines that anybody on a host may have written, or None.

    No search can be interrupted but in the main thread, and these lines are searched while a host answers. A group
    that is repeated and holds a repeat or a choice, such as ``(\\w+ ?)+``, may take more steps than time has seconds.
    """
    if fault := pattern_fault(text):
        return fault
    groups, closed = [False], False
    for piece in (found[0] for found in _PIECE.finditer(text)):
        if closed and piece in _REPEATS:
            return (
                "repeats a group that holds a repeat or a choice, which takes forever on some lines; write it without"
            )
        closed = False
        if piece == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1] = groups[-1] or closed
        elif piece.startswith("(") and not piece.endswith(")"):
            groups.append(False)
        elif piece in (*_REPEATS, "?", "|"):
            groups[-1] = True
    return None


def json_path_fault(text: str) -> str | None:
    """What is wrong with a path into JSON, or None."""
    try:
        parse_path(text)
    except ValueError:
        return "is not a path into JSON; write $.name, $.name[0].name or $['a name']"
    return None


def json_parts_fault(text: str) -> str | None:
    """What is wrong with a path into JSON in which ``*`` stands for every member or element, or None."""
    if json_path_fault(text) is None:
        return "names one place, and not parts; write * for all of them: $.services.*"
    try:
        parse_parts(text)
    except ValueError:
        return "is not a path to parts in JSON; write $.services.* or $.checks.*.status"
    return None


def engine_fault(text: str) -> str | None:
    """What is wrong with the URL of a Docker engine, or None."""
    if text.startswith("unix://"):
        return None if text.startswith("unix:///") and len(text) > 8 else "needs an absolute path: unix:///path"
    if not text.startswith("tcp://"):
        return "is not a Docker engine; write unix:///var/run/docker.sock or tcp://address:port"
    try:
        parts = urlsplit(text)
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    return None if complete else "needs an address and a port: tcp://address:port"


def select_fault(text: str) -> str | None:
    """What is wrong with a query, or None."""
    from muster.inventory import sql  # few inventories have one

    return sql.select_fault(text)
