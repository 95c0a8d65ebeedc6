"""A page of our own, for runs that are too large for pytest-html: its script took a browser half a minute to draw
30,000 rows.

Here the rows are markup, in tables of a hundred each. A browser lays out those that are near the screen and no others
(`content-visibility`), yet the text of all is there to be searched. Sorting and filtering move the rows.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from muster.report.html_rows import COLUMNS, HEADS, Unreached, cells, content, details
from muster.report.html_summary import Counts, beside, summary, title
from muster.verdict import NAMES, Name, Tally, Verdict

#: How many rows a table has, here and in the script.
SLICE = 100

#: What is closed until a reader opens it.
_CLOSED: tuple[Name, ...] = ("ok", "skipped", "waived")


class LargePage:
    """The verdicts that are not ok (``with_ok``: all of them), each in a row, and counts of all.

    It needs no run of pytest, so verdicts of several runs can be one page: `add` each of them, to a `Tally` too, and
    `write`.
    """

    def __init__(self, *, with_ok: bool = False) -> None:
        self._with_ok = with_ok
        self._counts = Counts()
        self._unreached = Unreached()
        self._verdicts: list[Verdict] = []
        self._rows: list[tuple[Name, str]] = []
        self._logs: dict[tuple[str, str, str], list[str]] = {}

    def add(self, verdict: Verdict) -> None:
        if not self.takes(verdict):
            self._verdicts.append(verdict)

    def takes(self, verdict: Verdict) -> bool:
        """Count a verdict. Whether that is all: it is ok, or part of the row of a host that was not reached."""
        self._counts.add(verdict)
        return self._unreached.takes(verdict) or (verdict.verdict == "ok" and not self._with_ok)

    def add_row(self, verdict: Name, row: Sequence[str], below: str) -> None:
        """Add a row that is markup already: its cells, and what stands under it."""
        self._rows.append((verdict, _row(verdict, row, below)))

    def add_log(self, host: str, target: str, check: str, log: str) -> None:
        """Add what stands under the row of a verdict, below all else: markup."""
        self._logs.setdefault((host, target, check), []).append(log)

    def write(
        self,
        path: Path,
        tally: Tally,
        about: Mapping[str, str],
        notes: Sequence[str] = (),
        plain: Mapping[Name, int] | None = None,
    ) -> None:
        """Write the page; the arguments are those of `html_summary.summary`, and markup (`html_rows.safe`).

        Raises:
            OSError: it cannot be written.
        """
        head = summary(tally, about, [*notes, *self._counts.tables()], plain)
        with path.open("w", encoding="utf-8") as file:
            file.writelines(_document(title(tally, plain), head, self._sorted()))

    def _sorted(self) -> Iterator[str]:
        """The rows, worst first, and those of one verdict as they came."""
        unreached = list(self._unreached.rows())
        for name in NAMES:
            yield from (
                _row(name, cells(row, name), _lines(below)) for each, row, below in unreached if each.verdict == name
            )
            for verdict in self._verdicts:
                if verdict.verdict == name:
                    logs = self._logs.get((verdict.host, verdict.target, verdict.check.name), ())
                    yield _row(name, cells(content(verdict), name), "\n\n".join([_lines(details(verdict)), *logs]))
            yield from (row for verdict, row in self._rows if verdict == name)


def _document(name: str, head: str, rows: Iterator[str]) -> Iterator[str]:
    style, script = beside("html_style.css") + beside("html_page.css"), beside("html_page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    yield f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'">
<meta name="viewport" content="width=device-width">
<title>{name}</title>
<style>{style}</style>
</head>
<body>
<h1>{name}</h1>
{head}
<div class="controls collapse">
  <button id="show_all_details">Show all details</button> / <button id="hide_all_details">Hide all details</button>
</div>
<div id="results-table">
"""
    part = list(islice(rows, SLICE))
    while True:  # one at least, for its head
        yield f"<section><table><thead><tr>{''.join(HEADS)}</tr></thead>\n"
        yield from part
        yield "</table></section>\n"
        if not (part := list(islice(rows, SLICE))):
            break
    yield f"</div>\n<script>{script}</script>\n</body>\n</html>\n"


def _row(verdict: Name, row: Sequence[str], below: str) -> str:
    is_open = "false" if verdict in _CLOSED else "true"
    return (
        f'<tbody class="verdict-{verdict}"><tr class="collapsible" aria-expanded="{is_open}">{"".join(row)}</tr>'
        f'<tr class="extras-row"><td class="log" colspan="{len(COLUMNS)}">{below}</td></tr></tbody>\n'
    )


def _lines(said: Mapping[str, str]) -> str:
    """Names and what is said of them, in lines: as a list of terms they would be most of the elements of a page."""
    return "\n".join(f"{name}: {each}" for name, each in said.items() if each)
