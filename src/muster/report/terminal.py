"""The terminal: what a run looks at while it gathers, and what came of it, host by host."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from muster.targets import Host, Target
from muster.text import plural, printable
from muster.verdict import NAMES, Name, Tally, Verdict

#: Pytest's category of each verdict: what its own summary counts it as.
CATEGORIES: Mapping[Name, str] = {
    "ok": "passed",
    "warning": "warning",
    "critical": "failed",
    "unknown": "error",
    "skipped": "skipped",
    "waived": "xfailed",
}

_COLOURS: Mapping[Name, dict[str, bool]] = {
    "ok": {"green": True},
    "warning": {"yellow": True},
    "critical": {"red": True, "bold": True},
    "unknown": {"purple": True, "bold": True},
    "skipped": {"light": True},
    "waived": {"yellow": True},
}

#: What pytest summarises at its end where ``-r`` does not say.
USUAL_REPORTCHARS = "fE"

#: Up to so many verdicts, a run lists the good ones too without being asked.
FEW = 100


class Terminal(Protocol):
    """What we use of pytest's terminal reporter."""

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None: ...
    def write_line(self, line: str, **markup: bool) -> None: ...
    def ensure_newline(self) -> None: ...


def header(files: Sequence[str], targets: Sequence[Target]) -> str:
    """The line above a run: how many targets of which kinds, from where."""
    counts: dict[str, int] = {}
    for target in targets:
        counts[target.kind] = counts.get(target.kind, 0) + 1
    kinds = ", ".join(plural(count, kind) for kind, count in counts.items())
    return f"muster: {kinds} from {', '.join(map(str, files))}"


def no_target(terminal: Terminal, counts: Mapping[str, int]) -> None:
    """Say once, per kind, how many checks have no target in this inventory."""
    for kind, count in counts.items():
        have = "has" if count == 1 else "have"
        terminal.write_line(f"no {kind}s here: {plural(count, 'check')} {have} no target", light=True)


def dry_run(terminal: Terminal, lines: Iterator[str], redact: Callable[[str], str]) -> None:
    terminal.ensure_newline()
    terminal.write_line("would ask (nothing was contacted):", bold=True)
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        terminal.write_line(indent + printable(redact(line.strip())))


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
    if terminal.verbosity >= 0:
        asked = f"asked {plural(len(wanted), 'host')} for {plural(sum(wanted.values()), 'fact')}"
        terminal.write_line(f"{asked} in {time.monotonic() - start:.1f} s")


class Listing:
    """The verdicts of a run, host by host, as the terminal shows them at its end.

    With ``verbosity`` above 0 every verdict is listed, below 0 only those that are not ok; at 0, all of a small run
    and of a large one those that are not ok. The unknowns of a host that is down are one line.
    """

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity
        self._by_host: dict[str, list[Verdict]] = {}
        self._ok: dict[str, int] = {}
        self._down: dict[str, list[Verdict]] = {}
        self._count = 0

    def add(self, verdict: Verdict) -> None:
        self._count += 1
        if self._verbosity == 0 and self._count == FEW + 1:
            for host, verdicts in self._by_host.items():
                self._by_host[host] = [each for each in verdicts if each.verdict not in ("ok", "skipped")]
        quiet = self._verbosity < 0 or (self._verbosity == 0 and self._count > FEW)
        if verdict.verdict == "ok":
            self._ok[verdict.host] = self._ok.get(verdict.host, 0) + 1
        listed = self._by_host.setdefault(verdict.host, [])
        if verdict.host_down:
            self._down.setdefault(verdict.host, []).append(verdict)
        elif not quiet or verdict.verdict not in ("ok", "skipped"):
            listed.append(verdict)

    def write(self, terminal: Any) -> None:
        """Write what there is to say of each host."""
        width = max(40, shutil.get_terminal_size((80, 24)).columns)
        for host, verdicts in self._by_host.items():
            down = self._down.get(host)
            if not verdicts and not down:
                continue
            terminal.ensure_newline()
            if down:
                self._write_down(terminal, host, verdicts, down, width)
                continue
            good = self._ok.get(host, 0) - sum(each.verdict == "ok" for each in verdicts)
            terminal.write(host or "from here", bold=True)
            terminal.write_line(f"  ({good} more ok)" if good else "")
            for verdict in verdicts:
                _write(terminal, verdict, width)

    @staticmethod
    def _write_down(terminal: Any, host: str, verdicts: list[Verdict], down: list[Verdict], width: int) -> None:
        terminal.write(host, bold=True)
        why = f": {down[0].message}; {plural(len(down), 'check')} not observed"
        terminal.write_line(why, **_COLOURS["critical"])
        for verdict in verdicts:
            if verdict.check.name != "host_is_reachable":
                _write(terminal, verdict, width)


def _write(terminal: Any, verdict: Verdict, width: int) -> None:
    """One verdict: its name, what was judged, what was seen or what is wrong, and what to do."""
    part = f"{verdict.target}: " if verdict.target != verdict.host else ""
    text = verdict.message or verdict.observed
    subject = part + verdict.check.name.replace("_", " ")
    terminal.write(f"  {verdict.verdict:<9}", **_COLOURS[verdict.verdict])
    room = width - 1
    lines = textwrap.wrap(
        f"{subject}  {text}" if text else subject,
        room,
        initial_indent=" " * 11,
        subsequent_indent=" " * 15,
        break_on_hyphens=False,
    )
    terminal.write_line(lines[0].strip())
    for line in lines[1:]:
        terminal.write_line(line)
    if verdict.verdict in ("ok", "skipped"):
        return
    todo = [verdict.check.remediation, f"docs/runbooks/{verdict.check.runbook}" if verdict.check.runbook else ""]
    for line in filter(None, todo):
        wrapped = textwrap.wrap(line, room, initial_indent=" " * 13 + "→ ", subsequent_indent=" " * 15)
        for each in wrapped:
            terminal.write_line(each, light=True)


def last_line(terminal: Any, tally: Tally) -> None:
    """The last line of a run: its verdicts, its targets, and how many checks could not look."""
    terminal.ensure_newline()
    terminal.write("muster: ", bold=True)
    counted = [name for name in reversed(NAMES) if tally.counts[name]]
    for place, name in enumerate(counted):
        terminal.write(", " if place else "")
        terminal.write(f"{tally.counts[name]:,} {name}", **_COLOURS[name])
    terminal.write_line(f" · {scope(tally)}")


def scope(tally: Tally) -> str:
    """How much a run looked at, and how many of its checks could not: ``3 targets on 1 host``."""
    words = plural(len(tally.targets), "target")
    if tally.hosts:
        words += f" on {plural(len(tally.hosts), 'host')}"
    if unknown := tally.counts["unknown"]:
        words += f" · {plural(unknown, 'check')} not observed"
    return words


def leave_to_listing(config: Any) -> None:
    """Keep pytest from printing again what the listing says, unless its own options ask for it.

    What failed and has no verdict is in no listing: then pytest prints all, as it always does.
    """
    terminal = config.pluginmanager.getplugin("terminalreporter")
    failed = [*terminal.getreports("failed"), *terminal.getreports("error")]
    if not all(hasattr(report, "muster") for report in failed):
        return
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "no"
    if config.option.reportchars == USUAL_REPORTCHARS:
        terminal.reportchars = ""
