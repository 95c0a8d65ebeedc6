"""Redis servers, good and broken: full, evicting, unable to save, cut off from their primary, slow, crowded.

Muster logs in as a user with the rights that the runbook names and no others.
"""

from __future__ import annotations

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.faults.cases import Case, Ran, critical, each, unknown, warning
from tests.faults.database_servers import ELSEWHERE, SECRET, judged_in
from tests.servers.processes import refusing_port, silent_port, wait_for
from tests.servers.redis_server import RedisServer
from tests.servers.sshd import Account

#: The rights of docs/runbooks/redis.md.
RIGHTS = "+ping +select +info +slowlog|get +dbsize +scan"

#: Every check of a Redis server but whether it accepts connections, and those that the inventory asks for.
EVERY = (
    "database_server_has_connections_left",
    "redis_can_save",
    "redis_commands_are_quick",
    "redis_evicts_no_keys",
    "redis_memory_is_available",
    "redis_memory_is_not_fragmented",
    "redis_rejects_no_connections",
    "redis_replicates",
)


def at(
    port: str, password: str | None = "${env:PASSWORD}", user: str = "muster", **more: object
) -> dict[str, object]:
    login = {} if password is None else {"user": user, "password": password}
    return {"url": f"redis://127.0.0.1:${{{port}}}/0", **login, "timeout": "5s", **more}


def down(*says: str, cause: str) -> dict[str, object]:
    """It cannot be logged in to, which is critical, once; nothing else of it is known."""
    return {
        "database_accepts_connections": critical(*says, "expected a connection", cause=cause),
        **each(EVERY, unknown(*says, cause=cause)),
    }


CASES = (
    Case(
        "good",
        at("good", keys={"session:*": {"warning": 10}}, min_version="6.2", role="primary"),
    ),
    Case("good", at("good", keys={"session:*": {"warning": 10}}), host=ELSEWHERE),
    Case("by-socket", {"url": "redis:///0?host=${socket}", "user": "muster", "password": "${env:PASSWORD}"}),
    Case("follower", at("follower", role="replica")),
    Case("cache", at("cache"), {"redis_evicts_no_keys": warning("policy allkeys-lru", "expected at most 0")}),
    Case(
        "full",
        at("full", limits={"redis_evicted_keys": {}}),
        {"redis_memory_is_available": critical("maxmemory 5.0 MiB, policy noeviction", "expected at most 95 %")},
    ),
    Case(
        "fragmented",
        at("fragmented"),
        {"redis_memory_is_not_fragmented": warning("redis_fragmentation_ratio is", "expected at most 1.4")},
    ),
    Case(
        "crowded",
        at("crowded"),
        {
            "database_server_has_connections_left": critical("10 of 10 connections in use", "expected at most 95 %"),
            "redis_rejects_no_connections": warning("connections_refused is", "expected at most 0"),
        },
    ),
    Case(
        "unsaved",
        at("unsaved"),
        {"redis_can_save": critical("rdb_last_bgsave_status) is err", "expected ok (3 changes since)")},
    ),
    Case(
        "cut-off",
        at("cut_off", role="primary"),
        {
            "redis_replicates": critical("replica of 127.0.0.1:${refusing}, link down", "expected to be connected"),
            "database_server_has_its_role": critical("replica, expected primary"),
        },
    ),
    Case(
        "slow",
        at("slow"),
        {"redis_commands_are_quick": warning("in the slow log, the slowest: DEBUG SLEEP 0.05 took ", "at most 10")},
    ),
    Case(
        "many",
        at("good", keys={"session:*": {"warning": 2}, "*": {"critical": 4}}, min_version="99"),
        {
            "redis_keys_are_within_limits": critical(
                "redis_keys of session:* is 3, expected at most 2", "redis_keys of * is 5, expected at most 4"
            ),
            "database_version_is_supported": warning("7.", "expected 99 or later"),
        },
    ),
    Case(
        "stranger",
        at("good", user="stranger", keys={"*": {"warning": 10}}),
        {
            "redis_commands_are_quick": unknown("ACL SETUSER stranger +slowlog|get", cause="permission"),
            "redis_keys_are_within_limits": unknown("ACL SETUSER stranger +scan +dbsize", cause="permission"),
        },
    ),
    Case("wrong-password", at("good", "${env:WRONG}"), down("invalid username-password pair", cause="permission")),
    Case("no-password", at("guarded", None), down("asks for a password, and the inventory", cause="permission")),
    Case(
        "no-such-database",
        {**at("good"), "url": "redis://127.0.0.1:${good}/99"},
        down("has no database 99", cause="missing"),
    ),
    Case("not-redis", at("sshd"), down("not Redis", "SSH-2.0", cause="wrong")),
    Case("refused", at("refusing"), down("refused: 127.0.0.1:${refusing}", cause="network")),
    Case("silent", at("silent", timeout="1s"), down("connected, but no answer in 1 s", cause="timeout")),
)


