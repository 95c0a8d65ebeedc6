"""The facts about Redis: on recorded answers of Redis 7.0, on older ones, on what is cut off, and on garbage."""

from __future__ import annotations

from typing import Any

import pytest

from muster.databases import Redis, Server
from muster.facts import redis_clients, redis_keys, redis_memory, redis_persistence, redis_replication, redis_slow_log
from muster.facts.redis_info import Info, read_info
from muster.facts.server_connections import server_connections
from muster.facts.server_role import server_role
from muster.probes import DoesNotApply, Unobserved
from muster.questions.servers import AskEach, CountKeys
from tests.facts.recordings import recorded

REDIS = Redis(name="cache", url="", server=Server(engine="redis", port=6379))
OF_INFO = (
    redis_memory.redis_memory,
    redis_persistence.redis_persistence,
    redis_replication.redis_replication,
    redis_clients.redis_clients,
    redis_slow_log.redis_clock,
    server_connections,
    server_role,
)


def answer(name: str) -> bytes:
    """A recorded answer to INFO, as Redis sends it."""
    return recorded("redis", f"debian12-{name}").replace("\n", "\r\n").encode()


def parsed(need: Any, info: bytes) -> Any:
    return need.probe(REDIS).parse(info)


def without(line: str, name: str = "alone") -> bytes:
    return b"".join(each for each in answer(name).splitlines(True) if not each.startswith(f"{line}:".encode()))


def test_all_but_the_slow_log_and_the_keys_come_from_one_question() -> None:
    assert {need.probe(REDIS).question for need in OF_INFO} == {OF_INFO[0].probe(REDIS).question}


def test_memory() -> None:
    memory = parsed(redis_memory.redis_memory, answer("primary"))
    assert (memory.max_bytes, memory.policy, memory.evicted_keys) == (100 << 20, "noeviction", 0)
    assert 0 < memory.used_percent < 10
    assert str(memory).endswith("lost to it)")


def test_memory_without_maxmemory() -> None:
    memory = parsed(redis_memory.redis_memory, answer("alone"))
    assert memory.max_bytes == 0
    assert memory.used_percent == pytest.approx(100 * memory.used_bytes / memory.system_bytes)
    assert not memory.is_cache


def test_memory_of_nothing_is_unobserved() -> None:
    nothing = answer("alone").replace(b"total_system_memory:", b"total_system_memory:0\r\nx:")
    with pytest.raises(Unobserved, match="no memory"):
        parsed(redis_memory.redis_memory, nothing)


def test_persistence() -> None:
    alone = parsed(redis_persistence.redis_persistence, answer("alone"))
    assert (alone.failed, alone.log_enabled, alone.unsaved_changes) == ((), False, 0)
    logging = parsed(redis_persistence.redis_persistence, answer("primary"))
    assert (logging.failed, logging.log_enabled) == ((), True)
    assert str(logging).endswith("append-only file ok, its rewriting ok")


def test_a_server_that_is_alone_replicates_nothing() -> None:
    with pytest.raises(DoesNotApply):
        parsed(redis_replication.redis_replication, answer("alone"))


def test_a_primary_knows_its_replicas() -> None:
    found = parsed(redis_replication.redis_replication, answer("primary"))
    assert [(each.state, each.lag_seconds <= 2) for each in found.replicas] == [("online", True)] * 2
    assert found.broken == ()
    assert str(found).startswith("primary of 127.0.0.1:")


def test_a_primary_that_does_not_tell_of_all_its_replicas_is_not_read() -> None:
    with pytest.raises(Unobserved, match="tells of 0 of 2 replicas"):
        parsed(redis_replication.redis_replication, without("slave0", "primary"))


def test_a_replica_knows_its_primary() -> None:
    found = parsed(redis_replication.redis_replication, answer("replica"))
    assert (found.link, found.down_seconds, found.broken) == ("up", None, ())
    assert 0 <= found.silent_seconds < 10


def test_a_replica_that_is_cut_off() -> None:
    found = parsed(redis_replication.redis_replication, answer("cut-off"))
    assert found.broken == ("replica of 127.0.0.1:1, link down for 1 second",)


def test_a_replica_that_never_had_a_link() -> None:
    never = answer("cut-off").replace(b"link_down_since_seconds:1", b"link_down_since_seconds:-1")
    assert str(parsed(redis_replication.redis_replication, never)) == "replica of 127.0.0.1:1, link down"


@pytest.mark.parametrize(("name", "role"), [("alone", "primary"), ("primary", "primary"), ("replica", "replica")])
def test_the_role(name: str, role: str) -> None:
    assert parsed(server_role, answer(name)).role == role


def test_connections() -> None:
    found = parsed(server_connections, answer("replica"))
    assert (found.used, found.most) == (2, 10_000)
    assert (
        str(parsed(redis_clients.redis_clients, answer("alone"))) == "1 client, 0 blocked; 0 rejected since the start"
    )


