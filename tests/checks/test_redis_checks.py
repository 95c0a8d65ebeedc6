"""The checks on Redis, called with facts made by hand: each on a good server and on a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from checks import test_redis as checks
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
    Unobserved,
)
from muster.databases import Server
from muster.facts.redis_replication import RedisReplica
from muster.facts.redis_slow_log import SlowCommand


def memory(**more: Any) -> RedisMemory:
    usual = {
        "used_bytes": 50 << 20,
        "max_bytes": 100 << 20,
        "system_bytes": 1 << 30,
        "policy": "noeviction",
        "evicted_keys": 0,
        "fragmentation": 1.1,
        "fragmented_bytes": 1 << 20,
    }
    return RedisMemory(**{**usual, **more})


def breaches(check: Any, *facts: Any, **limits: Limit) -> list[tuple[float, str | None]]:
    measure = Measure(limits)
    check(*facts, measure)
    return [(each.value, each.breach) for each in measure.taken]


def message(check: Any, *facts: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*facts)
    return str(raised.value).partition("\nassert ")[0]


@pytest.mark.parametrize(("used", "breach"), [(80, None), (81, "warning"), (96, "critical")])
def test_memory_is_measured_against_maxmemory(used: int, breach: str | None) -> None:
    found = breaches(checks.test_redis_memory_is_available, memory(used_bytes=used << 20))
    assert found == [(used, breach)]


def test_memory_without_maxmemory_is_measured_against_the_machines() -> None:
    found = breaches(checks.test_redis_memory_is_available, memory(max_bytes=0, used_bytes=1 << 30))
    assert found == [(100, "critical")]


def test_a_cache_is_full_by_design_unless_the_inventory_says_otherwise() -> None:
    full = memory(policy="allkeys-lru", used_bytes=100 << 20)
    assert breaches(checks.test_redis_memory_is_available, full) == [(100, None)]
    limited = breaches(checks.test_redis_memory_is_available, full, redis_memory_percent=Limit(warning=99))
    assert limited == [(100, "warning")]


def test_evicted_keys() -> None:
    assert breaches(checks.test_redis_evicts_no_keys, memory()) == [(0, None)]
    assert breaches(checks.test_redis_evicts_no_keys, memory(evicted_keys=1)) == [(1, "warning")]


def test_fragmentation_of_a_small_memory_means_nothing() -> None:
    assert breaches(checks.test_redis_memory_is_not_fragmented, memory(fragmentation=3.0)) == [(3, None)]
    lost = memory(fragmentation=3.0, fragmented_bytes=20 << 20)
    assert breaches(checks.test_redis_memory_is_not_fragmented, lost) == [(3, "warning")]


def test_rejected_connections() -> None:
    assert breaches(checks.test_redis_rejects_no_connections, RedisClients(5, 0, 0)) == [(0, None)]
    assert breaches(checks.test_redis_rejects_no_connections, RedisClients(5, 0, 2)) == [(2, "warning")]


def test_a_server_that_can_save() -> None:
    saved = RedisPersistence("ok", 7, False, "ok", "ok")
    assert breaches(checks.test_redis_can_save, saved) == [(7, None)]


@pytest.mark.parametrize(
    ("persistence", "says"),
    [
        (RedisPersistence("err", 7, False, "ok", "ok"), "rdb_last_bgsave_status) is err"),
        (RedisPersistence("ok", 7, True, "err", "ok"), "aof_last_write_status) is err"),
        (RedisPersistence("ok", 7, True, "ok", "err"), "aof_last_bgrewrite_status) is err"),
    ],
)
def test_a_server_that_cannot_save(persistence: RedisPersistence, says: str) -> None:
    said = message(checks.test_redis_can_save, persistence, Measure())
    assert says in said
    assert said.endswith("expected ok (7 changes since)")


def test_a_file_that_is_off_has_not_failed() -> None:
    checks.test_redis_can_save(RedisPersistence("ok", 7, False, "err", "err"), Measure())


def test_a_replica_that_follows() -> None:
    assert breaches(checks.test_redis_replicates, RedisReplication("10.0.0.1:6379", "up", 5.0)) == [(5, None)]
    assert breaches(checks.test_redis_replicates, RedisReplication("10.0.0.1:6379", "up", 31.0)) == [(31, "warning")]


def test_a_replica_that_is_cut_off() -> None:
    said = message(checks.test_redis_replicates, RedisReplication("10.0.0.1:6379", "down", 0.0, 300.0), Measure())
    assert said == "replica of 10.0.0.1:6379, link down for 5 minutes, expected to be connected"


def test_a_primary_with_its_replicas() -> None:
    one = RedisReplica("10.0.0.2:6379", "online", 1.0)
    late = RedisReplica("10.0.0.3:6379", "online", 40.0)
    found = breaches(checks.test_redis_replicates, RedisReplication(replicas=(one, late)))
    assert found == [(1, None), (40, "warning"), (0, None)]
    copying = RedisReplica("10.0.0.3:6379", "send_bulk", 0.0)
    said = message(checks.test_redis_replicates, RedisReplication(replicas=(one, copying)), Measure())
    assert said == "replica 10.0.0.3:6379 is send_bulk, expected to be connected"


def test_only_slow_commands_of_the_last_hour_count() -> None:
    every = RedisSlowLog(tuple(SlowCommand(1000.0 + at, 20_000, "KEYS *") for at in range(12)))
    assert breaches(checks.test_redis_commands_are_quick, every, RedisClock(1100.0)) == [(12, "warning")]
    assert breaches(checks.test_redis_commands_are_quick, every, RedisClock(4601.5)) == [(10, None)]


def test_keys_are_measured_by_pattern() -> None:
    keys = {"session:*": Limit(warning=5), "job:*": Limit(critical=9)}
    target = Redis(name="cache", url="", server=Server(engine="redis"), keys=keys)
    found = breaches(checks.test_redis_keys_are_within_limits, target, RedisKeys({"session:*": 6, "job:*": 9}))
    assert found == [(6, "warning"), (9, None)]


def test_keys_that_could_not_be_counted_are_unknown() -> None:
    target = Redis(name="cache", url="", server=Server(engine="redis"), keys={"a*": Limit(), "b*": Limit()})
    failure = Unobserved("timeout", "b*: too many")
    with pytest.raises(Unobserved, match="b\\*: too many"):
        checks.test_redis_keys_are_within_limits(target, RedisKeys({"a*": 1}, (failure,)), Measure())
