"""Figures: what was measured, the bar that it has to meet, and whether it does."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Quantity = Literal["wall", "cpu", "rss"]

UNITS: Mapping[Quantity, tuple[str, str]] = {"wall": ("wall", "s"), "cpu": ("CPU", "s"), "rss": ("peak RSS", "MB")}

#: The head of a table of figures.
COLUMNS = ("what", "quantity", "it took", "beside", "that took", "ratio", "bar", "")


@dataclass(frozen=True, slots=True)
class Bar:
    """What ours has to be, alone or beside theirs. Without any of the three the figure is there to be known.

    Args:
        ours: whose quantity it is.
        theirs: what it is compared with; nothing where the bar is an absolute one.
        quantity: what is compared.
        at_least: how many times as fast ours is at least.
        at_most: how many times as much ours takes at most.
        within: how much more than theirs it takes at most, or how much in all where there is no theirs, in the
            quantity's unit.
    """

    ours: str
    theirs: str | None = None
    quantity: Quantity = "wall"
    at_least: float | None = None
    at_most: float | None = None
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured for a bar: each run of ours, and of theirs where there is one."""

    bar: Bar
    ours: Sequence[float]
    theirs: Sequence[float] = ()

    @property
    def missed(self) -> str | None:
        """By how much the bar is missed, None where it is met or there is none."""
        bar, ours = self.bar, statistics.median(self.ours)
        if bar.within is not None:
            over = ours - (statistics.median(self.theirs) if self.theirs else 0) - bar.within
            return f"{over:.2f} {UNITS[bar.quantity][1]}" if over > 0 else None
        if bar.at_least is not None:
            short = 1 - self._ratio / bar.at_least
        elif bar.at_most is not None:
            short = self._ratio / bar.at_most - 1
        else:
            return None
        return f"{100 * short:.{0 if short > 0.1 else 2}f} %" if short > 0 else None

    def cells(self) -> tuple[str, ...]:
        """The figure as a row of a table with `COLUMNS`."""
        bar = self.bar
        title, unit = UNITS[bar.quantity]
        theirs = _measured(self.theirs, unit) if self.theirs else ""
        return bar.ours, title, _measured(self.ours, unit), bar.theirs or "", theirs, *self._judged(unit)

    def _judged(self, unit: str) -> tuple[str, str, str]:
        bar, ratio = self.bar, ""
        if self.theirs and bar.within is not None:
            ratio = f"{statistics.median(self.ours) - statistics.median(self.theirs):.2f} {unit} more"
        elif self.theirs:
            ratio = f"{_number(self._ratio)} x as {'fast' if self._faster else 'much'}"
        if bar.within is not None:
            wanted = f"at most {bar.within:g} {unit}{' more' if bar.theirs else ''}"
        elif bar.at_least is not None:
            wanted = f"at least {bar.at_least:g}"
        elif bar.at_most is not None:
            wanted = f"at most {bar.at_most:g}"
        else:
            return ratio, "", ""
        return ratio, wanted, f"MISSED by {self.missed}" if self.missed else "met"

    @property
    def _faster(self) -> bool:
        """Whether the ratio says how many times as fast ours is, not how many times as much it takes."""
        known_only = self.bar.at_least is None and self.bar.at_most is None
        ahead = statistics.median(self.ours) < statistics.median(self.theirs)
        return self.bar.at_least is not None or (known_only and self.bar.quantity != "rss" and ahead)

    @property
    def _ratio(self) -> float:
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return theirs / ours if self._faster else ours / theirs


def _measured(values: Sequence[float], unit: str) -> str:
    """The median, with how far apart the runs were."""
    digits = 0 if unit == "MB" else 2 if max(values) < 10 else 1
    said = f"{statistics.median(values):.{digits}f} {unit}"
    if len(values) == 1:
        return f"{said} (once)"
    return f"{said} ({min(values):.{digits}f} to {max(values):.{digits}f} in {len(values)})"


def _number(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"
