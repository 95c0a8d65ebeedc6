"""Many hosts at once: what is open stays bounded and is closed at the end, and who is silent keeps nobody waiting."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from muster.observations import Observations
from muster.probes import Command, Login, Sample, Unobserved
from muster.targets import Connection, Host
from muster.transports import pool, ssh_login
from tests.engine.asking import answer, files_are_closed, gatherer, need, open_files, plan, ssh
from tests.servers.processes import wait_for
from tests.servers.ssh_fleet import Fleet, address
from tests.servers.sshd import Sshd

HOSTS = 200
FILES = 128 + 3 * 40
"""File descriptors that are allowed for: a third of what is not spared, 40, is for each of three purposes."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(HOSTS) as running:
        yield running


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "raise_file_limit", lambda: FILES)


def host(fleet: Fleet, number: int, **more: object) -> Host:
    connection = fleet.connection(address=address(number), **more)
    return Host(name=f"web-{number}", connection=Connection(**connection))  # type: ignore[arg-type]


@pytest.mark.usefixtures("few_files")
@pytest.mark.parametrize("keep", [True, False])
def test_what_is_open_is_bounded_however_many_hosts_there_are(fleet: Fleet, keep: bool) -> None:
    hosts = [host(fleet, number) for number in range(HOSTS)]
    hello = need(Command("echo hi"))
    files: list[int] = []
    threads: list[int] = []

    def look(*_: object) -> None:
        files.append(open_files())
        threads.append(threading.active_count())

    before, threads_before = open_files(), threading.active_count()
    with gatherer(*hosts) as asking:
        found = Observations()
        asking.gather_now(plan(dict.fromkeys(hosts, (hello,))), found, look, keep=keep)
        assert [found.get(each, hello).value.text for each in hosts] == ["hi\n"] * HOSTS
        wait_for(lambda: fleet.count().now <= (40 if keep else 0), "the links to be let go of")
    wait_for(lambda: fleet.count().now == 0, "the end of all links")

    assert max(files) - before <= 2 * 40 + 5  # those that are kept, those that are asked; the loop's own
    # The loop's, and those of asyncio's own pool: as many as processors and four.
    assert max(threads) - threads_before <= 1 + (os.cpu_count() or 1) + 4
    files_are_closed(before)
    wait_for(lambda: threading.active_count() <= threads_before, "the end of all threads")


def test_handshakes_at_once_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "OPENING", 5)
    monkeypatch.setattr("muster.transports.ssh_login.BRIEFLY", 60)
    with Fleet(50) as fleet:
        hosts = [host(fleet, number, connect_timeout=120) for number in range(50)]
        with gatherer(*hosts) as asking:
            asking.gather_now(plan(dict.fromkeys(hosts, (need(Login()),))), Observations())
        assert fleet.count().logins == 50
        assert fleet.count().most_before_login <= 5


def test_a_host_has_few_sessions_of_its_one_connection_at_once() -> None:
    """sshd allows 10 (MaxSessions)."""
    questions = [*(Command(f"echo {number}") for number in range(20)), Command("echo slow", slow=True)]
    needs = (*(need(each) for each in questions), *(need(Sample(f"echo {number}")) for number in range(20)))
    with Fleet(1) as fleet:
        one = host(fleet, 0)
        with gatherer(one) as asking:
            found = Observations()
            asking.gather_now(plan({one: needs}), found)
            assert [found.get(one, each).failure for each in needs] == [None] * len(needs)
        assert (fleet.count().logins, fleet.count().most_sessions) == (1, 3)


def test_who_is_silent_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "OPENING", 1)
    with Fleet(20, silent=range(3)) as fleet:
        hosts = [host(fleet, number, connect_timeout=8) for number in range(20)]
        landed: list[str] = []
        hello = need(Command("echo hi"))
        with gatherer(*hosts) as asking:
            asking.gather_now(
                plan(dict.fromkeys(hosts, (hello,))), Observations(), lambda who, _: landed.append(who.name)
            )
        # All at once, too: three times their timeout would be more than a silent host is given.
        assert sorted(landed[-3:]) == ["web-0", "web-1", "web-2"]
        assert len(landed) == 20


@pytest.mark.needs("sshd")
def test_who_is_silent_behind_a_gateway_keeps_nobody_waiting(
    start_sshd: Callable[..., Sshd], silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "OPENING_PER_GATEWAY", 1)
    server = start_sshd()
    behind = [
        ssh(server, f"silent-{number}", via="gate", port=silent_port, connect_timeout=20) for number in range(2)
    ]
    behind.append(ssh(server, "alive", via="gate"))
    landed: list[str] = []
    hello = need(Command("echo hi"))
    with gatherer(ssh(server, "gate"), *behind) as asking:
        asking.gather_now(
            plan(dict.fromkeys(behind, (hello,))), Observations(), lambda who, _: landed.append(who.name)
        )
    assert landed == ["alive", "silent-0", "silent-1"]


