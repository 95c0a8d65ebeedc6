"""The plan and the gather: who is asked what, what lands, and what happens when time is up."""

from __future__ import annotations

import _thread
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muster.need import Need
from muster.observations import Observations
from muster.plan import make_plan
from muster.probes import Command, DoesNotApply, Login, Output, Probe, Unobserved
from muster.questions.docker import AskEngine
from muster.questions.http import HttpRequest
from muster.targets import RUNNER, Connection, Container, DockerEngine, Host, HttpEndpoint
from tests.engine.asking import answer, files_are_closed, gatherer, local, need, observe, open_files, plan, ssh
from tests.servers.http import HttpServer
from tests.servers.processes import runs, wait_for
from tests.servers.sshd import CutOffHost, Sshd

# The plan


def test_equal_questions_to_one_host_are_one_and_keep_the_order_of_first_need() -> None:
    web, db = local("web"), local("db")
    one, two = need(Command("one")), need(Command("two"))
    same = Need("same", Host, lambda _: Probe(Command("one"), str))
    made = make_plan([(db, two), (web, one), (db, one), (db, same), (web, one)], {})

    assert list(made.hosts) == [db, web]
    assert [ask.question for ask in made.hosts[db]] == [Command("two"), Command("one")]
    assert [each.name for _, each, _ in made.hosts[db][1].wants] == ["sh: one", "same"]
    assert made.wanted == {db: 3, web: 1}


def test_a_target_is_asked_from_its_host_and_one_of_the_top_level_from_here() -> None:
    web = local("web")
    box = Container(name="box", host="web", match="box")
    site = HttpEndpoint(name="site", url="http://127.0.0.1/")
    state = Need("state", Container, lambda target: Probe(Command(target.match), str))
    page = Need("page", HttpEndpoint, lambda target: Probe(HttpRequest(target.url), str))
    made = make_plan([(box, state), (site, page)], {"web": web})

    assert [ask.question for ask in made.hosts[web]] == [Command("box")]
    assert [ask.question for ask in made.hosts[RUNNER]] == [HttpRequest("http://127.0.0.1/")]


def test_what_a_probe_already_knows_is_settled_without_asking() -> None:
    def fails(error: Exception) -> Need[Any]:
        def probe(_: Host) -> Probe[Any]:
            raise error

        return Need("sunk", Host, probe)

    host = local()
    needs = [fails(DoesNotApply("no containers")), fails(Unobserved("missing", "no path")), fails(KeyError("oops"))]
    made = make_plan([(host, each) for each in needs], {})
    observations = Observations()
    with gatherer(host) as asking:
        asking.gather_now(made, observations)

    assert not made.hosts
    failures = [observations.get(host, each).failure for each in needs]
    assert [str(each) for each in failures] == [
        "no containers",
        "no path",
        "the probe of sunk failed: KeyError: 'oops'",
    ]
    assert isinstance(failures[2], Unobserved)
    assert failures[2].cause == "internal"


def test_a_dry_run_shows_hosts_and_questions_and_no_password() -> None:
    connection = Connection(address="10.0.0.1", user="ops", port=22, via="bastion", sudo=True)
    host = Host(name="proxy-1", connection=connection)
    site = HttpEndpoint(name="site", url="http://ops:opensesame@127.0.0.1/x")
    page = Need("page", HttpEndpoint, lambda target: Probe(HttpRequest(target.url), str))
    made = make_plan([(host, need(Login())), (host, need(Command("if true; then\n  pwd\nfi\n"))), (site, page)], {})

    assert list(made.describe()) == [
        "proxy-1 (ssh ops@10.0.0.1:22 via bastion, sudo)",
        "  log in",
        "  sh: if true; then",
        "        pwd",
        "      fi",
        "from here (this machine)",
        "  GET http://127.0.0.1/x",
    ]


# What lands


def test_several_facts_are_made_of_one_answer_and_told_as_they_land(tmp_path: Path) -> None:
    host = local()
    command = Command(f"echo x >>{tmp_path}/asked; echo 42")
    as_text = need(command, lambda output: output.text.strip())
    as_number = need(command, lambda output: int(output.text))
    told: Counter[Host] = Counter()
    observations = Observations()
    with gatherer(host) as asking:
        asking.gather_now(
            plan({host: (as_text, as_number)}), observations, lambda who, count: told.update({who: count})
        )

    assert (observations.get(host, as_text).value, observations.get(host, as_number).value) == ("42", 42)
    assert (tmp_path / "asked").read_text() == "x\n"
    assert told == {host: 2}


