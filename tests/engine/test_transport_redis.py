"""Sessions with Redis, and with what only pretends: only what reads is sent, and a password only to Redis."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from muster.databases import Server
from muster.probes import Attempt, Unobserved
from muster.questions.servers import AskEach, AskRedis, AskServer, CountKeys
from muster.targets import Host
from tests.engine.asking import answer, failure, local, observe, ssh
from tests.servers.processes import Background, accepts, free_port
from tests.servers.redis_server import RedisServer
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.needs("redis")

SECRET = "a-secret-of-muster"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer(user=f"muster on >{SECRET} +ping +info +select +slowlog|get") as running:
        running.fill(2500, 10)
        yield running


def at(server: RedisServer, **more: Any) -> Server:
    return Server(**{"engine": "redis", "port": server.port, **more})


def attempt(server: Server, host: Host | None = None, timeout: float = 5.0) -> Attempt:
    found = answer(host or local(), AskServer(server, timeout)).attempt
    assert isinstance(found, Attempt)
    return found


@pytest.mark.needs("sshd")
def test_answers_come_undecoded_from_here_and_over_ssh(redis: RedisServer, ssh_host: Sshd) -> None:
    for host in (local(), ssh(ssh_host)):
        for way in ({}, {"socket": str(redis.socket)}, {"user": "muster", "password": SECRET}):
            server = at(redis, **way)
            assert b"redis_version:7" in answer(host, AskRedis(server, ("INFO",)))
            assert answer(host, AskRedis(server, ("SLOWLOG", "GET", "5"))) == []


def test_all_questions_take_one_connection(redis: RedisServer) -> None:
    before = int(redis.info("total_connections_received"))
    server = at(redis)
    counts = (CountKeys(server, "key:1*"), CountKeys(server, "*"), CountKeys(server, "none*"))
    found = observe(local(), AskServer(server), AskRedis(server, ("INFO",)), AskEach(counts))
    assert found[2].value == (1111, 2500, 0)
    assert int(redis.info("total_connections_received")) - before == 2  # and the one that asks


def test_another_database_is_selected(redis: RedisServer) -> None:
    assert answer(local(), CountKeys(at(redis, database="3"), "*")) == 0
    found = attempt(at(redis, database="99"))
    assert (found.outcome, found.cause) == ("no such database", "missing")


def test_keys_that_are_too_many_are_not_looked_through(redis: RedisServer) -> None:
    found = failure(local(), CountKeys(at(redis), "*", most=100))
    assert found.message == "2,500 keys are too many to look through: at most 100 are"


@pytest.mark.parametrize(
    "words",
    [("FLUSHALL",), ("SET", "a", "b"), ("CONFIG", "SET", "maxmemory", "1"), ("SLOWLOG", "RESET"), ("SLOWLOG",), ()],
)
def test_what_does_more_than_read_is_not_sent(redis: RedisServer, words: tuple[str, ...]) -> None:
    assert failure(local(), AskRedis(at(redis), words)).cause == "internal"
    assert redis.command("DBSIZE") == 2500


def test_a_right_that_is_missing_is_named(redis: RedisServer) -> None:
    server = at(redis, user="muster", password=SECRET)
    one, two, three = observe(
        local(), AskRedis(server, ("CONFIG", "GET", "*")), CountKeys(server, "*"), AskRedis(server, ("DBSIZE",))
    )
    assert "ACL SETUSER muster +config|get" in str(one.failure)
    assert "ACL SETUSER muster +scan +dbsize" in str(two.failure)
    assert "ACL SETUSER muster +dbsize" in str(three.failure)
    assert {each.failure.cause for each in (one, two, three) if isinstance(each.failure, Unobserved)} == {
        "permission"
    }


def test_a_user_who_may_only_ping_is_logged_in() -> None:
    with RedisServer(user=f"nobody on >{SECRET} +ping") as server:
        found = answer(local(), AskServer(at(server, user="nobody", password=SECRET)))
    assert (found.attempt.connected, found.version) == (True, "")


def test_a_server_that_loads_says_so() -> None:
    """A large file to load, slowly (key-load-delay, in microseconds for each key)."""
    with RedisServer() as server:
        server.fill(20_000, 10)
        assert server.command("SAVE") == "OK"
        port = free_port()
        settings = {"port": port, "bind": "127.0.0.1", "dir": server.store, "save": "", "key-load-delay": 2000}
        settings["loading-process-events-interval-bytes"] = 1024
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        loading = Background(["redis-server", *words], server.folder / "loading.log")
        try:
            loading.wait_for(lambda: accepts("127.0.0.1", port))
            found = attempt(Server(engine="redis", port=port))
        finally:
            loading.stop(seconds=0.5)
    assert (found.outcome, found.cause) == ("loading", "wrong")


@contextmanager
def pretending(*replies: bytes) -> Iterator[tuple[int, bytearray]]:
    """A server that answers each piece that it hears with the next reply, then closes; and what it heard."""
    heard = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    client.settimeout(3)
                    for reply in replies:
                        heard.extend(client.recv(65_536))
                        client.sendall(reply)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        serving.join(5)


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "not Redis"),
        ((b"HTTP/1.0 400 Bad Request\r\n\r\n",), "not Redis"),
        ((b"$x\r\n",), "not Redis"),
        ((b"*1\r\n" * 100_000,), "not Redis"),
        ((b"x" * 200_000,), "not Redis"),
        ((b"$-7\r\nabc\r\n",), "not Redis"),
        ((b"-DENIED Redis is running in protected mode because...\r\n",), "denied"),
        ((b"-ERR max number of clients reached\r\n",), "too many clients"),
        ((b"-LOADING Redis is loading the dataset in memory\r\n",), "loading"),
        ((b"-ERR unknown command\r\n",), "failed"),
        ((b"",), "reset"),
    ],
    ids=["ssh", "http", "length", "deep", "endless", "negative", "protected", "full", "loading", "error", "nothing"],
)
def test_what_cannot_be_spoken_with_does_not_hear_the_password(replies: tuple[bytes, ...], outcome: str) -> None:
    with pretending(*replies) as (port, heard):
        found = attempt(Server(engine="redis", port=port, user="muster", password=SECRET))
    assert (found.outcome, found.connected) == (outcome, False), found
    assert SECRET.encode() not in heard
    assert SECRET not in str(found)


def test_an_answer_without_a_version_is_not_redis() -> None:
    with pretending(b"+PONG\r\n", b"+PONG\r\n", b"$2\r\nno\r\n") as (port, _):
        assert attempt(Server(engine="redis", port=port)).outcome == "not Redis"


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_an_answer_without_an_end_is_cut_off(kind: str) -> None:
    endless = {"text": b"$2000000000\r\n" + b"x" * (5 << 20), "numbers": b"*9999999\r\n" + b":1\r\n" * (2 << 20)}
    with pretending(b"+PONG\r\n", b"+PONG\r\n", b"$19\r\nredis_version:7.0.0\r\n", endless[kind]) as (port, _):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = failure(local(), AskRedis(Server(engine="redis", port=port), ("INFO",), timeout=20))
    assert found.cause in ("network", "unreadable")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 << 10  # in KiB


@pytest.mark.parametrize(
    "replies",
    [
        (b"+OK\r\n",),
        (b":7\r\n", b":7\r\n"),
        (b":7\r\n", b"*2\r\n:0\r\n*0\r\n"),
        (b":7\r\n", b"*2\r\n$1\r\n0\r\n$1\r\n0\r\n"),
        (b":7\r\n", b"*1\r\n$1\r\n0\r\n"),
    ],
    ids=["size", "number", "cursor", "keys", "half"],
)
def test_keys_are_not_counted_by_answers_that_make_no_sense(replies: tuple[bytes, ...]) -> None:
    with pretending(b"+PONG\r\n", b"+PONG\r\n", b"$19\r\nredis_version:7.0.0\r\n", *replies) as (port, _):
        found = failure(local(), CountKeys(Server(engine="redis", port=port), "s:*", timeout=5))
    assert found.cause == "unreadable", found


def test_a_server_that_is_gone_in_the_midst_is_told() -> None:
    with pretending(b"+PONG\r\n", b"+PONG\r\n", b"$19\r\nredis_version:7.0.0\r\n") as (port, _):
        found = failure(local(), AskRedis(Server(engine="redis", port=port), ("INFO",)))
    assert found.cause == "network"
