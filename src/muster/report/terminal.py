"""The terminal: what a run is about, how far it is while it gathers, and what it comes to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from muster.report.listing import COLOURS
from muster.targets import Host, Target
from muster.text import plural, printable
from muster.verdict import NAMES, Name, Tally

#: Pytest's category of each verdict: what its own summary counts it as.
CATEGORIES: Mapping[Name, str] = {
    "ok": "passed",
    "warning": "warning",
    "critical": "failed",
    "unknown": "error",
    "skipped": "skipped",
    "waived": "xfailed",
}

#: What pytest summarises at its end where ``-r`` does not say.
USUAL_REPORTCHARS = "fE"


class Terminal(Protocol):
    """What we use of pytest's terminal reporter."""

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None: ...
    def write_line(self, line: str, **markup: bool) -> None: ...
    def ensure_newline(self) -> None: ...


class NoTerminal:
    """Stands for pytest's terminal reporter where it was left out, by ``-p no:terminal``: nothing is shown."""

    isatty = hasmarkup = False
    verbosity = -2
    stats: Mapping[str, list[Any]] = {}

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None: ...
    def write_line(self, line: str, **markup: bool) -> None: ...
    def ensure_newline(self) -> None: ...


def header(files: Sequence[str], targets: Sequence[Target]) -> str:
    """The line above a run: how many targets of which kinds, from where."""
    counts: dict[str, int] = {}
    for target in targets:
        counts[target.kind] = counts.get(target.kind, 0) + 1
    kinds = ", ".join(plural(count, kind) for kind, count in counts.items()) or "no target"
    return printable(f"muster: {kinds} from {', '.join(files)}")


def no_target(terminal: Any, counts: Mapping[str, int]) -> None:
    """Say once which kinds have no target here, and how many checks that is. ``-q`` does not ask for it."""
    if terminal.verbosity < 0 or not counts:
        return
    *others, last = counts
    kinds = f"{', '.join(others)} and {last}" if others else last
    count = sum(counts.values())
    terminal.write_line(f"no {kinds} here: {plural(count, 'check')} without a target", light=True)


def dry_run(terminal: Terminal, lines: Iterator[str], redact: Callable[[str], str], live: int) -> None:
    """Write the ``lines`` of a plan, and how many ``live`` tests there are, which no plan knows the questions of."""
    terminal.ensure_newline()
    terminal.write_line("would ask (nothing was contacted):", bold=True)
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        terminal.write_line(indent + printable(redact(line.strip())))
    if live:
        terminal.write_line(f"{plural(live, 'live test')} would ask for {'itself' if live == 1 else 'themselves'}")


@contextmanager
def gathering(terminal: Any, wanted: Mapping[Host, int]) -> Iterator[Callable[[Host, int], None] | None]:
    """Show how far the gathering is, on a terminal; say how long it took, everywhere.

    ``wanted`` is how many facts are asked of each host.
    """
    if not wanted:
        yield None
        return
    start = time.monotonic()
    terminal.ensure_newline()
    if terminal.isatty and terminal.verbosity >= -1:
        from muster.report.progress import bar

        with bar(wanted, colour=terminal.hasmarkup) as advance:
            yield advance
    else:
        yield None
    asked(terminal, len(wanted), sum(wanted.values()), time.monotonic() - start)


def asking(terminal: Any, workers: int, hosts: int, others: int) -> None:
    """Say that workers of xdist begin to ask so many hosts, and other targets that are under none."""
    if terminal.verbosity < 0 or not (hosts or others):
        return
    said = [plural(hosts, "host")] * bool(hosts) + [plural(others, "other target")] * bool(others)
    verb = "asks" if workers == 1 else "ask"
    terminal.write_line(f"{plural(workers, 'worker')} {verb} {' and '.join(said)}")


def asked(terminal: Any, hosts: int, facts: int, seconds: float) -> None:
    """Say what a gathering was, when it is over."""
    if terminal.verbosity >= 0 and facts:
        terminal.write_line(f"asked {plural(hosts, 'host')} for {plural(facts, 'fact')} in {seconds:.1f} s")


def last_line(terminal: Any, tally: Tally, selected: int) -> None:
    """The last line of a run: its verdicts, its targets, and how many checks could not look.

    Where the run ended before all that was ``selected`` was judged, also how many were not.
    """
    terminal.ensure_newline()
    terminal.write("muster: ", bold=True)
    counted = [name for name in reversed(NAMES) if tally.counts[name]]
    for place, name in enumerate(counted):
        terminal.write(", " if place else "")
        terminal.write(f"{tally.counts[name]:,} {name}", **COLOURS[name])
    left = selected - sum(tally.counts.values())
    said = [scope(tally)] if counted else []
    if not counted and left <= 0:
        said.append("nothing was selected")
    if left > 0:
        said.append(f"{plural(left, 'check')} not judged")
    terminal.write_line(f"{' · ' if counted else ''}{' · '.join(said)}")


def not_whole(terminal: Any, error: OSError, folder: Path | None) -> None:
    """Say that reports are missing or cut off, and why."""
    why = f"{error.filename or folder}: {error.strerror or error}"
    said = f"the reports are not whole: {why}"
    terminal.write_line(said, **COLOURS["critical"])


def scope(tally: Tally) -> str:
    """How much a run looked at, and how many of its checks could not: ``3 targets on 1 host``."""
    words = plural(len(tally.targets), "target")
    if tally.hosts:
        words += f" on {plural(len(tally.hosts), 'host')}"
    if unknown := tally.counts["unknown"]:
        words += f" · {plural(unknown, 'check')} not observed"
    return words


def leave_to_listing(terminal: Any, config: Any) -> None:
    """Keep pytest from printing again what the listing says, unless its own options ask for it.

    What failed and has no verdict is in no listing: then pytest prints all, as it always does.
    """
    if isinstance(terminal, NoTerminal):
        return
    failed = [*terminal.getreports("failed"), *terminal.getreports("error")]
    if not all(hasattr(report, "muster") for report in failed):
        return
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "no"
    if config.option.reportchars == USUAL_REPORTCHARS:
        terminal.reportchars = ""
