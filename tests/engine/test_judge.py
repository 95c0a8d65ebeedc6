"""Judging: what a target has made up never ends the run, and is never ok."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from muster.judge import Case, Given, Measure, judge
from muster.limits import Limit
from muster.need import Need
from muster.observations import Observation, Observations
from muster.probes import Command, Probe, Unobserved
from muster.targets import Host
from muster.text import Redactor
from muster.verdict import Check, Verdict

HOST = Host(name="here")


@dataclass(frozen=True)
class Count:
    number: Any

    def __str__(self) -> str:
        return f"{self.number / 3:.1f} thirds"


COUNT: Need[Count] = Need("count", Host, lambda host: Probe(Command("true"), lambda output: Count(0)))


def judged(number: Any, function: Callable[..., None], *secrets: str) -> Verdict:
    observations = Observations()
    observations.put(HOST, COUNT, Observation(Count(number)))
    check = Check("count_is_small", "The count is small", "critical", "count less")
    case = Case(check, function, Host, (("count", COUNT), ("measure", Given.MEASURE)))
    return judge(case, HOST, HOST, observations, Redactor(secrets))


def passes(count: Count, measure: Measure) -> None:
    assert count


def measures(count: Count, measure: Measure) -> None:
    measure("things", count.number, of="a\nplace")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 10**400], ids=["nan", "inf", "-inf", "400 digits"])
def test_what_is_no_finite_number_is_not_measured(number: float) -> None:
    verdict = judged(number, measures)
    assert (verdict.verdict, verdict.cause, verdict.measurements) == ("unknown", "unreadable", ())
    assert verdict.message == "things of a place is no finite number"


def test_a_fact_that_cannot_be_told_is_not_ok_and_does_not_end_the_run() -> None:
    verdict = judged(10**400, passes)
    assert (verdict.verdict, verdict.cause) == ("unknown", "unreadable")
    assert verdict.message.startswith("what was observed cannot be told: OverflowError")


def test_a_check_that_finds_that_it_cannot_know_is_unknown() -> None:
    def gives_up(count: Count, measure: Measure) -> None:
        raise Unobserved("missing", "half of it is not there")

    verdict = judged(3, gives_up)
    assert (verdict.verdict, verdict.cause, verdict.message) == ("unknown", "missing", "half of it is not there")


def test_what_was_counted_stands_in_the_message_of_too_many_without_secrets_and_in_nothing_else() -> None:
    def counts(count: Count, measure: Measure) -> None:
        for limit in (Limit(warning=2), Limit(warning=3)):
            measure("things", count.number, limit=limit, seen="one,\ntwo,\x1b[31mhunter22")

    verdict = judged(3, counts, "hunter22")
    assert verdict.message == "things is 3 (one, two,\\x1b[31m***), expected at most 2"
    assert [each.seen for each in verdict.measurements] == ["", ""]


def test_a_number_that_is_one_is_measured() -> None:
    assert [each.value for each in judged(3, measures).measurements] == [3]
