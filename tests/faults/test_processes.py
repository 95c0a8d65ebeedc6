"""Processes: of each, exactly the verdicts that it deserves."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.processes import CASES

pytestmark = pytest.mark.needs("docker", "sshd", "sudo", "systemd")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_process_gets_the_verdicts_that_it_deserves(process_run: Ran, case: Case) -> None:
    process_run.compare(case)