def test_an_old_server_does_not_tell_everything() -> None:
    """Redis 6.0 has neither maxclients nor, before 4.0, the allocator's numbers: what lacks them is unknown."""
    with pytest.raises(Unobserved, match="INFO has no maxclients"):
        parsed(server_connections, without("maxclients"))
    with pytest.raises(Unobserved, match="INFO has no allocator_frag_ratio"):
        parsed(redis_memory.redis_memory, without("allocator_frag_ratio"))
    with pytest.raises(Unobserved, match="INFO has no server_time_usec"):
        parsed(redis_slow_log.redis_clock, without("server_time_usec"))


@pytest.mark.parametrize("garbage", [None, 1, [], [b"x"], b"", b"hello", b"\xff\xfe\x00", "redis_version:7"])
def test_what_is_no_info_is_unobserved(garbage: Any) -> None:
    for need in OF_INFO:
        with pytest.raises(Unobserved):
            parsed(need, garbage)


def test_info_that_is_cut_off_is_never_taken_for_good() -> None:
    whole = answer("primary")
    for need in OF_INFO:
        good = str(parsed(need, whole))
        for end in range(0, len(whole), 61):
            try:
                found = parsed(need, whole[:end])
            except (Unobserved, DoesNotApply, KeyError):
                continue
            # A number at the very end may lack digits: only of what is the last line that is there.
            last = whole[:end].rpartition(b"\r\n")[2]
            assert str(found) == good or b":" in last, (need.name, last)


def test_a_number_that_is_none_is_unobserved() -> None:
    with pytest.raises(Unobserved, match="used_memory of INFO is no number: lots"):
        Info({"used_memory": "lots"}).number("used_memory")


def test_bytes_that_are_not_utf8_are_told() -> None:
    assert read_info(b"redis_version:7\xff\r\n").text("redis_version") == "7\\xff"


SLOW = [
    [7, 1_700_000_100, 12_345, [b"KEYS", b"session:*"], b"127.0.0.1:55618", b""],
    [6, 1_700_000_000, 99_999, [b"EVAL", b"x" * 200], b"127.0.0.1:55618", b"worker"],
    [5, 1_600_000_000, 20_000, [b"DEL", b"\xff"]],
]


def test_the_slow_log() -> None:
    found = redis_slow_log.parse(SLOW)
    assert [each.at for each in found.commands] == [1_700_000_100, 1_700_000_000, 1_600_000_000]
    assert found.slowest is not None
    assert (found.slowest.microseconds, len(found.slowest.command)) == (99_999, 80)
    assert str(found).startswith("3 commands in the slow log, the slowest: EVAL xxx")
    assert str(found).endswith("… took 100 ms")
    recent = found.within_an_hour(redis_slow_log.RedisClock(1_700_003_650.0))
    assert str(recent) == "1 command in the slow log, the slowest: KEYS session:* took 12.35 ms"


def test_an_empty_slow_log() -> None:
    assert str(redis_slow_log.parse([])) == "no commands in the slow log"


@pytest.mark.parametrize(
    "garbage", [None, b"x", [1], [[1, 2]], [[1, b"x", 3, [b"a"]]], [[1, 2, 3, 4]], [[1, 2, 3, [4]]]]
)
def test_a_slow_log_that_makes_no_sense_is_unobserved(garbage: Any) -> None:
    with pytest.raises(Unobserved, match="SLOWLOG GET"):
        redis_slow_log.parse(garbage)


def test_each_pattern_is_a_question_of_its_own() -> None:
    from muster.limits import Limit

    redis = Redis(name="cache", url="", server=REDIS.server, keys={"a:*": Limit(), "b:*": Limit()}, timeout=3.0)
    probe = redis_keys.redis_keys.probe(redis)
    assert isinstance(probe.question, AskEach)
    assert probe.question.questions == (
        CountKeys(REDIS.server, "a:*", timeout=3.0),
        CountKeys(REDIS.server, "b:*", timeout=3.0),
    )
    assert probe.question.timeout == 6.0
    assert str(probe.parse((1, 2000))) == "1 keys match a:*, 2,000 keys match b:*"


def test_one_pattern_that_could_not_be_counted_costs_itself_only() -> None:
    found = redis_keys.parse(("a", "b"), (5, Unobserved("timeout", "too many")))
    assert found.counts == {"a": 5}
    with pytest.raises(Unobserved, match="b: too many"):
        found.complete()


def test_where_nothing_could_be_counted_the_reason_is_told_once() -> None:
    down = Unobserved("permission", "denied")
    with pytest.raises(Unobserved, match=r"^denied$"):
        redis_keys.parse(("a", "b"), (down, down))
