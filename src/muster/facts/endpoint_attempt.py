"""Whether an endpoint answers at all."""

from __future__ import annotations

from muster.facts.response import request
from muster.need import need
from muster.probes import Attempt, Exchange, Probe
from muster.targets import Endpoint, HttpEndpoint


def parse(exchange: Exchange) -> Attempt:
    """Make the fact of an exchange: how the attempt went."""
    return exchange.attempt


@need(Endpoint)
def endpoint_attempt(endpoint: Endpoint) -> Probe[Attempt]:
    """How the attempt to get an answer from the endpoint went."""
    assert isinstance(endpoint, HttpEndpoint)
    return Probe(request(endpoint), parse)
