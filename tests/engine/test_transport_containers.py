"""What containers use, and what they log, by a real engine."""

from __future__ import annotations

import grp
import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from muster.probes import Unobserved
from muster.questions.docker import (
    ContainerLog,
    ContainerLogFile,
    ContainerStats,
    InspectContainer,
    LineCount,
    ListContainers,
    Logged,
    Matches,
    Stats,
)
from tests.engine.asking import answer, failure, observe
from tests.engine.test_transport_docker import Start, on, over, tls_files
from tests.servers.docker import Engine
from tests.servers.http import PATHS, HttpServer
from tests.servers.processes import wait_for
from tests.servers.sshd import Account

pytestmark = pytest.mark.needs("docker")


def counted(*found: str, window: float = 3600) -> LineCount:
    return LineCount(window, found)


def test_each_container_is_listed_once_and_inspected_once() -> None:
    """Whatever is asked of it, by whatever glob."""
    asked: list[str] = []

    def says(body: object) -> Callable[[Any], None]:
        def answer_it(talk: Any) -> None:
            asked.append(talk.request.path.partition("?")[0])
            talk.answer(json.dumps(body).encode())

        return answer_it

    stats = {"read": "2026-11-20T19:30:35Z"}
    inspected = {"Id": "aa", "Name": "/a", "State": {"Status": "running"}, "LogPath": ""}
    paths = {
        "/version": says({"ApiVersion": "1.41"}),
        "/v1.41/containers/json": says([{"Names": ["/a"], "Id": "aa", "State": "running"}]),
        "/v1.41/containers/aa/json": says(inspected),
        "/v1.41/containers/aa/stats": says(stats),
        "/v1.41/containers/aa/logs": lambda talk: talk.answer(b""),
    }
    with HttpServer(paths=paths) as web:
        found = observe(
            on(f"tcp://127.0.0.1:{web.port}"),
            ListContainers(),
            *(InspectContainer(match) for match in ("a", "a*", "?")),
            ContainerStats("a"),
            ContainerLog("a", (counted("x"),)),
            ContainerLogFile("a"),
        )
    assert [each.failure for each in found] == [None] * 7
    assert sorted(asked) == [
        "/v1.41/containers/aa/json",
        *["/v1.41/containers/aa/stats"] * 2,
        "/v1.41/containers/json",
        "/version",
    ]
    assert found[4].value.first == stats


def test_what_a_container_uses_is_looked_at_twice_a_second_apart(engine: Engine) -> None:
    engine.container("plain")
    engine.container("exited")
    found, stopped, none = observe(
        on(engine.url), ContainerStats("plain"), ContainerStats("exited"), ContainerStats("nope")
    )
    begun, ended = (datetime.fromisoformat(each["read"]) for each in (found.value.first, found.value.second))
    assert 0.9 < (ended - begun).total_seconds() < 2.5
    assert found.value.second["memory_stats"]["usage"] > 0
    assert (stopped.value.first, stopped.value.matches.inspected["State"]["Status"]) == (None, "exited")
    assert none.value == Stats(Matches((), None))


@pytest.mark.parametrize("terminal", [False, True])
def test_the_lines_of_a_log_are_counted(engine: Engine, terminal: bool) -> None:
    name = f"talks-{terminal}"
    script = "echo error one; echo well; echo error two >&2; exec sleep 1000000"
    engine.run(name, ("sh", "-c", script), tty=terminal)
    wait_for(lambda: b"two" in engine.client.containers.get(name).logs(), "its log")
    question = ContainerLog(name, (counted("^error one$"), counted("error", "two"), counted(), counted("x" * 50)))
    logged = answer(on(engine.url), question)
    assert [each.lines for each in logged.counts] == [1, 1, 3, 0]
    at, _, text = logged.counts[1].last.partition(" ")
    assert text == "error two"
    assert abs(datetime.fromisoformat(f"{at}Z").timestamp() - time.time()) < 60
    assert answer(on(engine.url), ContainerLog("nope", (counted(),))) == Logged(Matches((), None))


def test_a_long_log_of_long_lines_is_counted_in_little_memory(engine: Engine) -> None:
    # 40 MB in lines of 40 KB, of which the engine makes three frames each.
    script = 'i=0; while [ $i -lt 1000 ]; do echo "$i $x"; i=$((i+1)); done; echo done'
    engine.run_until(
        lambda attrs: attrs["State"]["Status"] == "exited",
        "endless",
        ("sh", "-c", f"x=$(head -c 40000 /dev/zero | tr '\\0' x); {script}"),
        log_config={"Type": "json-file", "Config": {"max-size": "100m"}},
    )
    logged = answer(on(engine.url, timeout=30), ContainerLog("endless", (counted("^[0-9]+ x"), counted()), 30))
    assert [each.lines for each in logged.counts] == [1000, 1001]
    assert len(logged.counts[0].last) < 9_000


def test_a_log_that_cannot_be_read_back_says_what_could(engine: Engine) -> None:
    engine.run("unlogged", log_config={"Type": "none"})
    why, size = observe(on(engine.url), ContainerLog("unlogged", (counted(),)), ContainerLogFile("unlogged"))
    assert isinstance(why.failure, Unobserved)
    assert why.failure.cause == "missing"
    assert str(why.failure).startswith("its log driver none keeps nothing that the engine can read")
    assert size.value.size is None


