"""The memory of a Redis server: how much of it is used, thrown out, and lost between its pieces."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Redis
from muster.facts.redis_info import Info, ask_info
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.text import plural, size

#: Fragments below this many bytes are no loss: ``MEMORY DOCTOR`` does not speak of them either (object.c).
WORTH_TELLING = 10 << 20


class RedisMemory(Struct, frozen=True):
    """The memory of a Redis server, in bytes.

    ``max_bytes`` is ``maxmemory``, 0 without one; ``system_bytes`` what the machine has (of a container: its host).
    ``policy`` says what is thrown out when it is used up, ``evicted_keys`` how many were since the server started.
    ``fragmentation`` is the memory that the allocator holds for each byte in use, ``fragmented_bytes`` what it holds
    beyond that.
    """

    used_bytes: int
    max_bytes: int
    system_bytes: int
    policy: str
    evicted_keys: int
    fragmentation: float
    fragmented_bytes: int

    @property
    def used_percent(self) -> float:
        """Of ``maxmemory``, or without one of the machine's memory."""
        return 100 * self.used_bytes / (self.max_bytes or self.system_bytes)

    @property
    def is_cache(self) -> bool:
        """Whether any key may be thrown out for another, so that memory is used up by design."""
        return self.max_bytes > 0 and self.policy.startswith("allkeys-")

    @property
    def is_fragmented(self) -> bool:
        """Whether enough is lost for the ratio to mean something."""
        return self.fragmented_bytes > WORTH_TELLING

    def __str__(self) -> str:
        of = f"maxmemory {size(self.max_bytes)}" if self.max_bytes else f"{size(self.system_bytes)} of the machine"
        evicted = f"{plural(self.evicted_keys, 'key')} evicted"
        lost = f"fragmentation {self.fragmentation:.2f} ({size(self.fragmented_bytes)} lost to it)"
        return f"{size(self.used_bytes)} used of {of}, policy {self.policy}, {evicted}, {lost}"


def parse(info: Info) -> RedisMemory:
    """Make the fact of ``INFO``."""
    memory = RedisMemory(
        used_bytes=info.number("used_memory"),
        max_bytes=info.number("maxmemory"),
        system_bytes=info.number("total_system_memory"),
        policy=info.text("maxmemory_policy"),
        evicted_keys=info.number("evicted_keys"),
        fragmentation=info.real("allocator_frag_ratio"),
        fragmented_bytes=info.number("allocator_frag_bytes"),
    )
    if not (memory.max_bytes or memory.system_bytes):
        raise Unobserved("unreadable", "there is no maxmemory, and INFO says that the machine has no memory")
    return memory


@need(Redis)
def redis_memory(redis: Redis) -> Probe[RedisMemory]:
    """Memory used of what may be, keys evicted for want of it, fragmentation."""
    return ask_info(redis, parse)
