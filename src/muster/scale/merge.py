"""``muster merge``: the reports of all shards of a run as those of one run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from muster.report.folder import JUNIT, PAGE, RESULTS, Folder
from muster.report.html import MOST_ROWS
from muster.report.html_page import LargePage
from muster.report.html_summary import about
from muster.report.listing import Listing
from muster.report.terminal import Terminal, last_line
from muster.scale import junit
from muster.scale.checking import found
from muster.scale.inputs import WORST_FIRST, Input, Refused
from muster.scale.plain import PlainTests
from muster.text import plural, printable
from muster.verdict import Tally, timestamp


def merged(folders: Sequence[Path]) -> Merged:
    """What is in the folders of all shards of a run. Everything is looked at, and nothing written.

    Raises:
        Refused: they are not all shards of one run, or their reports are not whole.
    """
    inputs, complaints = found(folders)
    made = Merged(inputs)
    for each in inputs:
        complaints += made.read(each)
    if complaints:
        raise Refused(*map(printable, complaints))
    return made


class Merged:
    """What came of all shards together, in the order of their numbers."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._inputs = inputs
        self._tally = Tally()
        self._listing = Listing(0)
        self._head = junit.Head()
        self._with_ok = sum(each.file.verdicts for each in inputs) <= MOST_ROWS
        self._page = LargePage(with_ok=self._with_ok)
        self._plain = PlainTests(self._page, with_passed=self._with_ok)
        self._started = min((each.file.started for each in inputs), default=0.0)
        self._finished = max((each.file.finished or 0.0 for each in inputs), default=0.0)

    def read(self, shard: Input) -> Iterator[str]:
        """Take in the reports of a shard; gives what is wrong with them."""
        if shard.complaint:
            yield shard.complaint
            return
        for reading in (self._read_results, self._read_cases, Input.page):
            try:
                reading(shard)
            except Refused as refused:
                yield from refused.complaints

    def _read_results(self, shard: Input) -> None:
        for verdict in shard.verdicts():
            self._tally.add(verdict)
            self._listing.add(verdict)
            self._page.add(verdict)

    def _read_cases(self, shard: Input) -> None:
        for part in shard.junit():
            self._head.add(part)
            if part.tag == "testcase":
                self._plain.add(part)

    def write(self, folder: Folder) -> None:
        """Write the reports of all to ``folder``, in place of those that are there.

        Raises:
            Refused: a report of a shard changed since it was read.
            OSError: a report cannot be written. In both cases those that are there stay.
        """
        with folder.replacing(JUNIT, RESULTS, PAGE) as (cases, results, page):
            with cases.open("wb") as file:
                self._head.write(file)
                for each in self._inputs:
                    file.writelines(ET.tostring(part) for part in each.junit() if part.tag == "testcase")
                junit.write_end(file)
            with results.open("wb") as file:
                for each in self._inputs:
                    file.writelines(each.results())
            self._write_page(page)

    def _write_page(self, path: Path) -> None:
        files = dict.fromkeys(name for each in self._inputs for name in each.file.inventories)
        facts = about([*files], self._started, self._finished, plural(len(self._inputs), "shard"))
        notes = []
        if not self._with_ok and (count := self._tally.counts["ok"]):
            notes.append(
                f'<p class="note">{plural(count, "ok verdict")} left out; junit.xml and results.jsonl have all.</p>'
            )
        self._page.write(path, self._tally, facts, notes, self._plain.counts)

    @property
    def exit_code(self) -> int:
        """That of one run over all: the worst of theirs, and of what their verdicts come to."""
        fail_on = self._inputs[0].file.selection.get("--fail-on")
        codes = {each.file.exit_code for each in self._inputs}
        if self._tally.counts:
            codes.add(self._tally.exit_code(fail_on_warning=fail_on == "warning"))
        return next(code for code in WORST_FIRST if code in codes)

    def tell(self, terminal: Terminal) -> None:
        """Write what a run writes in its end, and when the shards ran."""
        self._listing.write(terminal)
        if self._plain.outcomes:
            terminal.write_line(f"tests that are no checks: {self._plain}")
        last_line(terminal, self._tally, 0)
        began, ended = (timestamp(moment)[:19].replace("T", " ") for moment in (self._started, self._finished))
        terminal.write_line(f"{plural(len(self._inputs), 'shard')}; they ran from {began} to {ended} UTC")
