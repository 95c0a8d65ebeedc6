"""How many keys of a Redis database match the patterns that the inventory bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from muster.facts.rows_answer import none_at_all
from muster.need import need
from muster.probes import AskEach, CountKeys, Probe, Unobserved
from muster.targets import Redis


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """How many keys match each pattern, and which could not be counted: ``failures``."""

    counts: Mapping[str, int]
    failures: tuple[Unobserved, ...] = ()

    def complete(self) -> None:
        """Raises `Unobserved` where keys could not be counted."""
        if self.failures:
            raise self.failures[0]

    def __str__(self) -> str:
        return ", ".join(f"{count:,} keys match {pattern}" for pattern, count in self.counts.items())


def parse(patterns: tuple[str, ...], answers: tuple[Any, ...]) -> RedisKeys:
    """Make the fact of the number, or the failure, for each pattern.

    Raises:
        Unobserved: none could be counted.
    """
    none_at_all(answers)
    counts = {pattern: answer for pattern, answer in zip(patterns, answers, strict=True) if isinstance(answer, int)}
    failures = (
        Unobserved(answer.cause, f"keys {pattern}: {answer.message}", host_down=answer.host_down)
        for pattern, answer in zip(patterns, answers, strict=True)
        if isinstance(answer, Unobserved)
    )
    return RedisKeys(counts, tuple(failures))


@need(Redis)
def redis_keys(redis: Redis) -> Probe[RedisKeys]:
    """How many keys match each pattern of ``keys``."""
    patterns = tuple(redis.keys)
    questions = tuple(CountKeys(redis.server, pattern, timeout=redis.timeout) for pattern in patterns)
    return Probe(AskEach(questions), partial(parse, patterns))
