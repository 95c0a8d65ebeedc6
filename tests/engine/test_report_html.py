"""``report.html``: its rows, its summary, and what it leaves out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.report import html
from tests.engine.report_runs import GONE, INVENTORY, Made, rows, run, same_as_golden, steady
from tests.servers.processes import refusing_port

PLAIN = """
def test_that_is_no_check():
    assert 1 == 2, "<b>plain</b>"
"""
UNCOLLECTED = """
from muster import check


@check(severity="grave", remediation="none")
def test_a_check_without_a_title(words):
    pass
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with refusing_port() as refusing:
        yield refusing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, port: int) -> Made:
    folder = tmp_path_factory.mktemp("html")
    plain = folder / "test_plain.py"
    plain.write_text(PLAIN)
    return run(folder, inventory=INVENTORY + GONE.replace("PORT", str(port)), more=[plain])


def test_the_rows_are_as_agreed(made: Made, port: int) -> None:
    drawn = [
        {"cells": row["resultsTableRow"], "below": row["log"].splitlines()}
        for row in rows(made.page)
        if "test_plain" not in row["testId"]
    ]
    same_as_golden("rows.json", steady(json.dumps(drawn, indent=1, ensure_ascii=False), port) + "\n")


def test_the_title_tells_a_browser_tab_what_matters(made: Made) -> None:
    assert '<title id="head-title">Muster: 3 critical, 8 unknown, 1 warning</title>' in made.page


def test_the_summary_says_what_was_looked_at(made: Made) -> None:
    summary = re.sub(r"<[^>]+>", "", made.page.partition('<p class="overall')[2].partition("</fieldset>")[0])
    assert (
        "3 critical, 8 unknown, 1 warning, 2 skipped, 1 ok · 2 targets on 2 hosts · 8 checks not observed · "
        "tests that are no checks: 1" in summary
    )
    assert re.search(
        r"Inventory\s*inventory\.yaml\s*Started\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\s*Finished", summary
    )
    assert made.results[0]["run"] in summary


def test_an_unreachable_host_is_one_row(made: Made, port: int) -> None:
    (row,) = (row for row in rows(made.page) if row["host"] == "gone" and "skipped" not in row["verdict"])
    assert f"ssh: refused: 127.0.0.1:{port} (after 2 tries); 6 checks not observed" in row["observed"]
    assert "words are loud" in row["log"]


def test_a_test_that_is_no_check_has_a_row(made: Made) -> None:
    (row,) = (row for row in rows(made.page) if "test_plain" in row["testId"])
    assert 'class="col-verdict verdict-critical"' in row["resultsTableRow"][0]
    assert ">failed<" in row["resultsTableRow"][0]
    assert "&lt;b&gt;plain" in row["log"]


def test_a_file_that_cannot_be_collected_has_a_row(tmp_path: Path) -> None:
    made = run(tmp_path, checks=UNCOLLECTED)
    (row,) = rows(made.page)
    assert ">error<" in row["resultsTableRow"][0]
    assert "test_a_check_without_a_title has no title" in row["log"]
    assert "Muster: nothing judged" in made.page
    assert "ERROR collecting" in made.terminal


def test_nothing_of_this_machine_and_nothing_from_elsewhere_is_in_the_page(made: Made) -> None:
    assert "Platform" not in made.page
    assert not re.search(r"""(src|@import|url\()\s*=?\s*["']?\s*(https?:)?//""", made.page)
    assert not re.search(r"<link\b", made.page)


def test_a_run_that_stops_early_says_so(tmp_path: Path) -> None:
    made = run(tmp_path, "-x")
    assert "The run stopped early: 2 of 7 checks judged." in made.page


def test_a_page_is_large_from_the_agreed_numbers_on() -> None:
    assert (html.MOST_DRAWN, html.MOST_ROWS) == (1_000, 5_000)


@pytest.mark.parametrize("workers", ["1"])
def test_workers_of_xdist_give_the_same_rows(tmp_path: Path, made: Made, port: int, workers: str) -> None:
    inventory = INVENTORY + GONE.replace("PORT", str(port))
    spread = run(tmp_path, "-n", workers, inventory=inventory)

    def drawn(of: Made) -> list[str]:
        return sorted(steady(str(row["resultsTableRow"])) for row in rows(of.page) if "plain" not in row["testId"])

    assert drawn(spread) == drawn(made)
