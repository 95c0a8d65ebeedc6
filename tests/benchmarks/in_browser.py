"""``report.html`` of large runs in headless Chromium: the seconds until all of it is there and painted.

    python -m tests.benchmarks.in_browser [--rounds N] [--with-pytest-html]

The pages are those of real runs with facts in memory (`in_memory`, `not_ok`). Opening is timed from the navigation's
start to the second frame after the load event, on the page's own clock; every row is counted. The table has medians.
With ``--with-pytest-html`` also the page of pytest-html alone, of 30,000 tests in plain pytest, once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.contest import PYTEST, SURROUNDINGS
from tests.benchmarks.judging import CHECK, EMPTY, FORMS, HEAD
from tests.engine.browser import Browser, browser

#: Seconds.
BAR = 2.0
ROUNDS = 5

SCRIPT = """
    const done = arguments[0];
    const opened = () => requestAnimationFrame(() => requestAnimationFrame(() => done([
        performance.now() / 1000, document.querySelectorAll("#results-table tbody").length,
    ])));
    document.readyState === "complete" ? opened() : addEventListener("load", opened);
"""


class Large(NamedTuple):
    """A run: its hosts, the checks of each, and how many percent of the verdicts are not ok."""

    hosts: int
    checks: int
    not_ok: int

    def __str__(self) -> str:
        return f"{self.hosts:,} hosts x {self.checks} checks, {self.not_ok} % not ok"


RUNS = (Large(1_000, 30, 1), Large(1_000, 30, 10), Large(1_000, 30, 100), Large(10_000, 10, 1))


def page(run: Large, folder: Path) -> Path:
    """Make the page of a run."""
    forms = [(name, *form) for name, form in FORMS.items() if name != "reachable"]
    text = [HEAD]
    for number in range(run.checks):
        name, arguments, body = forms[number % len(forms)]
        text.append(CHECK.format(name=name, number=number, arguments=arguments, body=body))
    hosts = f"web-[00001:{run.hosts:05}].example.net"
    connection = "{kind: ssh, user: ops}"
    (folder / "inventory.yaml").write_text(
        f"hosts: {{'{hosts}': {{connection: {connection}, labels: {{role: web}}}}}}\n"
    )
    (folder / "test_all.py").write_text("".join(text))
    environment = {"PYTHONPATH": str(Path(__file__).parent), "NOT_OK": str(run.not_ok)}
    pytest(folder, environment, "-p", "in_memory", "-p", "not_ok", "--inventory", "inventory.yaml")
    return folder / "reports" / "report.html"


def pytest_html_alone(folder: Path) -> Path:
    """Make the page of pytest-html, without Muster."""
    (folder / "test_all.py").write_text(EMPTY)
    pytest(folder, {}, "-p", "no:muster", "--html", "report.html", "--self-contained-html")
    return folder / "report.html"


def pytest(folder: Path, more: dict[str, str], *options: str) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if name not in SURROUNDINGS}
    if "PYTHONPATH" in environment and "PYTHONPATH" in more:
        more["PYTHONPATH"] += os.pathsep + environment["PYTHONPATH"]
    done = subprocess.run(
        [*PYTEST, *options], cwd=folder, env=environment | more, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout[-2000:]


def opening(window: Browser, path: Path) -> tuple[float, int]:
    """The seconds that opening a page takes, and the rows that are there then."""
    window.open(path)
    seconds, rows = window.wait(SCRIPT)
    return seconds, rows


def figures(rounds: int = ROUNDS) -> Iterator[tuple[str, str, str, str]]:
    """For each page: what it is, what opening it takes, the bar, and whether that is met."""
    with tempfile.TemporaryDirectory() as name, browser(Path(name)) as window:
        for number, run in enumerate(RUNS):
            folder = Path(name, str(number))
            folder.mkdir()
            path = page(run, folder)
            taken = [opening(window, path) for _ in range(rounds)]
            seconds = statistics.median(each for each, _ in taken)
            said = f"{seconds:.2f} s, {taken[0][1]:,} rows, {path.stat().st_size / 1e6:.1f} MB"
            yield str(run), said, f"< {BAR:g} s", "met" if seconds < BAR else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each page is opened")
    parser.add_argument("--with-pytest-html", action="store_true", help="also the page of pytest-html alone")
    options = parser.parse_args()
    for row in figures(options.rounds):
        print("{:42} {:32} {:8} {}".format(*row), flush=True)
    if options.with_pytest_html:
        with tempfile.TemporaryDirectory() as name, browser(Path(name)) as window:
            seconds, rows = opening(window, pytest_html_alone(Path(name)))
            print(f"{'pytest-html alone, 30,000 tests':42} {seconds:.2f} s, {rows:,} rows")


if __name__ == "__main__":
    sys.exit(main())
