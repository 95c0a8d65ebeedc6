"""Which targets a check is about, by what the inventory expects of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from muster.targets import NOTHING, Endpoint, HttpEndpoint, Target, TcpEndpoint


def expects(field: str) -> Callable[[Any], bool]:
    """Applies where the inventory says something in ``field`` of the target, such as ``ports``.

    An empty expectation is one: ``json: {}`` expects an object, whatever is in it, and ``allowed_ports: []``
    that no port listens.
    """

    def applies(target: Any) -> bool:
        value = getattr(target, field)
        if value == ():  # of most lists, that is what they are where the inventory says nothing
            return _default(type(target), field) is None
        return value is not None and value is not NOTHING

    return applies


def _default(of: type[Target], field: str) -> object:
    """What a field of a target is where the inventory says nothing of it."""
    return of.__struct_defaults__[of.__struct_fields__.index(field) - len(of.__struct_fields__)]


def limited(*measurements: str) -> Callable[[Target], bool]:
    """Applies where the inventory sets a bound for one of these measurements: costly ones, or without a default."""

    def applies(target: Target) -> bool:
        limits = (target.limits.get(name) for name in measurements)
        return any(limit is not None and limit.bounds for limit in limits)

    return applies


def serves(what: str) -> Callable[[HttpEndpoint], bool]:
    """Applies where the inventory says ``serves: rabbitmq``, or what else the endpoint is."""

    def applies(endpoint: HttpEndpoint) -> bool:
        return endpoint.serves == what

    return applies


def should_answer(endpoint: Endpoint) -> bool:
    """Applies to all endpoints but ports that must be closed."""
    return not (isinstance(endpoint, TcpEndpoint) and not endpoint.open)


def should_be_closed(endpoint: Endpoint) -> bool:
    """Applies to ports that must be closed."""
    return not should_answer(endpoint)


def is_verified(endpoint: Endpoint) -> bool:
    """Applies where a certificate is to be trusted: not ``verify: false``."""
    return endpoint.verify


def shows_certificate(endpoint: HttpEndpoint) -> bool:
    """Applies to endpoints whose certificate is verified: https, and not ``verify: false``."""
    return endpoint.url.lower().startswith("https:") and endpoint.verify
