"""Between verdicts and pytest's reports, both ways.

A judged check that took the quick path has a verdict and needs the reports that pytest's own protocol would have
made; a test that ran in pytest's way has a report and needs its verdict.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest

from muster.judge import Case, Measure, broken, judged, said, unjudged
from muster.observations import Observation
from muster.probes import Cause, DoesNotApply, Unobserved
from muster.report.junit import explanation, properties
from muster.targets import Target
from muster.text import Redactor, printable_lines
from muster.verdict import Check, Verdict

#: Where a test stands: its id, its location (path, line, name) and its names.
Place = tuple[Any, tuple[str, int | None, str], dict[str, Literal[1]]]

#: What a whole report is called where it travels from a worker of xdist to its controller.
WHOLE = "muster"

#: What xdist adds on the way.
ADDED = ("item_index", "worker_id", "testrun_uid")


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


def whole(report: pytest.TestReport) -> pytest.TestReport:
    """Mark the report of a test as all there is to say of it: its teardown, without events, is `ending`."""
    vars(report)["muster_whole"] = True
    return report


def is_whole(report: object) -> bool:
    return getattr(report, "muster_whole", False)


def ending(report: pytest.TestReport) -> pytest.TestReport:
    """The report of the teardown that belongs to a whole one."""
    said: dict[str, Any] = {"start": report.stop, "stop": report.stop, "user_properties": report.user_properties}
    made = pytest.TestReport(report.nodeid, report.location, report.keywords, "passed", None, "teardown", **said)
    if hasattr(report, "node"):
        vars(made)["node"] = report.node  # the worker of xdist: pytest's JUnit writer tells reports apart by it
    return made


def to_plain(report: Any) -> dict[str, Any]:
    """A whole report for execnet, as one text: that writes every single value in Python."""
    outcome = report.outcome, report.longrepr, report.when
    said = report.nodeid, report.location, *outcome, report.duration, report.stop, report.muster
    return {"$report_type": WHOLE, "said": json.dumps(said)}


def from_plain(plain: Mapping[str, Any], *, brief: bool) -> pytest.TestReport:
    """The whole report that `to_plain` was given. ``brief``: see `muster.report.junit.properties`."""
    nodeid, (path, line, name), outcome, longrepr, when, seconds, stop, verdict = json.loads(plain["said"])
    if isinstance(longrepr, list):
        longrepr = tuple(longrepr)
    verdict = Verdict.from_plain(verdict)
    said = properties(verdict, brief=brief)
    times: dict[str, Any] = {"duration": seconds, "start": stop - seconds, "stop": stop}
    report = pytest.TestReport(
        nodeid, (path, line, name), {name: 1}, outcome, longrepr, when, user_properties=said, **times
    )
    vars(report).update(muster=verdict, **{name: plain[name] for name in ADDED})
    return whole(report)


def lose(report: pytest.TestReport, verdict: Verdict | None, why: str) -> pytest.TestReport:
    """Make ``report`` that of a test which nobody ran to its end; it has a ``verdict`` if it is about a target."""
    path, _, name = report.nodeid.partition("::")
    report.location, report.keywords = (path, None, name), {name: 1}
    report.outcome, report.when, report.longrepr = "failed", "setup", why
    if verdict is not None:
        report.longrepr, report.user_properties = explanation(verdict), properties(verdict)
        vars(report)["muster"] = verdict
    return whole(report)


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
    if not isinstance(error, Unobserved | DoesNotApply):
        cause = "internal" if case else _cause(error)
        error = broken(error) if cause == "internal" else Unobserved(cause, f"{type(error).__name__}: {error}")
    return unjudged(check, target, error, redact, seen)


def worst_of(failures: Sequence[BaseException]) -> BaseException:
    """What a test fails of whose subtests failed of these: what is wrong, all of it, before what is not known."""
    wrong = [each for each in failures if isinstance(each, AssertionError | pytest.fail.Exception)]
    if len(wrong) < 2:
        return (wrong or failures)[0]
    made = AssertionError("; ".join(map(said, wrong)))
    made.__cause__ = wrong[0]
    return made


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
