"""Rows: exactly the verdicts that each table and query deserves, whatever the engine, its tool and time zone."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.rows import CASES

pytestmark = pytest.mark.needs("mariadb", "postgres", "sqlite3", "sshd", "sudo")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_database_gets_the_verdicts_that_it_deserves(rows_run: Ran, case: Case) -> None:
    rows_run.compare(case)


@pytest.mark.parametrize("kind", ["postgres", "mariadb", "sqlite"])
def test_what_is_within_its_limits_is_measured(rows_run: Ran, kind: str) -> None:
    (good,) = (case for case in CASES if case.name == f"{kind}-good" and case.host == "here")
    found = rows_run.of(good)
    taken = {
        (each["name"], each["of"]): each["value"]
        for check in ("newest_rows_are_fresh", "old_rows_are_deleted", "query_values_are_within_limits")
        for each in found[check]["measurements"]
    }
    ages = [taken.pop(("newest_row_seconds", table)) for table in ("fresh", "many")]
    assert all(0 <= age < 300 for age in ages), ages
    assert taken == {
        ("expired_rows", "fresh"): 0,
        ("expired_rows", "old"): 0,
        ("query_value", "all"): 2,
        ("query_value", "half"): 0.5,
        ("query_value", "text"): 7,
    }
