"""Containers and Docker engines: of each, exactly the verdicts that its state deserves."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.containers import CONTAINERS, ENGINES

pytestmark = pytest.mark.needs("docker", "sshd", "sudo")


@pytest.mark.parametrize("case", CONTAINERS, ids=by_name)
def test_a_container_gets_the_verdicts_that_it_deserves(container_run: Ran, case: Case) -> None:
    container_run.compare(case)


@pytest.mark.parametrize("case", ENGINES, ids=by_name)
def test_an_engine_gets_the_verdicts_that_it_deserves(container_run: Ran, case: Case) -> None:
    container_run.compare(case)


def test_where_no_engine_is_expected_its_checks_are_skipped(container_run: Ran) -> None:
    found = container_run.of(Case("none-expected", {}))
    for check in ("docker_engine_answers", "docker_containers_are_well"):
        assert (found[check]["verdict"], found[check]["message"]) == (
            "skipped",
            "no Docker engine here, and none is expected",
        )


def test_what_a_healthcheck_prints_stands_in_no_report_as_it_is(container_run: Ran) -> None:
    page = (container_run.folder / "report.html").read_text("utf-8")
    assert "<script>document.title" not in page
    assert "document.title" in page
    for text in (page, (container_run.folder / "junit.xml").read_text("utf-8"), container_run.terminal):
        assert "\x1b[2J" not in text
        assert "\x00" not in text
