"""``muster merge``: the reports of all shards of a run as those of one run, or every reason why that cannot be."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from muster.exits import EXIT_BAD, EXIT_NOTHING
from muster.report.folder import JUNIT, PAGE, RESULTS, RUN, Folder
from muster.report.listing import Listing
from muster.report.terminal import Terminal, last_line
from muster.scale import junit
from muster.scale.inputs import Input, Refused
from muster.scale.run_file import RunFile
from muster.scale.shards import Shard
from muster.text import plural, printable
from muster.verdict import Tally, timestamp

#: What two shards that are not of one run differ in, by its name in ``run.json``.
_DIFFERENT = {
    "muster": "was run by another version of Muster",
    "inventory": "is of another inventory, or was given other values with --set",
    "checks": "ran other checks",
    "arguments": "was given other tests to run",
}


@dataclass(slots=True)
class Merged:
    """What came of all shards together. ``plain`` are the tests that are no checks, by outcome."""

    inputs: Sequence[Input]
    tally: Tally = field(default_factory=Tally)
    listing: Listing = field(default_factory=lambda: Listing(0))
    plain: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        """That of one run over all."""
        first = self.inputs[0].file
        code = self.tally.exit_code(fail_on_warning=first.selection.get("--fail-on") == "warning")
        ended = {each.file.exit_code for each in self.inputs}
        return code or (EXIT_BAD if EXIT_BAD in ended else EXIT_NOTHING if ended == {EXIT_NOTHING} else code)

    @property
    def started(self) -> float:
        return min(each.file.started for each in self.inputs)

    @property
    def finished(self) -> float:
        return max(each.file.finished or 0.0 for each in self.inputs)

    def tell(self, terminal: Terminal) -> None:
        """Write what a run writes in its end, and when the shards ran."""
        self.listing.write(terminal)
        if self.plain:
            counted = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.plain.items()))
            terminal.write_line(f"tests that are no checks: {counted}")
        last_line(terminal, self.tally, 0)
        began, ended = (timestamp(moment)[:19].replace("T", " ") for moment in (self.started, self.finished))
        terminal.write_line(f"{plural(len(self.inputs), 'shard')}; they ran from {began} to {ended} UTC")


def checked(folders: Sequence[Path]) -> list[Input]:
    """The shards in these folders, in their order.

    Raises:
        Refused: they are not all the shards of one run, or a report is broken.
    """
    inputs: list[Input] = []
    complaints: list[str] = []
    for folder, times in Counter(folders).items():
        if times > 1:
            complaints.append(f"{folder}: is named {times} times")
        try:
            inputs.append(_read(folder))
        except Refused as refused:
            complaints += refused.complaints
    for each in inputs:
        complaints += each.complaints()
    complaints += _not_one_run(inputs)
    if complaints:
        raise Refused(*map(printable, complaints))
    return sorted(inputs, key=lambda each: each.file.shard)


def _read(folder: Path) -> Input:
    if not folder.is_dir():
        raise Refused(f"{folder}: is no folder")
    try:
        file = RunFile.read(folder)
        Shard.parse(f"{file.shard}/{file.shards}")
    except FileNotFoundError:
        raise Refused(f"{folder}: holds no reports of a shard: {RUN} is missing, pytest --shard writes it") from None
    except (OSError, ValueError) as error:
        raise Refused(f"{folder / RUN}: {getattr(error, 'strerror', None) or error}") from None
    return Input(folder, file)


def _not_one_run(inputs: Sequence[Input]) -> Iterator[str]:
    """What keeps shards, each for itself whole or not, from being all those of one run."""
    if not inputs:
        return
    first = inputs[0]
    shards, named = first.file.shards, first.file.selection
    held: dict[int, Input] = {}
    for each in inputs:
        file = each.file
        if file.shards != shards:
            yield f"{each.folder}: is shard {file.shard}/{file.shards}, and {first.folder} is one of {shards}"
        elif (other := held.setdefault(file.shard, each)) is not each:
            yield f"{each.folder}: is shard {file.shard}/{shards}, and so is {other.folder}"
        if file.finished is None:
            continue
        for name in sorted({*named, *file.selection}):
            if file.selection.get(name) != named.get(name):
                yield f"{each.folder}: {_DIFFERENT.get(name, f'was run with another {name}')} than {first.folder}"
    missing = [f"{number}/{shards}" for number in range(1, shards + 1) if number not in held]
    if missing:
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        yield f"missing: shard {', '.join(missing[:10])}{more}"


def merge(inputs: Sequence[Input], folder: Folder) -> Merged:
    """Write the reports of all ``inputs`` to ``folder``, in place of those that are there.

    Raises:
        Refused: a report changed since it was checked.
        OSError: a report cannot be written. In both cases the old ones stay.
    """
    merged = Merged(inputs)
    with folder.replacing(JUNIT, RESULTS) as (cases, results):
        _join_cases(merged, cases)
        _join_results(merged, results)
        folder.clear()
    return merged


def _join_cases(merged: Merged, path: Path) -> None:
    head = junit.Head()
    for each in merged.inputs:
        for part in each.junit():
            head.add(part)
    with path.open("wb") as file:
        head.write(file)
        for each in merged.inputs:
            for part in each.junit():
                if part.tag == "testcase":
                    file.write(ET.tostring(part))
                    if not junit.has_verdict(part):
                        merged.plain[junit.outcome(part)] += 1
        junit.write_end(file)


def _join_results(merged: Merged, path: Path) -> None:
    with path.open("wb") as file:
        for each in merged.inputs:
            for line, verdict in each.verdicts():
                file.write(line)
                merged.tally.add(verdict)
                merged.listing.add(verdict)
