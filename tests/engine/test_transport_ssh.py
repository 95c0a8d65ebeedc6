"""Hosts over SSH: real sshds, well and badly behaved."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.probes import Attempt, Command, Login, Unobserved
from muster.questions.http import HttpRequest
from muster.targets import Connection, Host
from tests.engine.asking import answer, failure, files_are_closed, gatherer, observe, open_files, ssh
from tests.servers.http import HttpServer
from tests.servers.processes import runs, wait_for
from tests.servers.sshd import Account, CutOffHost, Sshd

pytestmark = pytest.mark.needs("sshd")
Start = Callable[..., Sshd]


def test_a_host_is_logged_in_to_once_for_all_its_questions(start_sshd: Start) -> None:
    server = start_sshd()
    login, *found = observe(ssh(server), Login(), *(Command(f"echo {number}") for number in range(30)))

    assert login.value.connected
    assert [each.value.text for each in found] == [f"{number}\n" for number in range(30)]
    assert server.logins == 1


def test_noise_of_a_login_shell_and_a_banner_do_not_reach_the_answers(start_sshd: Start) -> None:
    server = start_sshd(banner="Authorised use only\n", noise="echo welcome; echo oops >&2; stty -a")
    found = answer(ssh(server), Command("printf 'a\\0\\377b'; echo why >&2; exit 4"))

    assert (found.stdout, found.stderr, found.status) == (b"a\0\xffb", b"why\n", 4)


@pytest.mark.parametrize("login_shell", ["/bin/busybox sh", "/bin/dash"])
def test_the_login_shell_does_not_matter(start_sshd: Start, login_shell: str) -> None:
    server = start_sshd(options={"ForceCommand": f'exec {login_shell} -c "$SSH_ORIGINAL_COMMAND"'})
    assert answer(ssh(server), Command('x="$(echo hi)"; echo "$x"')).text == "hi\n"


def test_a_command_that_stalls_costs_itself_only_and_is_killed(ssh_host: Sshd, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    stalls = Command(f"sh -c 'echo $$ >{pids}; exec sleep 1000'", timeout=0.3)
    first, stalled, after = observe(ssh(ssh_host), Command("echo first"), stalls, Command("echo after"))

    assert (first.value.text, after.value.text) == ("first\n", "after\n")
    assert isinstance(stalled.failure, Unobserved)
    assert (stalled.failure.cause, stalled.failure.host_down) == ("timeout", False)
    wait_for(lambda: not runs(int(pids.read_text())), "the end of the stalled command")


def test_the_script_is_never_in_the_process_list(ssh_host: Sshd) -> None:
    found = answer(
        ssh(ssh_host), Command("MARK=never; tr '\\0' ' ' </proc/$PPID/cmdline; tr '\\0' ' ' </proc/$$/cmdline")
    )
    assert "MARK" not in found.text


def test_an_unreachable_host_costs_one_timeout_and_all_its_questions(cut_off: CutOffHost) -> None:
    host = ssh(cut_off, connect_timeout=1.5)
    cut_off.cut()
    began = time.monotonic()
    login, *others = observe(host, Login(), Command("a"), Command("b"), HttpRequest("http://127.0.0.1:1/"))
    assert time.monotonic() - began < 3 * 1.5

    assert login.value.outcome == "timed out"
    assert login.value.cause == "network"
    for each in others:
        assert isinstance(each.failure, Unobserved)
        assert (each.failure.cause, each.failure.host_down) == ("network", True)
        assert str(each.failure) == "ssh: timed out after 1.5 s"


def test_a_host_that_accepts_and_says_nothing_is_timed_out(silent_port: int) -> None:
    connection = Connection(address="127.0.0.1", port=silent_port, connect_timeout=0.3, host_key_check=False)
    login = answer(Host(name="web-1", connection=connection), Login())
    assert (login.outcome, login.cause) == ("timed out", "network")


def test_a_refused_connection_is_tried_twice(refused_port: int) -> None:
    host = Host(name="web-1", connection=Connection(address="127.0.0.1", port=refused_port))
    login, other = observe(host, Login(), Command("echo hi"))

    assert (login.value.outcome, login.value.cause, login.value.tries) == ("refused", "network", 2)
    assert login.tries == 2
    assert str(other.failure) == f"ssh: refused: 127.0.0.1:{refused_port} (after 2 tries)"


def test_a_name_that_nobody_has_is_tried_once() -> None:
    host = Host(name="nowhere.invalid", connection=Connection(kind="ssh"))
    login = answer(host, Login())
    assert (login.outcome, login.cause, login.tries) == ("no such name", "network", 1)


@pytest.mark.parametrize("which", ["wrong_known_hosts", "empty"])
def test_a_host_key_that_is_not_known_is_refused_with_the_way_out(ssh_host: Sshd, which: str, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("" if which == "empty" else ssh_host.wrong_known_hosts.read_text())
    login, other = observe(ssh(ssh_host, known_hosts=str(known)), Login(), Command("id"))

    assert (login.value.outcome, login.value.cause) == ("host key not trusted", "permission")
    assert isinstance(other.failure, Unobserved)
    assert other.failure.host_down
    fingerprint = subprocess.run(
        ["ssh-keygen", "-lf", str(ssh_host.folder / "host.pub")], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert fingerprint in str(other.failure)
    assert f"ssh-keyscan -p {ssh_host.port} 127.0.0.1 >> {known}" in str(other.failure)


def test_a_known_hosts_file_that_is_not_there_trusts_nobody(ssh_host: Sshd, tmp_path: Path) -> None:
    why = failure(ssh(ssh_host, known_hosts=str(tmp_path / "none")), Command("id"))
    assert why.host_down
    assert f"known_hosts {tmp_path}/none: No such file or directory" in str(why)


def test_an_inventory_may_say_that_host_keys_are_not_checked(ssh_host: Sshd) -> None:
    host = ssh(ssh_host, known_hosts=None, host_key_check=False)
    assert answer(host, Login()).connected


def test_without_a_word_about_it_the_known_hosts_of_the_user_count(
    ssh_host: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert answer(ssh(ssh_host, known_hosts=None), Login()).outcome == "host key not trusted"
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(ssh_host.known_hosts.read_text())
    assert answer(ssh(ssh_host, known_hosts=None), Login()).connected


def test_what_the_inventory_leaves_out_stands_in_the_ssh_config(
    ssh_host: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text(
        f"Host web-*\n  HostName 127.0.0.1\n  Port {ssh_host.port}\n  User {ssh_host.user}\n"
        f"  IdentityFile {ssh_host.key_file}\n  UserKnownHostsFile {ssh_host.known_hosts}\n"
    )
    assert answer(Host(name="web-1", connection=Connection(kind="ssh")), Login()).connected


def test_the_keys_of_the_user_are_offered_where_nobody_says_which(
    ssh_host: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    host = ssh(ssh_host, key_file=None)
    assert answer(host, Login()).outcome == "denied"
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_bytes(ssh_host.key_file.read_bytes())
    assert answer(host, Login()).connected


def test_a_config_that_names_no_known_hosts_trusts_nobody(
    ssh_host: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host *\n  UserKnownHostsFile none\n")
    host = ssh(ssh_host, known_hosts=None)
    assert answer(host, Login()).outcome == "host key not trusted"


def test_a_key_that_is_not_accepted_is_denied_and_names_the_user(ssh_host: Sshd, start_sshd: Start) -> None:
    stranger = start_sshd()
    why = failure(ssh(ssh_host, key_file=str(stranger.key_file)), Command("id"))

    assert (why.cause, why.host_down) == ("permission", True)
    assert f"accepts no key of user {ssh_host.user}" in str(why)


def test_a_key_file_that_is_not_there_or_no_key_is_said(ssh_host: Sshd, tmp_path: Path) -> None:
    assert "is not there" in str(failure(ssh(ssh_host, key_file=str(tmp_path / "none")), Command("id")))
    (tmp_path / "junk").write_text("hello")
    assert f"key_file {tmp_path}/junk" in str(failure(ssh(ssh_host, key_file=str(tmp_path / "junk")), Command("id")))


def test_a_locked_key_is_taken_from_the_agent(
    ssh_host: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_bytes(ssh_host.key_file.read_bytes())
    key.chmod(0o600)
    key.with_suffix(".pub").write_bytes(ssh_host.key_file.with_suffix(".pub").read_bytes())
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        wait_for(lambda: subprocess.run(["ssh-add", "-l"], capture_output=True).returncode != 2, "ssh-agent")
        subprocess.run(["ssh-add", "-q", str(key)], check=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-p", "-N", "locked", "-f", str(key)], check=True, stdout=subprocess.DEVNULL
        )
        assert answer(ssh(ssh_host, key_file=str(key)), Login()).connected
        assert answer(ssh(ssh_host, key_file=None), Login()).connected
        monkeypatch.delenv("SSH_AUTH_SOCK")
        assert "agent" in str(failure(ssh(ssh_host, key_file=str(key)), Command("id")))
    finally:
        agent.terminate()
        agent.wait()


def test_hosts_behind_a_gateway_are_reached_through_it(start_sshd: Start) -> None:
    bastion, inner = start_sshd(), start_sshd()
    gateway = ssh(bastion, "bastion")
    found = answer(ssh(inner, via="bastion"), Command("echo hi"), others=(gateway,))

    assert found.text == "hi\n"
    assert (bastion.logins, inner.logins) == (1, 1)


def test_hosts_behind_a_gateway_that_is_down_name_it(start_sshd: Start, refused_port: int) -> None:
    gateway = Host(name="bastion", connection=Connection(address="127.0.0.1", port=refused_port))
    why = failure(ssh(start_sshd(), via="bastion"), Command("echo hi"), others=(gateway,))

    assert (why.cause, why.host_down) == ("network", True)
    assert str(why) == f"ssh: unreachable: its gateway bastion: refused: 127.0.0.1:{refused_port} (after 2 tries)"


def test_a_gateway_that_forbids_forwarding_and_one_that_cannot_reach_are_told_apart(
    start_sshd: Start, refused_port: int
) -> None:
    inner = start_sshd()
    strict, open_one = ssh(start_sshd(forwarding=False), "bastion"), ssh(start_sshd(), "bastion")
    forbidden = failure(ssh(inner, via="bastion"), Command("id"), others=(strict,))
    assert forbidden.cause == "permission"
    assert "the gateway bastion forbids forwarding" in str(forbidden)

    refused = failure(ssh(inner, via="bastion", port=refused_port), Command("id"), others=(open_one,))
    assert refused.cause == "network"
    assert "refused" in str(refused)
    assert "gateway bastion" in str(refused)


def test_with_sudo_the_batch_runs_as_root(start_sshd: Start, sudo_ops: Account) -> None:
    server = start_sshd(user=sudo_ops.name)
    assert answer(ssh(server), Command("id -un")).text == f"{sudo_ops.name}\n"
    stalled, found = observe(ssh(server, sudo=True), Command("sleep 1000", timeout=0.3), Command("id -un"))
    assert found.value.text == "root\n"
    assert isinstance(stalled.failure, Unobserved)


def test_sudo_that_wants_a_password_names_the_right_that_is_missing(start_sshd: Start, ops: Account) -> None:
    why = failure(ssh(start_sshd(user=ops.name), sudo=True), Command("id"))
    assert why.cause == "permission"
    assert not why.host_down
    assert str(why).startswith("sudo -n: ")
    assert f"allow {ops.name} to run sh as root without a password (NOPASSWD) or drop sudo: true" in str(why)


def test_a_login_shell_that_lets_nobody_in_is_a_missing_right(start_sshd: Start) -> None:
    server = start_sshd(options={"ForceCommand": "echo This account is not available.; exit 1"})
    why = failure(ssh(server), Command("id"))
    assert why.cause == "permission"
    assert str(why) == "the login shell ended with status 1; it said: This account is not available."


def test_a_connection_that_breaks_keeps_what_was_complete(start_sshd: Start) -> None:
    server = start_sshd()
    first, second, third = observe(
        ssh(server),
        Command("echo one"),
        Command("kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $$)); kill -9 $(ps -o ppid= -p $$); sleep 5"),
        Command("echo three"),
    )
    assert first.value.text == "one\n"
    for each in (second, third):
        assert isinstance(each.failure, Unobserved)
        assert each.failure.cause == "network"
        assert "the connection was lost" in str(each.failure)


def test_http_is_asked_from_the_host(start_sshd: Start) -> None:
    with HttpServer() as web:
        exchange = answer(ssh(start_sshd()), HttpRequest(f"{web.url}/healthz"))
    assert exchange.attempt.connected
    assert exchange.answered.body == b'{"ok": true}'


def test_http_that_is_refused_there_is_refused(ssh_host: Sshd, refused_port: int) -> None:
    exchange = answer(ssh(ssh_host), HttpRequest(f"http://127.0.0.1:{refused_port}/"))
    attempt: Attempt = exchange.attempt
    assert (attempt.outcome, attempt.cause, attempt.tries) == ("refused", "network", 2)


def test_a_name_is_resolved_there(ssh_host: Sshd) -> None:
    assert answer(ssh(ssh_host), HttpRequest("http://nowhere.invalid/")).attempt.outcome == "no such name"
    with HttpServer() as web:
        assert answer(ssh(ssh_host), HttpRequest(f"http://localhost:{web.port}/healthz")).attempt.connected


def test_http_over_a_server_that_forbids_forwarding_is_not_observed(start_sshd: Start) -> None:
    why = failure(ssh(start_sshd(forwarding=False)), HttpRequest("http://127.0.0.1:1/"))
    assert why.cause == "permission"
    assert "the SSH server forbids forwarding to 127.0.0.1:1 (AllowTcpForwarding)" in str(why)


def test_no_descriptor_stays_open(start_sshd: Start, refused_port: int) -> None:
    server = start_sshd()
    with HttpServer() as web:
        questions = (
            Command("echo hi"),
            HttpRequest(f"{web.url}/healthz"),
            HttpRequest(f"http://127.0.0.1:{refused_port}/"),
        )
        observe(ssh(server), *questions)
        before = open_files()
        for _ in range(3):
            observe(ssh(server), *questions)
    files_are_closed(before)


# Ciphers, and other ways in


def _negotiated(host: Host) -> str:
    with gatherer(host) as asking:
        link = asking.run(asking.pool.link(host))
        return str(link.connection.get_extra_info("recv_cipher"))


def test_the_cipher_is_the_one_that_costs_least_unless_the_config_says_another(
    ssh_host: Sshd, start_sshd: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _negotiated(ssh(ssh_host)) == "aes256-gcm@openssh.com"
    old = start_sshd(options={"Ciphers": "chacha20-poly1305@openssh.com,aes128-ctr"})
    assert _negotiated(ssh(old)) == "chacha20-poly1305@openssh.com"
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host *\n  Ciphers aes256-ctr\n")
    assert _negotiated(ssh(ssh_host)) == "aes256-ctr"


def test_a_server_that_waits_for_our_first_word_is_met(ssh_host: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def pass_on() -> None:
            taken, _ = listener.accept()
            first = taken.recv(1024)
            with taken, socket.create_connection((ssh_host.address, ssh_host.port)) as there:
                there.sendall(first)
                back = threading.Thread(target=copy, args=(there, taken), daemon=True)
                back.start()
                copy(taken, there)
                back.join()

        def copy(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65_536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        threading.Thread(target=pass_on, daemon=True).start()
        connection = ssh_host.connection(port=listener.getsockname()[1], host_key_check=False, connect_timeout=4)
        assert answer(Host(name="shy", connection=Connection(**connection)), Command("echo hi")).text == "hi\n"


@pytest.mark.parametrize("way", ["ProxyJump", "ProxyCommand"])
def test_a_way_in_that_the_config_names_is_taken(
    start_sshd: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    bastion, inner = start_sshd(), start_sshd()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    known = tmp_path / "known_hosts"
    known.write_text(bastion.known_hosts.read_text() + inner.known_hosts.read_text())
    jump = f"{bastion.user}@{bastion.address}:{bastion.port}"
    keys = f"-i {bastion.key_file} -o IdentitiesOnly=yes -o UserKnownHostsFile={known}"
    command = f"ssh -F none {keys} -p {bastion.port} -W %h:%p {bastion.user}@{bastion.address}"
    (tmp_path / ".ssh/config").write_text(
        f"Host web-1\n  HostName {inner.address}\n  Port {inner.port}\n  User {inner.user}\n"
        f"  {way} {jump if way == 'ProxyJump' else command}\n"
        f"Host *\n  UserKnownHostsFile {known}\n  IdentityFile {bastion.key_file}\n  IdentityFile {inner.key_file}\n"
    )
    found = answer(Host(name="web-1", connection=Connection(kind="ssh")), Command("echo hi"))
    assert found.text == "hi\n"
    assert (bastion.logins, inner.logins) == (1, 1)
