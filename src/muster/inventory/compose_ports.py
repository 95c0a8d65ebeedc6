"""The ports of a compose file's services, as ``docker ps`` writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Where a port is bound to that names no address (Docker's documentation, "Publishing ports").
ANYWHERE = "0.0.0.0"  # noqa: S104

_SHORT = re.compile(
    r"(?:(?:(?P<address>\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?P<published>\d+(?:-\d+)?)?:)?"
    r"(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>tcp|udp|sctp))?"
)
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_PROTOCOLS = ("tcp", "udp", "sctp")


class PortError(ValueError):
    """What is wrong with a port."""


def short(text: str) -> str | None:
    """The mapping that ``127.0.0.1:8787:8787/tcp`` asks for; None where the engine chooses the port.

    Raises:
        PortError: it is not written as compose has it.
    """
    written = _SHORT.fullmatch(text.strip())
    if written is None:
        raise PortError("is no port as compose has it: 8787:8787 or 127.0.0.1:8787:8787/tcp")
    return mapping(written["target"], written["published"], written["address"], written["protocol"] or "tcp")


def long(entry: Mapping[str, str]) -> str | None:
    """The mapping that ``{target: 80, published: "8080"}`` asks for; None where the engine chooses the port.

    Raises:
        PortError: as of `short`.
    """
    if "target" not in entry:
        raise PortError("names no target, the port in the container")
    protocol = entry.get("protocol") or "tcp"
    if protocol not in _PROTOCOLS:
        raise PortError(f"has a protocol that is none of {', '.join(_PROTOCOLS)}")
    return mapping(entry["target"], entry.get("published"), entry.get("host_ip"), protocol)


def mapping(target: str, published: str | None, address: str | None, protocol: str) -> str | None:
    """A mapping as ``docker ps`` writes it; None where the engine chooses the port, by itself or out of a range."""
    inner = _range(target)
    if not published or published == "0":
        return None
    outer = _range(published)
    if inner[0] == inner[1] and outer[0] != outer[1]:
        return None
    if inner[1] - inner[0] != outer[1] - outer[0]:
        raise PortError("maps a range of ports to one of another length")
    place = (address or ANYWHERE).strip("[]")
    return f"{f'[{place}]' if ':' in place else place}:{_written(outer)}->{_written(inner)}/{protocol}"


def _range(text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= 65_535:
        raise PortError("has a port that is no number from 1 to 65535, or a range that runs backwards")
    return first, last


def _written(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
