"""``report.html``: what pytest-html is told of each verdict, and what stands above its table.

pytest-html writes the page: it keeps the rows as JSON and draws the table from them in the browser, sorted by the
content of the cells. Its own filter knows pytest's outcomes only, so ours is CSS over the verdict of a row.
Everything that a target said is escaped here, once, when it becomes part of the page.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from muster.limits import Limit
from muster.report.junit import explanation
from muster.report.terminal import scope
from muster.text import amount, plural, printable
from muster.verdict import NAMES, Check, Measurement, Name, Tally, Verdict, timestamp, worst

#: Above so many verdicts the page lists only those that are not ok; browsers get slow beyond.
MOST_ROWS = 5_000

#: How many measurements stand in a row; all of them stand below it.
_MEASUREMENTS = 3

#: How many characters of what was observed stand in a row; all of it stands below it.
_LONGEST = 300

_COLUMNS = {
    "verdict": "Verdict",
    "host": "Host",
    "target": "Target",
    "check": "Check",
    "observed": "Observed",
    "measured": "Measured",
    "seconds": "Duration",
}

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


#: The row of a host that is down, where the check of this name was not selected.
_REACHABLE = Check("host_is_reachable", "The host is reachable", "critical")


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
        self._expected = 0
        self._reported = 0
        self._plain: Counter[Name] = Counter()
        self._left_out: Counter[str] = Counter()
        self._unreachable: dict[str, Verdict] = {}
        self._down: dict[str, list[Verdict]] = {}

    def pytest_html_report_title(self, report: Any) -> None:
        """Keep the page that is being made; drop what it would tell of this machine's environment."""
        self._page = report
        report.title = "Muster"
        report.set_data("environment", {})
        report.set_data("initialSort", "verdict")
        report.set_data("renderCollapsed", _CLOSED)

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        shown = [
            f'<th class="sortable" data-column-type="{name}" tabindex="0">{title}</th>'
            for name, title in _COLUMNS.items()
        ]
        hidden = [f'<th class="sortable" data-column-type="{name}" hidden></th>' for name in ("result", "testId")]
        cells[:] = [*shown, *hidden]

    def pytest_collection_finish(self, session: Any) -> None:
        self._expected = len(session.items)

    def expect(self, count: int) -> None:
        """Note that workers of xdist collected so many items."""
        self._expected = count

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
        elif self._is_left_out(verdict):
            cells.clear()
        else:
            cells[:] = _markup(_row(verdict), verdict.verdict, report.nodeid)

    def has_no_row(self, verdict: Verdict) -> bool:
        """Whether pytest-html need not hear of a verdict, since the page has no row for it alone; it is counted."""
        left_out = self._is_left_out(verdict)
        self._reported += left_out
        return left_out

    def _is_left_out(self, verdict: Verdict) -> bool:
        if verdict.host_down:
            self._down.setdefault(verdict.host, []).append(verdict)
            return True
        if verdict.check.name == _REACHABLE.name and verdict.bad:
            self._unreachable[verdict.host] = verdict
            return True
        if verdict.verdict == "ok" and self._expected > MOST_ROWS:
            self._left_out[verdict.check.name] += 1
            return True
        return False

    def pytest_html_results_table_html(self, report: Any, data: list[str]) -> None:
        """Put what a verdict says under its row, above what pytest-html has of a live check."""
        verdict = getattr(report, "muster", None)
        if verdict is None:
            return
        said = report.longreprtext
        if not said or isinstance(report.longrepr, tuple) or said == explanation(verdict):
            del data[:1]
        data.insert(0, _details(verdict))

    def pytest_html_results_summary(self, prefix: list[str], session: Any) -> None:
        for host in {**self._unreachable, **self._down}:
            self._add_host(host)
        self._page.title = _title(self._tally)
        prefix.append(self._summary())

    def _add_host(self, host: str) -> None:
        """The one row of a host that was not reached; how many checks hang on it is known only now."""
        down = self._down.get(host, [])
        verdict = self._unreachable.get(host) or replace(down[0], check=_REACHABLE)
        row = _row(verdict)
        if down:
            row["observed"] += f"; {plural(len(down), 'check')} not observed"
        keys = {**row, "result": _RESULTS[verdict.verdict], "testId": _text(host)}
        cells = _markup(row, verdict.verdict, host)
        data = {**keys, "extras": [], "resultsTableRow": cells, "log": _details(verdict, down)}
        self._page.data["tests"][f"host {host}"].append(data)

    def _summary(self) -> str:
        tally, counts = self._tally, self._tally.counts
        overall = worst(name for name in NAMES if counts[name]) if counts else "unknown"
        numbers = ", ".join(
            f'<span class="verdict-{name}">{counts[name]:,} {name}</span>' for name in NAMES if counts[name]
        )
        files = ", ".join(f"<code>{_text(name)}</code>" for name in self._files)
        facts = {
            "Inventory": files,
            "Started": _moment(self._started),
            "Finished": _moment(time.time()),
            "Run": f"<code>{escape(self._run)}</code>",
        }
        here = Path(__file__).parent
        boxes = "".join(
            f'<label class="verdict-{name}"><input type="checkbox" id="show-{name}" checked'
            f"{'' if count else ' disabled'}>{name} <b>{count:,}</b></label>"
            for name in NAMES
            for count in [counts[name] + self._plain[name]]
        )
        return "\n".join(
            [
                f"<style>{(here / 'html_style.css').read_text('utf-8')}</style>",
                f"<script>{(here / 'html_script.js').read_text('utf-8')}</script>",
                f'<p class="overall overall-{overall}">{numbers or "nothing was judged"} · {scope(tally)}</p>',
                *self._notes(),
                _pairs(facts),
                f'<fieldset class="show"><legend>Show</legend>{boxes}</fieldset>',
            ]
        )

    def _notes(self) -> Iterable[str]:
        """What a reader must know of this page: that the run stopped early, that rows were left out."""
        if self._reported < self._expected:
            yield (
                f'<p class="note">The run stopped early: {self._reported:,} of '
                f"{plural(self._expected, 'check')} judged.</p>"
            )
        if self._left_out:
            rows = "".join(
                f"<tr><td>{_text(name.replace('_', ' '))}</td><td>{count:,}</td></tr>"
                for name, count in sorted(self._left_out.items())
            )
            total = self._left_out.total()
            yield (
                f'<details class="note"><summary>{plural(total, "ok verdict")} left out: above {MOST_ROWS:,} '
                "verdicts this page lists those that are not ok; junit.xml and results.jsonl have all.</summary>"
                f"<table><tr><th>Check</th><th>ok</th></tr>{rows}</table></details>"
            )


