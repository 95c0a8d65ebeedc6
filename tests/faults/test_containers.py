"""Containers and Docker engines: of each, exactly the verdicts that its state deserves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cases import Case, Ran, by_name, run
from tests.faults.container_setups import COMPOSED
from tests.faults.containers import CONTAINERS, ENGINES

pytestmark = pytest.mark.needs("docker", "sshd", "sudo")


@pytest.mark.parametrize("case", CONTAINERS, ids=by_name)
def test_a_container_gets_the_verdicts_that_it_deserves(container_run: Ran, case: Case) -> None:
    container_run.compare(case)


@pytest.mark.parametrize("case", COMPOSED, ids=by_name)
def test_a_service_of_a_compose_file_gets_the_verdicts_that_it_deserves(container_run: Ran, case: Case) -> None:
    container_run.compare(case)


def test_a_service_whose_profile_is_not_active_is_no_target(container_run: Ran) -> None:
    found = {each["target"] for each in container_run.results if each["host"] == "composed"}
    assert found == {"composed", *(case.name for case in COMPOSED)}


def test_a_compose_file_that_only_compose_can_read_is_a_mistake_of_the_inventory(tmp_path: Path) -> None:
    """Found before anything is asked: exit code 2, file, line and column, the way out, and no secret."""
    (tmp_path / ".env").write_text("PASSWORD=hush-hush\n")
    (tmp_path / "compose.prod.yml").write_text(
        "services:\n  web:\n    extends: {file: base.yml, service: web}\n"
        "  db:\n    image: db\n    ports: ['${PASSWORD}:5432', '${PORT}:1']\n"
    )
    inventory = {"hosts": {"web-1": {"connection": "local", "compose": "compose.prod.yml"}}}
    ran = run(tmp_path, inventory)
    assert ran.code == 2
    for words in (
        "compose.prod.yml:3:5: extends reads other files, which only compose does; give the file that",
        "compose.prod.yml:6:13: is no port as compose has it",
        "compose.prod.yml:6:33: needs the variable PORT, which is not set",
    ):
        assert words in ran.terminal
    assert "hush" not in ran.terminal


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
