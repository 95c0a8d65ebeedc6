"""How many keys of a Redis database match the patterns that the inventory bounds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from muster.databases import Redis
from muster.facts.rows_answer import complete, of_all
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.servers import AskEach, CountKeys


class RedisKeys(Struct, frozen=True):
    """How many keys match each pattern, and which could not be counted: ``failures``."""

    counts: Mapping[str, int]
    failures: tuple[Unobserved, ...] = ()

    def complete(self) -> None:
        """Raises `Unobserved` where keys could not be counted."""
        complete(self.failures)

    def __str__(self) -> str:
        return ", ".join(f"{count:,} keys match {pattern}" for pattern, count in self.counts.items())


def parse(patterns: tuple[str, ...], answers: tuple[Any, ...]) -> RedisKeys:
    """Make the fact of the number, or the failure, for each pattern.

    Raises:
        Unobserved: none could be counted, all for one reason.
    """
    counts, failures = of_all(patterns, answers)
    return RedisKeys(counts, failures)


@need(Redis)
def redis_keys(redis: Redis) -> Probe[RedisKeys]:
    """How many keys match each pattern of ``keys``."""
    patterns = tuple(redis.keys)
    questions = tuple(CountKeys(redis.server, pattern, timeout=redis.timeout) for pattern in patterns)
    return Probe(AskEach(questions), partial(parse, patterns))
