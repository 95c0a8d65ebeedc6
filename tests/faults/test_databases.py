"""Databases: exactly the verdicts that each file deserves, whatever tool its host has, and nothing written to it."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.databases import CASES

pytestmark = pytest.mark.needs("sshd", "sudo", "sqlite3")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_database_gets_the_verdicts_that_it_deserves(database_run: Ran, case: Case) -> None:
    database_run.compare(case)


def test_nothing_is_written_to_a_database_nor_beside_it(database_run: Ran) -> None:
    assert {"wal-open.db-wal", "wal-open.db-shm"} < database_run.noted["before"].keys()
    assert database_run.noted["after"] == database_run.noted["before"]
