"""How single things are written in an inventory: URLs, ports, labels; and what is wrong with what is not."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from muster.jsonpath import parse_path

# Patterns, rather than functions, wherever they will do: pydantic runs them in Rust, editors in their own way.
LINE = r"^[^\x00-\x1f\x7f]*$"
FILLED = r"^[^\x00-\x1f\x7f]+$"
LABEL = r"^[\w.-]+$"
HEADER = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
TOKEN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"  # noqa: S105 (a word of RFC 9110, 5.6.2)
UNIT = r"^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*$"
DURATION = r"^[0-9.]+ *(?:ms|s|m|h|d)?$"
_PORT = "[1-9][0-9]{0,4}"
_PORTS = f"{_PORT}(?:-{_PORT})?"
_ADDRESS = r"(?:[\w.*-]+|\[[0-9a-fA-F:.]*\]|[0-9a-fA-F:]*:)"
MAPPING = f"^(?:{_ADDRESS}:{_PORTS}->)?{_PORTS}/(?:tcp|udp|sctp)$"
LISTENING = f"^(?:{_ADDRESS}:)?{_PORT}(?:/(?:tcp|udp))?$"

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
}


def ports_fault(text: str) -> str | None:
    """What is wrong with the ports of a mapping or of what listens: none is above 65535."""
    sides = (side.partition("/")[0].rpartition(":")[2] for side in text.split("->"))
    numbers = [int(number) for side in sides for number in side.split("-")]
    return None if max(numbers) <= 65_535 else "has a port above 65535"


def url_fault(text: str) -> str | None:
    """What is wrong with an HTTP URL, or None."""
    if re.search(r"[\x00-\x20\x7f]", text):
        return "is not a URL: it has a space or a control character in it"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        return f"is not a URL: {'the port is not a number up to 65535' if 'ort' in str(error) else 'bad address'}"
    if parts.scheme not in ("http", "https"):
        return "is not a URL that is understood; write http://... or https://..."
    if not parts.hostname or port == 0:
        return "is not a URL: it names no host" if port != 0 else "is not a URL: there is no port 0"
    return None


def database_fault(text: str) -> str | None:
    """What is wrong with the URL of a database, or None."""
    scheme, found, path = text.partition("://")
    if not found or scheme != "sqlite":
        return "is not a database that is understood; write sqlite:////absolute/path/of/the/file"
    if not path.startswith("//"):
        return "is a relative path, and there is no folder that it is relative to; write sqlite:////absolute/path"
    return "names no file" if path.endswith("/") or "\x00" in path else None


def json_path_fault(text: str) -> str | None:
    """What is wrong with a path into JSON, or None."""
    try:
        parse_path(text)
    except ValueError:
        return "is not a path into JSON; write $.name, $.name[0].name or $['a name']"
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
