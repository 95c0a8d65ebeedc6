"""Needs: what a check may take as an argument, each the name of a fact about a kind of target."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from muster.probes import Probe
    from muster.targets import Target

# It has a fixed beginning, and is of bytes: all files are looked through in half the time.
_DECLARED = re.compile(rb"\n@need\((\w+)\)\ndef (\w+)\(")

T = TypeVar("T")
K = TypeVar("K", bound="Target")


class Need(Struct, Generic[T], frozen=True, eq=False):
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


class Catalogue(Mapping[str, Need[Any]]):
    """The needs that ship, by name: all that modules of `muster.facts` declare with ``@need``.

    A module is imported when a need of its is looked up: a run reads some of them, and starts without the others.
    """

    def __init__(self) -> None:
        from muster import facts

        self._declared: dict[str, tuple[str, str]] = {}
        for path in sorted(Path(facts.__path__[0]).glob("*.py")):
            for kind, name in _DECLARED.findall(path.read_bytes()):
                self._declared[name.decode()] = f"{facts.__name__}.{path.stem}", kind.decode()

    def of(self, name: str) -> type[Target] | None:
        """The kind of target that a need is about, without importing it; None where there is no such need."""
        from muster import databases, targets

        _, kind = self._declared.get(name, ("", ""))
        home = databases if hasattr(databases, kind) else targets
        return getattr(home, kind) if kind else None

    def __getitem__(self, name: str) -> Need[Any]:
        module, _ = self._declared[name]
        found: Need[Any] = getattr(importlib.import_module(module), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)