def judged(folder: Path, ops: Account) -> Ran:
    """All of them in one run."""
    with ExitStack() as serving:
        return judged_in(serving, folder, ops, CASES, _serve(serving))


def _serve(serving: ExitStack) -> dict[str, object]:
    """Start all servers and break what is to be broken; returns what the inventory has to know of them."""

    def start(**settings: object) -> RedisServer:
        return serving.enter_context(RedisServer(user=f"muster on >{SECRET} {RIGHTS}", **settings))

    good, follower = start(), start()
    good.command("ACL", "SETUSER", "stranger", "on", f">{SECRET}", "+ping", "+info")
    good.fill(3, 10, prefix="session")
    good.fill(2, 10, prefix="cart")
    follower.follow(good)

    cache = start(maxmemory="5mb", maxmemory_policy="allkeys-lru")
    cache.fill(10_000, 1_000)
    full = start(maxmemory="5mb", maxmemory_policy="noeviction")
    full.fill(10_000, 1_000)

    fragmented = start(activedefrag="no")
    fragmented.fill(60_000, 1_000)
    fragmented.command("EVAL", "for i = 0, 59999 do if i % 4 > 0 then redis.call('DEL', 'key:' .. i) end end", "0")
    wait_for(lambda: int(fragmented.info("allocator_frag_bytes")) > 11 << 20, "fragments")

    crowded = start(maxclients=10)
    # The one that is left is for whoever looks.
    for _ in range(9):
        serving.enter_context(socket.create_connection(("127.0.0.1", crowded.port)))
    _turn_away(crowded, 3)

    unsaved = start()
    unsaved.fill(3, 10)
    shutil.rmtree(unsaved.store)
    unsaved.command("BGSAVE")
    wait_for(lambda: unsaved.info("rdb_last_bgsave_status") == "err", "a failed snapshot")

    refusing = serving.enter_context(refusing_port())
    cut_off = start()
    cut_off.command("REPLICAOF", "127.0.0.1", refusing)

    slow = start()
    for _ in range(12):
        slow.command("DEBUG", "SLEEP", "0.05")

    return {
        "good": good.port,
        "socket": str(good.socket),
        "follower": follower.port,
        "cache": cache.port,
        "full": full.port,
        "fragmented": fragmented.port,
        "crowded": crowded.port,
        "unsaved": unsaved.port,
        "cut_off": cut_off.port,
        "slow": slow.port,
        "guarded": serving.enter_context(RedisServer(requirepass="secret-of-app")).port,
        "refusing": refusing,
        "silent": serving.enter_context(silent_port()),
    }


def _turn_away(server: RedisServer, count: int) -> None:
    """Take the last connection of a server for a moment, in which others are turned away."""
    with socket.create_connection(("127.0.0.1", server.port)):
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as extra:
                assert b"max number of clients" in extra.recv(100)
    wait_for(lambda: server.command("PING") == "PONG", "a free connection")
