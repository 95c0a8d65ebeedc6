"""``http``: a `requests.Session` in a host's own network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from muster.live.access import Access
from muster.live.http import session
from muster.probes import Unobserved
from tests.engine.live_runs import access, inventory, reached_by
from tests.engine.report_runs import run
from tests.servers.http import Certificates, HttpServer
from tests.servers.processes import Background, wait_for
from tests.servers.sshd import CutOffHost, Sshd


@pytest.fixture(params=["local", "ssh"])
def reached(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Access]:
    with reached_by(request.param, request, tmp_path) as host:
        yield host


def test_it_asks_as_requests_does(reached: Access, web: HttpServer) -> None:
    with session(reached) as http:
        assert http.get(f"{web.url}/moved").json() == {"ok": True}
        said = http.post(f"{web.url}/echo", data="x" * 300_000, headers={"X-Tag": "a"}).json()
        http.headers["X-Always"] = "b"
        again = http.get(f"{web.url}/echo").json()
    assert (said["method"], said["headers"]["x-tag"], len(said["body"])) == ("POST", "a", 300_000)
    assert again["headers"]["x-always"] == "b"


def test_the_loopback_is_that_of_the_host(tmp_path: Path, cut_off: CutOffHost) -> None:
    (tmp_path / "where").write_text("over there", encoding="utf-8")
    serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path), "8787"]
    server = Background(["ip", "netns", "exec", cut_off.namespace, *serve], tmp_path / "log")
    try:
        with access(tmp_path, {"connection": cut_off.connection()}) as reached, session(reached) as http:
            listening = "ss -Hltn sport = 8787"
            wait_for(lambda: "8787" in cut_off.ssh(listening).stdout, "the server over there")
            assert "8787" not in subprocess.run(listening.split(), capture_output=True, text=True, check=True).stdout
            assert http.get("http://127.0.0.1:8787/where").text == "over there"
            assert http.get("http://localhost:8787/where").text == "over there"
    finally:
        server.stop()


def test_tls_is_checked_against_the_name_that_was_asked_for(reached: Access, tls: Certificates) -> None:
    with session(reached) as http:
        http.verify = str(tls.ca_file)
        with HttpServer(tls.good) as good:
            assert http.get(f"{good.url}/healthz").json() == {"ok": True}
        with HttpServer(tls.wrong_name) as wrong, pytest.raises(requests.exceptions.SSLError):
            http.get(f"{wrong.url}/healthz")


def test_proxies_and_netrc_of_this_machine_have_no_say(
    reached: Access, web: HttpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused_port: int
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ops password opensesame\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refused_port}")
    with session(reached) as http:
        assert "authorization" not in http.get(f"{web.url}/echo").json()["headers"]


def test_what_refuses_is_a_connection_error(reached: Access, refused_port: int) -> None:
    with session(reached) as http, pytest.raises(requests.ConnectionError, match="refused"):
        http.get(f"http://127.0.0.1:{refused_port}/")


def test_a_request_without_a_timeout_has_one_and_is_late_as_requests_says_it(
    reached: Access, web: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Access, "seconds", 0.5)
    with session(reached) as http:
        with pytest.raises(requests.ReadTimeout) as caught:
            http.get(f"{web.url}/slow-headers")
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(requests.ConnectionError):
            http.get(f"{web.url}/slow-body")


def test_a_timeout_of_its_own_counts(reached: Access, web: HttpServer) -> None:
    with session(reached) as http, pytest.raises(requests.ReadTimeout, match=r"timeout=0\.25"):
        http.get(f"{web.url}/slow-headers", timeout=0.25)


def test_a_connection_that_takes_too_long_is_a_connect_timeout(reached: Access) -> None:
    with socket.socket() as full, socket.socket() as waiting, socket.socket() as another:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for each in (waiting, another):
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        # Its queue is full: the kernel answers nobody else.
        with session(reached) as http, pytest.raises(requests.ConnectTimeout):
            http.get(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=0.5)


def test_no_port_is_opened_on_this_machine(tmp_path: Path, ssh_host: Sshd, web: HttpServer) -> None:
    def listening() -> set[str]:
        said = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        return {line.split()[3] for line in said.splitlines() if f"pid={os.getpid()}," in line}

    before = listening()
    with access(tmp_path, {"connection": ssh_host.connection()}) as reached, session(reached) as http:
        assert http.get(f"{web.url}/healthz").ok
        assert listening() == before


def test_a_server_that_forbids_forwarding_leaves_it_unknown(
    tmp_path: Path, start_sshd: Callable[..., Sshd], web: HttpServer
) -> None:
    server = start_sshd(forwarding=False)
    over_there = {"connection": server.connection()}
    with access(tmp_path, over_there) as reached, session(reached) as http, pytest.raises(Unobserved) as caught:
        http.get(f"{web.url}/healthz")
    assert caught.value.cause == "permission"
    assert "AllowTcpForwarding" in caught.value.message


def test_a_wrong_answer_is_critical_and_none_is_unknown(
    tmp_path: Path, ssh_host: Sshd, web: HttpServer, refused_port: int
) -> None:
    checks = f'''
def test_right(http):
    assert http.get("{web.url}/healthz").json() == {{"ok": True}}


def test_wrong(http):
    http.get("{web.url}/wrong-status").raise_for_status()


def test_refused(http):
    http.get("http://127.0.0.1:{refused_port}/")


def test_late(http):
    http.get("{web.url}/slow-headers", timeout=0.25)


def test_gone(http, tmp_path):
    (tmp_path / "gone").read_text()
'''
    made = run(tmp_path, checks=checks, inventory=inventory(far={"connection": ssh_host.connection()}))
    found = {each["check"]: (each["verdict"], each["cause"]) for each in made.results}
    assert found == {
        "right": ("ok", None),
        "wrong": ("critical", "wrong"),
        "refused": ("unknown", "network"),
        "late": ("unknown", "timeout"),
        "gone": ("unknown", "internal"),
    }
    messages = {each["check"]: each["message"] for each in made.results}
    assert messages["wrong"].startswith("503 Server Error: Service Unavailable for url:")
    assert f"refused: 127.0.0.1:{refused_port}" in messages["refused"]
    outcomes = {case.get("name"): case for case in made.junit.iter("testcase")}
    assert outcomes["test_wrong[far]"].find("failure") is not None
    assert outcomes["test_refused[far]"].find("error") is not None
