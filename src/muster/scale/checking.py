"""Whether some folders are all the shards of one run, and if not, every reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from muster.report.folder import RUN
from muster.scale.inputs import Input, Refused
from muster.scale.run_file import RunFile
from muster.scale.shards import Shard

#: What two shards that are not of one run differ in, by its name in ``run.json``.
_DIFFERENT = {
    "muster": "was run by another version of Muster",
    "inventory": "is of another inventory, or was given other values with --set",
    "checks": "ran other checks",
    "arguments": "was given other tests to run",
}


def found(folders: Sequence[Path]) -> tuple[list[Input], list[str]]:
    """The shards in these folders, in the order of their numbers; and why they are not all those of one run."""
    inputs: list[Input] = []
    complaints: list[str] = []
    for folder, times in Counter(folders).items():
        if times > 1:
            complaints.append(f"{folder}: is named {times} times")
        try:
            inputs.append(_read(folder))
        except Refused as refused:
            complaints += refused.complaints
    complaints += _not_one_run(inputs)
    return sorted(inputs, key=lambda each: each.file.shard), complaints


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
    shards = first.file.shards
    held: dict[int, Input] = {}
    for each in inputs:
        file = each.file
        if file.shards != shards:
            yield f"{each.folder}: is shard {file.shard}/{file.shards}, and {first.folder} is one of {shards}"
        elif (other := held.setdefault(file.shard, each)) is not each:
            yield f"{each.folder}: is shard {file.shard}/{shards}, and so is {other.folder}"
    # One that did not come to its end may not have known what it was to run.
    ended = [each for each in inputs if each.complaint is None]
    for each in ended[1:]:
        for name in _different(ended[0].file, each.file):
            what = _DIFFERENT.get(name, f"was run with another {name}")
            yield f"{each.folder}: {what} than {ended[0].folder}"
    missing = [f"{number}/{shards}" for number in range(1, shards + 1) if number not in held]
    if missing:
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        yield f"missing: shard {', '.join(missing[:10])}{more}"


def _different(one: RunFile, other: RunFile) -> Iterator[str]:
    names = {**one.selection, **other.selection}
    return (name for name in names if one.selection.get(name) != other.selection.get(name))
