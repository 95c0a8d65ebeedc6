"""Docker engines and the inside of containers, by a real engine."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from muster.probes import (
    AskEngine,
    Command,
    ContainerLog,
    ContainerLogFile,
    ContainerStats,
    EngineAnswer,
    HttpRequest,
    InspectContainer,
    LineCount,
    ListContainers,
    Logged,
    Login,
    Matches,
    Stats,
    Unobserved,
)
from muster.targets import Connection, DockerEngine, Host
from tests.engine.asking import answer, failure, files_are_closed, observe, open_files, ssh
from tests.servers.docker import Engine
from tests.servers.http import PATHS, HttpServer
from tests.servers.processes import wait_for
from tests.servers.sshd import Account, Sshd

Start = Callable[..., Sshd]
pytestmark = pytest.mark.needs("docker")


def on(url: str | None, connection: Connection | None = None, timeout: float = 10.0, **files: Any) -> Host:
    """A host whose engine is there; this machine unless a connection says otherwise."""
    reached = connection or Connection(kind="local")
    return Host(name="here", connection=reached, docker=DockerEngine(url=url, **files), timeout=timeout)


def tls_files(engine: Engine) -> dict[str, str]:
    return {"ca_file": str(engine.ca_file), "cert_file": str(engine.cert_file), "key_file": str(engine.key_file)}


def inside(engine: Engine, container: str, **more: Any) -> Host:
    connection = Connection(kind="docker", address=container, **more)
    return Host(name="box", connection=connection, docker=DockerEngine(url=engine.url))


def test_an_engine_that_answers_says_its_version(engine: Engine) -> None:
    found = answer(on(engine.url), AskEngine())
    assert isinstance(found, EngineAnswer)
    assert found.attempt.connected
    assert found.version is not None
    assert found.version["ApiVersion"] == "1.41"


def test_containers_are_listed_and_inspected_by_a_glob(engine: Engine) -> None:
    healthy, exited = engine.container("healthy"), engine.container("exited")
    listed, one, glob, none = observe(
        on(engine.url),
        ListContainers(),
        InspectContainer("healthy"),
        InspectContainer("ex?t*"),
        InspectContainer("nope"),
    )

    assert {each["Id"] for each in listed.value} >= {healthy.id, exited.id}
    assert isinstance(one.value, Matches)
    assert one.value.names == ("healthy",)
    assert one.value.inspected is not None
    assert one.value.engine_time is not None
    assert abs(one.value.engine_time - time.time()) < 5
    assert one.value.inspected["State"]["Health"]["Status"] == "healthy"
    assert glob.value.inspected["State"]["ExitCode"] == 3
    assert none.value == Matches((), None)


def test_of_several_that_match_the_running_one_is_meant(engine: Engine) -> None:
    for name in ("pair-1", "pair-2"):
        engine.run(name)
    both = answer(on(engine.url), InspectContainer("pair-*"))
    assert (sorted(both.names), both.inspected) == (["pair-1", "pair-2"], None)

    engine.client.containers.get("pair-1").kill()
    one = answer(on(engine.url), InspectContainer("pair-*"))
    assert sorted(one.names) == ["pair-1", "pair-2"]
    assert one.inspected is not None
    assert one.inspected["Name"] == "/pair-2"


def test_the_surroundings_may_say_where_the_engine_is(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    assert answer(on(None), AskEngine()).attempt.connected


def test_an_engine_that_speaks_tls_is_asked_with_certificates(engine: Engine) -> None:
    files = tls_files(engine)
    assert answer(on(engine.tls_url, **files), AskEngine()).attempt.connected

    stranger = answer(on(engine.tls_url, ca_file=str(engine.ca_file)), AskEngine()).attempt
    assert not stranger.connected
    plain = answer(on(engine.tls_url), AskEngine()).attempt
    assert not plain.connected


def test_an_engine_whose_certificate_is_not_to_be_trusted_fails_at_tls(engine: Engine, tmp_path: Path) -> None:
    import trustme

    ca_file = tmp_path / "other-ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    attempt = answer(on(engine.tls_url, ca_file=str(ca_file)), AskEngine()).attempt
    assert (attempt.outcome, attempt.cause) == ("TLS failed", "wrong")
    missing = failure(on(engine.tls_url, ca_file=str(tmp_path / "none")), AskEngine())
    assert missing.cause == "wrong"


def test_an_engine_that_is_not_there_is_missing(tmp_path: Path) -> None:
    asked, listed = observe(on(f"unix://{tmp_path}/docker.sock"), AskEngine(), ListContainers())
    attempt = asked.value.attempt
    assert (attempt.outcome, attempt.cause) == ("missing", "missing")
    assert str(attempt) == f"missing: {tmp_path}/docker.sock is not there"
    assert isinstance(listed.failure, Unobserved)
    assert (listed.failure.cause, listed.failure.host_down) == ("missing", False)
    assert str(listed.failure) == f"Docker engine: {attempt}"


def test_an_engine_that_refuses_is_tried_twice(refused_port: int) -> None:
    attempt = answer(on(f"tcp://127.0.0.1:{refused_port}"), AskEngine()).attempt
    assert (attempt.outcome, attempt.cause, attempt.tries) == ("refused", "network", 2)
    assert str(attempt) == f"refused: 127.0.0.1:{refused_port} (after 2 tries)"


def test_an_engine_that_says_nothing_is_timed_out(silent_port: int) -> None:
    attempt = answer(on(f"tcp://127.0.0.1:{silent_port}", timeout=0.4), AskEngine()).attempt
    assert (attempt.outcome, attempt.cause) == ("timed out", "timeout")


@pytest.mark.parametrize(
    ("path", "outcome"),
    [("page", "not JSON"), ("status", "not Docker"), ("not-found", "not found"), ("endless", "too long")],
)
def test_what_is_no_engine_is_told(path: str, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from muster.transports import engine_api

    monkeypatch.setattr(engine_api, "ANSWER_MAX_BYTES", 1_000_000)
    with HttpServer(paths={"/version": PATHS[f"/{path}"]}) as web:
        attempt = answer(on(f"tcp://127.0.0.1:{web.port}"), AskEngine()).attempt
    assert (attempt.outcome, attempt.connected) == (outcome, False)


def test_lists_that_are_none_break_nothing() -> None:
    listed = [{"Names": 7}, {"Names": ["/a"], "Id": "../x"}]
    paths = {
        "/version": lambda talk: talk.answer(b'{"ApiVersion": "1.41"}'),
        "/v1.41/containers/json": lambda talk: talk.answer(json.dumps(listed).encode()),
        "/v1.41/containers/..%2Fx/json": lambda talk: talk.answer(b"[]"),
    }
    with HttpServer(paths=paths) as web:
        host = on(f"tcp://127.0.0.1:{web.port}")
        nothing, odd = observe(host, InspectContainer("b"), InspectContainer("a"))
    assert nothing.value == Matches((), None)
    assert isinstance(odd.failure, Unobserved)


def test_an_engine_that_cannot_be_spoken_to_says_what_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://ops@example.org")
    why = failure(on(None), AskEngine())
    assert why.cause == "wrong"
    assert "give its host a connection of kind ssh" in str(why)


# Over SSH


def over(server: Sshd, url: str, **more: Any) -> Host:
    return on(url, ssh(server, **more).connection)


@pytest.mark.needs("sshd")
def test_the_engine_of_a_remote_host_is_asked_through_its_connection(engine: Engine, start_sshd: Start) -> None:
    engine.container("healthy")
    server = start_sshd()
    asked, listed, found = observe(
        over(server, engine.url), AskEngine(), ListContainers(), InspectContainer("healthy")
    )

    assert asked.value.attempt.connected
    assert listed.value
    assert found.value.inspected["State"]["Status"] == "running"
    assert server.logins == 1


@pytest.mark.needs("sshd")
def test_tls_to_an_engine_goes_through_the_connection_too(engine: Engine, ssh_host: Sshd) -> None:
    files = tls_files(engine)
    host = on(engine.tls_url, ssh(ssh_host).connection, **files)
    assert answer(host, AskEngine()).attempt.connected


@pytest.mark.needs("sshd")
@pytest.mark.parametrize("sudo", [True, False])
def test_why_a_remote_engine_cannot_be_reached_is_precise(
    engine: Engine, start_sshd: Start, sudo_ops: Account, sudo: bool
) -> None:
    server = start_sshd(user=sudo_ops.name)
    engine.folder.chmod(0o711)
    denied = answer(over(server, engine.url, sudo=sudo), AskEngine()).attempt
    assert (denied.outcome, denied.cause) == ("denied", "permission")
    assert f"add {sudo_ops.name} to the group docker, or log in as root" in str(denied)
    assert ("`sudo: true` is for commands, not for the Docker socket" in str(denied)) is sudo


@pytest.mark.needs("sshd")
def test_a_remote_socket_in_a_folder_that_may_not_be_entered_is_denied_not_missing(
    start_sshd: Start, ops: Account
) -> None:
    server = start_sshd(user=ops.name)
    with tempfile.TemporaryDirectory(prefix="muster-permission-") as name, socket.socket(socket.AF_UNIX) as engine:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(0o700)
        engine.bind(str(folder / "closed" / "docker.sock"))
        engine.listen()
        (folder / "link.sock").symlink_to("closed/docker.sock")
        for path, cause in (
            ("closed/docker.sock", "permission"),
            ("link.sock", "permission"),
            ("no.sock", "missing"),
        ):
            attempt = answer(over(server, f"unix://{folder}/{path}"), AskEngine()).attempt
            assert attempt.cause == cause, attempt


@pytest.mark.needs("sshd")
def test_a_server_that_forbids_forwarding_hides_the_engine(engine: Engine, start_sshd: Start) -> None:
    server = start_sshd(forwarding=False)
    attempt = answer(over(server, engine.url), AskEngine()).attempt
    assert attempt.cause == "permission"
    assert "AllowStreamLocalForwarding" in str(attempt)


# Inside a container


def test_commands_run_inside_a_container(engine: Engine) -> None:
    engine.container("plain")
    login, first, stalled, long, last = observe(
        inside(engine, "plain"),
        Login(),
        Command("cat /proc/1/cmdline | tr '\\0' ' '; echo why >&2; exit 3"),
        Command("sleep 4242", timeout=0.3),
        Command("yes", max_bytes=10),
        Command("ps | grep -c '[s]leep 4242'; printf 'a\\0b'"),
    )
    assert login.value.connected
    assert first.value.stdout.startswith(b"sleep 1000000")
    assert (first.value.status, first.value.complaint) == (3, "why")
    assert isinstance(stalled.failure, Unobserved)
    assert stalled.failure.cause == "timeout"
    assert (long.value.stdout, long.value.truncated) == (b"y\ny\ny\ny\ny\n", True)
    assert last.value.stdout == b"0\na\0b", "the stalled command was not killed"


def test_http_is_asked_from_inside_a_container(engine: Engine) -> None:
    engine.container("quota-proxy")
    exchange, refused = observe(
        inside(engine, "quota-proxy"),
        HttpRequest("http://127.0.0.1:8787/healthz"),
        HttpRequest("http://127.0.0.1:1/"),
    )
    assert exchange.value.attempt.connected, exchange.value.attempt
    assert exchange.value.answered.body == b'{"ok": true}'
    assert not refused.value.attempt.connected
    assert refused.value.attempt.cause == "network"


def test_a_container_that_does_not_run_is_down(engine: Engine) -> None:
    engine.container("exited")
    login, other = observe(inside(engine, "exited"), Login(), Command("id"))
    assert str(login.value) == "not running: the container exited is exited"
    assert isinstance(other.failure, Unobserved)
    assert other.failure.host_down
    assert str(answer(inside(engine, "nope"), Login())) == "missing: there is no container nope"


def test_a_container_whose_engine_is_not_there_is_down(tmp_path: Path) -> None:
    connection = Connection(kind="docker", address="box")
    host = Host(name="box", connection=connection, docker=DockerEngine(url=f"unix://{tmp_path}/none"))
    why = failure(host, Command("id"))
    assert (why.cause, why.host_down) == ("missing", True)


@pytest.mark.needs("sshd")
def test_a_container_on_a_remote_host_is_entered_through_it(engine: Engine, ssh_host: Sshd) -> None:
    engine.container("plain")
    found = answer(inside(engine, "plain", via="dock-1"), Command("hostname"), others=(ssh(ssh_host, "dock-1"),))
    assert found.text.strip() == engine.container("plain").short_id


@pytest.mark.needs("sshd")
def test_no_descriptor_and_no_folder_stays(
    engine: Engine, ssh_host: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine.container("plain")

    def once() -> None:
        found = observe(over(ssh_host, engine.url), AskEngine(), ListContainers())
        found += observe(inside(engine, "plain"), Command("id"), HttpRequest("http://127.0.0.1:1/"))
        assert [each.failure for each in found] == [None] * 4

    once()
    before = open_files()
    for _ in range(3):
        once()
    files_are_closed(before)
    assert not list(tmp_path.iterdir())


# What containers use, and what they log


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
        "/v1.41/containers/aa/json": lambda talk: talk.answer(b'{"Id": "aa", "Name": "/a"}'),
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
    import grp

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
