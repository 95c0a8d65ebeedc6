"""Security and configuration of hosts: of each, exactly the verdicts that it deserves."""

from __future__ import annotations

import pytest

from checks import test_security as shipped
from tests.faults.cases import Case, Ran, by_name
from tests.faults.security import CASES

pytestmark = pytest.mark.needs("docker", "netns", "sshd", "sudo", "systemd")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_host_gets_the_verdicts_that_it_deserves(security_run: Ran, case: Case) -> None:
    security_run.compare(case)


def test_a_host_that_is_kept_well_is_ok_in_every_way(security_run: Ran) -> None:
    kept = security_run.of(Case("kept", {}))
    of_security = [name.removeprefix("test_") for name in vars(shipped) if name.startswith("test_")]
    assert {check: kept[check]["verdict"] for check in of_security} == dict.fromkeys(of_security, "ok")


def test_no_private_key_comes_with_the_certificates(security_run: Ran) -> None:
    everything = "".join(file.read_text("utf-8") for file in security_run.folder.iterdir() if file.is_file())
    assert "PRIVATE KEY" not in everything