def test_who_refuses_keeps_nobody_waiting_until_the_second_try(
    fleet: Fleet, refused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.gather.REACHED_AT_ONCE", 1)
    monkeypatch.setattr(ssh_login, "RETRY_AFTER", 600)
    refuses = Host(name="refuses", connection=Connection(address="127.0.0.1", port=refused_port))
    answers = host(fleet, 0)
    hello = need(Command("echo hi"))
    found = Observations()

    async def gather() -> None:
        gathering = asyncio.create_task(asking.gather(plan({refuses: (hello,), answers: (hello,)}), found))
        async with asyncio.timeout(60):
            while not found.has(answers, hello):
                await asyncio.sleep(0.01)
        gathering.cancel()
        await asyncio.wait([gathering])

    with gatherer(refuses, answers, concurrency=1) as asking:
        asking.run(gather())
    assert not found.has(refuses, hello)


def test_names_that_nobody_answers_for_keep_nobody_waiting(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads of asyncio's own pool are five more than there are processors at most."""
    answered = threading.Event()
    look_up = socket.getaddrinfo

    def slow(name: str, *more: Any, **options: Any) -> Any:
        if name.startswith("dead"):
            answered.wait(60)
        return look_up("127.1.0.1" if name == "alive" else name, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    here = replace(host(fleet, 0), name="alive")
    here = replace(here, connection=replace(here.connection, address="alive", host_key_check=False))
    dead = [
        replace(here, name=f"dead-{at}", connection=replace(here.connection, address=f"dead-{at}.invalid"))
        for at in range((os.cpu_count() or 1) + 5)
    ]
    hello = need(Command("echo hi"))
    landed: list[str] = []

    def land(who: Host, _: int) -> None:
        landed.append(who.name)
        answered.set()

    with gatherer(*dead, here) as asking:
        asking.gather_now(plan(dict.fromkeys((*dead, here), (hello,))), Observations(), land)
    assert landed[0] == "alive"
    assert len(landed) == len(dead) + 1


@pytest.mark.parametrize(("silent", "keep"), [([1], False), (range(12), True)])
def test_hosts_whose_turn_never_came_are_told_of_when_the_time_of_the_run_is_up(
    monkeypatch: pytest.MonkeyPatch, silent: Sequence[int], keep: bool
) -> None:
    monkeypatch.setattr("muster.gather.REACHED_AT_ONCE", 3)
    with Fleet(12, delay=600, silent=silent) as fleet:
        hosts = [host(fleet, number, connect_timeout=600) for number in range(12)]
        hello = need(Command("echo hi"))
        found = Observations()
        with gatherer(*hosts, concurrency=2, run_deadline=1) as asking:
            asking.run(asyncio.sleep(0))
            before = open_files()
            asking.gather_now(plan(dict.fromkeys(hosts, (hello,))), found, keep=keep)
            files_are_closed(before)
        for each in hosts:
            failure = found.get(each, hello).failure
            assert isinstance(failure, Unobserved)
            assert str(failure) == "the run's deadline of 1 s passed before the answer to sh: echo hi"


CHECKS = '''
import pytest
from muster import Attempt, Memory, check


@check(severity="critical", remediation="look")
def test_host_is_reachable(login: Attempt) -> None:
    """The host lets us in."""
    assert login.connected, f"{login}, expected to log in"


@check(severity="critical", remediation="look")
def test_memory_is_known(memory: Memory, FIXTURE) -> None:
    """The host has memory."""
    assert memory.used_percent <= 100, f"{memory}, expected some"
'''


@pytest.mark.parametrize("fixture", ["measure", "tmp_path"], ids=["judged", "in pytest's way"])
def test_a_run_over_far_more_hosts_than_descriptors_loses_no_verdict(
    fleet: Fleet, refused_port: int, silent_port: int, tmp_path: Path, fixture: str
) -> None:
    inventory = fleet.inventory()
    for number in range(150):
        inventory["hosts"][f"down-{number}"] = {"connection": {"address": "127.0.0.1", "port": refused_port}}
    for number in range(5):
        silent = {"address": "127.0.0.1", "port": silent_port, "connect_timeout": "1s"}
        inventory["hosts"][f"silent-{number}"] = {"connection": silent}
    (tmp_path / "inventory.yaml").write_text(json.dumps(inventory))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_all.py").write_text(CHECKS.replace("FIXTURE", fixture))
    limit = ("prlimit", "--nofile=170:170")
    done = subprocess.run(
        [*limit, sys.executable, "-m", "pytest", "--inventory", "inventory.yaml", "-p", "no:html"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3, done.stdout[-3000:] + done.stderr
    said = [json.loads(line) for line in (tmp_path / "reports/results.jsonl").read_text().splitlines()]
    assert len(said) == 2 * (HOSTS + 155)
    by_verdict = {
        kind: {each["host"].split("-")[0] for each in said if each["verdict"] == kind}
        for kind in {each["verdict"] for each in said}
    }
    assert by_verdict == {"ok": {"web"}, "critical": {"down", "silent"}, "unknown": {"down", "silent"}}
    assert {each["cause"] for each in said if each["verdict"] != "ok"} == {"network"}
    assert "descriptor" not in done.stdout
    wait_for(lambda: fleet.count().now == 0, "the end of all links")


def test_a_host_is_not_down_because_we_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is busy with other things in the middle of a login, for longer than its timeout."""
    speaks = ssh_login._speaks

    async def kept_from_hearing(sock: socket.socket, seconds: float) -> bool:
        time.sleep(3.5)
        return await speaks(sock, seconds)

    monkeypatch.setattr(ssh_login, "_speaks", kept_from_hearing)
    with Fleet(1) as fleet:
        assert answer(host(fleet, 0, connect_timeout=3), Login()).connected
