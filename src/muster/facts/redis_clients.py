"""The clients of a Redis server, and those that it turned away."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Redis
from muster.facts.redis_info import Info, ask_info
from muster.need import need
from muster.probes import Probe
from muster.text import plural


class RedisClients(Struct, frozen=True):
    """How many clients are connected, ``blocked`` of them in a call such as ``BLPOP``; ``rejected`` are connections
    refused because of ``maxclients`` since the server started."""

    connected: int
    blocked: int
    rejected: int

    def __str__(self) -> str:
        return (
            f"{plural(self.connected, 'client')}, {self.blocked} blocked; {self.rejected:,} rejected since the start"
        )


def parse(info: Info) -> RedisClients:
    """Make the fact of ``INFO``."""
    return RedisClients(
        connected=info.number("connected_clients"),
        blocked=info.number("blocked_clients"),
        rejected=info.number("rejected_connections"),
    )


@need(Redis)
def redis_clients(redis: Redis) -> Probe[RedisClients]:
    """Clients connected, blocked, and rejected since the server started."""
    return ask_info(redis, parse)
