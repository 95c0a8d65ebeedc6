"""Live fixtures: ``host``, ``http``, ``docker_client`` and ``database``, for what no declared fact can say.

A test that takes one runs in pytest's ordinary way, once for each host (or database) of the inventory. All of
them go over the host's one pooled connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from muster.suite import Suite


def register(session: pytest.Session, suite: Suite) -> None:
    """Make the live fixtures of this run known to pytest. They stand before those of other plugins."""
