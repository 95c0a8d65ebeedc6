"""What ships: the kinds of target, the checks about each with the facts that they read, and the default limits."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from muster.declaration import LIVE, is_check, read_case
from muster.judge import Case
from muster.limits import MEASURABLE, Measurable
from muster.need import Catalogue
from muster.targets import Target
from muster.text import size

Row = tuple[str, ...]


def folder() -> Path:
    """The folder of the checks that ship: in an installed package, or beside it in a clone."""
    inside = Path(__file__).with_name("checks")
    return inside if inside.is_dir() else Path(__file__).parents[2] / "checks"


def cases(paths: Iterable[Path]) -> list[Case]:
    """The judged checks in these files and folders, in their order.

    Raises:
        CheckError: one of them is badly written.
        OSError: a file cannot be read.
    """
    needs = Catalogue()
    return [read_case(function, needs) for module in map(_module, _files(paths)) for function in _checks(module)]


def by_kind(found: Iterable[Case]) -> dict[type[Target], list[Case]]:
    """The checks of each kind, kinds in the order in which they first come."""
    kinds: dict[type[Target], list[Case]] = {}
    for case in found:
        kinds.setdefault(case.of, []).append(case)
    return kinds


def row(case: Case) -> Row:
    """A check's name, severity, the facts that it reads, and the state that it wants."""
    facts = ", ".join(need.name for need in case.needs) or "what the inventory says"
    return case.check.name, case.check.severity, facts, case.check.title


def limits() -> Iterator[Row]:
    """Every measurement with its unit, default limit and meaning."""
    for name, known in MEASURABLE.items():
        yield name, known.unit, _told(known), known.meaning


def markdown(found: Iterable[Case]) -> Iterator[str]:
    """The lines of the table of kinds, facts and checks, as README has it."""
    yield "| kind | check | severity | reads | the state that is wanted |"
    yield "|---|---|---|---|---|"
    for kind, of_kind in by_kind(found).items():
        for case in of_kind:
            yield "| " + " | ".join((kind.plural, *row(case))) + " |"


def _told(known: Measurable) -> str:
    limit = known.limit
    bounds = (
        ("warning above", limit.warning),
        ("critical above", limit.critical),
        ("warning below", limit.warning_below),
        ("critical below", limit.critical_below),
    )
    told = (
        f"{words} {size(bound) if known.unit == 'B' else f'{bound:g}'}"
        for words, bound in bounds
        if bound is not None
    )
    return ", ".join(told) or "none"


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("test_*.py")) if path.is_dir() else [path]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _checks(module: ModuleType) -> Iterator[Any]:
    for value in vars(module).values():
        own = inspect.isfunction(value) and value.__module__ == module.__name__
        if own and is_check(value) and not set(LIVE) & inspect.signature(value).parameters.keys():
            yield value
