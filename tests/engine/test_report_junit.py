"""``junit.xml``: pytest's own writer, with what a verdict says as properties."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from tests.engine.report_runs import GONE, INVENTORY, Made, run, same_as_golden, steady
from tests.servers.processes import refusing_port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with refusing_port() as refusing:
        yield refusing


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, port: int) -> Made:
    return run(tmp_path_factory.mktemp("quick"), inventory=INVENTORY + GONE.replace("PORT", str(port)))


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory, port: int) -> Made:
    inventory = INVENTORY + GONE.replace("PORT", str(port))
    return run(tmp_path_factory.mktemp("ordinary"), "--no-quick-path", inventory=inventory)


def test_junit_is_as_agreed(quick: Made, port: int) -> None:
    same_as_golden("junit.xml", _plain(quick, port))


def test_the_ordinary_path_of_pytest_gives_the_same_junit(quick: Made, ordinary: Made, port: int) -> None:
    assert _plain(ordinary, port) == _plain(quick, port)


def test_the_ordinary_path_gives_the_same_results_and_exit_code(quick: Made, ordinary: Made) -> None:
    def steadied(made: Made) -> list[str]:
        return [steady(json.dumps({**line, "observed_at": "", "duration_seconds": 0})) for line in made.results]

    assert steadied(ordinary) == steadied(quick)
    assert ordinary.code == quick.code == 1


def test_each_verdict_has_its_place_in_junit(quick: Made) -> None:
    places = {"ok": [], "warning": [], "critical": ["failure"], "unknown": ["error"], "skipped": ["skipped"]}
    seen = set()
    for case in quick.junit.iter("testcase"):
        verdict = next(each.get("value") for each in case.iter("property") if each.get("name") == "verdict")
        assert verdict is not None
        assert [child.tag for child in case if child.tag != "properties"] == places[verdict], case.get("name")
        seen.add(verdict)
    assert seen == set(places)


def test_every_check_of_an_unreachable_host_stays_an_error(quick: Made) -> None:
    cases = [case for case in quick.junit.iter("testcase") if "[gone]" in (case.get("name") or "")]
    errors = [case for case in cases if case.find("error") is not None]
    assert len(cases) == 7
    assert len(errors) == 6, "all but the one that has no meaning there"


def _plain(made: Made, port: int) -> str:
    """JUnit as text with sorted attributes, without what differs from run to run."""
    root = made.junit
    for each in root.iter():
        for name in ("time", "timestamp", "hostname"):
            each.attrib.pop(name, None)
        each.attrib = dict(sorted(each.attrib.items()))
    ET.indent(root)
    return steady(ET.tostring(root, encoding="unicode"), port) + "\n"
