"""URLs as HTTP sends them (RFC 3986, RFC 9110): in ASCII, with neither user nor fragment."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import unquote, urljoin, urlsplit

from msgspec import Struct

from muster.text import in_url

PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"[\w.~!$&'()*+,;=-]+", re.ASCII)
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(%[\w.~-]+)?", re.ASCII)


class Url(Struct, frozen=True):
    """Where a request goes. ``host`` has no brackets; ``target`` is the path with the query."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Take a URL apart, and encode what has to be.

        Raises:
            ValueError: it is none of HTTP or HTTPS, or cannot be asked.
        """
        parts = urlsplit(text)
        if parts.scheme not in PORTS:
            raise ValueError(f"{parts.scheme or 'nothing'} is not HTTP")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = PORTS[parts.scheme] if parts.port is None else parts.port
        return cls(parts.scheme, _host(parts.hostname or ""), port, in_url(target))

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def where(self) -> str:
        """The host and the port, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def joined(self, reference: str) -> Url:
        """Where a reference from there leads.

        Raises:
            ValueError: nowhere that can be asked.
        """
        return Url.of(urljoin(str(self), reference))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def credentials(text: str) -> tuple[str, str] | None:
    """The user and the password that a URL names."""
    if "@" not in text:
        return None
    parts = urlsplit(text)
    return None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))


def _host(name: str) -> str:
    if not name.isascii():
        import idna

        # An `idna.IDNAError` is a ValueError.
        name = idna.encode(name, uts46=True).decode("ascii")
    if not (_ADDRESS if ":" in name else _NAME).fullmatch(name):
        raise ValueError(f"{name!r} is no host")
    return name
