"""Which targets a check is about, by what the inventory expects of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from muster.targets import NOTHING, HttpEndpoint


def expects(field: str) -> Callable[[Any], bool]:
    """Applies where the inventory says something in ``field`` of the target, such as ``ports``.

    An empty expectation is one: ``json: {}`` expects an object, whatever is in it.
    """

    def applies(target: Any) -> bool:
        value = getattr(target, field)
        return value is not None and value != () and value is not NOTHING

    return applies


def shows_certificate(endpoint: HttpEndpoint) -> bool:
    """Applies to endpoints whose certificate is verified: https, and not ``verify: false``."""
    return endpoint.url.lower().startswith("https:") and endpoint.verify
