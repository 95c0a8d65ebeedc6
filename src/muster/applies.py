"""Which targets a check is about, by what the inventory expects of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def expects(field: str) -> Callable[[Any], bool]:
    """Applies where the inventory says something in ``field`` of the target, such as ``ports``."""

    def applies(target: Any) -> bool:
        value = getattr(target, field)
        return value is not None and value != () and value != {}

    return applies
