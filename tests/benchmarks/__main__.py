"""All benchmarks in one go: a table of ratios, each with its bar and whether it is met.

    python -m tests.benchmarks [--only judging|over_ssh|starting] [--rounds N]

Each program is run as a whole process, in turn with those that it is compared with; the table has medians. The
servers are real and are started here, which needs root for the Docker engine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from tests.benchmarks.contest import Bar, ContestError, Quantity, Sample, held

#: How often each is run.
BENCHMARKS = {"judging": 3, "over_ssh": 5, "starting": 9}

UNITS: Mapping[Quantity, tuple[str, str]] = {"wall": ("wall", "s"), "cpu": ("CPU", "s"), "rss": ("peak RSS", "MB")}
ROW = "{:9} {:10} {:21} {:>9}   {:27} {:>9}   {:>14}   {:>9}   {}"


def rows(name: str, bars: tuple[Bar, ...], medians: Mapping[str, Sample]) -> Iterator[str]:
    for bar in bars:
        title, unit = UNITS[bar.quantity]
        ours, theirs = (getattr(medians[each], bar.quantity) for each in (bar.ours, bar.theirs))
        faster = bar.at_least is not None or (bar.at_most is None and bar.quantity != "rss" and ours < theirs)
        ratio = theirs / ours if faster else ours / theirs
        wanted, met = "", ""
        if bar.at_least is not None:
            wanted, met = f">= {bar.at_least:g}", "met" if ratio >= bar.at_least else "MISSED"
        elif bar.at_most is not None:
            wanted, met = f"<= {bar.at_most:g}", "met" if ratio <= bar.at_most else "MISSED"
        said = f"{ratio:.2f} x {'faster' if faster else 'as much'}"
        shown = [f"{value:.{0 if unit == 'MB' else 2}f} {unit}" for value in (ours, theirs)]
        yield ROW.format(name, title, bar.ours, shown[0], bar.theirs, shown[1], said, wanted, met)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=BENCHMARKS, help="this benchmark alone")
    parser.add_argument("--rounds", type=int, help="how often each program is run")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(
        f"{os.cpu_count()} cores, load {load:.2f} before, Python {platform.python_version()}, "
        f"pytest {version('pytest')}, {platform.system()} {platform.release()}\n"
    )
    print(ROW.format("benchmark", "quantity", "ours", "", "theirs", "", "ratio", "bar", "").rstrip(), flush=True)
    for name in [options.only] if options.only else BENCHMARKS:
        with importlib.import_module(f"tests.benchmarks.{name}").contest() as contest:
            try:
                medians = held(contest, options.rounds or BENCHMARKS[name])
            except ContestError as error:
                sys.exit(f"{name}: {error}")
        for row in rows(name, contest.bars, medians):
            print(row, flush=True)
    print(f"\nload {os.getloadavg()[0]:.2f} after; the benchmarks themselves are some 1 to 2 of it")


if __name__ == "__main__":
    main()
