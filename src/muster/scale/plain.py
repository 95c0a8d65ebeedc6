"""Tests that are no checks, as junit.xml tells of them: they have no verdict, and are in no results.jsonl."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from html import escape

from muster.report.html_page import LargePage
from muster.report.html_rows import COLUMNS, cells, duration, safe, word
from muster.text import printable_lines
from muster.verdict import Name

#: What pytest's writer puts into a test case, worst first: the outcome, and the verdict that it is filtered with.
_OUTCOMES: Mapping[str, tuple[str, Name]] = {
    "error": ("error", "unknown"),
    "failure": ("failed", "critical"),
    "skipped": ("skipped", "skipped"),
}
_PASSED: tuple[str, Name] = ("passed", "ok")


class PlainTests:
    """Counts them, by ``outcomes`` and by the verdict that a page filters them with (``counts``).

    Each is a row of ``page``, one that passed only ``with_passed``.
    """

    def __init__(self, page: LargePage, *, with_passed: bool) -> None:
        self._page = page
        self._with_passed = with_passed
        self.outcomes: Counter[str] = Counter()
        self.counts: Counter[Name] = Counter()

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.outcomes.items()))

    def add(self, case: ET.Element) -> None:
        """Take in a test case, if it is of such a test."""
        if any(each.get("name") == "verdict" for each in case.iterfind("properties/property")):
            return
        said = next((child for tag in _OUTCOMES for child in case.iterfind(tag)), None)
        outcome, name = _PASSED if said is None else _OUTCOMES[said.tag]
        self.outcomes[outcome] += 1
        self.counts[name] += 1
        if said is None and not self._with_passed:
            return
        row = dict.fromkeys(COLUMNS, "")
        row["verdict"] = word(name, outcome)
        row["check"] = safe(f"{case.get('classname')}::{case.get('name')}")
        row["seconds"] = duration(_seconds(case))
        why = "" if said is None else said.text or said.get("message") or ""
        texts = [why, *(each.text or "" for each in case.iterfind("system-out"))]
        self._page.add_row(name, cells(row, name), escape(printable_lines("\n".join(filter(None, texts)))))


def _seconds(case: ET.Element) -> float:
    try:
        seconds = float(case.get("time", ""))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