def _title(tally: Tally) -> str:
    """What a browser's tab shows: the counts that matter."""
    counts = tally.counts
    worrying: tuple[Name, ...] = ("critical", "unknown", "warning")
    named = [name for name in worrying if counts[name]] or (["ok"] if counts else [])
    return "Muster: " + (", ".join(f"{counts[name]:,} {name}" for name in named) or "nothing judged")


def _row(verdict: Verdict) -> dict[str, str]:
    """The content of a verdict's cells, by column. pytest-html sorts by this markup as it stands."""
    target = "<small>the host</small>"
    if verdict.kind != "host":
        target = f"{_text(verdict.target)} <small>{escape(verdict.kind)}</small>"
    return {
        "verdict": _verdict(verdict.verdict, verdict.verdict),
        "host": _text(verdict.host) or "<i>from here</i>",
        "target": target,
        "check": f"{_text(verdict.check.title)} <small>{_text(verdict.check.name)}</small>",
        "observed": escape(printable(verdict.message or verdict.observed, _LONGEST)),
        "measured": _measured(verdict.measurements),
        "seconds": _seconds(verdict.seconds),
    }


def _plain_row(report: Any) -> tuple[dict[str, str], Name]:
    """The row of a test that is no check, or of a file that could not be collected."""
    word = report.outcome
    if report.failed and report.when != "call":
        word = "error"
    elif hasattr(report, "wasxfail"):
        word = "xfailed" if report.skipped else "xpassed"
    row = dict.fromkeys(_COLUMNS, "")
    row["verdict"] = _verdict(_OUTCOMES[word], word)
    row["check"] = _text(report.nodeid)
    row["seconds"] = _seconds(getattr(report, "duration", 0.0))
    return row, _OUTCOMES[word]


def _markup(row: Mapping[str, str], verdict: Name, nodeid: str) -> list[str]:
    """A row as pytest-html takes it: a table cell for each column, and the two that its script needs."""
    first, *others = row.items()
    return [
        f'<td class="col-{first[0]} verdict-{verdict}" tabindex="0">{first[1]}</td>',
        *(f'<td class="col-{name}">{content}</td>' for name, content in others),
        f'<td class="col-result" hidden>{_RESULTS[verdict]}</td>',
        f'<td class="col-testId" hidden>{_text(nodeid)}</td>',
    ]


