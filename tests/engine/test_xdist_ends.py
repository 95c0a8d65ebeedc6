"""Workers of xdist that die, and runs with workers that are interrupted: nothing is lost, and nothing hangs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.live_runs import LOCAL, inventory
from tests.engine.report_runs import Made, rows, run
from tests.servers.processes import children, runs, wait_for
from tests.servers.sshd import Sshd

#: What is judged, live and about nothing, at hosts of which DIES and the like name one for something to happen at.
CHECKS = '''
import os
import signal
from pathlib import Path
import time

import pytest

from muster import CommandOutput, Host, check, fact

words = fact.command("echo two words")


def dies(target, when):
    if os.environ.get("WHEN") == when and target.name in os.environ["DIES"]:
        os.kill(os.getpid(), signal.SIGKILL)


@check(severity="critical", remediation="say them")
def test_words(words: CommandOutput) -> None:
    """Words are said."""


@check(severity="critical", remediation="let it live", runbook="hosts.md#words")
def test_judged(words: CommandOutput, target: Host) -> None:
    """It is judged."""
    dies(target, "judged")


@pytest.fixture
def mortal(target):
    yield
    dies(target, "teardown")


def test_live(host, target, mortal):
    dies(target, "live")
    assert host.run("exit 0").rc == 0


def test_waits(host, target):
    if os.environ.get("WHEN") == "waits" and target.name in os.environ["DIES"]:
        Path(__file__).with_name("pid").write_text(str(os.getpid()))
        time.sleep(61)


def test_about_no_target():
    pass
'''

HOSTS = 4
TESTS = ("words", "judged", "live", "waits")
HERE = inventory(**{f"host-[1:{HOSTS}]": LOCAL})


def each_once(made: Made) -> dict[tuple[str, str], str]:
    """The verdicts by host and check, of which each must be there once."""
    found = Counter((each["host"], each["check"]) for each in made.results)
    wanted = {(f"host-{number}", test) for number in range(1, HOSTS + 1) for test in TESTS}
    assert found == Counter(wanted), made.terminal
    return {(each["host"], each["check"]): each["verdict"] for each in made.results}


def bad(made: Made) -> dict[tuple[str, str], str]:
    return {subject: verdict for subject, verdict in each_once(made).items() if verdict != "ok"}


def dying(folder: Path, when: str, hosts: str, *options: str) -> Made:
    return run(folder, *options, checks=CHECKS, inventory=HERE, environment={"WHEN": when, "DIES": hosts})


@pytest.mark.parametrize(("when", "restart"), [("judged", "0"), ("live", "1")], ids=["not-replaced", "replaced"])
def test_what_a_dead_worker_leaves_is_judged_by_another(tmp_path: Path, when: str, restart: str) -> None:
    made = dying(tmp_path, when, "host-2", "-n", "2", "--max-worker-restart", restart)
    assert bad(made) == {("host-2", when): "unknown"}
    (lost,) = (each for each in made.results if each["verdict"] == "unknown")
    assert re.match(r"worker gw\d died while it ran this or asked its hosts; see whether", lost["message"])
    assert lost["cause"] == "internal"
    assert made.code == 1

    names = Counter(case.get("name") for case in made.junit.iter("testcase"))
    assert len(names) == HOSTS * len(TESTS) + 1
    assert set(names.values()) == {1}
    (error,) = made.junit.iter("error")
    (case,) = (case for case in made.junit.iter("testcase") if case.find("error") is not None)
    assert lost["message"] in str(error.get("message"))
    assert {each.get("name"): each.get("value") for each in case.iter("property")}["host"] == "host-2"
    assert [row["testId"].rpartition("::")[0] for row in rows(made.page) if row["result"] == "Error"]
    assert re.search(rf"unknown   {when}\n +worker gw\d died while", made.terminal)
    assert "1 unknown" in made.terminal.splitlines()[-1]


def test_a_worker_that_is_killed_from_outside_loses_only_what_it_ran(tmp_path: Path, ssh_host: Sshd) -> None:
    tree = inventory(**{f"host-[1:{HOSTS}]": {"connection": ssh_host.connection()}})
    with started(tmp_path, tree, "-n", "2", WHEN="waits", DIES="host-1") as process:
        wait_for(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()), "the test to wait")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
    assert bad(Made(process.returncode, said, tmp_path / "reports")) == {("host-1", "waits"): "unknown"}


def test_a_death_after_the_verdict_does_not_repeat_it(tmp_path: Path) -> None:
    made = dying(tmp_path, "teardown", "host-3", "-n", "2")
    assert bad(made) == {}
    assert re.search(r"worker gw\d died in the teardown of this", made.terminal)
    assert "ERROR at teardown of test_live[host-3]" in made.terminal
    assert made.code == 1


def test_when_every_worker_dies_all_is_told_all_the_same(tmp_path: Path) -> None:
    everywhere = "host-1 host-2 host-3 host-4"
    made = dying(tmp_path, "judged", everywhere, "-n", "2", "--max-worker-restart", "1")
    found = each_once(made)
    assert {found[f"host-{number}", "judged"] for number in range(1, HOSTS + 1)} == {"unknown"}
    messages = [each["message"] for each in made.results if each["verdict"] == "unknown"]
    died = sum("died while it ran this" in each for each in messages)
    assert died >= 2
    assert sum(each.startswith("not judged: its worker died (gw") for each in messages) == len(messages) - died
    assert "ERROR at setup of test_about_no_target" in made.terminal
    assert made.code == 1


def test_workers_that_die_while_they_collect_end_the_run(tmp_path: Path) -> None:
    made = run(tmp_path, "-n", "2", "--max-worker-restart", "1", checks="import os\nos._exit(3)", inventory=HERE)
    assert "every worker died before it had collected the checks: gw" in made.terminal
    assert made.code == 4


def test_a_death_before_the_hosts_are_dealt_leaves_none_of_them_green(tmp_path: Path) -> None:
    dies = "import os\n\nif os.environ.get('PYTEST_XDIST_WORKER') == 'gw1':\n    os._exit(3)\n\n\n"
    checks = f"{dies}def test_it(host):\n    pass\n"
    made = run(tmp_path, "-n", "2", "--max-worker-restart", "0", checks=checks, inventory=HERE)
    # Whether the other has told what it collected when the first dies is chance.
    assert made.code in (1, 4), made.terminal
    assert re.search(r"every worker died before .*: gw1|not judged: its worker died \(gw1 did\)", made.terminal)
    assert {each["verdict"] for each in made.results} <= {"unknown"}


@pytest.mark.parametrize("to", ["all", "controller", "worker"])
def test_ctrl_c_ends_all_workers_and_keeps_what_was_judged(tmp_path: Path, to: str) -> None:
    with Sshd() as host:
        tree = inventory(**{f"host-[1:{HOSTS}]": {"connection": host.connection()}})
        with started(tmp_path, tree, "-n", "2", WHEN="waits", DIES="host-1 host-2") as process:
            wait_for((tmp_path / "pid").exists, "a test to wait")
            wait_for(lambda: _count(tmp_path) >= 2 * HOSTS, "what was judged to arrive")
            below = children(process.pid)
            if to == "all":
                os.killpg(process.pid, signal.SIGINT)
            elif to == "controller":
                process.send_signal(signal.SIGINT)
            else:
                wait_for(lambda: bool((tmp_path / "pid").read_text()), "its process")
                os.kill(int((tmp_path / "pid").read_text()), signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        wait_for(lambda: not _sessions(host), "the connections to be closed")
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not [pid for pid in below if runs(pid)]
    assert ET.parse(tmp_path / "reports" / "junit.xml").getroot().find("testsuite") is not None
    assert re.search(r"muster: \d+ ok · 4 targets on 4 hosts · \d+ checks not judged", said)
    made = Made(130, said, tmp_path / "reports")
    assert {each["verdict"] for each in made.results} == {"ok"}


@contextmanager
def started(folder: Path, tree: str, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A run in the background, in a process group of its own."""
    (folder / "test_sample.py").write_text(CHECKS, encoding="utf-8")
    (folder / "inventory.yaml").write_text(tree, encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
    words += ["--inventory", "inventory.yaml", *options, "test_sample.py"]
    output = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    surroundings = {**os.environ, "COLUMNS": "120", **environment}
    with subprocess.Popen(words, cwd=folder, env=surroundings, start_new_session=True, **output) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def _count(folder: Path) -> int:
    """How many verdicts there are yet."""
    results = folder / "reports" / "results.jsonl"
    return results.read_text("utf-8").count("\n") if results.exists() else 0


def _sessions(host: Sshd) -> list[int]:
    """The processes of the sessions at a host."""
    assert host._process is not None
    return [pid for pid in children(host._process.process.pid) if runs(pid)]
