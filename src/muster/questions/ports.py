"""Ports that are not asked in HTTP: whether they accept, what they show in TLS, what they know as DNS servers."""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct

from muster.probes import Asked, Attempt


class Connect(Struct, frozen=True):
    """Question: does this TCP port accept a connection from the host? Answer: an `Attempt`."""

    asked: ClassVar[Asked] = "port"

    address: str
    port: int
    timeout: float = 10.0

    def describe(self) -> str:
        return f"TCP: connect to {self.address}:{self.port}"


class Handshake(Struct, frozen=True):
    """Question: with what does this port answer a TLS handshake? Answer: a `Handshaken`.

    ``server_name`` is the name that is asked for and that the certificate must be for.
    """

    asked: ClassVar[Asked] = "port"

    address: str
    port: int
    starttls: Literal["smtp", "postgres"] | None = None
    server_name: str = ""
    ca_file: str | None = None
    timeout: float = 10.0

    def describe(self) -> str:
        how = f" after STARTTLS of {self.starttls}" if self.starttls else ""
        return f"TLS: handshake with {self.address}:{self.port}{how}"


class Handshaken(Struct, frozen=True):
    """How a handshake went, and what it showed where there was one.

    ``protocol`` is the version of TLS (``TLSv1.3``), ``certificates`` the chain that was sent, in DER, the server's
    own first. ``distrust`` is why it cannot be trusted, in OpenSSL's words; empty where it can.
    """

    attempt: Attempt
    protocol: str = ""
    cipher: str = ""
    certificates: tuple[bytes, ...] = ()
    distrust: str = ""


class Resolve(Struct, frozen=True):
    """Question: what does this DNS server, asked over TCP from the host, know of a name? Answer: `Resolved`."""

    asked: ClassVar[Asked] = "port"

    name: str
    type: str
    server: str
    port: int = 53
    timeout: float = 10.0

    def describe(self) -> str:
        return f"DNS: {self.type} of {self.name}, asked of {self.server}:{self.port} over TCP"


class Resolved(Struct, frozen=True):
    """What a DNS server answered: ``code`` is ``NOERROR``, ``NXDOMAIN``, ...; ``records`` are as in a zone file."""

    attempt: Attempt
    code: str = ""
    records: tuple[str, ...] = ()
