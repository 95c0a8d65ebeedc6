"""``report.html`` of a large run in a browser: all rows are there, sort, hide and open, over more than one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.report.html_page import SLICE, LargePage
from muster.verdict import Check, Name, Tally, Verdict
from tests.engine.browser import Browser, browser

pytestmark = pytest.mark.needs("chromium")

COUNT = 3 * SLICE
NAMES: tuple[Name, ...] = ("critical", "unknown", "warning")


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as session:
        session.resize(1280, 1000)
        yield session


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tally, page = Tally(), LargePage()
    for number in range(COUNT + 1):
        check = Check(f"check_{number}", "It <b>is</b> well.", "critical", "mend <it>" + 300 * "!")
        message = f"<script>alert({number})</script>"
        name = NAMES[number % len(NAMES)] if number < COUNT else "ok"
        host = f"host-{number * 7 % COUNT:03}-{'long' * 60}"
        verdict = Verdict(check, "host", host, host, {}, name, message, cause="wrong")
        tally.add(verdict)
        page.add(verdict)
    path = tmp_path_factory.mktemp("page") / "report.html"
    page.write(path, tally, {"Run": "none"})
    return path


@pytest.fixture
def page(window: Browser, path: Path) -> Browser:
    window.resize(1280, 1000)
    window.open(path)
    return window


def cells(page: Browser, column: str) -> list[str]:
    script = f"return [...document.querySelectorAll('#results-table td.col-{column}')].map((td) => td.textContent)"
    found: list[str] = page.run(script)
    return found


def test_every_row_is_there(page: Browser) -> None:
    assert len(cells(page, "host")) == COUNT
    assert page.run("return document.querySelectorAll('#results-table section').length") == 3
    assert page.dialog() is None
    assert page.run("return performance.getEntriesByType('resource').length") == 0


def test_each_column_sorts_both_ways(page: Browser) -> None:
    for column in ("host", "check", "observed"):
        page.click(f'th[data-column-type="{column}"]')
        up = cells(page, column)
        page.click(f'th[data-column-type="{column}"]')
        assert len(up) == COUNT
        assert up == sorted(up)
        assert cells(page, column) == up[::-1]


def test_each_box_hides_the_rows_of_its_verdict_and_shows_them_again(page: Browser) -> None:
    page.click('th[data-column-type="host"]')
    before = cells(page, "verdict")
    for name in NAMES:
        page.click(f"#show-{name}")
        assert cells(page, "verdict") == [each for each in before if each != name]
        page.click(f"#show-{name}")
        assert cells(page, "verdict") == before


def test_a_box_without_rows_cannot_be_used(page: Browser) -> None:
    disabled = page.run("return [...document.querySelectorAll('.show input:disabled')].map((box) => box.id)")
    assert disabled == ["show-waived", "show-skipped", "show-ok"]


def test_a_row_opens_and_closes_also_from_the_keyboard(page: Browser) -> None:
    below = "return document.querySelector('.extras-row').checkVisibility()"
    page.click(".col-observed")
    assert not page.run(below)
    page.run("document.querySelector('td[tabindex]').focus()")
    page.press("\ue007")
    assert page.run(below)
    page.click("#hide_all_details")
    assert not page.run(below)
    page.click("#show_all_details")
    assert page.run(below)


def test_columns_sort_from_the_keyboard_and_keep_the_focus(page: Browser) -> None:
    for expected in (["warning", "critical"], ["critical", "warning"]):
        page.run("document.querySelector('th[data-column-type=verdict]').focus()")
        page.press(" ")
        shown = cells(page, "verdict")
        assert [shown[0], shown[-1]] == expected
        assert page.run("return document.activeElement.dataset.columnType") == "verdict"


def test_what_is_far_below_is_found(page: Browser) -> None:
    assert page.run("return find(arguments[0])", f"alert({COUNT - 1})")


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_is_wider_than_the_window(page: Browser, path: Path, width: int) -> None:
    page.resize(width, 1000)
    page.open(path)
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    wider = (
        "return [...document.querySelectorAll('html, section')].filter((each) => each.scrollWidth > each.clientWidth)"
    )
    assert page.run(wider) == []


def test_a_script_that_got_into_the_page_does_not_run(page: Browser) -> None:
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    page.run("const got = document.createElement('script'); got.text = 'window.ran = 1'; document.body.append(got)")
    page._painted()
    assert page.run("return window.ran ?? null") is None
