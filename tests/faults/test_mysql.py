"""MariaDB: exactly the verdicts that each database deserves, with the rights of the runbook, and nothing told."""

from __future__ import annotations

import pytest

from tests.faults.cases import CLONE, Case, Ran, by_name
from tests.faults.mysql import CASES, RIGHTS, SECRET

pytestmark = pytest.mark.needs("mariadb", "sshd", "sudo")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_database_gets_the_verdicts_that_it_deserves(mysql_run: Ran, case: Case) -> None:
    mysql_run.compare(case)


def test_the_rights_that_the_runbook_names_are_all_that_are_needed() -> None:
    told = (CLONE / "docs/runbooks/mysql.md").read_text("utf-8")
    assert [right for right in RIGHTS if f"GRANT {right} TO muster" not in told] == []


def test_no_password_is_told(mysql_run: Ran) -> None:
    assert SECRET not in mysql_run.terminal
    for file in mysql_run.folder.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
