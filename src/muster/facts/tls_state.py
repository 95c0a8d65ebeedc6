"""What a port shows of itself in a TLS handshake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from muster.facts.certificate import DAY
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.ports import Handshake, Handshaken
from muster.targets import TlsEndpoint
from muster.text import printable

#: The versions of TLS, oldest first, as OpenSSL calls them.
VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

#: So many certificates of a chain are looked at; more than three or four serve nobody.
LONGEST_CHAIN = 20


class TlsState(Struct, frozen=True):
    """The version of TLS that a port and a client that knows all of them agree on, and the server's certificate.

    ``subject`` and ``issuer`` are the certificate's common names, else their organizations; ``names`` are what it is
    valid for. ``distrust`` is why it is not trusted, in OpenSSL's words; empty where it is. ``ends`` is the subject
    of that certificate in the chain which ends first, ``not_after`` when, and ``days_left`` how long that is.
    """

    protocol: str
    cipher: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    ends: str
    not_after: datetime
    days_left: float
    distrust: str = ""

    def is_at_least(self, version: str) -> bool:
        """Whether the version of TLS is this one, or a later one."""
        return VERSIONS.index(self.protocol) >= VERSIONS.index(version)

    def __str__(self) -> str:
        end = f"{self.not_after:%Y-%m-%d %H:%M} UTC ({self.days_left:.0f} days left)"
        of = "" if self.ends == self.subject else f", by that of {self.ends} in its chain"
        trust = f"; not trusted: {self.distrust}" if self.distrust else ""
        return f"{self.protocol}, {self.subject}, issued by {self.issuer}, valid until {end}{of}{trust}"


def parse(handshaken: Handshaken, now: datetime | None = None) -> TlsState:
    """Make the fact of a handshake, as of ``now`` (this moment if None).

    Raises:
        Unobserved: there was none, or it showed no certificate that can be read.
    """
    from cryptography import x509

    attempt = handshaken.attempt
    if not attempt.connected:
        raise Unobserved(attempt.cause or "network", str(attempt))
    if not handshaken.certificates or handshaken.protocol not in VERSIONS:
        raise Unobserved("unreadable", f"{handshaken.protocol or 'no known version'}, without a certificate")
    try:
        chain = [x509.load_der_x509_certificate(each) for each in handshaken.certificates[:LONGEST_CHAIN]]
        own = chain[0]
        # Clients take a root from their own store, and look at none that a server sends along.
        judged = [own, *(each for each in chain[1:] if each.subject != each.issuer)]
        first = min(judged, key=lambda each: each.not_valid_after_utc)
        names = _names(own)
        return TlsState(
            protocol=handshaken.protocol,
            cipher=handshaken.cipher,
            subject=_called(own.subject) or (names[0] if names else "no name"),
            issuer=_called(own.issuer) or "nobody named",
            names=names,
            not_before=own.not_valid_before_utc,
            ends=_called(first.subject) or (names[0] if names and first is own else "no name"),
            not_after=first.not_valid_after_utc,
            days_left=(first.not_valid_after_utc - (now or datetime.now(UTC))).total_seconds() / DAY,
            distrust=printable(handshaken.distrust),
        )
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise Unobserved("unreadable", f"a certificate of the chain cannot be read: {error}") from None


def _called(name: Any) -> str:
    """A name by its common name, else its organization."""
    from cryptography.x509.oid import NameOID

    for part in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(part):
            return printable(str(found[0].value), 200)
    return ""


def _names(certificate: Any) -> tuple[str, ...]:
    """The DNS names and IP addresses that a certificate is for."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = (*found.get_values_for_type(x509.DNSName), *found.get_values_for_type(x509.IPAddress))
    return tuple(printable(str(each), 200) for each in names)


def handshake(endpoint: TlsEndpoint) -> Handshake:
    """The question that all facts about the port share, so that it is asked once."""
    return Handshake(
        endpoint.address,
        endpoint.port,
        starttls=endpoint.starttls,
        server_name=endpoint.server_name or endpoint.address,
        ca_file=endpoint.ca_file,
        timeout=endpoint.timeout,
    )


@need(TlsEndpoint)
def tls_state(endpoint: TlsEndpoint) -> Probe[TlsState]:
    """What the port shows of itself in a TLS handshake."""
    return Probe(handshake(endpoint), parse)
