"""PostgreSQL: exactly the verdicts that each database deserves, with the rights of the runbook, and nothing told."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.postgres import CASES, SECRET

pytestmark = pytest.mark.needs("postgres", "redis", "sshd", "sudo")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_database_gets_the_verdicts_that_it_deserves(postgres_run: Ran, case: Case) -> None:
    postgres_run.compare(case)


def test_the_rights_that_the_runbook_names_are_all_that_are_needed(postgres_run: Ran) -> None:
    judged = [postgres_run.of(case) for case in CASES if case.name in ("calm", "busy", "bloat", "followed")]
    assert len(judged) == 5
    assert {record["verdict"] for records in judged for record in records.values()} == {
        "ok", "warning", "critical", "skipped"
    }  # fmt: skip


def test_what_does_not_apply_says_so(postgres_run: Ran) -> None:
    (worn,) = (case for case in CASES if case.name == "worn")
    found = postgres_run.of(worn)["postgres_statements_are_fast"]
    assert found["verdict"] == "skipped"
    assert "CREATE EXTENSION pg_stat_statements" in found["message"]


def test_no_password_is_told(postgres_run: Ran) -> None:
    assert SECRET not in postgres_run.terminal
    for file in postgres_run.folder.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
