"""Ranges of hosts: ``web-[01:40]`` stands for forty names. Also the rule for names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

#: No inventory has more hosts than this: a larger number is a slip of the finger in a range.
MOST_HOSTS = 100_000

_RANGE = re.compile(r"\[(?:(\d{1,18}):(\d{1,18})|([a-z]):([a-z])|([A-Z]):([A-Z]))(?::(\d{1,18}))?\]")
_NOT_IN_NAMES = re.compile(r"[\s/\[\],=*?\x00-\x1f\x7f]")


def name_fault(name: str) -> str | None:
    """What is wrong with a name of a host, group or target, or None.

    Names stand in the ids of tests and in patterns of ``--limit``: what has a meaning there is left out.
    """
    if not name:
        return "a name is empty"
    if "${" in name:
        return "a name cannot hold a variable: names are the same in every run"
    if not name.isprintable():
        return "has a character that cannot be printed"
    if found := _NOT_IN_NAMES.search(name):
        what = "a space" if found[0].isspace() else f'"{found[0]}"'
        return f"cannot hold {what}: names stand in test ids and patterns (letters, digits, - . _ : are fine)"
    if name[0] in "!-":
        return f'cannot begin with "{name[0]}"'
    return "is longer than 253 characters" if len(name) > 253 else None


class Ranges:
    """A text that may hold ranges: how many texts it stands for, and which. All else in it stands for itself.

    Numbers keep the width of the first (``[01:40]`` counts 01, 02, ...), letters stay in their case, and a
    third part is the step (``[0:10:5]``). ``fixed`` are the texts around the ranges. Raises ValueError with what
    is wrong in words.
    """

    def __init__(self, text: str) -> None:
        self.fixed: list[str] = []
        self._counted: list[tuple[range, int]] = []
        end = 0
        for found in _RANGE.finditer(text):
            self.fixed.append(text[end : found.start()])
            self._counted.append(_counted(found))
            end = found.end()
        self.fixed.append(text[end:])
        self.count = 1
        for numbers, _ in self._counted:
            self.count *= len(numbers)

    def __iter__(self) -> Iterator[str]:
        first, *rest = self.fixed
        for chosen in product(*(numbers for numbers, _ in self._counted)):
            name = first
            for number, (_, width), fixed in zip(chosen, self._counted, rest, strict=True):
                name += (f"{number:0{width}}" if width else chr(number)) + fixed
            yield name


class NameRange(Ranges):
    """A name of the inventory that may hold ranges. Raises ValueError where it is not one."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        if any("[" in part or "]" in part for part in self.fixed):
            raise ValueError("is not a range that is understood; write [01:40], [a:f] or, with a step, [0:10:5]")
        if fault := name_fault("x".join(self.fixed)):
            raise ValueError(fault)


def _counted(found: re.Match[str]) -> tuple[range, int]:
    """The numbers of a range, and the width that they are written in; 0 for the code points of letters."""
    first, last, low, high, upper, top, by = found.groups()
    step = int(by or 1)
    if not step:
        raise ValueError(f"{found[0]} has a step of 0")
    if first is not None:
        start, stop, width = int(first), int(last), len(first)
    else:
        start, stop, width = ord(low or upper), ord(high or top), 0
    if start > stop:
        raise ValueError(f"{found[0]} runs backwards; write the smaller end first")
    return range(start, stop + 1, step), width