def test_an_answer_that_no_parser_understands_is_shown_in_part() -> None:
    host = local()

    def doubt(_: Output) -> None:
        raise Unobserved("missing", "no such tool")

    def skip(_: Output) -> None:
        raise DoesNotApply("no systemd here")

    needs = (
        need(Command("echo hello"), lambda output: int(output.text)),
        need(Command("echo"), doubt),
        need(Command("true"), skip),
    )
    observations = Observations()
    with gatherer(host) as asking:
        asking.gather_now(plan({host: needs}), observations)
    unread, doubted, skipped = (observations.get(host, each).failure for each in needs)

    assert isinstance(unread, Unobserved)
    assert unread.cause == "unreadable"
    assert str(unread) == (
        "cannot read the answer of sh: echo hello: invalid literal for int() with base 10: 'hello\\n'; got: hello"
    )
    assert str(doubted) == "no such tool"
    assert str(skipped) == "no systemd here"


def test_what_was_not_planned_is_observed_on_first_use() -> None:
    host = local()
    hello = need(Command("echo hello"))
    with gatherer(host) as asking:
        observations = Observations(lambda target, each: asking.gather_now(plan({target: (each,)}), observations))
        assert observations.get(host, hello).value.text == "hello\n"


def test_a_host_without_a_login_runs_nothing_and_says_so() -> None:
    host = Host(name="appliance", connection=Connection(kind="none"))
    command, engine = observe(host, Command("id"), AskEngine())
    for each in (command, engine):
        assert isinstance(each.failure, Unobserved)
        assert (each.failure.cause, each.failure.host_down) == ("missing", False)
        assert "connection none" in str(each.failure)


def test_a_host_without_a_login_may_have_an_engine_on_the_network(refused_port: int) -> None:
    connection = Connection(kind="none")
    host = Host(name="appliance", connection=connection, docker=DockerEngine(url=f"tcp://127.0.0.1:{refused_port}"))
    assert answer(host, AskEngine()).attempt.outcome == "refused"


@pytest.mark.needs("sshd")
def test_a_host_is_reached_once_in_all_gathers_of_a_run(start_sshd: Callable[..., Sshd]) -> None:
    server = start_sshd()
    host = ssh(server)
    with gatherer(host) as asking:
        for number in range(3):
            each = need(Command(f"echo {number}"))
            observations = Observations()
            asking.gather_now(plan({host: (each,)}), observations)
            assert observations.get(host, each).value.text == f"{number}\n"
    assert server.logins == 1


@pytest.mark.needs("sshd")
def test_a_host_that_was_down_is_not_tried_again_in_the_same_run(start_sshd: Callable[..., Sshd]) -> None:
    server = start_sshd()
    server.stop()
    host = ssh(server)
    first, second = need(Command("a")), need(Command("b"))
    with gatherer(host) as asking:
        observations = Observations()
        asking.gather_now(plan({host: (first,)}), observations)
        server.start()
        asking.gather_now(plan({host: (second,)}), observations)
    assert "refused" in str(observations.get(host, first).failure)
    assert str(observations.get(host, second).failure) == str(observations.get(host, first).failure)
    assert server.logins == 0


# Time


def test_endpoints_of_the_top_level_are_asked_all_at_once() -> None:
    answering = threading.Semaphore(0)

    def together(talk: Any) -> None:
        answering.release()
        if talk.server.asked(talk.request.path) and not talk.server.stopping.is_set():
            deadline = time.monotonic() + 20
            while len(talk.server.requests) < 50 and time.monotonic() < deadline:
                time.sleep(0.01)
        talk.answer(b"{}")

    with HttpServer(paths={f"/{number}": together for number in range(50)}) as web:
        found = observe(RUNNER, *(HttpRequest(f"{web.url}/{number}") for number in range(50)))
    assert all(each.value.attempt.connected for each in found)


