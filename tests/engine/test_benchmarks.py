"""The page of benchmarks: what was measured gets there, the rest of it stays. Nothing here measures."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.benchmarks import judging, page
from tests.benchmarks.__main__ import BENCHMARKS, table
from tests.benchmarks.contest import (
    PYTEST,
    ROOT,
    Contender,
    Contest,
    ContestError,
    Sample,
    figures,
    held,
    processor_seconds,
    served,
)
from tests.benchmarks.figures import COLUMNS, Bar, Figure
from tests.servers.origins import Origins

MET = Figure(Bar("ours", "theirs", at_least=2), (3.0, 2.0, 1.0), (8.0, 4.0, 4.2))

PAGE = """\
# Figures

What bounds the first.

<!-- measured: first -->
old
<!-- end of first -->

<!-- measured: second -->

kept

<!-- end of second -->
The end.
"""


def cells(bar: Bar, ours: tuple[float, ...], theirs: tuple[float, ...] = ()) -> dict[str, str]:
    return dict(zip(COLUMNS, Figure(bar, ours, theirs).cells(), strict=True))


def test_a_figure_is_a_median_with_how_far_the_runs_were_apart() -> None:
    shown = dict(zip(COLUMNS, MET.cells(), strict=True))
    assert shown["it took"] == "2.00 s (1.00 to 3.00 in 3)"
    assert shown["that took"] == "4.20 s (4.00 to 8.00 in 3)"
    assert (shown["ratio"], shown["bar"], shown[""]) == ("2.1 x as fast", "at least 2", "met")


def test_what_ran_once_says_so() -> None:
    assert cells(Bar("ours", quantity="rss"), (812.4,))["it took"] == "812 MB (once)"


@pytest.mark.parametrize(
    ("bar", "ours", "theirs", "ratio", "judged"),
    [
        (Bar("a", "b", at_least=2), 3.0, 4.5, "1.5 x as fast", "MISSED by 25 %"),
        (Bar("a", "b", at_least=2), 2.0, 4.0, "2 x as fast", "met"),
        (Bar("a", "b", at_least=2), 2.001, 4.0, "2 x as fast", "MISSED by 0.05 %"),
        (Bar("a", "b", at_most=5), 0.6, 0.1, "6 x as much", "MISSED by 20 %"),
        (Bar("a", "b", at_most=5), 1.6, 0.1, "16 x as much", "MISSED by 220 %"),
        (Bar("a", "b", at_most=5), 0.5, 0.1, "5 x as much", "met"),
        (Bar("a", "b", "rss", at_most=1.3), 130.0, 100.0, "1.3 x as much", "met"),
        (Bar("a", "b", within=5.5), 16.0, 10.0, "6.00 s more", "MISSED by 0.50 s"),
        (Bar("a", "b", within=5.5), 15.0, 10.0, "5.00 s more", "met"),
        (Bar("a", within=2), 2.25, None, "", "MISSED by 0.25 s"),
        (Bar("a", quantity="rss", within=900), 899.0, None, "", "met"),
        (Bar("a", "b"), 1.0, 250.0, "250 x as fast", ""),
        (Bar("a", "b"), 2.0, 1.0, "2 x as much", ""),
        (Bar("a", "b", "rss"), 50.0, 100.0, "0.5 x as much", ""),
    ],
)
def test_a_missed_bar_says_by_how_much(bar: Bar, ours: float, theirs: float | None, ratio: str, judged: str) -> None:
    shown = cells(bar, (ours,), () if theirs is None else (theirs,))
    assert (shown["ratio"], shown[""]) == (ratio, judged)
    assert (Figure(bar, (ours,), (theirs,) if theirs else ()).missed is not None) == judged.startswith("MISSED")


def test_only_what_was_measured_anew_is_replaced() -> None:
    new = page.rewritten(PAGE, {"first": page.section([MET], ["2026-01-01, 2 cores.", "asyncssh 2.24."])})
    before, after = PAGE.split("old\n")
    assert new.startswith(before)
    assert new.endswith(after)
    assert "old" not in new
    assert "| ours | wall | 2.00 s (1.00 to 3.00 in 3) | theirs |" in new
    assert "2 cores.\n\nasyncssh 2.24." in new
    assert page.rewritten(new, {"first": "old"}).replace("\n\nold\n\n", "\nold\n") == PAGE


def test_a_table_of_the_page_has_as_many_cells_in_every_row() -> None:
    text = page.section([MET, Figure(Bar("alone", quantity="rss", within=900), (812.0,))], ["now"])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {len(COLUMNS) + 1}


@pytest.mark.parametrize("wrong", ["third", "first"])
def test_a_page_without_a_place_for_a_benchmark_is_refused(wrong: str) -> None:
    text = PAGE.replace("<!-- end of first -->", "")
    with pytest.raises(page.PageError, match=f"<!-- measured: {wrong} -->"):
        page.check(text, [wrong])


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text(PAGE)
    with pytest.raises(page.PageError):
        page.write({"first": "new", "third": "new"}, file)
    assert file.read_text() == PAGE
    page.write({"first": "new"}, file)
    assert "new" in file.read_text()
    assert list(tmp_path.iterdir()) == [file]


def test_the_page_has_a_place_for_every_benchmark() -> None:
    page.check(page.PAGE.read_text(), BENCHMARKS)


def test_the_table_at_the_end_names_the_benchmark_of_each_figure() -> None:
    head, row = table({"judging": [MET]}).splitlines()
    assert head.startswith("benchmark  what")
    assert row.startswith("judging    ours")
    assert row.endswith("met")


def test_programs_run_in_turn_and_what_is_done_after_each_is_not_theirs(tmp_path: Path) -> None:
    def says(name: str, **more: object) -> Contender:
        return Contender(name, ("sh", "-c", f"echo {name} >>ran"), tmp_path, **more)  # type: ignore[arg-type]

    once = says("b", rounds=1, warm_up=("true",), after=("sh", "-c", "echo after >>ran"))
    contest = Contest([says("a"), once], [Bar("a", "b"), Bar("a")])
    told: list[str] = []
    taken = held(contest, 2, told.append)
    assert (tmp_path / "ran").read_text().split() == ["a", "after", "a", "b", "after", "a"]
    assert [len(figure.ours) for figure in figures(contest, taken)] == [2, 2]
    assert [len(figure.theirs) for figure in figures(contest, taken)] == [1, 0]
    assert sum(line.startswith("round 2 of 2: a, ") for line in told) == 1
    assert served(contest, taken) is None


def test_a_run_with_facts_in_memory_judges_them(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_all.py").write_text(judging.checks())
    (tmp_path / "inventory.yaml").write_text(judging.INVENTORY.replace(str(judging.HOSTS), "0002"))
    command = (*PYTEST, "-p", "in_memory", "--inventory", "inventory.yaml")
    here = {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests/benchmarks"), *sys.path])}
    held(Contest([Contender("muster", command, tmp_path, here)], []), 1, tell=lambda said: None)
    assert (tmp_path / "reports/results.jsonl").read_text().count('"verdict":"ok"') == 2 * judging.CHECKS


def test_what_the_servers_took_is_told_apart(tmp_path: Path) -> None:
    contest = Contest([Contender("a", ("true",), tmp_path)], [], servers=(os.getpid(),))
    said = served(contest, {"a": [Sample(1, 1, 1, seconds) for seconds in (2.5, 0.25, 0)]})
    assert said == "CPU of the servers, on the same cores: a 0.25 s"


def test_the_processor_time_of_a_server_is_that_of_its_process_and_its_children() -> None:
    before = sum(os.times()[:4])
    counted = processor_seconds([os.getpid()])
    assert before > 0.1
    assert before - 0.05 <= counted <= sum(os.times()[:4]) + 0.05  # in ticks of 0.01 s


def test_a_program_that_does_not_do_its_work_ends_the_contest(tmp_path: Path) -> None:
    wrong = Contender("wrong", ("sh", "-c", "echo why; exit 3"), tmp_path)
    assert held(Contest([replace(wrong, exits=3)], []), 1, lambda line: None)
    with pytest.raises(ContestError, match="wrong ended with 3\nwhy"):
        held(Contest([wrong], []), 1, lambda line: None)


def test_origins_have_addresses_of_their_own_and_answer_again_on_the_same_connection() -> None:
    with Origins(300, delay=0) as origins:
        assert len(set(origins.urls)) == 300
        for url in (origins.urls[0], origins.urls[-1]):
            address = urlsplit(url)
            with contextlib.closing(HTTPConnection(str(address.hostname), address.port, timeout=20)) as connection:
                for _ in range(2):
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    assert (answer.status, answer.read()) == (200, b'{"ok": true}')
