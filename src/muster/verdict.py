"""Verdicts: what a check says of a target, and what a run as a whole says to its caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal, TypedDict

from msgspec import Struct

from muster.exits import EXIT_BAD, EXIT_NETWORK, EXIT_OK
from muster.limits import Breach, Limit
from muster.probes import Cause

Name = Literal["ok", "warning", "critical", "unknown", "skipped", "waived"]
Severity = Literal["info", "warning", "critical"]

#: The verdicts, worst first.
NAMES: tuple[Name, ...] = ("critical", "unknown", "warning", "waived", "skipped", "ok")
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


class Check(Struct, frozen=True):
    """What a check says of itself. ``name`` is the function's name without ``test_``.

    ``title`` is the state that is wanted; ``remediation`` is what brings it about; ``runbook`` is
    ``page.md#heading`` under ``docs/runbooks``, or empty.
    """

    name: str
    title: str
    severity: Severity
    remediation: str = ""
    runbook: str = ""

    def to_plain(self) -> tuple[str, ...]:
        """Plain values only, to cross a process border; ``Check(*plain)`` is the way back."""
        plain: tuple[str, ...] = _CHECK(self)
        return plain


class Measurement(Struct, frozen=True):
    """A named number that a check recorded. ``of`` says of what part (a mount point), ``seen`` of what it is the
    number; each may be empty."""

    name: str
    value: float
    unit: str
    of: str
    limit: Limit
    breach: Breach | None
    seen: str = ""


class Verdict(Struct, frozen=True):
    """What one check said of one target.

    ``message`` says what is wrong, or why nothing is known; ``observed`` what was seen. ``cause`` is None for
    a good verdict. ``observed_at`` is in seconds since the epoch, ``seconds`` how long the slowest
    of its facts took. ``host_down`` marks the unknowns of a host that could not be reached.
    ``kind`` is the kind of target.
    """

    check: Check
    kind: str
    host: str
    target: str
    labels: Mapping[str, str]
    verdict: Name
    message: str = ""
    observed: str = ""
    cause: Cause | None = None
    measurements: tuple[Measurement, ...] = ()
    observed_at: float = 0.0
    seconds: float = 0.0
    host_down: bool = False

    @property
    def bad(self) -> bool:
        return self.verdict in ("critical", "unknown")

    def to_plain(self) -> tuple[Any, ...]:
        """Plain values only, to cross a process border; `from_plain` is the way back."""
        taken = [
            (each.name, each.value, each.unit, each.of, _LIMIT(each.limit), each.breach, each.seen)
            for each in self.measurements
        ]
        return self.check.to_plain(), dict(self.labels), taken, _OTHERS(self)

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> Verdict:
        check, labels, taken, others = plain
        measurements = tuple(
            Measurement(name, value, unit, of, Limit(*limit), breach, seen)
            for name, value, unit, of, limit, breach, seen in taken
        )
        said = dict(zip(_PLAIN, others, strict=True))
        return cls(check=Check(*check), labels=labels, measurements=measurements, **said)


#: The fields of a verdict whose values are plain.
_PLAIN = [name for name in Verdict.__struct_fields__ if name not in ("check", "labels", "measurements")]

_CHECK, _LIMIT = (attrgetter(*of.__struct_fields__) for of in (Check, Limit))
_OTHERS = attrgetter(*_PLAIN)


class Record(TypedDict):
    """One line of ``results.jsonl``."""

    run: str
    check: str
    kind: str
    host: str
    target: str
    labels: Mapping[str, str]
    verdict: str
    severity: str
    title: str
    message: str
    observed: str
    remediation: str
    runbook: str
    cause: str | None
    host_down: bool
    measurements: list[dict[str, Any]]
    observed_at: str | None
    duration_seconds: float


def record(verdict: Verdict, run: str) -> Record:
    """The line of ``results.jsonl`` for a verdict.

    Where it has no message, ``message`` is what was observed, and ``observed`` is empty.
    """
    return {
        "run": run,
        "check": verdict.check.name,
        "kind": verdict.kind,
        "host": verdict.host,
        "target": verdict.target,
        "labels": verdict.labels,
        "verdict": verdict.verdict,
        "severity": verdict.check.severity,
        "title": verdict.check.title,
        "message": verdict.message or verdict.observed,
        "observed": verdict.observed if verdict.message else "",
        "remediation": verdict.check.remediation,
        "runbook": verdict.check.runbook,
        "cause": verdict.cause,
        "host_down": verdict.host_down,
        "measurements": [_measured(each) for each in verdict.measurements],
        "observed_at": timestamp(verdict.observed_at) if verdict.observed_at else None,
        "duration_seconds": round(verdict.seconds, 6),
    }


def _measured(measurement: Measurement) -> dict[str, Any]:
    limit = measurement.limit
    bounds = {
        name: bound
        for name in ("warning", "critical", "warning_below", "critical_below")
        if (bound := getattr(limit, name)) is not None
    }
    return {
        "name": measurement.name,
        "value": measurement.value,
        "unit": measurement.unit,
        "of": measurement.of,
        "limits": {**bounds, "source": limit.source} if bounds else {},
    }


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Tally:
    """Counts the verdicts of a run, and from them tells its exit code."""

    def __init__(self) -> None:
        self.counts: Counter[Name] = Counter()
        self.targets: set[tuple[str, str, str]] = set()
        self.hosts: set[str] = set()
        self._causes: Counter[str | None] = Counter()
        self._gating_warnings = 0

    def add(self, verdict: Verdict) -> None:
        self.counts[verdict.verdict] += 1
        self.targets.add((verdict.host, verdict.target, verdict.kind))
        if verdict.host:
            self.hosts.add(verdict.host)
        if verdict.bad:
            self._causes[verdict.cause] += 1
        elif verdict.verdict == "warning" and verdict.check.severity != "info":
            self._gating_warnings += 1

    def exit_code(self, *, fail_on_warning: bool) -> int:
        """0, 1 or 3. A warning of a check of severity ``info`` never fails a run."""
        if set(self._causes) - {"network"} or (fail_on_warning and self._gating_warnings):
            return EXIT_BAD
        return EXIT_NETWORK if self._causes else EXIT_OK


def worst(names: Iterable[Name]) -> Name:
    """The worst of some verdicts; ``ok`` of none."""
    return min(names, key=NAMES.index, default="ok")