def test_a_host_whose_time_is_up_keeps_what_it_has_answered() -> None:
    with HttpServer() as web:
        questions = (
            Command("echo hi"),
            Command("sleep 1000"),
            Command("echo never"),
            HttpRequest(f"{web.url}/slow-headers"),
        )
        quick, *late = observe(local(), *questions, host_deadline=0.5)
    assert quick.value.text == "hi\n"
    for each, question in zip(late, questions[1:], strict=True):
        assert isinstance(each.failure, Unobserved)
        assert each.failure.cause == "timeout"
        assert str(each.failure) == f"the host's deadline of 0.5 s passed before the answer to {question.describe()}"


def test_a_run_whose_time_is_up_keeps_what_was_answered() -> None:
    hosts = [local("quick"), local("slow")]
    needs = {hosts[0]: (need(Command("echo hi")),), hosts[1]: (need(Command("sleep 1000")),)}
    observations = Observations()
    with gatherer(*hosts, run_deadline=0.5) as asking:
        asking.gather_now(plan(needs), observations)
    assert observations.get(hosts[0], needs[hosts[0]][0]).value.text == "hi\n"
    assert "the run's deadline of 0.5 s passed" in str(observations.get(hosts[1], needs[hosts[1]][0]).failure)


@pytest.mark.needs("sshd", "netns")
def test_one_host_that_is_cut_off_keeps_no_other_waiting(cut_off: CutOffHost, ssh_host: Sshd) -> None:
    dead, alive = ssh(cut_off, "dead", connect_timeout=1.5), ssh(ssh_host, "alive")
    cut_off.cut()
    landed: list[str] = []
    hello = need(Command("echo hi"))
    with gatherer(dead, alive) as asking:
        asking.gather_now(
            plan({dead: (hello,), alive: (hello,)}), Observations(), lambda who, _: landed.append(who.name)
        )
    assert landed == ["alive", "dead"]


def test_after_ctrl_c_what_was_observed_stays_and_nothing_runs_on(tmp_path: Path) -> None:
    host = local()
    pids = tmp_path / "pids"
    quick, slow = need(Command("echo hi")), need(Command(f"sh -c 'echo $$ >{pids}; exec sleep 1000'", timeout=60))
    observations = Observations()
    before = open_files()
    with gatherer(host) as asking:
        threading.Thread(target=lambda: (wait_for(pids.exists, "the command"), _thread.interrupt_main())).start()
        with pytest.raises(KeyboardInterrupt):
            asking.gather_now(plan({host: (quick, slow)}), observations)
        assert observations.get(host, quick).value.text == "hi\n"
        assert not observations.has(host, slow)
    wait_for(lambda: not runs(int(pids.read_text())), "the end of the command")
    files_are_closed(before)


@pytest.mark.needs("sshd")
def test_after_ctrl_c_connections_are_closed_and_nothing_runs_on_there(
    ssh_host: Sshd, silent_port: int, tmp_path: Path
) -> None:
    host = ssh(ssh_host)
    silent = Host(name="silent", connection=Connection(address="127.0.0.1", port=silent_port, connect_timeout=60))
    started = tmp_path / "started"
    needs = {host: (need(Command(f"echo $$ >{started}; sleep 1000", timeout=60)),), silent: (need(Login()),)}
    answer(host, Command("true"))
    before = open_files()
    with gatherer(host, silent) as asking:
        threading.Thread(target=lambda: (wait_for(started.exists, "the command"), _thread.interrupt_main())).start()
        with pytest.raises(KeyboardInterrupt):
            asking.gather_now(plan(needs), Observations())
    files_are_closed(before)
    wait_for(lambda: not runs(int(started.read_text())), "the end of the batch")


# Bounds


@pytest.mark.needs("sshd")
def test_links_that_are_done_with_are_closed_where_files_are_scarce(
    start_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    from muster.transports import pool

    monkeypatch.setattr(pool, "raise_file_limit", lambda: 2)
    server = start_sshd()
    hosts = [ssh(server, f"web-{number}") for number in range(5)]
    hello = need(Command("ls /proc/$PPID/.. >/dev/null; echo hi"))
    before = open_files()
    with gatherer(*hosts) as asking:
        observations = Observations()
        asking.gather_now(plan(dict.fromkeys(hosts, (hello,))), observations)
        assert all(observations.get(host, hello).value.text == "hi\n" for host in hosts)
        assert open_files() <= before + 8
