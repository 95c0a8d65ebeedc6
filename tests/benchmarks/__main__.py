"""All benchmarks in one go: a table with every bar, met or missed, and docs/benchmarks.md with the new figures.

    python -m tests.benchmarks [--only NAME]... [--rounds N] [--no-page]

Each program is run as a whole process, in turn with those that it is compared with. The servers are real and are
started here, which needs root for the Docker engine. All together they take some 20 minutes. The exit status is 1
where a bar is missed, or a benchmark could not be held.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from tests.benchmarks import contest as contests
from tests.benchmarks import page
from tests.benchmarks.contest import ContestError
from tests.benchmarks.figures import COLUMNS, Figure
from tests.servers.processes import ServerError

#: How often each is run. A module has ``contest()``, or ``figures(rounds)`` where no process starts and exits.
BENCHMARKS = {
    "starting": 9,
    "four_observations": 9,
    "one_host": 5,
    "judging": 3,
    "ten_thousand": 3,
    "thousand_hosts": 3,
    "dead_host": 3,
    "over_ssh": 5,
    "endpoints": 5,
    "in_browser": 5,
}


def measured(name: str, rounds: int) -> tuple[Sequence[Figure], Sequence[str]]:
    """The figures of a benchmark, and what is to be known of how they came about.

    Raises `ContestError` and `ServerError`.
    """
    benchmark = importlib.import_module(f"tests.benchmarks.{name}")
    began, load = time.monotonic(), os.getloadavg()[0]
    more: list[str] = []
    if hasattr(benchmark, "contest"):
        with benchmark.contest() as contest:
            taken = contests.held(contest, rounds, lambda line: print(f"{name}: {line}", flush=True))
            more = [line for line in ("; ".join(contest.on), contests.served(contest, taken)) if line]
        figures = contests.figures(contest, taken)
    else:
        figures = benchmark.figures(rounds)
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    on = (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"pytest {version('pytest')}, {system}. Load before {load:.1f}, after {os.getloadavg()[0]:.1f}; "
        f"it took {(time.monotonic() - began) / 60:.1f} minutes."
    )
    return figures, [on, *(f"{line}." for line in more)]


def table(figures: Mapping[str, Sequence[Figure]]) -> str:
    """All figures, each with the name of its benchmark, for a terminal."""
    rows = [("benchmark", *COLUMNS), *((name, *each.cells()) for name, found in figures.items() for each in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this benchmark; may be given again")
    parser.add_argument("--rounds", type=int, help="how often each program is run")
    parser.add_argument("--no-page", action="store_true", help="leave docs/benchmarks.md as it is")
    options = parser.parse_args()
    names = [name for name in BENCHMARKS if name in (options.only or BENCHMARKS)]
    if not options.no_page:
        page.check(page.PAGE.read_text(), names)
    found: dict[str, Sequence[Figure]] = {}
    sections: dict[str, str] = {}
    for name in names:
        try:
            found[name], on = measured(name, options.rounds or BENCHMARKS[name])
        except (ContestError, ServerError) as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
        except Exception:  # the others have taken minutes, which must not be lost
            traceback.print_exc()
        else:
            sections[name] = page.section(found[name], on)
    broken = [name for name in names if name not in found]
    print(f"\n{table(found)}")
    if not options.no_page:
        page.write(sections)
        print(f"\ndocs/benchmarks.md has new figures of {', '.join(sections) or 'nothing'}")
    missed = sum(figure.missed is not None for figures in found.values() for figure in figures)
    print(f"bars missed: {missed}" + (f"; could not be held: {', '.join(broken)}" if broken else ""))
    return 1 if missed or broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except page.PageError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\ninterrupted; docs/benchmarks.md is as it was", file=sys.stderr)
        sys.exit(130)
