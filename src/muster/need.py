"""Needs: what a check may take as an argument, each the name of a fact about a kind of target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from muster.probes import Probe
from muster.targets import Target

T = TypeVar("T")
K = TypeVar("K", bound=Target)


@dataclass(frozen=True, slots=True, eq=False)
class Need(Generic[T]):
    """A fact that a check can ask for: of which kind of target it is, and how it is asked for.

    ``name`` is what a check's argument is called; a need that is declared in a module is called by
    the name that it has there.
    """

    name: str
    of: type[Target]
    probe: Callable[[Any], Probe[T]]
    doc: str = ""


def need(of: type[K]) -> Callable[[Callable[[K], Probe[T]]], Need[T]]:
    """Declare a fact about targets of a kind: the decorated function makes the probe for one target.

    The function's name is the name of the argument by which a check asks for the fact.
    """

    def declare(probe: Callable[[K], Probe[T]]) -> Need[T]:
        return Need(probe.__name__, of, probe, (probe.__doc__ or "").strip())

    return declare


def catalogue() -> dict[str, Need[Any]]:
    """The needs that ship, by name: every `Need` in a module of `muster.facts`."""
    import importlib
    import pkgutil

    from muster import facts

    def found() -> Iterator[Need[Any]]:
        for module in pkgutil.iter_modules(facts.__path__):
            for value in vars(importlib.import_module(f"{facts.__name__}.{module.name}")).values():
                if isinstance(value, Need):
                    yield value

    return {each.name: each for each in found()}
