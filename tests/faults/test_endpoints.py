"""Endpoints: from every server, exactly the verdicts that it deserves."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.endpoints import CASES

pytestmark = pytest.mark.needs("netns", "sshd")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_an_endpoint_gets_the_verdicts_that_it_deserves(endpoint_run: Ran, case: Case) -> None:
    endpoint_run.compare(case)
