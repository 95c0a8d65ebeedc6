"""Problems: what is wrong with an inventory, where, and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from muster.targets import Position
from muster.text import printable

#: Nobody reads more at once.
MOST_SHOWN = 50


class Problem(Struct, frozen=True):
    """One thing that is wrong. ``position`` is None where it is in no file, as for ``--set``."""

    position: Position | None
    text: str

    def __str__(self) -> str:
        text = f"{self.position}: {self.text}" if self.position else self.text
        if text.isprintable():
            return text
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class InventoryError(Exception):
    """An inventory cannot be used. ``problems`` are all that is wrong, in the order of the files.

    As text, the first `MOST_SHOWN` of them are one a line, and the others are counted.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(each) for each in self.problems[:MOST_SHOWN]]
        if more := len(self.problems) - len(lines):
            lines.append(f"and {more:,} more")
        super().__init__("\n".join(lines))


class NothingSelected(Exception):
    """A pattern of ``--limit`` matches no host and no target. Says which pattern, and the nearest names."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like ``name``, or None where none is at all like it."""
    return _nearest(name, tuple(known), cutoff)


@lru_cache(256)
def _nearest(name: str, known: tuple[str, ...], cutoff: float) -> str | None:
    """The same mistake may be made ten thousand times, and the search is slow."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, 1, cutoff)), None)


def suggest(name: str, known: Iterable[str]) -> str:
    """What follows an unknown name in a message: the nearest known one, else all where they are few, else nothing."""
    names = list(known)
    if found := nearest(name, names):
        return f'; did you mean "{found}"?'
    return f"; known here: {', '.join(names)}" if 0 < len(names) <= 20 else ""
