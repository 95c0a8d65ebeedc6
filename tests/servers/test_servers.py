"""Each real server behaves as it says, or the tests that stand on it prove nothing."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import sqlite_files
from tests.servers.http import HOSTILE, Certificates, HttpServer
from tests.servers.processes import Background, ServerError, accepts, children, free_port, runs
from tests.servers.sshd import Account, CutOffHost, Sshd

if TYPE_CHECKING:
    from tests.servers.docker import Engine

# Docker


@pytest.mark.parametrize(
    ("state", "status", "health"),
    [
        ("plain", "running", None),
        ("healthy", "running", "healthy"),
        ("unhealthy", "running", "unhealthy"),
        ("exited", "exited", None),
        ("created", "created", None),
        ("paused", "paused", None),
        ("hostile", "running", "unhealthy"),
        ("quota-proxy", "running", "healthy"),
    ],
)
def test_a_container_is_in_the_state_that_it_is_named_for(
    engine: Engine, state: str, status: str, health: str | None
) -> None:
    container = engine.container(state)
    assert (container.name, container.attrs["State"]["Status"]) == (state, status)
    assert (container.attrs["State"].get("Health") or {}).get("Status") == health


def test_the_restarting_container_has_restarted_often(engine: Engine) -> None:
    assert engine.container("restarting").attrs["RestartCount"] >= 5


def test_the_oom_container_was_killed_for_its_memory(engine: Engine) -> None:
    state = engine.container("oom").attrs["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)


def test_the_exited_container_failed_and_the_done_one_did_not(engine: Engine) -> None:
    assert engine.container("exited").attrs["State"]["ExitCode"] == 3
    assert engine.container("done").attrs["State"]["ExitCode"] == 0


def test_the_hostile_container_says_all_that_the_engine_lets_through(engine: Engine) -> None:
    container = engine.container("hostile")
    said = container.attrs["State"]["Health"]["Log"][-1]["Output"]
    for text in (container.logs().decode(), said):
        assert all(part in text for part in ("<script>", "\x1b[2J", "\x00", "\ufffd", "last line"))


def test_a_mapped_port_answers_on_loopback(engine: Engine) -> None:
    port = engine.mapped_port(engine.container("quota-proxy"), 8787)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        assert json.load(answer) == {"ok": True}


def test_the_engine_answers_over_tls_to_whom_it_knows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    import docker

    for bundle in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # to requests these count more than ca_cert
        monkeypatch.delenv(bundle, raising=False)
    known = docker.tls.TLSConfig((str(engine.cert_file), str(engine.key_file)), str(engine.ca_file), verify=True)
    with contextlib.closing(docker.DockerClient(engine.tls_url, tls=known)) as client:
        assert client.version()["ApiVersion"] == "1.41"
    with pytest.raises(docker.errors.DockerException):
        docker.DockerClient(engine.tls_url, tls=docker.tls.TLSConfig(ca_cert=str(engine.ca_file), verify=True))


@pytest.mark.needs("docker")
def test_nothing_of_an_engine_is_left_when_it_has_stopped() -> None:
    from tests.servers.docker import Engine

    with Engine() as second:
        second.container("healthy")
        pid, folder = second._process.process.pid, second.folder
        started = [pid, *children(pid)]
    assert not folder.exists()
    assert not [each for each in started if runs(each)]
    assert str(folder) not in Path("/proc/mounts").read_text()


# sshd


def test_a_host_runs_what_it_is_asked_and_has_a_home_of_its_own(ssh_host: Sshd) -> None:
    done = ssh_host.ssh("cat; echo $HOME; echo oops >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{ssh_host.home}\n", "oops\n")
    assert ssh_host.logins >= 1


def test_a_banner_and_a_noisy_shell_are_seen(start_sshd: Callable[..., Sshd]) -> None:
    host = start_sshd(banner="Authorised use only\n", noise="echo Welcome; echo mind the step >&2")
    done = host.ssh("echo hello")
    assert (done.stdout, done.stderr) == ("Welcome\nhello\n", "mind the step\n")
    command = ["ssh", "-F", "none", "-p", str(host.port), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
    seen = subprocess.run(
        [*command, "-o", "UserKnownHostsFile=/dev/null", "127.0.0.1"], capture_output=True, text=True
    )
    assert "Authorised use only" in seen.stderr


def test_a_program_that_is_left_out_is_not_found(start_sshd: Callable[..., Sshd]) -> None:
    host = start_sshd(without=("python3", "sqlite3"))
    done = host.ssh("command -v python3; command -v python3.11; command -v sqlite3; command -v cat")
    assert done.stdout == f"{host.folder}/bin/cat\n"


@pytest.mark.needs("faketime")
def test_a_clock_that_is_off_is_off(start_sshd: Callable[..., Sshd]) -> None:
    seconds = int(start_sshd(clock="+1h").ssh("date +%s").stdout) - time.time()
    assert 3590 < seconds < 3610


def test_a_wrong_host_key_is_refused(ssh_host: Sshd) -> None:
    ssh_host_known, ssh_host.known_hosts = ssh_host.known_hosts, ssh_host.wrong_known_hosts
    try:
        done = ssh_host.ssh("true")
    finally:
        ssh_host.known_hosts = ssh_host_known
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


@pytest.mark.parametrize("forwarding", [True, False])
def test_forwarding_is_there_or_not(start_sshd: Callable[..., Sshd], web: HttpServer, forwarding: bool) -> None:
    host = start_sshd(forwarding=forwarding)
    options = ["-o", f"UserKnownHostsFile={host.known_hosts}", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    command = ["ssh", "-F", "none", *options, "-i", str(host.key_file), "-p", str(host.port)]
    asked = b"GET /healthz HTTP/1.1\r\n\r\n"
    through = [*command, "-W", f"127.0.0.1:{web.port}", f"{host.user}@127.0.0.1"]
    done = subprocess.run(through, input=asked, capture_output=True, timeout=20)
    assert (b'{"ok": true}' in done.stdout) is forwarding


def test_a_host_can_be_stopped_and_started_again(start_sshd: Callable[..., Sshd]) -> None:
    host = start_sshd()
    host.stop()
    assert host.ssh("true").returncode == 255
    host.start()
    assert host.ssh("true").returncode == 0


def test_an_account_without_rights_has_none(ops: Account, start_sshd: Callable[..., Sshd]) -> None:
    done = start_sshd(user=ops.name).ssh("id -un; cat /etc/shadow; sudo -n id -un")
    assert done.stdout == f"{ops.name}\n"
    assert "Permission denied" in done.stderr
    assert "password is required" in done.stderr


def test_an_account_with_sudo_becomes_root(sudo_ops: Account, start_sshd: Callable[..., Sshd]) -> None:
    assert start_sshd(user=sudo_ops.name).ssh("id -un; sudo -n id -un").stdout == f"{sudo_ops.name}\nroot\n"


def test_a_host_that_is_cut_off_is_silent_until_it_is_joined_again(cut_off: CutOffHost) -> None:
    assert cut_off.ssh("echo here").stdout == "here\n"
    cut_off.cut()
    with pytest.raises(TimeoutError):
        socket.create_connection((cut_off.address, cut_off.port), timeout=1.5).close()
    cut_off.join()
    assert cut_off.ssh("echo back").stdout == "back\n"


def test_a_silent_port_accepts_and_says_nothing(silent_port: int) -> None:
    with socket.create_connection(("127.0.0.1", silent_port), timeout=0.3) as connection:
        connection.sendall(b"hello\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_refused_port_refuses(refused_port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", refused_port), timeout=1)


# HTTP


def test_what_is_good_is_good(web: HttpServer) -> None:
    for path in ("/healthz", "/moved"):
        assert json.loads(_get(web, path)) == {"ok": True}
    assert json.loads(_get(web, "/status"))["memory"] == {"alloc_mb": 3.5}
    assert web.asked("/moved") == 1


@pytest.mark.parametrize(("path", "status"), [("/wrong-status", 503), ("/not-found", 404), ("/private", 401)])
def test_a_wrong_status_is_sent(web: HttpServer, path: str, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        _get(web, path)
    assert caught.value.code == status
    caught.value.close()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/reset", ConnectionResetError),
        ("/reset-in-body", ConnectionResetError),
        ("/closed", http.client.RemoteDisconnected),
        ("/short-body", http.client.IncompleteRead),
        ("/slow-headers", TimeoutError),
        ("/slow-body", TimeoutError),
        ("/garbage", http.client.BadStatusLine),
        ("/endless-headers", http.client.HTTPException),
        ("/bad-chunks", http.client.IncompleteRead),
    ],
)
def test_a_broken_answer_is_broken(web: HttpServer, path: str, error: type[Exception]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=0.5)
    connection.request("GET", path)
    with pytest.raises(error):
        connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("path", ["/circle", "/to-file"])
def test_a_redirect_leads_nowhere(web: HttpServer, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        _get(web, path)
    caught.value.close()


def test_only_the_first_request_is_reset() -> None:
    with HttpServer() as server:
        with pytest.raises(ConnectionResetError):
            _get(server, "/reset-once")
        assert json.loads(_get(server, "/reset-once")) == {"ok": True}


@pytest.mark.parametrize("path", ["/gigabyte", "/endless"])
def test_an_answer_can_be_more_than_anyone_reads(web: HttpServer, path: str) -> None:
    with urllib.request.urlopen(web.url + path, timeout=5) as answer:
        assert len(answer.read(10_000_000)) == 10_000_000


def test_the_gzip_bomb_is_small_on_the_wire(web: HttpServer) -> None:
    with urllib.request.urlopen(web.url + "/gzip-bomb", timeout=30) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        packed = answer.read()
    assert len(packed) < 500_000
    assert len(gzip.decompress(packed)) == 256 << 20


def test_the_hostile_body_is_sent_as_it_is(web: HttpServer) -> None:
    assert _get(web, "/hostile") == HOSTILE


@pytest.mark.parametrize(
    ("which", "complaint"),
    [
        ("good", None),
        ("expired", "expired"),
        ("wrong_name", "IP address mismatch|not valid for '127.0.0.1'"),
        ("self_signed", "self-signed"),
        ("unknown_ca", "unable to get local issuer"),
    ],
)
def test_a_certificate_is_good_or_bad_as_it_says(tls: Certificates, which: str, complaint: str | None) -> None:
    trusting = ssl.create_default_context(cafile=str(tls.ca_file))
    with HttpServer(getattr(tls, which)) as server:
        if complaint is None:
            with urllib.request.urlopen(server.url + "/healthz", timeout=5, context=trusting) as answer:
                assert json.load(answer) == {"ok": True}
        else:
            with pytest.raises(urllib.error.URLError, match=complaint):
                urllib.request.urlopen(server.url + "/healthz", timeout=5, context=trusting)


# SQLite


def test_good_files_are_sound(tmp_path: Path) -> None:
    paths = [sqlite_files.good(tmp_path), sqlite_files.good_wal(tmp_path)]
    assert sorted(tmp_path.iterdir()) == paths, "nothing is beside them"
    assert [_check(path) for path in paths] == [[("ok",)]] * 2


def test_an_open_wal_file_has_its_newest_row_beside_it(tmp_path: Path) -> None:
    with sqlite_files.good_wal_open(tmp_path) as path:
        assert (tmp_path / f"{path.name}-wal").stat().st_size > 0
        assert _check(path) == [("ok",)]
        alone = shutil.copy(path, tmp_path / "alone.db")
        newest = "SELECT used FROM quota WHERE name = 'newest'"
        assert (_ask(path, newest), _ask(alone, newest)) == ([(1,)], [])


def test_a_locked_file_cannot_be_read(tmp_path: Path) -> None:
    with sqlite_files.locked(tmp_path) as path, pytest.raises(sqlite3.OperationalError, match="locked"):
        _check(path)
    assert _check(path) == [("ok",)]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (sqlite_files.corrupt_header, "not a database"),
        (sqlite_files.truncated, "malformed"),
        (sqlite_files.folder_in_its_place, "unable to open|disk I/O"),
        (sqlite_files.missing, "unable to open"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, broken: Callable[[Path], Path], complaint: str) -> None:
    with pytest.raises(sqlite3.DatabaseError, match=complaint):
        _check(broken(tmp_path))


def test_a_corrupt_page_opens_and_then_fails(tmp_path: Path) -> None:
    path = sqlite_files.corrupt_page(tmp_path)
    assert _ask(path, "SELECT count(*) FROM sqlite_master") == [(2,)]
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        _check(path)


def test_a_corrupt_index_is_told_by_the_integrity_check(tmp_path: Path) -> None:
    found = _check(sqlite_files.corrupt_index(tmp_path))
    assert any("missing from index" in row[0] for row in found), found


def test_an_empty_file_has_no_bytes(tmp_path: Path) -> None:
    assert sqlite_files.empty(tmp_path).stat().st_size == 0


def test_an_unreadable_file_is_unreadable_to_an_account_without_rights(tmp_path: Path, ops: Account) -> None:
    path = shutil.move(sqlite_files.unreadable(tmp_path), ops.home / "unreadable.db")
    done = subprocess.run(["runuser", "-u", ops.name, "--", "cat", path], capture_output=True, text=True)
    assert "Permission denied" in done.stderr


# what is left out


@pytest.mark.parametrize("ci", ["true", ""])
def test_what_a_machine_cannot_run_is_named_and_fails_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest(
        """
        from tests.conftest import *
        from tests.needs import NEEDS
        NEEDS["moonlight"] = lambda: "it is day"
        """
    )
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.needs("moonlight")
        def test_at_night(): pass
        def test_at_day(): pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:muster", "-q")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["1 test was left out: needs moonlight: it is day*"])
    assert result.ret == (1 if ci else 0)


# processes


def test_a_server_that_ends_at_once_says_what_it_printed(tmp_path: Path) -> None:
    failing = Background(["sh", "-c", "echo no such option; exit 4"], tmp_path / "log")
    with pytest.raises(ServerError, match=r"status 4\nno such option"):
        failing.wait_for(lambda: accepts("127.0.0.1", free_port()))


def test_stopping_ends_what_the_process_started_too(tmp_path: Path) -> None:
    started = Background(["sh", "-c", "sleep 1000 & echo up; wait"], tmp_path / "log")
    started.wait_for(lambda: "up" in started.printed())
    all_pids = [started.process.pid, *children(started.process.pid)]
    assert len(all_pids) == 2
    started.stop()
    assert not [pid for pid in all_pids if runs(pid)]


def _get(server: HttpServer, path: str) -> bytes:
    with urllib.request.urlopen(server.url + path, timeout=5) as answer:
        body: bytes = answer.read()
        return body


def _ask(path: str | os.PathLike[str], statement: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)) as database:
        return database.execute(statement).fetchall()


def _check(path: Path) -> list[tuple[Any, ...]]:
    return _ask(path, "PRAGMA integrity_check")
