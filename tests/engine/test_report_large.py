"""``report.html`` of a large run: a page of our own with every row that is not ok, and the counts of all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.report.html_page import LargePage
from muster.verdict import Check, Name, Tally, Verdict
from tests.engine.report_runs import GONE, INVENTORY, Made, rows, run, steady
from tests.engine.test_report_hostile import HOSTILE
from tests.servers.processes import refusing_port

DRAWN = "import muster.report.html\nmuster.report.html.MOST_DRAWN = 6\n"
ENOUGH = f"{DRAWN}muster.report.html.MOST_ROWS = 6\n"
PLAIN = """
def test_that_is_no_check(extras):
    from pytest_html.extras import html

    extras.append(html("<u>attached</u>"))
    print("<b>printed</b>")
    assert 1 == 2, "<b>plain</b>"
"""


def large(folder: Path, *options: str, **more: str) -> Made:
    (folder / "conftest.py").write_text(ENOUGH)
    plain = folder / "test_plain.py"
    plain.write_text(PLAIN)
    return run(folder, *options, more=[plain], **more)  # type: ignore[arg-type]


def bodies(page: str) -> list[str]:
    return re.findall(r'<tbody class="verdict-.*?</tbody>', page, re.DOTALL)


@pytest.fixture(scope="module")
def inventory() -> Iterator[str]:
    with refusing_port() as port:
        yield INVENTORY + GONE.replace("PORT", str(port))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, inventory: str) -> Made:
    return large(tmp_path_factory.mktemp("large"), inventory=inventory)


def test_what_is_not_ok_has_the_cells_that_it_has_in_a_small_run(tmp_path: Path, made: Made, inventory: str) -> None:
    small = [row for row in rows(run(tmp_path, inventory=inventory).page) if row["result"] != "Passed"]
    cells = ["".join(row["resultsTableRow"][:7]) for row in small]
    drawn = [re.findall(r'<tr class="collapsible".*?>(.*?)</tr>', body)[0] for body in bodies(made.page)]
    checks = [row for row in drawn if "test_plain" not in row]
    assert sorted(map(steady, checks)) == sorted(map(steady, cells))


def test_the_worst_stands_first_and_says_what_to_do(made: Made) -> None:
    verdicts = [re.findall('class="verdict-([a-z]+)', body)[0] for body in bodies(made.page)]
    assert verdicts == [*["critical"] * 3, *["unknown"] * 3, "warning", *["skipped"] * 2]
    (taught,) = (body for body in bodies(made.page) if "words_are_three" in body)
    assert (
        "Observed: two words\nExpected: The host says three words\nRemediation: teach it &amp; &lt;again&gt;"
        in taught
    )


def test_verdicts_are_counted_by_check_and_by_host(made: Made) -> None:
    assert "1 ok verdict left out: above 6 verdicts" in made.page
    assert "<tr><td>words are said</td><td>1</td><td>0</td><td>0</td><td>1</td><td>0</td></tr>" in made.page
    assert "<tr><td>gone</td><td>0</td><td>1</td><td>0</td><td>6</td><td>0</td></tr>" in made.page
    assert "<tr><td>here</td><td>1</td><td>1</td><td>1</td><td>2</td><td>2</td></tr>" in made.page


def test_an_unreachable_host_is_one_row(made: Made) -> None:
    (row,) = (row for row in bodies(made.page) if ">gone<" in row and "verdict-skipped" not in row)
    assert "6 checks not observed" in row
    assert "words are loud" in row


def test_a_test_that_is_no_check_has_a_row_with_what_it_left(made: Made) -> None:
    (row,) = (row for row in bodies(made.page) if "test_plain" in row)
    assert row.startswith('<tbody class="verdict-critical">')
    assert "&lt;b&gt;plain" in row
    assert "&lt;b&gt;printed" in row
    assert "<u>attached</u>" in row


def test_all_verdicts_are_in_the_other_reports(made: Made) -> None:
    assert len(made.results) == 14
    assert len(list(made.junit.iter("testcase"))) == 15


def test_a_page_is_whole_where_another_report_is_not(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "junit.xml").symlink_to("/dev/full")
    broken = large(tmp_path)
    assert broken.code == 4
    assert len(bodies(broken.page)) == 7
    assert "1 ok verdict left out" in broken.page


def test_where_pytest_html_would_be_slow_the_page_has_what_is_ok_too(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(DRAWN)
    page = run(tmp_path).page
    (said,) = (body for body in bodies(page) if "words_are_said" in body)
    assert said.startswith('<tbody class="verdict-ok"><tr class="collapsible" aria-expanded="false">')
    assert len(bodies(page)) == 7
    assert "verdict left out" not in page


def test_a_run_that_stops_early_says_so(tmp_path: Path) -> None:
    assert "The run stopped early: 2 of 8 checks judged." in large(tmp_path, "-x").page


@pytest.mark.parametrize("options", [("--no-quick-path",), ("-n", "1")])
def test_pytests_own_way_and_workers_give_the_same_rows(
    tmp_path: Path, made: Made, inventory: str, options: tuple[str, ...]
) -> None:
    def cells(of: Made) -> list[str]:
        return sorted(steady(row.partition("</tr>")[0]) for row in bodies(of.page) if "test_plain" not in row)

    assert cells(large(tmp_path, *options, inventory=inventory)) == cells(made)


def test_what_is_hostile_is_text_and_no_other_script_may_run(tmp_path: Path) -> None:
    page = large(tmp_path, checks=HOSTILE, inventory="hosts: {here: {connection: {kind: local}}}\n").page
    markup = "".join(bodies(page)).lower()
    for element in ("<script", "<img", "<i>", "<b>bold"):
        assert element not in markup
    assert page.count("<script>") == 1
    assert "Content-Security-Policy" in page
    assert re.search(r"script-src 'sha256-[\w+/]{43}='\"", page)


def test_the_worst_stands_first_in_the_tables_too(tmp_path: Path) -> None:
    tally, page = Tally(), LargePage()
    said: dict[str, tuple[Name, ...]] = {
        "fine": ("ok", "ok", "ok"),
        "odd": ("warning", "warning", "warning"),
        "ill": ("ok", "ok", "critical"),
        "worse": ("critical", "ok", "critical"),
        "well": ("skipped", "waived", "ok"),
    }
    for host, names in said.items():
        for number, name in enumerate(names):
            verdict = Verdict(Check(f"x_is_{number}", "X", "critical"), "host", host, host, {}, name)
            tally.add(verdict)
            page.add(verdict)
    page.write(tmp_path / "page.html", tally, {})
    written = (tmp_path / "page.html").read_text("utf-8")
    tables = [re.findall(r"<tr><td>(.*?)</td>", each) for each in written.split("<details")[1:]]
    assert tables == [["x is 2", "x is 0", "x is 1"], ["worse", "ill", "odd", "fine", "well"]]


def test_a_failed_test_that_is_no_check_is_no_green_page(tmp_path: Path) -> None:
    tally, page = Tally(), LargePage()
    tally.add(Verdict(Check("x_is_y", "X", "critical"), "host", "here", "here", {}, "ok"))
    page.write(tmp_path / "page.html", tally, {}, plain={"critical": 1})
    written = (tmp_path / "page.html").read_text("utf-8")
    assert "<title>Muster: 1 critical</title>" in written
    assert '<p class="overall overall-critical">' in written


def test_a_page_is_made_of_verdicts_alone(tmp_path: Path) -> None:
    tally, page = Tally(), LargePage()
    for number in range(3):
        name = "critical" if number else "ok"
        verdict = Verdict(Check("x_is_y", "<X>", "critical"), "host", f"<{number}>", f"<{number}>", {}, name)
        tally.add(verdict)
        page.add(verdict)
    page.write(tmp_path / "page.html", tally, {"Runs": "two"}, ["<p>Shard 2 is missing.</p>"])
    written = (tmp_path / "page.html").read_text("utf-8")
    assert len(bodies(written)) == 2
    assert "<title>Muster: 2 critical</title>" in written
    assert "<dt>Runs</dt><dd>two</dd>" in written
    assert "<p>Shard 2 is missing.</p>" in written
    assert "<tr><td>&lt;0&gt;</td><td>1</td><td>0</td></tr>" in written
