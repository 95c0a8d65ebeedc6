"""Whether a Redis server can write down what it holds."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Redis
from muster.facts.redis_info import Info, ask_info
from muster.need import need
from muster.probes import Probe
from muster.text import plural


class RedisPersistence(Struct, frozen=True):
    """How writing to disk went the last time; one that never was counts as ``ok`` for Redis.

    ``snapshot`` is the status of the last RDB file, ``unsaved_changes`` are those since. ``log`` is the
    status of the last write to the append-only file and ``rewrite`` of its last rewriting, where it is on
    (``log_enabled``).
    """

    snapshot: str
    unsaved_changes: int
    log_enabled: bool
    log: str
    rewrite: str

    @property
    def failed(self) -> tuple[str, ...]:
        """What could not be written, each in words."""
        told = [("the last snapshot (rdb_last_bgsave_status)", self.snapshot)]
        if self.log_enabled:
            told.append(("the last write to the append-only file (aof_last_write_status)", self.log))
            told.append(("its last rewriting (aof_last_bgrewrite_status)", self.rewrite))
        return tuple(f"{what} is {status}" for what, status in told if status != "ok")

    def __str__(self) -> str:
        log = (
            f"append-only file {self.log}, its rewriting {self.rewrite}"
            if self.log_enabled
            else "no append-only file"
        )
        return f"snapshot {self.snapshot} and {plural(self.unsaved_changes, 'change')} since, {log}"


def parse(info: Info) -> RedisPersistence:
    """Make the fact of ``INFO``."""
    return RedisPersistence(
        snapshot=info.text("rdb_last_bgsave_status"),
        unsaved_changes=info.number("rdb_changes_since_last_save"),
        log_enabled=info.number("aof_enabled") != 0,
        log=info.text("aof_last_write_status"),
        rewrite=info.text("aof_last_bgrewrite_status"),
    )


@need(Redis)
def redis_persistence(redis: Redis) -> Probe[RedisPersistence]:
    """Whether the last snapshot, and the append-only file, could be written."""
    return ask_info(redis, parse)
