"""How a Redis server stands with its primary, or with its replicas."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Redis
from muster.facts.reading import some
from muster.facts.redis_info import Info, ask_info
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.text import plural, span


class RedisReplica(Struct, frozen=True):
    """A replica as its primary sees it: ``state`` is ``online`` once it has everything; ``lag_seconds`` is how long
    ago it last said how far it is, which it does every second."""

    address: str
    state: str
    lag_seconds: float

    def __str__(self) -> str:
        return f"{self.address} ({self.state}, {self.lag_seconds:g} s behind)"


class RedisReplication(Struct, frozen=True):
    """Of a primary: its ``replicas``. Of a replica: its ``primary``, and whether the ``link`` to it is ``up``.

    ``down_seconds`` is for how long it has not been, ``silent_seconds`` for how long the primary said nothing: it
    speaks at least every 10 s (``repl-ping-replica-period``). ``syncing``: everything is being copied anew.
    """

    primary: str = ""
    link: str = ""
    silent_seconds: float = 0.0
    down_seconds: float | None = None
    syncing: bool = False
    replicas: tuple[RedisReplica, ...] = ()

    @property
    def is_replica(self) -> bool:
        return bool(self.primary)

    @property
    def broken(self) -> tuple[str, ...]:
        """What does not replicate, each in words."""
        if self.is_replica:
            return () if self.link == "up" else (str(self),)
        return tuple(f"replica {each.address} is {each.state}" for each in self.replicas if each.state != "online")

    def __str__(self) -> str:
        if self.is_replica:
            since = f" for {span(self.down_seconds)}" if self.down_seconds is not None and self.link != "up" else ""
            syncing = ", copying everything" if self.syncing else ""
            return f"replica of {self.primary}, link {self.link}{since}{syncing}"
        return f"primary of {some(map(str, self.replicas))}"


def parse(info: Info) -> RedisReplication:
    """Make the fact of ``INFO``. It does not apply to a server that is alone."""
    if info.text("role") == "slave":
        down = info.get("master_link_down_since_seconds")
        return RedisReplication(
            primary=f"{info.text('master_host')}:{info.text('master_port')}",
            link=info.text("master_link_status"),
            silent_seconds=max(0.0, info.real("master_last_io_seconds_ago")),
            # -1 where there never was a link.
            down_seconds=float(down) if down.isdigit() else None,
            syncing=info.get("master_sync_in_progress") == "1",
        )
    connected, told = info.number("connected_slaves"), info.numbered("slave")
    if connected == 0:
        raise DoesNotApply("nothing is replicated: it is no replica, and none is connected to it")
    if len(told) != connected:
        raise Unobserved("unreadable", f"INFO tells of {len(told)} of {plural(connected, 'replica')}")
    return RedisReplication(
        replicas=tuple(
            RedisReplica(f"{each['ip']}:{each['port']}", each["state"], float(each["lag"])) for each in told
        )
    )


@need(Redis)
def redis_replication(redis: Redis) -> Probe[RedisReplication]:
    """Of a replica, its link to its primary; of a primary, its replicas."""
    return ask_info(redis, parse)
