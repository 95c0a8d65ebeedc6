"""The page docs/benchmarks.md: what was measured stands between marks, one pair for each benchmark.

All else of the page is written by hand, and stays as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.contest import ROOT
from tests.benchmarks.figures import COLUMNS, Figure

PAGE = ROOT / "docs/benchmarks.md"


class PageError(Exception):
    """The page has no place for what was measured."""


def section(figures: Iterable[Figure], on: Sequence[str]) -> str:
    """A table of figures, and a line for each of ``on``: when, on what, beside what else of the machine."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(figure.cells() for figure in figures)]
    table = "\n".join(f"| {' | '.join(cells)} |".replace("  |", " |") for cells in rows)
    return "\n\n".join((table, "  \n".join(on)))


def check(page: str, names: Iterable[str]) -> None:
    """Raise `PageError` where the page has no marks for one of these benchmarks."""
    for name in names:
        begin, end = _marks(name)
        if end not in page.partition(begin)[2]:
            raise PageError(f"docs/benchmarks.md: write these lines where the figures of {name} go:\n{begin}\n{end}")


def rewritten(page: str, sections: Mapping[str, str]) -> str:
    """The page with other figures of these benchmarks. Raises `PageError` as `check` does."""
    check(page, sections)
    for name, text in sections.items():
        begin, end = _marks(name)
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}"
    return page


def write(sections: Mapping[str, str], path: Path = PAGE) -> None:
    """Put the figures into the page, in one step: it is the old one or the new one, never half of it."""
    text = rewritten(path.read_text(), sections)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).chmod(path.stat().st_mode)
    Path(file.name).replace(path)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- measured: {name} -->", f"<!-- end of {name} -->"
