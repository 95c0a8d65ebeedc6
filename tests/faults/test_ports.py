"""Ports and names: from every server, exactly the verdicts that it deserves."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.ports import CASES

pytestmark = pytest.mark.needs("dnsmasq", "postgres", "smtp")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_port_or_a_name_gets_the_verdicts_that_it_deserves(port_run: Ran, case: Case) -> None:
    port_run.compare(case)
