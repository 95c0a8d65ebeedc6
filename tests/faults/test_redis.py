"""Redis: exactly the verdicts that each server deserves, with the rights of the runbook, and nothing told."""

from __future__ import annotations

import pytest

from tests.faults.cases import CLONE, Case, Ran, by_name
from tests.faults.redis import CASES, RIGHTS, SECRET

pytestmark = pytest.mark.needs("redis", "sshd", "sudo")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_server_gets_the_verdicts_that_it_deserves(redis_run: Ran, case: Case) -> None:
    redis_run.compare(case)


def test_the_rights_that_the_runbook_names_are_all_that_are_needed() -> None:
    assert RIGHTS in (CLONE / "docs/runbooks/redis.md").read_text("utf-8")


def test_no_password_is_told(redis_run: Ran) -> None:
    assert SECRET not in redis_run.terminal
    for file in redis_run.folder.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
