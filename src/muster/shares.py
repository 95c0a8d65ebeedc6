"""Shares: which items each worker of xdist runs. A host is one worker's, with all that is on it, judged and live."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from msgspec import Struct

from muster.verdict import Check

LIVE = 100
"""How many judged checks a live test is dealt as: it asks by itself and waits for the answer, some 20 ms at least."""

WORKERS_PER_GATEWAY = 8
"""Workers whose hosts are behind one gateway: each logs in there, and all begin at once. sshd drops from 10 on."""

NONE = -1
"""Stands where an item is about no target, or is no function."""


class Roster(Struct, frozen=True):
    """What a worker has collected.

    For each item, in order: the place of its target among those of the suite, and that of its function in ``checks``
    and ``quick``, or `NONE`. ``checks`` are what these say of themselves, ``quick`` whether they take the quick path.
    ``without_target`` counts checks without a target, by kind.
    """

    targets: list[int]
    functions: list[int]
    checks: list[Check]
    quick: list[bool]
    without_target: dict[str, int]

    def to_json(self) -> str:
        """One text, to cross a process border; `from_json` is the way back."""
        checks = [each.to_plain() for each in self.checks]
        return json.dumps([self.targets, self.functions, checks, self.quick, self.without_target])

    @classmethod
    def from_json(cls, text: str) -> Roster:
        targets, functions, checks, quick, without_target = json.loads(text)
        return cls(targets, functions, [Check(*each) for each in checks], quick, without_target)

    def is_quick(self, item: int) -> bool:
        function = self.functions[item]
        return function != NONE and self.quick[function]


def deal(
    owners: Sequence[Hashable], weights: Sequence[int], workers: int, door: Callable[[Any], Hashable]
) -> list[list[int]]:
    """The places of the items that each worker is given: all of one owner go to one worker, the heaviest first to
    whoever has least.

    ``owners`` and ``weights`` are those of each item. Owners behind one ``door`` go to `WORKERS_PER_GATEWAY` workers
    at most.
    """
    owned: dict[Hashable, list[int]] = {}
    heft: dict[Hashable, int] = {}
    for place, owner in enumerate(owners):
        owned.setdefault(owner, []).append(place)
        heft[owner] = heft.get(owner, 0) + weights[place]
    shares: list[list[int]] = [[] for _ in range(workers)]
    loads = [0] * workers
    behind: dict[Hashable, set[int]] = {}
    for owner in sorted(owned, key=heft.__getitem__, reverse=True):
        known = behind.setdefault(door(owner), set())
        worker = min(known if len(known) == WORKERS_PER_GATEWAY else range(workers), key=loads.__getitem__)
        known.add(worker)
        loads[worker] += heft[owner]
        shares[worker] += owned[owner]
    return shares
