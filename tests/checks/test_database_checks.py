"""The checks on databases, called with facts made by hand: each on a good database and on a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from checks import test_databases as checks
from muster import Attempt, Database, Limit, Measure, Sqlite, SqliteFile, SqliteIntegrity
from muster.declaration import read_case
from muster.need import Catalogue

PATH = "/opt/roc/quota-proxy/data/quota.db"


def message(check: Any, *facts: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*facts)
    return str(raised.value).partition("\nassert ")[0]


def test_a_database_that_opens() -> None:
    checks.test_database_accepts_connections(Attempt("connected", detail="1 table"))


def test_a_database_that_is_missing() -> None:
    attempt = Attempt("missing", "missing", f"{PATH}: no such file")
    said = message(checks.test_database_accepts_connections, attempt)
    assert said == f"missing: {PATH}: no such file, expected a connection"


def test_the_size_counts_the_write_ahead_log_too() -> None:
    measure = Measure({"database_size_bytes": Limit(warning=5000)})
    checks.test_database_size_is_within_limits(SqliteFile(PATH, 4096, 1000), measure)
    assert [(each.value, each.unit, each.breach) for each in measure.taken] == [(5096, "B", "warning")]


def test_any_size_will_do_without_a_limit() -> None:
    measure = Measure()
    checks.test_database_size_is_within_limits(SqliteFile(PATH, 10**12), measure)
    assert [each.breach for each in measure.taken] == [None]


def test_a_sound_database() -> None:
    checks.test_database_integrity(SqliteIntegrity())


def test_a_damaged_database() -> None:
    found = SqliteIntegrity(("Page 22: btreeInitPage() returns error code 11",))
    said = message(checks.test_database_integrity, found)
    assert said == "integrity_check: Page 22: btreeInitPage() returns error code 11, expected ok"


def test_every_check_is_well_written_and_about_databases() -> None:
    found = [value for name, value in vars(checks).items() if name.startswith("test_")]
    assert len(found) == 4
    assert {read_case(each, Catalogue()).of for each in found} == {Database, Sqlite}
