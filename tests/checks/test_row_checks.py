"""The checks on rows, called with facts made by hand: each on good tables and on bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from checks import test_rows as checks
from muster import Limit, Measure, NewestRows, QueryValues, RowCounts, Sqlite, Unobserved
from muster.databases import Query, Table

TARGET = Sqlite(
    name="shop",
    url="sqlite:////shop.db",
    tables={
        "orders": Table(time="at", newest=Limit(warning=600, critical=3600), rows=Limit(critical_below=1)),
        "log": Table(time="at", newest=Limit(warning=60), keep=86_400.0, rows=Limit(warning=5)),
    },
    queries={
        "pending": Query(select="SELECT 1", unit="jobs", limit=Limit(warning=10)),
        "share": Query(select="SELECT 1", unit="%"),
    },
)
FAILURE = Unobserved("missing", "log: no such table: log")


def breaches(check: Any, *facts: Any) -> list[tuple[str, float, str, str | None]]:
    measure = Measure()
    check(*facts, measure)
    return [(each.of, each.value, each.unit, each.breach) for each in measure.taken]


def test_the_age_of_the_newest_row_is_bounded_by_table() -> None:
    found = breaches(checks.test_newest_rows_are_fresh, TARGET, NewestRows({"orders": 3700.0, "log": 61.0}))
    assert found == [("orders", 3700, "s", "critical"), ("log", 61, "s", "warning")]


def test_a_table_without_rows_is_told() -> None:
    with pytest.raises(AssertionError, match="no row at all in orders, expected new ones"):
        checks.test_newest_rows_are_fresh(TARGET, NewestRows({"log": 1.0}, ("orders",)), Measure())


def test_no_row_is_older_than_it_may_become() -> None:
    assert breaches(checks.test_old_rows_are_deleted, RowCounts({"log": 0})) == [("log", 0, "", None)]
    assert breaches(checks.test_old_rows_are_deleted, RowCounts({"log": 1})) == [("log", 1, "", "warning")]


def test_rows_are_counted_by_table() -> None:
    found = breaches(checks.test_row_counts_are_within_limits, TARGET, RowCounts({"orders": 0, "log": 6}))
    assert found == [("orders", 0, "", "critical"), ("log", 6, "", "warning")]


def test_queries_have_units_and_limits_of_their_own() -> None:
    found = breaches(
        checks.test_query_values_are_within_limits, TARGET, QueryValues({"pending": 11.0, "share": 99.0})
    )
    assert found == [("pending", 11, "jobs", "warning"), ("share", 99, "%", None)]


@pytest.mark.parametrize(
    ("check", "facts"),
    [
        (checks.test_newest_rows_are_fresh, (TARGET, NewestRows({"orders": 1.0}, (), (FAILURE,)))),
        (checks.test_old_rows_are_deleted, (RowCounts({}, True, (FAILURE,)),)),
        (checks.test_row_counts_are_within_limits, (TARGET, RowCounts({"orders": 1}, failures=(FAILURE,)))),
        (checks.test_query_values_are_within_limits, (TARGET, QueryValues({"pending": 1.0}, (FAILURE, FAILURE)))),
    ],
)
def test_what_could_not_be_looked_at_is_unknown(check: Any, facts: tuple[Any, ...]) -> None:
    with pytest.raises(Unobserved, match="log: no such table: log"):
        check(*facts, Measure())
