"""Redis: it has room, keeps and copies what it holds, and answers quickly."""

from muster import (
    Limit,
    Measure,
    Redis,
    RedisClients,
    RedisClock,
    RedisKeys,
    RedisMemory,
    RedisPersistence,
    RedisReplication,
    RedisSlowLog,
    check,
    expects,
)


@check(
    severity="critical",
    remediation="redis-cli INFO memory; redis-cli --bigkeys; let keys expire, or raise maxmemory",
    runbook="redis.md#memory-is-short",
)
def test_redis_memory_is_available(redis_memory: RedisMemory, measure: Measure) -> None:
    """Redis can still get memory.

    Without any it refuses to write, throws keys out, or is killed by the kernel.
    """
    # A cache that throws any key out for another is full by design; a limit of the inventory counts for it too.
    full = Limit() if redis_memory.is_cache else None
    measure("redis_memory_percent", redis_memory.used_percent, limit=full, seen=str(redis_memory))


@check(
    severity="warning",
    remediation="redis-cli INFO stats | grep evicted; redis-cli CONFIG GET maxmemory*; raise maxmemory",
    runbook="redis.md#keys-are-evicted",
)
def test_redis_evicts_no_keys(redis_memory: RedisMemory, measure: Measure) -> None:
    """Redis has thrown no key out for want of memory.

    Whoever wrote it counts on it: a session that is gone is a user who is logged out.
    """
    measure("redis_evicted_keys", redis_memory.evicted_keys, seen=f"policy {redis_memory.policy}")


@check(
    severity="info",
    remediation="redis-cli MEMORY DOCTOR; redis-cli MEMORY PURGE, CONFIG SET activedefrag yes, or restart a replica",
    runbook="redis.md#memory-is-fragmented",
)
def test_redis_memory_is_not_fragmented(redis_memory: RedisMemory, measure: Measure) -> None:
    """Redis loses little memory to fragmentation.

    What the allocator holds beyond what is in use is in no number that maxmemory bounds.
    """
    small = None if redis_memory.is_fragmented else Limit()
    measure("redis_fragmentation_ratio", redis_memory.fragmentation, limit=small, seen=str(redis_memory))


@check(
    severity="warning",
    remediation="redis-cli INFO clients; redis-cli CLIENT LIST: who has so many? Raise maxclients, or bound its pool",
    runbook="redis.md#connections-are-rejected",
)
def test_redis_rejects_no_connections(redis_clients: RedisClients, measure: Measure) -> None:
    """Redis has turned no client away because there were too many.

    Those that were have failed, whatever the number of clients is now.
    """
    measure("connections_refused", redis_clients.rejected, seen=str(redis_clients))


@check(
    severity="critical",
    remediation="redis-cli INFO persistence; its log; df -h and ls -ld of CONFIG GET dir; then redis-cli BGSAVE",
    runbook="redis.md#nothing-can-be-saved",
)
def test_redis_can_save(redis_persistence: RedisPersistence, measure: Measure) -> None:
    """Redis' last attempt to save what it holds succeeded.

    All that changed since is lost with its process, and by default it then refuses to write.
    """
    measure("redis_unsaved_changes", redis_persistence.unsaved_changes)
    failed = redis_persistence.failed
    assert not failed, f"{'; '.join(failed)}, expected ok ({redis_persistence.unsaved_changes:,} changes since)"


@check(
    severity="critical",
    remediation="redis-cli INFO replication on both; the replica's log; can it reach the primary, is masterauth set?",
    runbook="redis.md#replication-is-broken",
)
def test_redis_replicates(redis_replication: RedisReplication, measure: Measure) -> None:
    """A replica is connected with its primary, and follows it.

    One that does not answers with what was true once, and is no use when the primary is gone.
    """
    for replica in redis_replication.replicas:  # none on a replica, which has a primary
        measure("replication_lag_seconds", replica.lag_seconds, of=replica.address)
    assert not redis_replication.broken, f"{'; '.join(redis_replication.broken)}, expected to be connected"
    measure("replication_silence_seconds", redis_replication.silent_seconds)


@check(
    severity="warning",
    remediation="redis-cli SLOWLOG GET 10; use SCAN for KEYS, smaller collections, UNLINK for DEL; not swap",
    runbook="redis.md#commands-are-slow",
)
def test_redis_commands_are_quick(redis_slow_log: RedisSlowLog, redis_clock: RedisClock, measure: Measure) -> None:
    """Few commands of the last hour took long.

    Redis does one thing at a time: while a slow command runs, everybody waits.
    """
    recent = redis_slow_log.within_an_hour(redis_clock)
    measure("redis_slow_commands", len(recent.commands), seen=str(recent))


@check(
    severity="warning",
    remediation="redis-cli --scan --pattern PATTERN | head; do they expire? What writes them, what takes them away?",
    runbook="redis.md#too-many-keys",
    applies=expects("keys"),
)
def test_redis_keys_are_within_limits(target: Redis, redis_keys: RedisKeys, measure: Measure) -> None:
    """Each pattern matches as many keys as it should.

    Keys that never expire, and queues that nobody empties, grow until the memory is used up.
    """
    for pattern, count in redis_keys.counts.items():  # one for each pattern, or the fact is not complete
        measure("redis_keys", count, of=pattern, limit=target.keys[pattern])
    redis_keys.complete()