def _verdict(name: Name, word: str) -> str:
    return f'<data value="{NAMES.index(name)}">{word}</data>'


def _seconds(seconds: float) -> str:
    shown = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    return f'<data value="{seconds:012.6f}">{shown}</data>'


def _measured(measurements: Sequence[Measurement]) -> str:
    """The measurements of a row, those beyond a limit first."""
    first = sorted(measurements, key=lambda each: ("critical", "warning", None).index(each.breach))
    lines = [
        f'<div class="verdict-{each.breach or "ok"}" title="{_source(each)}">'
        f"{_part(each)} <b>{_amount(each)}</b> <small>{_limit(each)}</small></div>"
        for each in first[:_MEASUREMENTS]
    ]
    if len(first) > _MEASUREMENTS:
        lines.append(f"<small>and {len(first) - _MEASUREMENTS:,} more</small>")
    return "".join(lines)


def _part(measurement: Measurement) -> str:
    part = f" of {_text(measurement.of)}" if measurement.of else ""
    return f"{_text(measurement.name.replace('_', ' '))}{part}"


def _amount(measurement: Measurement) -> str:
    return _text(amount(measurement.value, measurement.unit))


def _limit(measurement: Measurement) -> str:
    """The bounds of a measurement in words: ``warning over 80 %, critical over 90 %``."""
    limit: Limit = measurement.limit
    bounds = (
        ("warning over", limit.warning),
        ("critical over", limit.critical),
        ("warning under", limit.warning_below),
        ("critical under", limit.critical_below),
    )
    return ", ".join(
        f"{word} {_text(amount(bound, measurement.unit))}" for word, bound in bounds if bound is not None
    )


def _source(measurement: Measurement) -> str:
    return f"limit from {_text(measurement.limit.source)}" if _limit(measurement) else "no limit"


def _details(verdict: Verdict, down: Sequence[Verdict] = ()) -> str:
    """What stands under a row, in one line: pytest-html marks lines that start with E."""
    check = verdict.check
    labels = ", ".join(f"{name}={value}" for name, value in verdict.labels.items())
    wrong = verdict.verdict not in ("ok", "skipped")
    observed = verdict.observed if verdict.observed != verdict.message else ""
    said = {
        "In full": _text(verdict.message) if len(verdict.message) > _LONGEST else "",
        "Observed": _text(observed) if verdict.message or len(observed) > _LONGEST else "",
        "Expected": _text(check.title) if wrong else "",
        "Remediation": _text(check.remediation) if wrong else "",
        "Runbook": f"docs/runbooks/{_text(check.runbook)}" if wrong and check.runbook else "",
        "Cause": verdict.cause or "",
        "Labels": _text(labels),
        "Observed at": timestamp(verdict.observed_at) if verdict.observed_at else "",
        "Measured": _every(verdict.measurements) if len(verdict.measurements) > _MEASUREMENTS else "",
        "Not observed": ", ".join(map(_subject, down)),
    }
    return _pairs(said)


def _subject(verdict: Verdict) -> str:
    part = f"{verdict.target}: " if verdict.kind != "host" else ""
    return _text(part + verdict.check.name.replace("_", " "))


def _every(measurements: Iterable[Measurement]) -> str:
    return "".join(
        f'<div class="verdict-{each.breach or "ok"}">{_part(each)} <b>{_amount(each)}</b> '
        f"<small>{', '.join(filter(None, (_limit(each), _source(each))))}</small></div>"
        for each in measurements
    )


def _pairs(pairs: Mapping[str, str]) -> str:
    rows = (f"<div><dt>{name}</dt><dd>{content}</dd></div>" for name, content in pairs.items() if content)
    return f'<dl class="pairs">{"".join(rows)}</dl>'


def _moment(seconds: float) -> str:
    """A moment in UTC and, where that differs, in local time."""
    utc = f"{timestamp(seconds)[:19].replace('T', ' ')} UTC"
    local = datetime.fromtimestamp(seconds).astimezone()
    return utc if not local.utcoffset() else f"{utc} ({local:%H:%M:%S %Z})"


def _text(text: str) -> str:
    """Text as it may stand in the page, in an element or in an attribute."""
    return escape(printable(text))
