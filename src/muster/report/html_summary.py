"""The head of ``report.html``: what a run comes to, what it was about, and the boxes that filter its rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from muster.report.html_rows import pairs, safe
from muster.report.terminal import scope
from muster.text import plural
from muster.verdict import NAMES, Name, Tally, Verdict, timestamp, worst

#: What a reader looks for, worst first.
_WORRYING: tuple[Name, ...] = ("critical", "unknown", "warning")


class Counts:
    """How many verdicts of each name every check and every host has."""

    def __init__(self) -> None:
        self._checks: defaultdict[str, Counter[Name]] = defaultdict(Counter)
        self._hosts: defaultdict[str, Counter[Name]] = defaultdict(Counter)

    def add(self, verdict: Verdict) -> None:
        self._checks[verdict.check.name][verdict.verdict] += 1
        self._hosts[verdict.host][verdict.verdict] += 1

    def tables(self) -> Iterable[str]:
        """A folded table of the checks, and one of the hosts: the worst first, else by name and as they came."""
        checks = {safe(name.replace("_", " ")): self._checks[name] for name in sorted(self._checks)}
        hosts = {safe(name) or "<i>from here</i>": counts for name, counts in self._hosts.items()}
        yield _table("check", checks)
        yield _table("host", hosts)


def _table(subject: str, counts: Mapping[str, Counter[Name]]) -> str:
    there = [name for name in reversed(NAMES) if any(each[name] for each in counts.values())]
    heads = "".join(f'<th class="verdict-{name}">{name}</th>' for name in there)
    rows = "".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{each[verdict]:,}</td>' for verdict in there)}</tr>"
        for name, each in sorted(counts.items(), key=lambda row: [-row[1][verdict] for verdict in _WORRYING])
    )
    return (
        f'<details class="counts"><summary>Verdicts by {subject} ({plural(len(counts), subject)})</summary>'
        f'<div tabindex="0"><table><thead><tr><th>{subject.capitalize()}</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def title(tally: Tally, plain: Mapping[Name, int] | None = None) -> str:
    """What a browser's tab shows: the counts that matter, of verdicts and of ``plain`` tests (`summary`)."""
    if not tally.counts:
        return "Muster: nothing judged"
    counts = tally.counts + Counter(plain)
    named = [name for name in _WORRYING if counts[name]] or ["ok"]
    return "Muster: " + ", ".join(f"{counts[name]:,} {name}" for name in named)


def summary(
    tally: Tally, about: Mapping[str, str], notes: Iterable[str] = (), plain: Mapping[Name, int] | None = None
) -> str:
    """The head as markup: ``about`` what it is (its values are markup), ``notes`` what a reader must know of it.

    ``plain`` counts the tests that are no checks, by the verdicts that they are counted and filtered with.
    """
    counts = tally.counts + Counter(plain)
    overall = worst(name for name in NAMES if counts[name]) if counts else "unknown"
    numbers = "nothing was judged"
    if tally.counts:
        numbers = ", ".join(
            f'<span class="verdict-{name}">{counts[name]:,} {name}</span>' for name in NAMES if counts[name]
        )
    others = f" · tests that are no checks: {sum(plain.values()):,}" if plain else ""
    boxes = "".join(
        f'<label class="verdict-{name}"><input type="checkbox" id="show-{name}" checked'
        f"{'' if counts[name] else ' disabled'}>{name} <b>{counts[name]:,}</b></label>"
        for name in NAMES
    )
    return "\n".join(
        [
            f'<p class="overall overall-{overall}">{numbers} · {scope(tally)}{others}</p>',
            *notes,
            pairs(about),
            f'<fieldset class="show"><legend>Show</legend>{boxes}</fieldset>',
        ]
    )


def about(files: Sequence[str], started: float, finished: float, run: str) -> dict[str, str]:
    """What a page is about: the inventories, the moments in seconds since the epoch, the id of the run."""
    return {
        "Inventory": ", ".join(f"<code>{safe(name)}</code>" for name in files),
        "Started": _moment(started),
        "Finished": _moment(finished),
        "Run": f"<code>{escape(run)}</code>",
    }


def beside(name: str) -> str:
    """The text of a style sheet or a script that stands beside this module."""
    return (Path(__file__).parent / name).read_text("utf-8")


def _moment(seconds: float) -> str:
    """A moment in UTC and, where that differs, in local time."""
    utc = f"{timestamp(seconds)[:19].replace('T', ' ')} UTC"
    local = datetime.fromtimestamp(seconds).astimezone()
    return utc if not local.utcoffset() else f"{utc} ({local:%H:%M:%S %Z})"
