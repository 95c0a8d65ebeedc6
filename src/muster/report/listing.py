"""The listing: what came of a run, host by host, for the person who has to act on it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from muster.text import plural
from muster.verdict import NAMES, Name, Verdict

COLOURS: Mapping[Name, dict[str, bool]] = {
    "ok": {"green": True},
    "warning": {"yellow": True, "bold": True},
    "critical": {"red": True, "bold": True},
    "unknown": {"purple": True, "bold": True},
    "skipped": {"light": True},
    "waived": {"yellow": True},
}

#: Up to so many verdicts, a run lists the good ones too without being asked.
FEW = 100

#: Above so many verdicts to show, they are shown by check: nobody reads on host by host, and most ail from one thing.
MOST = 1_000

_GOOD = ("ok", "skipped")
_INDENT = 12


class Listing:
    """The verdicts of a run, as the terminal shows them at its end.

    With ``verbosity`` above 0 every verdict stands by itself, with all that was observed; below 0 only those that are
    not ok are shown. At 0, a small run shows all and a large one those that are not ok; the checks of a target that
    could not look for one and the same reason are one entry. A host that is down is always one line. Above
    `MOST` each check is one entry instead, with the first of its targets. ``hosts`` are the names of those that are
    expected, in the order to show them, whichever is judged first.
    """

    def __init__(self, verbosity: int, hosts: Iterable[str] = ()) -> None:
        self._verbosity = verbosity
        self._by_host: dict[str, list[Verdict]] = {host: [] for host in hosts}
        self._ok: dict[str, int] = {}
        self._down: dict[str, list[Verdict]] = {}
        self._count = 0

    def add(self, verdict: Verdict) -> None:
        self._count += 1
        if self._verbosity == 0 and self._count == FEW + 1:
            for host, verdicts in self._by_host.items():
                self._by_host[host] = [each for each in verdicts if each.verdict not in _GOOD]
        quiet = self._verbosity < 0 or (self._verbosity == 0 and self._count > FEW)
        if verdict.verdict == "ok":
            self._ok[verdict.host] = self._ok.get(verdict.host, 0) + 1
        listed = self._by_host.setdefault(verdict.host, [])
        if verdict.host_down:
            self._down.setdefault(verdict.host, []).append(verdict)
        elif not quiet or verdict.verdict not in _GOOD:
            listed.append(verdict)

    def write(self, terminal: Any) -> None:
        """Write what there is to say of each host."""
        width = max(40, shutil.get_terminal_size((80, 24)).columns) - 1
        shown = sum(map(len, self._by_host.values())) + len(self._down)
        if self._verbosity <= 0 and shown > MOST:
            self._write_by_check(terminal, width)
            return
        for host, verdicts in self._by_host.items():
            down = self._down.get(host)
            if not verdicts and not down:
                continue
            terminal.ensure_newline()
            terminal.write(host or "observed from here", bold=True)
            if down:
                why = f": {down[0].message}; {plural(len(down), 'check')} not observed"
                terminal.write_line(why, **COLOURS["critical"])
                verdicts = [each for each in verdicts if each.check.name != "host_is_reachable"]
            else:
                more = self._ok.get(host, 0) - sum(each.verdict == "ok" for each in verdicts)
                terminal.write_line(f"  ({more:,} more ok)" if more else "")
            for entry in self._entries(verdicts):
                verdict = entry[0]
                name = _name(verdict) if len(entry) == 1 else f"{len(entry)} checks not observed"
                subject = name if verdict.kind == "host" else f"{verdict.target}: {name}"
                text = verdict.message or verdict.observed
                _write(terminal, verdict, subject, text, width, fully=self._verbosity > 0)

    def _write_by_check(self, terminal: Any, width: int) -> None:
        entries: dict[tuple[Name, str], list[Verdict]] = {}
        for verdict in (each for verdicts in self._by_host.values() for each in verdicts):
            entries.setdefault((verdict.verdict, verdict.check.name), []).append(verdict)
        terminal.ensure_newline()
        count = sum(map(len, entries.values()))
        terminal.write_line(f"{count:,} verdicts by check; the reports have each of them, and so has -v", bold=True)
        if self._down:
            down = f"{plural(len(self._down), 'host')} not reached"
            unseen = f"{plural(sum(map(len, self._down.values())), 'check')} not observed"
            terminal.write_line(f"{down}; {unseen}", **COLOURS["critical"])
        for verdicts in sorted(entries.values(), key=lambda each: (NAMES.index(each[0].verdict), -len(each))):
            first = verdicts[0]
            subject = f"{_name(first)}: {plural(len(verdicts), 'target')}"
            where = first.host if first.kind == "host" else f"{first.host} {first.target}".strip()
            _write(terminal, first, subject, f"{where}: {first.message}", width, fully=False)

    def _entries(self, verdicts: Iterable[Verdict]) -> Iterable[list[Verdict]]:
        """Verdicts that are shown as one, where the first of them came."""

        def reason(verdict: Verdict) -> object:
            alone = self._verbosity > 0 or verdict.verdict != "unknown"
            return id(verdict) if alone else (verdict.kind, verdict.target, verdict.message)

        entries: dict[object, list[Verdict]] = {}
        for verdict in verdicts:
            entries.setdefault(reason(verdict), []).append(verdict)
        return entries.values()


def _name(verdict: Verdict) -> str:
    return verdict.check.name.replace("_", " ")


def _write(terminal: Any, verdict: Verdict, subject: str, text: str, width: int, *, fully: bool) -> None:
    """One entry: the verdict, what was judged, what was seen or is wrong, and what to do.

    ``fully``: of what is wrong, also all that was seen, where the message does not say it.
    """
    terminal.write(f"  {verdict.verdict:<{_INDENT - 2}}", **COLOURS[verdict.verdict])
    if verdict.verdict in _GOOD:
        first, *rest = _wrapped(f"{subject} · {text}" if text else subject, width)
        terminal.write_line(first)
        _lines(terminal, rest)
        return
    first, *rest = _wrapped(subject, width)
    terminal.write_line(first, bold=True)
    _lines(terminal, rest, bold=True)
    _lines(terminal, _wrapped(text, width))
    if fully and verdict.observed not in text:
        _lines(terminal, _wrapped(f"observed: {verdict.observed}", width))
    if verdict.verdict == "unknown":  # what mends the target is no way to see it: the message has the way out
        return
    if verdict.check.remediation:
        _lines(terminal, _wrapped(verdict.check.remediation, width, "→ "), light=True)
    if verdict.check.runbook:
        _lines(terminal, _wrapped(f"docs/runbooks/{verdict.check.runbook}", width, "→ "), light=True)


def _wrapped(text: str, width: int, lead: str = "") -> list[str]:
    indent = " " * len(lead)
    return textwrap.wrap(
        text, width - _INDENT, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False
    ) or [""]


def _lines(terminal: Any, lines: Iterable[str], **markup: bool) -> None:
    for line in lines:
        terminal.write_line(" " * _INDENT + line, **markup)
