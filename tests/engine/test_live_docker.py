"""``docker_client``: a `docker.DockerClient` of a host's engine."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from muster.live.docker import WholeAnswers, docker_client
from muster.live.host import pooled_host
from muster.live.http import session
from muster.probes import Unobserved
from tests.engine.live_runs import LOCAL, access, inventory
from tests.engine.report_runs import run
from tests.servers.processes import wait_for
from tests.servers.sshd import Sshd

if TYPE_CHECKING:
    from tests.servers.docker import Engine


def test_it_asks_the_engine_of_its_host_over_the_one_connection(
    tmp_path: Path, engine: Engine, ssh_host: Sshd
) -> None:
    container = engine.container("plain")
    checks = f'''
def test_container(docker_client, host):
    container = docker_client.containers.get("plain")
    assert container.id == "{container.id}"
    assert container.exec_run(["echo", "hello"]).output == b"hello\\n"
    assert docker_client.ping()
    assert host.run("true").rc == 0


def test_no_such_container(docker_client):
    docker_client.containers.get("nobody")
'''
    logins = ssh_host.logins
    far = {"connection": ssh_host.connection(), "docker": {"url": engine.url}}
    made = run(tmp_path, checks=checks, inventory=inventory(here={**LOCAL, "docker": {"url": engine.url}}, far=far))
    found = {(each["host"], each["check"]): each["verdict"] for each in made.results}
    assert found == {
        ("here", "container"): "ok",
        ("far", "container"): "ok",
        ("here", "no_such_container"): "critical",
        ("far", "no_such_container"): "critical",
    }, made.terminal
    assert "No such container: nobody" in next(each["message"] for each in made.results if each["message"])
    assert ssh_host.logins == logins + 1


def test_an_engine_behind_tls_is_asked_with_its_files(tmp_path: Path, engine: Engine) -> None:
    files = {"ca_file": str(engine.ca_file), "cert_file": str(engine.cert_file), "key_file": str(engine.key_file)}
    with access(tmp_path, {**LOCAL, "docker": {"url": engine.tls_url, **files}}) as reached:
        client = docker_client(reached)
        assert client.version()["ApiVersion"] == client.api._version
        client.close()


@pytest.mark.parametrize("kind", ["local", "ssh"])
def test_what_a_command_in_a_container_prints_comes_whole(
    tmp_path: Path, engine: Engine, request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = WholeAnswers._post

    def late(self: WholeAnswers, url: str, **options: Any) -> Any:
        """As a busy machine does it: the output is here before the headers are looked at."""
        if url.endswith("/start"):
            monkeypatch.setattr(http.client.HTTPResponse, "begin", begin_late)
        return slow(self, url, **options)

    begin = http.client.HTTPResponse.begin

    def begin_late(self: http.client.HTTPResponse) -> None:
        monkeypatch.setattr(http.client.HTTPResponse, "begin", begin)
        seen = self.fp.raw._sock  # type: ignore[attr-defined]
        wait_for(lambda: b"hello" in seen.recv(4096, socket.MSG_PEEK), "the output")
        begin(self)

    monkeypatch.setattr(WholeAnswers, "_post", late)
    engine.container("plain")
    host = LOCAL if kind == "local" else {"connection": request.getfixturevalue("ssh_host").connection()}
    with access(tmp_path, {**host, "docker": {"url": engine.url}}) as reached:
        client = docker_client(reached)
        container = client.containers.get("plain")
        assert container.exec_run(["echo", "hello"]).output == b"hello\n"
        script = ["sh", "-c", "echo hello; cat /bin/busybox; echo oops >&2"]
        long, error = container.exec_run(script, demux=True).output
        assert (len(long), error) == (len(b"hello\n") + Path("/bin/busybox").stat().st_size, b"oops\n")
        client.close()


@pytest.mark.parametrize("kind", ["local", "ssh"])
def test_an_engine_that_is_not_there_leaves_it_unknown(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    host = LOCAL if kind == "local" else {"connection": request.getfixturevalue("ssh_host").connection()}
    host = {**host, "docker": {"url": f"unix://{tmp_path}/none.sock"}}
    with access(tmp_path, host) as reached, pytest.raises(Unobserved) as caught:
        docker_client(reached)
    assert caught.value.cause == "missing"
    assert f"{tmp_path}/none.sock is not there" in caught.value.message


def test_the_inside_of_a_container_is_a_host_like_any_other(tmp_path: Path, engine: Engine) -> None:
    engine.container("quota-proxy")
    inside = {"connection": {"kind": "docker", "address": "quota-proxy"}, "docker": {"url": engine.url}}
    with access(tmp_path, inside) as reached:
        host = pooled_host(reached)
        output = host.run("printf 'a\\000\\377\\n\\n'; printf '\\nb' >&2; exit 7")
        assert (output.rc, output.stdout_bytes, output.stderr_bytes) == (7, b"a\0\xff\n\n", b"\nb")
        assert host.file("/bin/busybox").is_file
        assert host.check_output("echo [$LC_ALL$name$1]; cat") == "[]"
        with session(reached) as http:
            assert http.get("http://127.0.0.1:8787/healthz").json() == {"ok": True}
