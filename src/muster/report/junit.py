"""What a verdict adds to its test case in JUnit: properties, written by pytest's own JUnit writer."""

from __future__ import annotations

from muster.text import amount
from muster.verdict import Measurement, Verdict

#: Above so many verdicts, those that are ok carry only the properties that tell them apart: with all of them,
#: 30,000 test cases took pytest's writer 160 MB.
MANY = 5_000


def properties(verdict: Verdict, *, brief: bool = False) -> list[tuple[str, object]]:
    """The properties of a test case, in a fixed order; empty ones are left out.

    ``brief`` leaves out of an ok verdict what is the same for every target: severity, title, remediation, runbook.
    """
    check = verdict.check
    pairs: list[tuple[str, object]] = [
        ("host", verdict.host),
        ("target", verdict.target),
        ("check", check.name),
        ("verdict", verdict.verdict),
    ]
    if not brief or verdict.verdict != "ok":
        pairs += [
            ("severity", check.severity),
            ("title", check.title),
            ("remediation", check.remediation),
            ("runbook", check.runbook),
            ("cause", verdict.cause),
        ]
    if verdict.verdict in ("warning", "waived"):
        # The two have no failure or error in JUnit to say what is wrong.
        pairs.append(("message", verdict.message))
    if verdict.measurements:
        pairs.append(("measurements", "; ".join(map(measured, verdict.measurements))))
    return [pair for pair in pairs if pair[1]]


def measured(measurement: Measurement) -> str:
    """A measurement in words: ``inodes_used_percent of /var = 12.5 %``."""
    part = f" of {measurement.of}" if measurement.of else ""
    return f"{measurement.name}{part} = {amount(measurement.value, measurement.unit)}"


def explanation(verdict: Verdict) -> str:
    """What stands under a test case that is not ok: what is wrong, what was seen, what to do."""
    lines = [verdict.message]
    if verdict.observed and verdict.observed != verdict.message:
        lines.append(f"observed: {verdict.observed}")
    if verdict.check.remediation:
        lines.append(f"remediation: {verdict.check.remediation}")
    if verdict.check.runbook:
        lines.append(f"runbook: {verdict.check.runbook}")
    return "\n".join(lines)
