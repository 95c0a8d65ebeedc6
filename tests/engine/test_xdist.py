"""Runs with workers of xdist: a host is one worker's, and what comes out is what a run without workers says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.live_runs import LOCAL
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


def verdicts(made: Made) -> Counter[tuple[Any, ...]]:
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
    """The listing of a run, in whatever order of hosts."""
    _, _, below = made.terminal.partition("\nasked ")
    listing = below.partition("\n- Generated html")[0]
    return sorted(line for line in listing[listing.index("\nfar-") if "\nfar-" in listing else 0 :].splitlines())


def drawn(made: Made) -> list[str]:
    """The rows of the page."""
    return sorted(steady(str(row["resultsTableRow"])) for row in rows(made.page))


@contextmanager
def folders(folder: Path, *names: str) -> Iterator[list[Path]]:
    made = [folder / name for name in names]
    for each in made:
        each.mkdir()
    yield made


def workers_by_host(folder: Path) -> dict[str, set[str]]:
    """Which workers the tests about each host, or target of the top level, ran in."""
    found: dict[str, set[str]] = {}
    for line in (folder / "notes").read_text().splitlines():
        name, worker = line.split()
        found.setdefault(name, set()).add(worker)
    return found


def test_three_workers_say_what_one_process_does(tmp_path: Path, hosts: tuple[list[Sshd], str]) -> None:
    far, tree = hosts
    with folders(tmp_path, "alone", "shared") as (alone, shared):
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
    by_host = workers_by_host(shared)
    assert len(by_host) == 9
    assert all(len(workers) == 1 for workers in by_host.values()), by_host
    assert len({worker for workers in by_host.values() for worker in workers}) == 3
    assert "3 workers ask 6 hosts and 3 other targets" in made.terminal
    assert "asked 7 hosts for" in made.terminal  # where the suite runs is one more
