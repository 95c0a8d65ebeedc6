"""Rows of ``report.html``: what stands in the cells of a verdict and under them, as markup.

Everything that a target said is escaped here, once, when it becomes part of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from msgspec.structs import replace

from muster.limits import Limit
from muster.text import amount, plural, printable
from muster.verdict import NAMES, Check, Measurement, Name, Verdict, timestamp

#: How many measurements stand in a row; all of them stand below it.
_MEASUREMENTS = 3

#: How many characters of what was observed stand in a row; all of it stands below it.
_LONGEST = 300

COLUMNS = {
    "verdict": "Verdict",
    "host": "Host",
    "target": "Target",
    "check": "Check",
    "observed": "Observed",
    "measured": "Measured",
    "seconds": "Duration",
}

#: The heads of the columns, as table cells that sort on a click and can be reached from the keyboard.
HEADS = tuple(
    f'<th class="sortable" data-column-type="{name}" tabindex="0">{title}</th>' for name, title in COLUMNS.items()
)

#: The row of a host that is down, where the check of this name was not selected.
_REACHABLE = Check("host_is_reachable", "The host is reachable", "critical")


class Unreached:
    """The hosts that were not reached: each is one row, however many checks hang on it."""

    def __init__(self) -> None:
        self._unreachable: dict[str, Verdict] = {}
        self._down: dict[str, list[Verdict]] = {}

    def takes(self, verdict: Verdict) -> bool:
        """Whether a verdict is part of such a row, and has none of its own."""
        if verdict.host_down:
            self._down.setdefault(verdict.host, []).append(verdict)
            return True
        if verdict.check.name == _REACHABLE.name and verdict.bad:
            self._unreachable[verdict.host] = verdict
            return True
        return False

    def rows(self) -> Iterator[tuple[Verdict, dict[str, str], dict[str, str]]]:
        """For each of them the verdict, the content of its cells, and what stands below."""
        for host in {**self._unreachable, **self._down}:
            down = self._down.get(host, [])
            verdict = self._unreachable.get(host) or replace(down[0], check=_REACHABLE)
            row = content(verdict)
            if down:
                row["observed"] += f"; {plural(len(down), 'check')} not observed"
            yield verdict, row, details(verdict, down)


def content(verdict: Verdict) -> dict[str, str]:
    """The content of a verdict's cells, by column. pytest-html sorts by this markup as it stands."""
    target = "<small>the host</small>"
    if verdict.kind != "host":
        target = f"{safe(verdict.target)} <small>{escape(verdict.kind)}</small>"
    return {
        "verdict": word(verdict.verdict, verdict.verdict),
        "host": safe(verdict.host) or "<i>from here</i>",
        "target": target,
        "check": f"{safe(verdict.check.title)} <small>{safe(verdict.check.name)}</small>",
        "observed": escape(printable(verdict.message or verdict.observed, _LONGEST)),
        "measured": _measured(verdict.measurements),
        "seconds": duration(verdict.seconds),
    }


def cells(row: Mapping[str, str], verdict: Name) -> list[str]:
    """The table cells of a row, one for each column."""
    first, *others = row.items()
    return [
        f'<td class="col-{first[0]} verdict-{verdict}" tabindex="0">{first[1]}</td>',
        *(f'<td class="col-{name}">{said}</td>' for name, said in others),
    ]


def word(name: Name, shown: str) -> str:
    """A verdict as a word that sorts worst first."""
    return f'<data value="{NAMES.index(name)}">{shown}</data>'


def duration(seconds: float) -> str:
    shown = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    return f'<data value="{seconds:012.6f}">{shown}</data>'


def details(verdict: Verdict, down: Sequence[Verdict] = ()) -> dict[str, str]:
    """What stands under a row, by its name; each is one line, and empty ones are to be left out.

    ``down`` are the verdicts that are part of this one, as `Unreached` has them.
    """
    check = verdict.check
    labels = ", ".join(f"{name}={value}" for name, value in verdict.labels.items())
    wrong = verdict.verdict not in ("ok", "skipped")
    observed = verdict.observed if verdict.observed != verdict.message else ""
    return {
        "In full": safe(verdict.message) if len(verdict.message) > _LONGEST else "",
        "Observed": safe(observed) if verdict.message or len(observed) > _LONGEST else "",
        "Expected": safe(check.title) if wrong else "",
        "Remediation": safe(check.remediation) if wrong else "",
        "Runbook": f"docs/runbooks/{safe(check.runbook)}" if wrong and check.runbook else "",
        "Cause": verdict.cause or "",
        "Labels": safe(labels),
        "Observed at": timestamp(verdict.observed_at) if verdict.observed_at else "",
        "Measured": _every(verdict.measurements) if len(verdict.measurements) > _MEASUREMENTS else "",
        "Not observed": ", ".join(map(_subject, down)),
    }


def pairs(said: Mapping[str, str]) -> str:
    """Names and what is said of them, as a list of terms."""
    rows = (f"<div><dt>{name}</dt><dd>{each}</dd></div>" for name, each in said.items() if each)
    return f'<dl class="pairs">{"".join(rows)}</dl>'


def safe(text: str) -> str:
    """Text as it may stand in the page, in an element or in an attribute."""
    return escape(printable(text))


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


def _every(measurements: Iterable[Measurement]) -> str:
    return "".join(
        f'<div class="verdict-{each.breach or "ok"}">{_part(each)} <b>{_amount(each)}</b> '
        f"<small>{', '.join(filter(None, (_limit(each), _source(each))))}</small></div>"
        for each in measurements
    )


def _part(measurement: Measurement) -> str:
    part = f" of {safe(measurement.of)}" if measurement.of else ""
    return f"{safe(measurement.name.replace('_', ' '))}{part}"


def _amount(measurement: Measurement) -> str:
    return safe(amount(measurement.value, measurement.unit))


def _limit(measurement: Measurement) -> str:
    """The bounds of a measurement in words: ``warning over 80 %, critical over 90 %``."""
    limit: Limit = measurement.limit
    bounds = (
        ("warning over", limit.warning),
        ("critical over", limit.critical),
        ("warning under", limit.warning_below),
        ("critical under", limit.critical_below),
    )
    return ", ".join(f"{word} {safe(amount(bound, measurement.unit))}" for word, bound in bounds if bound is not None)


def _source(measurement: Measurement) -> str:
    return f"limit from {safe(measurement.limit.source)}" if _limit(measurement) else "no limit"


def _subject(verdict: Verdict) -> str:
    part = f"{verdict.target}: " if verdict.kind != "host" else ""
    return safe(part + verdict.check.name.replace("_", " "))
