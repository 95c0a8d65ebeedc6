"""``report.html``: what pytest-html is told of each verdict, and what stands above its table.

pytest-html writes the page: it keeps the rows as JSON and draws the table from them in the browser, sorted by the
content of the cells. Its own filter knows pytest's outcomes only, so ours is CSS over the verdict of a row. Where
there is more than it can draw, the page is ours (`html_page`).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from muster.report.html_page import LargePage
from muster.report.html_rows import COLUMNS, HEADS, Unreached, cells, content, details, duration, pairs, safe, word
from muster.report.html_summary import about, beside, summary, title
from muster.report.junit import explanation
from muster.text import plural
from muster.verdict import Name, Tally, Verdict

#: Above so many verdicts the page is ours: pytest-html draws all of its rows anew on each click, 5,000 in seconds.
MOST_DRAWN = 1_000

#: Above so many it lists those that are not ok.
MOST_ROWS = 5_000

#: What pytest-html must call a row, for its script opens and closes rows by that. It has no word for a
#: warning; this one has no other use here.
_RESULTS: Mapping[Name, str] = {
    "ok": "Passed",
    "warning": "XPassed",
    "critical": "Failed",
    "unknown": "Error",
    "skipped": "Skipped",
    "waived": "XFailed",
}
_NAMES = {result: name for name, result in _RESULTS.items()}
_CLOSED = ["passed", "skipped", "xfailed"]

#: The verdict that a test which is no check is filtered with.
_OUTCOMES: Mapping[str, Name] = {
    "passed": "ok",
    "failed": "critical",
    "error": "unknown",
    "skipped": "skipped",
    "xfailed": "waived",
    "xpassed": "warning",
}


class HtmlReport:
    """A plugin that is registered where pytest-html writes a report. It takes part through the hooks of pytest-html.

    ``run`` is the id of the run, ``files`` are its inventories, ``tally`` counts its verdicts as they come.
    """

    def __init__(self, run: str, files: Sequence[str], tally: Tally) -> None:
        self._run = run
        self._files = files
        self._tally = tally
        self._started = time.time()
        self._page: Any = None
        self._large: LargePage | None = None
        self._expected = 0
        self._reported = 0
        self._plain: Counter[Name] = Counter()
        self._unreached = Unreached()

    def pytest_html_report_title(self, report: Any) -> None:
        """Keep the page that is being made; drop what it would tell of this machine's environment."""
        self._page = report
        report.title = "Muster"
        report.set_data("environment", {})
        report.set_data("initialSort", "verdict")
        report.set_data("renderCollapsed", _CLOSED)

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        hidden = [f'<th class="sortable" data-column-type="{name}" hidden></th>' for name in ("result", "testId")]
        cells[:] = [*HEADS, *hidden]

    def pytest_collection_finish(self, session: Any) -> None:
        self.expect(len(session.items))

    def expect(self, count: int) -> None:
        """Note that so many items were collected, by this process or by the workers of xdist."""
        self._expected = count
        if count > MOST_DRAWN and self._large is None:
            self._large = LargePage(with_ok=count <= MOST_ROWS)

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Make the row of a report; no cells are no row."""
        passed = report.outcome == "passed"
        if report.when == "setup" and passed:
            cells.clear()
        elif report.when == "teardown" and passed:
            self._reported += 1
            if not report.sections:
                cells.clear()
        elif (verdict := getattr(report, "muster", None)) is None:
            row, name = _plain_row(report)
            self._plain[name] += 1
            cells[:] = _markup(row, name, report.nodeid)
        elif (self._large or self._unreached).takes(verdict):
            cells.clear()
        else:
            cells[:] = _markup(content(verdict), verdict.verdict, report.nodeid)

    def has_no_row(self, verdict: Verdict) -> bool:
        """Whether pytest-html need not hear of a verdict: the page has no row for it alone, or is not its own."""
        if self._large:
            self._large.add(verdict)
        elif not self._unreached.takes(verdict):
            return False
        self._reported += 1
        return True

    def pytest_html_results_table_html(self, report: Any, data: list[str]) -> None:
        """Put what a verdict says under its row, above what pytest-html has of a live check."""
        verdict = getattr(report, "muster", None)
        if verdict is None:
            return
        said = report.longreprtext
        if not said or isinstance(report.longrepr, tuple) or said == explanation(verdict):
            del data[:1]
        data.insert(0, pairs(details(verdict)))

    def pytest_html_results_summary(self, prefix: list[str], session: Any) -> None:
        if self._large:
            self._take_rows(self._large)  # so that pytest-html does not write them first
            return
        self._page.title = title(self._tally, self._plain)
        tests = self._page.data["tests"]
        for verdict, row, below in self._unreached.rows():
            # How many checks hang on a host is known only now.
            keys = {**row, "result": _RESULTS[verdict.verdict], "testId": safe(verdict.host)}
            markup = _markup(row, verdict.verdict, verdict.host)
            data = {**keys, "extras": [], "resultsTableRow": markup, "log": pairs(below)}
            tests[f"host {verdict.host}"].append(data)
        prefix += [
            f"<style>{beside('html_style.css')}{beside('html_pytest.css')}</style>\n<script>{beside('html_script.js')}</script>",
            summary(self._tally, self._about(), self._notes(), self._plain),
        ]

    def write(self, path: str) -> None:
        """Put a page of our own in place of pytest-html's at ``path``, where there is more than that can draw.

        Raises:
            OSError: it cannot be written.
        """
        if self._page and self._large:
            self._take_rows(self._large)
            # As pytest-html reads its option.
            place = Path(os.path.expandvars(path)).expanduser()
            self._large.write(place, self._tally, self._about(), [*self._notes()], self._plain)

    def _take_rows(self, page: LargePage) -> None:
        tests = self._page.data["tests"]
        for row in (row for rows in tests.values() for row in rows):
            page.add_row(_NAMES[row["result"]], row["resultsTableRow"][: len(COLUMNS)], _below(row))
        tests.clear()

    def _about(self) -> dict[str, str]:
        return about(self._files, self._started, time.time(), self._run)

    def _notes(self) -> Iterator[str]:
        """What a reader must know of this page: that the run stopped early, that rows were left out."""
        if self._reported < self._expected:
            yield (
                f'<p class="note">The run stopped early: {self._reported:,} of '
                f"{plural(self._expected, 'check')} judged.</p>"
            )
        if self._expected > MOST_ROWS and (count := self._tally.counts["ok"]):
            yield (
                f'<p class="note">{plural(count, "ok verdict")} left out: above {MOST_ROWS:,} '
                "verdicts this page lists those that are not ok; junit.xml and results.jsonl have all.</p>"
            )


def _markup(row: Mapping[str, str], verdict: Name, nodeid: str) -> list[str]:
    """A row as pytest-html takes it: a table cell for each column, and the two that its script needs."""
    return [
        *cells(row, verdict),
        f'<td class="col-result" hidden>{_RESULTS[verdict]}</td>',
        f'<td class="col-testId" hidden>{safe(nodeid)}</td>',
    ]


def _below(row: Mapping[str, Any]) -> str:
    """What pytest-html has to show under a row: the markup that a test attached, and its log."""
    attached = [each["content"] for each in row["extras"] if each["format_type"] == "html"]
    return "".join((*attached, row["log"]))


def _plain_row(report: Any) -> tuple[dict[str, str], Name]:
    """The row of a test that is no check, or of a file that could not be collected."""
    outcome = report.outcome
    if report.failed and report.when != "call":
        outcome = "error"
    elif hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    row = dict.fromkeys(COLUMNS, "")
    row["verdict"] = word(_OUTCOMES[outcome], outcome)
    row["check"] = safe(report.nodeid)
    row["seconds"] = duration(getattr(report, "duration", 0.0))
    return row, _OUTCOMES[outcome]
