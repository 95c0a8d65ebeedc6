"""Runs with workers of xdist: a host is one worker's, and what comes out is what a run without workers says."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from muster.gather import REACHED_AT_ONCE
from muster.observations import Observations
from muster.probes import Login
from muster.targets import Connection, Host
from tests.engine.asking import gatherer, need, plan
from tests.engine.live_runs import LOCAL, inventory
from tests.engine.report_runs import Made, rows, run, steady
from tests.servers.sshd import Sshd

#: Of each kind one: judged on the quick path and in pytest's way, live, about a target of the top level, about none.
CHECKS = '''
import os
from pathlib import Path

import pytest

from muster import Attempt, CommandOutput, Host, Measure, PortState, TcpEndpoint, check, fact

words = fact.command("echo two words")


def note(where):
    with Path(__file__).with_name("notes").open("a") as notes:
        notes.write(f"{where.host or where.name} {os.environ.get('PYTEST_XDIST_WORKER')}\\n")


@pytest.fixture(scope="session")
def own():
    return "own"


@check(severity="critical", remediation="start it")
def test_is_reached(login: Attempt, target: Host) -> None:
    """The host is reached."""
    note(target)
    assert login.connected, f"{login}, expected to log in"


@check(severity="warning", remediation="buy more")
def test_words_are_loud(words: CommandOutput, measure: Measure) -> None:
    """The host speaks loudly."""
    measure("words", 2, unit="", of="it")
    assert words.stdout.isupper(), f"{words}, expected capitals"


@check(severity="critical", remediation="see to it")
def test_in_pytest_s_way(words: CommandOutput, own, target: Host) -> None:
    """A fixture of one's own is taken."""
    note(target)
    assert own != "own", "own, expected another"


@check(severity="critical", remediation="start the port")
def test_port_is_open(port_state: PortState, target: TcpEndpoint) -> None:
    """The port is open."""
    note(target)
    assert port_state.open, f"{port_state}, expected open"


def test_live(host, target):
    note(target)
    assert host.run("echo far").stdout == "far\\n"


def test_live_and_wrong(host, target):
    note(target)
    assert host.run("exit 3").rc == 0, "status 3, expected 0"


@pytest.mark.parametrize("number", [1, 2])
def test_about_no_target(number, own):
    assert number == 1


class TestAboutNoTarget:
    def test_method(self):
        pytest.skip("not today")
