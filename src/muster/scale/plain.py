"""What only junit.xml tells: all of tests that are no checks, which have no verdict; tracebacks of live tests."""

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
    """Counts tests that are no checks, by ``outcomes`` and by the verdict that a page filters them with (``counts``).

    Each is a row of ``page``, one that passed only ``with_passed``; tracebacks of live tests go under their rows.
    """

    def __init__(self, page: LargePage, *, with_passed: bool) -> None:
        self._page = page
        self._with_passed = with_passed
        self.outcomes: Counter[str] = Counter()
        self.counts: Counter[Name] = Counter()

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.outcomes.items()))

    def add(self, case: ET.Element) -> None:
        """Take in a test case."""
        said = next((child for tag in _OUTCOMES for child in case.iterfind(tag)), None)
        about = {each.get("name"): each.get("value", "") for each in case.iterfind("properties/property")}
        if "verdict" in about:
            # What Muster itself says is the message too; pytest shortens that of a traceback.
            if said is not None and said.text and said.text not in said.get("message", ""):
                host, target, check = (about.get(name, "") for name in ("host", "target", "check"))
                self._page.add_log(host, target, check, _log(case, said.text))
            return
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
        self._page.add_row(name, cells(row, name), _log(case, why))


def _log(case: ET.Element, why: str) -> str:
    """Why a test failed and what it printed, as markup."""
    texts = [why, *(each.text or "" for each in case.iterfind("system-out"))]
    return escape(printable_lines("\n".join(filter(None, texts))))


def _seconds(case: ET.Element) -> float:
    try:
        seconds = float(case.get("time", ""))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
