"""The certificate with which an endpoint answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from muster.facts.response import answered, request
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.http import Exchange
from muster.targets import HttpEndpoint

DAY = 86_400.0


class Certificate(Struct, frozen=True):
    """The verified certificate of an endpoint.

    ``subject`` and ``issuer`` are their common names, else their organizations; ``names`` are what it is
    valid for (``subjectAltName``); ``days_left`` counts to ``not_after``, with its fraction.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_after: datetime
    days_left: float

    def __str__(self) -> str:
        return (
            f"{self.subject}, issued by {self.issuer}, valid until {self.not_after:%Y-%m-%d %H:%M} UTC"
            f" ({self.days_left:.0f} days left)"
        )


def parse(exchange: Exchange, now: datetime | None = None) -> Certificate:
    """Make the fact of what `ssl.SSLSocket.getpeercert` gave, as of ``now`` (this moment if None).

    Raises:
        Unobserved: it did not answer, or redirected to where there is no certificate.
    """
    import ssl

    found = answered(exchange)
    if not found.certificate:
        raise Unobserved("missing", f"{found.url} answered without a certificate that was verified")
    given = found.certificate
    not_after = datetime.fromtimestamp(ssl.cert_time_to_seconds(given["notAfter"]), UTC)
    names = tuple(str(value) for _, value in given.get("subjectAltName", ()))
    return Certificate(
        subject=_common_name(given, "subject") or (names[0] if names else "no name"),
        issuer=_common_name(given, "issuer") or "nobody named",
        names=names,
        not_after=not_after,
        days_left=(not_after - (now or datetime.now(UTC))).total_seconds() / DAY,
    )


def _common_name(given: Mapping[str, Any], part: str) -> str:
    fields = {key: str(value) for group in given.get(part, ()) for key, value in group}
    return fields.get("commonName") or fields.get("organizationName") or ""


@need(HttpEndpoint)
def certificate(endpoint: HttpEndpoint) -> Probe[Certificate]:
    """The certificate of an https endpoint, where it is verified."""
    return Probe(request(endpoint), parse)
