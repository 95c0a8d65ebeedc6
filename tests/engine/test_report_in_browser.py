"""``report.html`` in a browser: its filter hides, its columns sort, and what is hostile stays text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.browser import Browser, browser
from tests.engine.report_runs import GONE, INVENTORY, run
from tests.engine.test_report_hostile import HOSTILE
from tests.servers.processes import refusing_port

pytestmark = pytest.mark.needs("chromium")

ROWS = """
    const bodies = [...document.querySelectorAll("#results-table > tbody")];
    return bodies.filter((body) => body.checkVisibility()).map((body) => {
        const row = {};
        for (const cell of body.querySelectorAll("tr:first-child > td"))
            row[cell.className.match(/col-(\\w+)/)[1]] = cell.innerText.trim();
        row.open = body.querySelector(".extras-row").checkVisibility();
        row.below = row.open ? body.querySelector(".extras-row").innerText : "";
        return row;
    });
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as session:
        yield session


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with refusing_port() as port:
        inventory = INVENTORY + GONE.replace("PORT", str(port))
        return run(tmp_path_factory.mktemp("report"), inventory=inventory).folder / "report.html"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inventory = "hosts: {here: {connection: {kind: local}}}\n"
    return run(tmp_path_factory.mktemp("hostile"), checks=HOSTILE, inventory=inventory).folder / "report.html"


@pytest.fixture
def page(window: Browser, report: Path) -> Browser:
    window.resize(1280, 1000)
    window.open(report)
    window.run("sessionStorage.clear(); history.replaceState({}, null, location.pathname)")
    window.open(report)
    return window


def rows(page: Browser) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.run(ROWS)
    return found


def verdicts(page: Browser) -> list[str]:
    return [row["verdict"] for row in rows(page)]


def test_the_worst_stands_first(page: Browser) -> None:
    assert verdicts(page) == [*["critical"] * 2, *["unknown"] * 3, "warning", *["skipped"] * 2, "ok"]


def test_what_was_observed_is_open_under_what_is_not_ok(page: Browser) -> None:
    assert {(row["verdict"], row["open"]) for row in rows(page)} == {
        ("critical", True),
        ("unknown", True),
        ("warning", True),
        ("skipped", False),
        ("ok", False),
    }
    warning = next(row for row in rows(page) if row["verdict"] == "warning")
    assert "two words" in warning["below"]
    assert "speak up" in warning["below"]


def test_each_box_hides_the_rows_of_its_verdict_and_shows_them_again(page: Browser) -> None:
    before = Counter(verdicts(page))
    for name in before:
        page.click(f"#show-{name}")
        assert Counter(verdicts(page)) == before - Counter({name: before[name]})
        page.click(f"#show-{name}")
        assert Counter(verdicts(page)) == before


def test_the_boxes_say_how_many_verdicts_there_are(page: Browser) -> None:
    said = page.run("return [...document.querySelectorAll('.show label')].map((label) => label.innerText.trim())")
    assert [text.split() for text in said] == [
        text.split() for text in ("critical 2", "unknown 8", "warning 1", "waived 0", "skipped 2", "ok 1")
    ]
    assert page.run("return document.querySelector('#show-waived').disabled")


def test_there_is_one_filter_only(page: Browser) -> None:
    boxes = "return [...document.querySelectorAll('input')].filter((box) => box.checkVisibility()).length"
    assert page.run(boxes) == 6


@pytest.mark.parametrize("column", ["verdict", "host", "target", "check", "observed", "measured", "seconds"])
def test_each_column_sorts_both_ways_also_after_filtering(page: Browser, column: str) -> None:
    page.click("#show-unknown")
    keys = f"""
        return [...document.querySelectorAll("#results-table tbody .col-{column}")]
            .filter((cell) => cell.checkVisibility()).map((cell) => cell.innerHTML)
    """
    if column != "verdict":
        page.click(f'th[data-column-type="{column}"]')
    up = page.run(keys)
    page.click(f'th[data-column-type="{column}"]')
    down = page.run(keys)
    assert len(up) == 6, "what is filtered out stays out"
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)


def test_a_row_opens_and_closes_wherever_it_is_clicked(page: Browser) -> None:
    for place in ("verdict", "verdict > data", "check small", "observed", "measured div b"):
        second = f"#results-table tbody:nth-of-type(2) .col-{place}"
        page.click(second)
        assert not rows(page)[1]["open"], place
        page.click(second)
        assert rows(page)[1]["open"], place


def test_all_rows_open_and_close_at_once(page: Browser) -> None:
    page.click("#hide_all_details")
    assert not any(row["open"] for row in rows(page))
    page.click("#show_all_details")
    assert all(row["open"] for row in rows(page))


def test_rows_and_columns_can_be_worked_from_the_keyboard(page: Browser) -> None:
    page.run("document.querySelector('#results-table tbody [tabindex]').focus()")
    page.press("\ue007")
    assert not rows(page)[0]["open"]
    page.press(" ")
    assert rows(page)[0]["open"], "the focus stays where it was"
    page.run("document.querySelector('th[data-column-type=verdict]').focus()")
    page.press("\ue007")
    assert verdicts(page)[0] == "ok"


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_is_wider_than_the_window(page: Browser, hostile: Path, report: Path, width: int) -> None:
    page.resize(width, 1000)
    for each in (report, hostile):
        page.open(each)
        page.click("#show_all_details")
        assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")


def test_what_is_hostile_is_text_in_the_page(window: Browser, hostile: Path) -> None:
    window.open(hostile)
    window.click("#show_all_details")
    assert window.dialog() is None
    inside = "return document.querySelectorAll('#results-table :is(script, img[onerror], i, b b, iframe)').length"
    assert window.run(inside) == 0
    assert window.run("return document.scripts.length") == 2
    shown = rows(window)
    assert len(shown) == 8
    clean = next(row for row in shown if "log_is_clean" in row["check"])
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>]]><!-- & \"'</td></tr>" in clean["observed"]
    assert r"\x00\x07\x1b[31mred" in clean["observed"]
    assert 'The log <b>is</b> & stays "clean"' in clean["check"]
    assert "<script>alert(3)</script>" in clean["below"]


def test_the_page_asks_nobody_for_anything(page: Browser) -> None:
    asked = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert asked == []
