"""Commands that a Redis server took too long for, by its own slow log and its own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from muster.databases import Redis
from muster.facts.redis_info import Info, ask_info
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.servers import AskRedis
from muster.text import amount, plural, printable

#: So many of the newest entries are read; by default (``slowlog-max-len``) a server keeps as many.
ENTRIES = 128

#: How far back the check looks, in seconds.
HOUR = 3600.0

LONGEST_COMMAND = 80


class RedisClock(Struct, frozen=True):
    """The time by the server's own clock, in seconds since the epoch."""

    now: float

    def __str__(self) -> str:
        return f"{datetime.fromtimestamp(self.now, UTC):%Y-%m-%d %H:%M:%S} UTC by its clock"


class SlowCommand(Struct, frozen=True):
    """A command that took ``microseconds``, from ``at`` on, in seconds since the epoch. ``command`` is cut."""

    at: float
    microseconds: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} took {amount(self.microseconds / 1000, 'ms')}"


class RedisSlowLog(Struct, frozen=True):
    """The newest entries of the slow log: commands that took longer than ``slowlog-log-slower-than``."""

    commands: tuple[SlowCommand, ...] = ()

    def since(self, at: float) -> RedisSlowLog:
        """Those since then."""
        return RedisSlowLog(tuple(each for each in self.commands if each.at >= at))

    def within_an_hour(self, clock: RedisClock) -> RedisSlowLog:
        return self.since(clock.now - HOUR)

    @property
    def slowest(self) -> SlowCommand | None:
        return max(self.commands, key=lambda each: each.microseconds, default=None)

    def __str__(self) -> str:
        if not self.slowest:
            return "no commands in the slow log"
        many = " or more" if len(self.commands) >= ENTRIES else ""
        return f"{plural(len(self.commands), 'command')}{many} in the slow log, the slowest: {self.slowest}"


def parse(answer: Any) -> RedisSlowLog:
    """Make the fact of what ``SLOWLOG GET`` answered: lists of id, time, microseconds, arguments and more."""
    if not isinstance(answer, list):
        raise Unobserved("unreadable", f"this is no answer to SLOWLOG GET: {str(answer)[:80]}")
    return RedisSlowLog(tuple(_command(each) for each in answer))


def _command(entry: Any) -> SlowCommand:
    try:
        _, at, microseconds, words, *_ = entry
        command = b" ".join(words).decode("utf-8", "backslashreplace")
        return SlowCommand(float(at), int(microseconds), printable(command, LONGEST_COMMAND))
    except (TypeError, ValueError):
        raise Unobserved("unreadable", f"an entry of SLOWLOG GET cannot be read: {str(entry)[:80]}") from None


@need(Redis)
def redis_slow_log(redis: Redis) -> Probe[RedisSlowLog]:
    """The newest entries of the slow log."""
    return Probe(AskRedis(redis.server, ("SLOWLOG", "GET", str(ENTRIES)), redis.timeout), parse)


def _clock(info: Info) -> RedisClock:
    return RedisClock(info.number("server_time_usec") / 1_000_000)


@need(Redis)
def redis_clock(redis: Redis) -> Probe[RedisClock]:
    """The time by the server's own clock."""
    return ask_info(redis, _clock)
