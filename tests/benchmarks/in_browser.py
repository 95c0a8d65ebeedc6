"""``report.html`` of large runs in headless Chromium: the seconds until all of it is there and painted.

The pages are those of real runs with facts in memory (`in_memory`, `not_ok`). Opening one is timed from the start of
the navigation to the second frame after the load event, on the page's own clock; its rows are counted then. Beside
them, once, the page of pytest-html alone, of as many tests in plain pytest.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.contest import PYTEST, SURROUNDINGS, ContestError
from tests.benchmarks.figures import Bar, Figure
from tests.benchmarks.judging import EMPTY
from tests.benchmarks.ten_thousand import INVENTORY, checks, plugins
from tests.engine.browser import Browser, browser

#: Seconds.
BAR = 2.0

SCRIPT = """
    const done = arguments[0];
    const opened = () => requestAnimationFrame(() => requestAnimationFrame(() => done([
        performance.now() / 1000, document.querySelectorAll("#results-table tbody").length,
    ])));
    document.readyState === "complete" ? opened() : addEventListener("load", opened);
"""


class Large(NamedTuple):
    """A run: its hosts, the checks of each, and how many percent of what they find is not ok."""

    hosts: int
    checks: int
    not_ok: int

    def __str__(self) -> str:
        return f"{self.hosts:,} hosts x {self.checks} checks, {self.not_ok} % not ok"


RUNS = (Large(1_000, 30, 1), Large(1_000, 30, 10), Large(1_000, 30, 100), Large(10_000, 10, 1))


def figures(rounds: int) -> Sequence[Figure]:
    with tempfile.TemporaryDirectory() as name, browser(Path(name)) as window:
        found = []
        for number, run in enumerate(RUNS):
            path = page(run, Path(name, str(number)))
            taken = [opening(window, path) for _ in range(rounds)]
            said = f"{run}: {taken[0][1]:,} rows, {path.stat().st_size / 1e6:.1f} MB"
            found.append(Figure(Bar(said, within=BAR), [seconds for seconds, _ in taken]))
        path = page_of_pytest_html(Path(name, "plain"))
        seconds, rows = opening(window, path)
        said = f"pytest-html alone: {rows:,} rows, {path.stat().st_size / 1e6:.1f} MB"
        return [*found, Figure(Bar(said), [seconds])]


def opening(window: Browser, path: Path) -> tuple[float, int]:
    """The seconds that opening a page takes, and the rows that are there then."""
    window.open(path)
    seconds, rows = window.wait(SCRIPT)
    return seconds, rows


def page(run: Large, folder: Path) -> Path:
    """Make the page of a run. No login fails: the host would be one row, whatever else is wrong with it."""
    options = ("-p", "in_memory", "-p", "not_ok", "--inventory", "inventory.yaml")
    environment = {**plugins(), "NOT_OK": str(run.not_ok)}
    files = {"inventory.yaml": INVENTORY.format(run.hosts), "test_all.py": checks(run.checks, "reachable")}
    _pytest(folder, files, options, environment)
    return folder / "reports" / "report.html"


def page_of_pytest_html(folder: Path) -> Path:
    """Make the page of pytest-html, without Muster."""
    options = ("-p", "no:muster", "--html", "report.html", "--self-contained-html")
    _pytest(folder, {"test_all.py": EMPTY}, options, {})
    return folder / "report.html"


def _pytest(folder: Path, files: Mapping[str, str], options: Sequence[str], more: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
        (folder / name).write_text(text)
    environment = {name: value for name, value in os.environ.items() if name not in SURROUNDINGS}
    done = subprocess.run(
        [*PYTEST, *options], cwd=folder, env={**environment, **more}, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise ContestError(f"pytest ended with {done.returncode}\n{done.stdout[-3000:]}")
