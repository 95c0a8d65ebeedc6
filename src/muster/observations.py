"""Observations: what was learnt, or why not, by target and need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from muster.need import Need
from muster.probes import DoesNotApply, Unobserved
from muster.targets import Target


class Observation(Struct, frozen=True):
    """A fact, or the failure to learn it.

    ``value`` is the fact, ``failure`` what is raised in its stead. ``observed_at`` is in seconds since the
    epoch, ``seconds`` how long it took, ``tries`` how often it was asked for.
    """

    value: Any = None
    failure: Unobserved | DoesNotApply | None = None
    observed_at: float = 0.0
    seconds: float = 0.0
    tries: int = 1


class Observations:
    """All observations of a run. What is not there yet is asked for on first use through ``gather``."""

    def __init__(self, gather: Callable[[Target, Need[Any]], None] | None = None) -> None:
        self._found: dict[tuple[Target, Need[Any]], Observation] = {}
        self._gather = gather

    def put(self, target: Target, need: Need[Any], observation: Observation) -> None:
        self._found[target, need] = observation

    def drop(self, target: Target, need: Need[Any]) -> None:
        self._found.pop((target, need), None)

    def has(self, target: Target, need: Need[Any]) -> bool:
        return (target, need) in self._found

    def get(self, target: Target, need: Need[Any]) -> Observation:
        """The observation of ``need`` at ``target``, gathered now where it was not before."""
        found = self._found.get((target, need))
        if found is None and self._gather is not None:
            self._gather(target, need)
            found = self._found.get((target, need))
        if found is None:
            failure = Unobserved("internal", f"{need.name} of {target.id} was never asked for")
            return Observation(failure=failure)
        return found
