"""Whether an endpoint answers at all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from muster.facts.response import request
from muster.need import need
from muster.probes import Attempt, Probe
from muster.questions.http import Exchange
from muster.targets import DnsEndpoint, Endpoint, HttpEndpoint, TcpEndpoint, TlsEndpoint

if TYPE_CHECKING:
    from muster.questions.ports import Handshaken, Resolved


def parse(answer: Exchange | Handshaken | Resolved) -> Attempt:
    """Make the fact of an answer: how the attempt went."""
    return answer.attempt


@need(Endpoint)
def endpoint_attempt(endpoint: Endpoint) -> Probe[Attempt]:
    """How the attempt to get an answer from the endpoint went."""
    if isinstance(endpoint, HttpEndpoint):
        return Probe(request(endpoint), parse)
    from muster.facts import dns_answer, tls_state
    from muster.questions.ports import Connect

    match endpoint:
        case TcpEndpoint():
            return Probe(Connect(endpoint.address, endpoint.port, endpoint.timeout), _itself)
        case TlsEndpoint():
            return Probe(tls_state.handshake(endpoint), parse)
        case DnsEndpoint(server=None):
            return Probe(dns_answer.of_the_host(endpoint), partial(dns_answer.attempt, endpoint))
        case DnsEndpoint():
            return Probe(dns_answer.of_a_server(endpoint), parse)
    raise TypeError(f"nobody knows how to ask a {type(endpoint).__name__}")


def _itself(attempt: Attempt) -> Attempt:
    return attempt