'''


@pytest.fixture
def hosts(refused_port: int) -> Iterator[tuple[list[Sshd], str]]:
    """Two hosts to log in to, one that is down, this machine thrice, and three targets of the top level."""
    with ExitStack() as stack:
        far = [stack.enter_context(Sshd()) for _ in range(2)]
        down = {"kind": "ssh", "address": "127.0.0.1", "port": refused_port, "user": "ops"}
        tree = {
            "hosts": {
                **{f"far-{place}": {"connection": each.connection()} for place, each in enumerate(far)},
                "down": {"connection": down},
                "here-[1:3]": LOCAL,
            },
            "endpoints": {
                **{f"open-{place}": {"url": f"tcp://127.0.0.1:{each.port}"} for place, each in enumerate(far)},
                "closed": {"url": f"tcp://127.0.0.1:{refused_port}"},
            },
        }
        yield far, json.dumps(tree)


def verdicts(made: Made) -> Counter[str]:
    """All that ``results.jsonl`` says, in whatever order, without times."""
    timed = ("run", "observed_at", "duration_seconds")
    return Counter(json.dumps({key: each[key] for key in each if key not in timed}) for each in made.results)


def cases(made: Made) -> list[Any]:
    """What JUnit says of each test, without times and places."""
    found = []
    for case in made.junit.iter("testcase"):
        said = [(each.get("name"), each.get("value")) for each in case.iter("property")]
        told = [(each.tag, each.get("message"), each.get("type")) for each in case if each.tag != "properties"]
        found.append((case.get("classname"), case.get("name"), said, told))
    return sorted(found, key=str)


def listed(made: Made) -> list[str]:
    """The hosts of a listing in its order, with what it says of each in whatever order."""
    _, _, below = made.terminal.partition("\nasked ")
    listing = below.partition("\n- Generated html")[0]
    by_host = re.split(r"\n(?=\S)", listing[listing.index("\nfar-") + 1 :])
    return ["\n".join([each.partition("\n")[0], *sorted(each.splitlines()[1:])]) for each in by_host]


def drawn(made: Made) -> list[str]:
    """The rows of the page."""
    return sorted(steady(str(row["resultsTableRow"])) for row in rows(made.page))


def workers_by_host(folder: Path) -> dict[str, set[str]]:
    """Which workers the tests about each host, or target of the top level, ran in."""
    found: dict[str, set[str]] = {}
    for line in (folder / "notes").read_text().splitlines():
        name, worker = line.split()
        found.setdefault(name, set()).add(worker)
    return found


def test_three_workers_say_what_one_process_does(tmp_path: Path, hosts: tuple[list[Sshd], str]) -> None:
    far, tree = hosts
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    shared.mkdir()
    without = run(alone, checks=CHECKS, inventory=tree)
    before = [each.logins for each in far]
    made = run(shared, "-n", "3", checks=CHECKS, inventory=tree)
    assert verdicts(made) == verdicts(without), made.terminal
    assert cases(made) == cases(without)
    assert drawn(made) == drawn(without)
    assert listed(made) == listed(without)
    assert made.code == without.code == 1
    assert made.terminal.splitlines()[-1] == without.terminal.splitlines()[-1]

    assert [each.logins for each in far] == [number + 1 for number in before], "one worker logs in, and once"
    assert [each.log.count("Disconnected from user") for each in far] == [each.logins for each in far], (
        "it says goodbye"
    )
    by_host = workers_by_host(shared)
    assert len(by_host) == 9
    assert all(len(workers) == 1 for workers in by_host.values()), by_host
    assert len({worker for workers in by_host.values() for worker in workers}) == 3
    assert "3 workers ask 6 hosts and 3 other targets" in made.terminal
    assert "asked 7 hosts for" in made.terminal  # where the suite runs is one more


HERE = inventory(**{"here-[1:4]": LOCAL})


def test_another_way_to_deal_is_the_user_s_choice(tmp_path: Path) -> None:
    made = run(tmp_path, "-n", "2", "--dist", "worksteal", checks=CHECKS, inventory=HERE)
    counted = Counter(each["verdict"] for each in made.results)
    assert counted == {"ok": 8, "warning": 4, "critical": 8}, made.terminal
    assert "muster: --dist worksteal deals tests: several workers may ask one host" in made.terminal
    assert made.code == 1


def test_each_worker_for_itself_is_refused(tmp_path: Path) -> None:
    made = run(tmp_path, "-n", "2", "--dist", "each", checks=CHECKS, inventory=HERE)
    assert made.code == 2
    assert made.terminal == "Exit: --dist each would judge everything once per worker; leave it out\n"


@pytest.mark.parametrize("options", [["-n", "logical"], ["-n", "0"], ["-p", "no:xdist"]], ids=" ".join)
def test_any_number_of_workers_says_the_same(tmp_path: Path, options: list[str]) -> None:
    made = run(tmp_path, *options, checks=CHECKS, inventory=HERE)
    assert Counter(each["verdict"] for each in made.results) == {"ok": 8, "warning": 4, "critical": 8}, made.terminal
    assert "here: 1 check without a target" in made.terminal
    assert made.code == 1


def test_a_wrong_inventory_is_told_once_and_no_worker_is_started(tmp_path: Path) -> None:
    made = run(tmp_path, "-n", "2", checks=CHECKS, inventory="hosts: {here: {conection: local}}")
    assert made.code == 2
    assert made.terminal.count("inventory.yaml:1:") == 1, made.terminal
    assert made.terminal.startswith("Exit: the inventory is wrong, nothing was contacted\n")
    assert "worker" not in made.terminal
    assert "Traceback" not in made.terminal


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    made = run(tmp_path, "-n", "2", "no_such_folder", checks=CHECKS, inventory=HERE)
    assert made.code == 4
    assert "Exit: file or directory not found: no_such_folder" in made.terminal
    assert "INTERNALERROR" not in made.terminal


def test_nothing_selected_is_nothing_selected(tmp_path: Path) -> None:
    made = run(tmp_path, "-n", "2", "-k", "no_such_name", checks=CHECKS, inventory=HERE)
    assert made.code == 5, made.terminal
    assert made.terminal.endswith("muster: nothing was selected\n")


def test_a_check_that_is_badly_written_stops_the_run_and_is_told_once(tmp_path: Path) -> None:
    bad = f"{CHECKS}\n\n@check(severity='critical', remediation='x')\ndef test_bad(login):\n    pass\n"
    made = run(tmp_path, "-n", "2", checks=bad, inventory=HERE)
    assert made.code == 2, made.terminal
    assert made.terminal.count("test_bad has no title") == 1
    assert "Interrupted: 1 error during collection" in made.terminal
    assert made.results == []


def test_workers_that_collect_different_tests_stop_the_run(tmp_path: Path) -> None:
    odd = """
import os, pytest

@pytest.mark.parametrize("worker", [os.environ.get("PYTEST_XDIST_WORKER")])
def test_odd(worker, host):
    pass
"""
    made = run(tmp_path, "-n", "2", checks=odd, inventory=HERE)
    assert made.code == 2, made.terminal
    assert made.terminal.count("collected other tests than the first worker; only one of the two has") == 1
    assert made.results == []


def test_the_first_failure_stops_all_workers(tmp_path: Path) -> None:
    slow = """
import time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(100))
def test_it(host, target, number):
    folder = Path(__file__).parent
    if target.name == "here-1":
        while not (folder / "began").exists():
            time.sleep(0.05)
        assert number < 0, "wrong"
    (folder / "began").touch()
    time.sleep(0.2)
"""
    made = run(tmp_path, "-n", "2", "-x", checks=slow, inventory=inventory(**{"here-[1:2]": LOCAL}))
    assert made.code == 1, made.terminal
    assert [each["verdict"] for each in made.results if each["host"] == "here-1"] == ["critical"]
    assert len(made.results) < 100
    assert f"{200 - len(made.results)} checks not judged" in made.terminal
    assert f"The run stopped early: {len(made.results)} of 200 checks judged." in made.page


def test_no_process_list_shows_what_was_set(tmp_path: Path) -> None:
    look = """
from pathlib import Path

def test_look(host, target):
    assert b"opensesame" not in Path("/proc/self/cmdline").read_bytes(), "it is in the command line"
    assert target.labels == {"word": "opensesame"}, "it did not arrive"
"""
    hosts = "vars: {word: x}\nhosts: {here: {connection: local, labels: {word: '${word}'}}}"
    made = run(tmp_path, "-n", "1", "--set", "word=opensesame", checks=look, inventory=hosts)
    assert made.code == 0, made.terminal
    assert len(made.results) == 1


def test_a_worker_asks_all_its_hosts_at_once(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(CHECKS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        connection = {"address": "127.0.0.1", "port": silent.getsockname()[1], "connect_timeout": "1m"}
        (tmp_path / "inventory.yaml").write_text(inventory(**{"silent-[1:3]": {"connection": connection}}))
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
        words += ["--inventory", "inventory.yaml", "-n", "1", "-q", "-k", "not no_target", "test_sample.py"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(words, cwd=tmp_path, env=dict(os.environ), **quiet) as process:
            try:
                asked = [silent.accept()[0] for _ in range(3)]  # the first is not answered yet when the third comes
                silent.close()
                for each in asked:
                    each.close()
                assert process.wait(60) == 3  # what was closed is tried once more, and refused
            finally:
                process.kill()


def test_many_workers_open_as_many_connections_at_once_as_one_process() -> None:
    workers = REACHED_AT_ONCE // 4
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        connection = Connection(address="127.0.0.1", port=silent.getsockname()[1], connect_timeout=60.0)
        login = need(Login())
        targets = [Host(name=f"silent-{number}", connection=connection) for number in range(12)]
        with gatherer(*targets, processes=workers) as asking, ThreadPoolExecutor() as pool:
            asked = plan(dict.fromkeys(targets, (login,)))
            gathered = pool.submit(asking.gather_now, asked, Observations())
            silent.settimeout(30)
            opened = [silent.accept()[0] for _ in range(4)]
            silent.settimeout(0.5)
            with pytest.raises(TimeoutError):
                silent.accept()
            silent.settimeout(30)
            opened[0].close()
            opened.append(silent.accept()[0])
            silent.close()
            for each in opened:
                each.close()
            gathered.result(30)