def test_a_log_that_takes_too_long_says_so() -> None:
    paths = {
        "/version": lambda talk: talk.answer(b'{"ApiVersion": "1.41"}'),
        "/v1.41/containers/json": lambda talk: talk.answer(b'[{"Names": ["/a"], "Id": "aa"}]'),
        "/v1.41/containers/aa/json": lambda talk: talk.answer(b'{"Id": "aa", "Name": "/a", "Config": {"Tty": true}}'),
        "/v1.41/containers/aa/logs": PATHS["/endless"],
    }
    with HttpServer(paths=paths) as web:
        why = failure(on(f"tcp://127.0.0.1:{web.port}"), ContainerLog("a", (counted(),), timeout=0.5))
    assert (why.cause, str(why)) == (
        "timeout",
        "its log could not be read in 0.5 s; set a shorter window or a longer timeout",
    )


def test_the_size_of_a_log_file_is_that_on_the_engines_host(engine: Engine) -> None:
    engine.run_until(lambda attrs: attrs["State"]["Status"] == "exited", "said", ("echo", "x" * 1000))
    found = answer(on(engine.url), ContainerLogFile("said"))
    assert 1000 < found.size < 2000
    assert answer(on(engine.tls_url, **tls_files(engine)), ContainerLogFile("said")).size == found.size


def test_a_log_file_of_another_machine_is_not_looked_for_here() -> None:
    inspected = {"Name": "/a", "LogPath": "/var/lib/docker/containers/aa/aa-json.log"}
    paths = {
        "/version": lambda talk: talk.answer(b'{"ApiVersion": "1.41"}'),
        "/v1.41/containers/json": lambda talk: talk.answer(b'[{"Names": ["/a"], "Id": "aa"}]'),
        "/v1.41/containers/aa/json": lambda talk: talk.answer(json.dumps(inspected).encode()),
    }
    with HttpServer(paths=paths) as web:
        why = failure(on(f"tcp://127.1:{web.port}"), ContainerLogFile("a"))
        here = failure(on(f"tcp://127.0.0.1:{web.port}"), ContainerLogFile("a"))
    assert "which is not logged in to; put the container under that machine" in str(why)
    assert (why.cause, here.cause) == ("missing", "missing")
    assert "No such file" in str(here)


@pytest.mark.needs("sshd")
def test_a_log_file_that_may_not_be_seen_names_the_way_out(engine: Engine, start_sshd: Start, ops: Account) -> None:
    engine.run_until(lambda attrs: attrs["State"]["Status"] == "exited", "secret", ("echo", "x"))
    engine.folder.chmod(0o711)
    os.chown(engine.socket, 0, grp.getgrnam(ops.name).gr_gid)
    server = start_sshd(user=ops.name)
    try:
        why = failure(over(server, engine.url), ContainerLogFile("secret"))
    finally:
        os.chown(engine.socket, 0, 0)
    assert why.cause == "permission"
    assert "may be seen by root only; give the host's connection `sudo: true`" in str(why)


def engine_of(inspected: object, **more: Any) -> HttpServer:
    """What speaks as an engine does of one container ``a``, and says of it what it likes."""
    paths = {
        "/version": lambda talk: talk.answer(b'{"ApiVersion": "1.41"}'),
        "/v1.41/containers/json": lambda talk: talk.answer(b'[{"Names": ["/a"], "Id": "aa"}]'),
        "/v1.41/containers/aa/json": lambda talk: talk.answer(json.dumps(inspected).encode()),
    }
    paths |= {f"/v1.41/containers/aa/{name}": behave for name, behave in more.items()}
    return HttpServer(paths=paths)


@pytest.mark.parametrize("part", [7, [], "x", None])
def test_an_inspection_that_makes_no_sense_breaks_nothing(part: object) -> None:
    inspected = {"Id": "aa", "Name": "/a", "State": part, "Config": part, "HostConfig": part, "LogPath": part}
    questions = (ContainerStats("a"), ContainerLog("a", (counted(),)), ContainerLogFile("a"))
    with engine_of(inspected, logs=lambda talk: talk.answer(b"\1\0\0\0\0\0\0\2x\n")) as web:
        stats, logged, size = observe(on(f"tcp://127.0.0.1:{web.port}"), *questions)
    assert stats.value.first is None
    assert [each.lines for each in logged.value.counts] == [1]
    if part == "x":
        assert isinstance(size.failure, Unobserved)
    else:
        assert size.value.size is None


def test_a_container_that_goes_while_it_is_looked_at_is_gone() -> None:
    with engine_of({"Id": "aa", "Name": "/a", "State": {"Status": "running"}}) as web:
        stats, logged = observe(
            on(f"tcp://127.0.0.1:{web.port}"), ContainerStats("a"), ContainerLog("a", (counted(),))
        )
    assert stats.value == Stats(Matches((), None))
    assert logged.value == Logged(Matches((), None))


@pytest.mark.parametrize("body", [b"[]", b"7", b"{", b""])
def test_statistics_that_are_none_are_unreadable(body: bytes) -> None:
    with engine_of(
        {"Id": "aa", "Name": "/a", "State": {"Status": "running"}}, stats=lambda talk: talk.answer(body)
    ) as web:
        why = failure(on(f"tcp://127.0.0.1:{web.port}"), ContainerStats("a"))
    assert why.cause == "unreadable"


def test_the_path_of_a_log_is_no_command(tmp_path: Path) -> None:
    with engine_of({"Id": "aa", "Name": "/a", "LogPath": f"$(touch {tmp_path}/x); touch {tmp_path}/y '"}) as web:
        why = failure(on(f"tcp://127.0.0.1:{web.port}"), ContainerLogFile("a"))
    assert why.cause == "missing"
    assert not list(tmp_path.iterdir())
