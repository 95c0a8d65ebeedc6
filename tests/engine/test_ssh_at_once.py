"""What an sshd allows at once: logins under way (MaxStartups), and sessions of one connection (MaxSessions)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from muster.observations import Observations
from muster.probes import Command, Sample
from muster.targets import Connection, Host
from tests.engine.asking import failure, gatherer, need, observe, plan, ssh
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.needs("sshd")
Start = Callable[..., Sshd]


def test_many_hosts_behind_one_gateway_do_not_run_into_its_startup_limit(start_sshd: Start) -> None:
    bastion, inner = start_sshd(options={"MaxStartups": "9:100:9"}), start_sshd(options={"MaxStartups": "9:100:9"})
    hosts = [ssh(inner, f"web-{number}", via="bastion") for number in range(20)]
    hello = need(Command("echo hi"))
    with gatherer(ssh(bastion, "bastion"), *hosts) as asking:
        found = Observations()
        asking.gather_now(plan(dict.fromkeys(hosts, (hello,))), found)
        assert all(found.get(host, hello).failure is None for host in hosts)


def test_many_hosts_behind_a_gateway_of_the_config_do_not_run_into_its_startup_limit(
    start_sshd: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bastion, inner = start_sshd(options={"MaxStartups": "9:100:9"}), start_sshd(options={"MaxStartups": "100"})
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    known = tmp_path / "known_hosts"
    known.write_text(bastion.known_hosts.read_text() + inner.known_hosts.read_text())
    (tmp_path / ".ssh/config").write_text(
        f"Host web-*\n  HostName {inner.address}\n  Port {inner.port}\n  User {inner.user}\n"
        f"  ProxyJump {bastion.user}@{bastion.address}:{bastion.port}\n"
        f"Host *\n  UserKnownHostsFile {known}\n  IdentityFile {bastion.key_file}\n  IdentityFile {inner.key_file}\n"
    )
    hosts = [
        Host(name=f"web-{number}", connection=Connection(kind="ssh", connect_timeout=60)) for number in range(30)
    ]
    hello = need(Command("echo hi"))
    with gatherer(*hosts) as asking:
        found = Observations()
        asking.gather_now(plan(dict.fromkeys(hosts, (hello,))), found)
        assert [found.get(host, hello).failure for host in hosts] == [None] * len(hosts)


@pytest.mark.parametrize("most", [1, 2])
def test_where_the_server_allows_few_sessions_one_waits_for_the_other(start_sshd: Start, most: int) -> None:
    server = start_sshd(options={"MaxSessions": str(most)})
    questions = (Command("sleep 1; echo hi"), Command("sleep 1; echo slow", slow=True), Sample("echo sampled"))
    quick, slow, sampled = observe(ssh(server), *questions)

    assert (quick.value.text, slow.value.text, sampled.value.second.text) == ("hi\n", "slow\n", "sampled\n")
    assert server.logins == 1


def test_a_server_that_allows_no_session_is_not_waited_for(start_sshd: Start) -> None:
    why = failure(ssh(start_sshd(options={"MaxSessions": "0"})), Command("echo hi"))
    assert str(why) == "ssh: no session: open failed"


def test_a_session_that_stalls_and_cannot_be_ended_is_not_waited_for_for_ever(
    start_sshd: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.transports.shell.START_TIMEOUT", 3)
    server = start_sshd(options={"MaxSessions": "1"})
    before, _, after = observe(
        ssh(server), Command("echo hi"), Command("exec setsid sleep 20", timeout=0.3), Command("echo after")
    )
    assert before.value.text == "hi\n"
    assert "no session" in str(after.failure)
