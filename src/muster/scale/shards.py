"""Shards: which of several machines looks at what, by name alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from msgspec import Struct

from muster.targets import Target
from muster.text import printable

#: More shards than that are a mistake: GitHub starts at most 256 jobs of one matrix, GitLab 200 of one job.
MOST_SHARDS = 1_000

_SHARD = re.compile(r"(0|[1-9][0-9]*)/(0|[1-9][0-9]*)")


class Shard(Struct, frozen=True):
    """Shard ``number`` of ``count``, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that ``text`` means, such as ``3/8``.

        Raises:
            ValueError: it means none. The message says what is wrong, and the right form.
        """
        found = _SHARD.fullmatch(text) if len(text) < 20 else None
        if not found:
            raise ValueError(f'"{printable(text, 40)}" is not NUMBER/COUNT; write the third of eight as 3/8')
        number, count = int(found[1]), int(found[2])
        if not 1 <= count <= MOST_SHARDS:
            raise ValueError(f"{text}: there are 1 to {MOST_SHARDS:,} shards; write the third of eight as 3/8")
        if not 1 <= number <= count:
            raise ValueError(f"{text}: the shards of {count} are 1/{count} to {count}/{count}")
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, name: str) -> bool:
        """Whether what is called ``name`` belongs to this shard: by the SHA-256 of its name, modulo the count.

        So the answer hangs on the name and the count only: not on what else there is, in which order.
        """
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest) % self.count == self.number - 1

    def of(self, targets: Iterable[Target]) -> tuple[Target, ...]:
        """Those of this shard, in their order. What is under a host goes where the host goes."""
        return tuple(target for target in targets if self.has(home(target)))


def home(target: Target) -> str:
    """The name that a target is assigned to a shard by: of its host; at the top level, its own."""
    return target.host or target.name
