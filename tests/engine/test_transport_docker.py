"""Docker engines and the inside of containers, by a real engine."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muster.probes import Command, Login, Unobserved
from muster.questions.docker import AskEngine, EngineAnswer, InspectContainer, ListContainers, Matches
from muster.questions.http import HttpRequest
from muster.targets import Connection, DockerEngine, Host
from muster.transports import docker
from muster.transports.local import LocalLink
from tests.engine.asking import answer, failure, files_are_closed, observe, open_files, ssh
from tests.servers.docker import Engine
from tests.servers.http import PATHS, Certificates, HttpServer
from tests.servers.sshd import Account, Sshd
from tests.servers.tls import full_port

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


def test_an_engine_that_does_not_accept_was_not_connected() -> None:
    with full_port() as port:
        attempt = answer(on(f"tcp://127.0.0.1:{port}", timeout=0.4), AskEngine()).attempt
    assert (str(attempt), attempt.cause) == (f"timed out: no connection to 127.0.0.1:{port} in 0.4 s", "network")


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


@pytest.mark.parametrize("url", ["ssh://ops@example.org", "tcp://[::1", "tcp://h:99999", "tcp://h:0", "h:2375"])
def test_an_engine_that_cannot_be_spoken_to_says_what_can(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    why = failure(on(None), AskEngine())
    assert why.cause == "wrong"
    assert "give its host a connection of kind ssh" in str(why)


def test_all_who_want_a_way_to_an_engine_go_the_same(tls: Certificates) -> None:
    async def ways() -> list[str]:
        engine = docker.Engine(
            LocalLink(), DockerEngine(url="tcp://127.0.0.1:1", ca_file=str(tls.ca_file)), timeout=5.0
        )
        found = await asyncio.gather(*(engine.base_url() for _ in range(3)))
        await engine.close()
        return [each.removeprefix("unix://") for each in found]

    found = asyncio.run(ways())
    assert len(set(found)) == 1
    assert not any(Path(each).parent.exists() for each in found)


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
