"""Between verdicts and pytest's reports, both ways.

A judged check that took the quick path has a verdict and needs the reports that pytest's own protocol would have
made; a test that ran in pytest's way has a report and needs its verdict.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from muster.judge import Case, Measure, broken, judged, unjudged
from muster.observations import Observation
from muster.probes import Cause, DoesNotApply, Unobserved
from muster.report.junit import explanation
from muster.targets import Target
from muster.text import Redactor, printable_lines
from muster.verdict import Check, Verdict

#: Where a test stands: its id, its location (path, line, name) and its names.
Place = tuple[Any, tuple[str, int | None, str], dict[str, Literal[1]]]


def quick_reports(
    place: Place, item: pytest.Item, verdict: Verdict, said: Sequence[tuple[str, object]], seconds: float
) -> tuple[pytest.TestReport, pytest.TestReport]:
    """The reports of a check that was judged in ``seconds``: of its call, and of a teardown without events."""
    stop = time.time()
    call = pytest.TestReport(
        *place, "passed", None, "call", duration=seconds, start=stop - seconds, stop=stop, user_properties=said
    )
    teardown = pytest.TestReport(*place, "passed", None, "teardown", start=stop, stop=stop, user_properties=said)
    return shape(call, verdict, item), teardown


def shape(report: pytest.TestReport, verdict: Verdict, item: pytest.Item) -> pytest.TestReport:
    """Give the report of a judged check the outcome of its verdict (docs/design.md, 3)."""
    name = verdict.verdict
    report.when = "call"
    report.outcome, report.longrepr = "passed", None
    if name in ("critical", "unknown"):
        report.outcome, report.longrepr = "failed", explanation(verdict)
        report.when = "setup" if name == "unknown" else "call"
    elif name == "skipped":
        path, line, _ = item.reportinfo()
        report.outcome, report.longrepr = "skipped", (str(path), (line or 0) + 1, f"Skipped: {verdict.message}")
        report.when = "setup"
    return report


def make_harmless(report: pytest.TestReport, redact: Redactor) -> None:
    """Take secrets and control characters out of what pytest has of a test: traceback, reason, output."""

    def harmless(text: str) -> str:
        return printable_lines(redact(text))

    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, harmless(reason))
    elif report.longrepr is not None and (said := harmless(report.longreprtext)) != report.longreprtext:
        report.longrepr = said
    report.sections = [(title, harmless(text)) for title, text in report.sections]


def verdict_of(
    check: Check,
    target: Target,
    case: Case | None,
    seen: list[Observation],
    measure: Measure,
    call: pytest.CallInfo[None],
    report: pytest.TestReport,
    redact: Redactor,
) -> Verdict:
    """The verdict of a test that pytest ran: a judged check (``case``), or a live one that looked for itself."""
    if not seen:
        seen = [Observation("", observed_at=call.start, seconds=call.duration)]
    error = call.excinfo.value if call.excinfo else None
    if report.skipped:
        said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = getattr(report, "wasxfail", said)
        return unjudged(check, target, DoesNotApply(reason.removeprefix("Skipped: ")), redact, seen)
    if error is None and report.failed:
        error = AssertionError(report.longreprtext)  # a strict xfail that passed
    if isinstance(error, pytest.fail.Exception) or (case is None and _is_answer(error)):
        error = AssertionError(str(error))
    if error is None or isinstance(error, AssertionError):
        return judged(check, target, seen, measure, error, redact)
    if not isinstance(error, Unobserved):
        cause = "internal" if case else _cause(error)
        error = broken(error) if cause == "internal" else Unobserved(cause, f"{type(error).__name__}: {error}")
    return unjudged(check, target, error, redact, seen)


def _is_answer(error: BaseException | None) -> bool:
    """Whether an error is an answer that is wrong, as ``raise_for_status`` and the Docker SDK raise it."""
    return isinstance(error, OSError) and getattr(error, "response", None) is not None


def _cause(error: BaseException) -> Cause:
    """Why a live test could not look. Its libraries raise `OSError` for whatever the network did."""
    if isinstance(error, PermissionError):
        return "permission"
    if isinstance(error, TimeoutError):
        return "timeout"
    of_files = FileNotFoundError | FileExistsError | IsADirectoryError | NotADirectoryError
    return "network" if isinstance(error, OSError) and not isinstance(error, of_files) else "internal"
