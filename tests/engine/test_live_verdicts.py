"""What comes of live tests: verdicts like any other, in every report, and by xdist's workers too."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.live_runs import LOCAL, inventory
from tests.engine.report_runs import Made, run
from tests.servers.http import HttpServer
from tests.servers.sshd import Sshd

CHECKS = '''
import os

import pytest

from muster import check


@pytest.fixture(scope="module")
def passwd(host):
    return host.file("/etc/passwd")


def test_fine(passwd):
    """The file is there.

    Much depends on it.
    """
    assert passwd.exists


def test_wrong(host):
    assert host.file("/no/such/file").exists


def test_wrong_and_says_so(host):
    rc = host.run("exit 4").rc
    assert rc == 0, f"status {rc}, expected 0"


@check(severity="warning", remediation="echo 1 >/proc/sys/x", runbook="hosts.md#memory")
def test_a_check(host):
    """The setting is on."""
    assert host.run("true").rc == 1, "it is off, expected on"


def test_skipped(host):
    pytest.skip("not on this kind of system")


def test_failed(host):
    pytest.fail("no good")


def test_expected_to_fail(host):
    pytest.xfail("known")


def test_measured(host, measure):
    measure("filesystem_used_percent", 99, of="/data")


def test_broken(host):
    os.environ["NOTHING"]


def test_with_a_fact(host, memory):
    assert memory.total_bytes > 0
'''

VERDICTS = {
    "fine": "ok",
    "wrong": "critical",
    "wrong_and_says_so": "critical",
    "a_check": "warning",
    "skipped": "skipped",
    "failed": "critical",
    "expected_to_fail": "skipped",
    "measured": "critical",
    "broken": "unknown",
    "with_a_fact": "ok",
}


@pytest.fixture
def far(ssh_host: Sshd, refused_port: int) -> str:
    """An inventory of a host that can be reached and one that cannot."""
    down = {"kind": "ssh", "address": "127.0.0.1", "port": refused_port, "user": "ops"}
    return inventory(far={"connection": ssh_host.connection()}, down={"connection": down})


def verdicts(made: Made) -> Counter[tuple[str, str, str, str, str | None]]:
    """All that a run came to, in whatever order, without the place of an error."""
    return Counter(
        (each["host"], each["check"], each["verdict"], each["message"].partition(" at /")[0], each["cause"])
        for each in made.results
    )


def test_every_report_has_the_verdicts_of_live_tests(tmp_path: Path, far: str) -> None:
    made = run(tmp_path, checks=CHECKS, inventory=far, columns=120)
    reached = {each["check"]: each for each in made.results if each["host"] == "far"}
    assert {name: each["verdict"] for name, each in reached.items()} == VERDICTS, made.terminal
    down = [(each["verdict"], each["cause"]) for each in made.results if each["host"] == "down"]
    assert down == [("unknown", "network")] * len(VERDICTS)
    assert made.code == 1

    messages = {name: each["message"] for name, each in reached.items()}
    assert messages["wrong"] == "assert False + where False = <file /no/such/file>.exists"
    assert messages["wrong_and_says_so"] == "status 4, expected 0"
    assert messages["skipped"] == "not on this kind of system"
    assert messages["expected_to_fail"] == "known"
    assert messages["measured"].startswith("filesystem_used_percent of /data is 99 %, expected")
    assert re.match(r"the check itself broke: KeyError: 'NOTHING' at \S+/test_sample.py:\d+$", messages["broken"])
    assert not re.search(r"^ +$", made.terminal, re.MULTILINE), "an empty line where there is no remediation"
    assert reached["fine"]["title"] == "The file is there"
    assert reached["a_check"]["severity"] == "warning"
    assert reached["broken"]["cause"] == "internal"

    cases = {case.get("name"): case for case in made.junit.iter("testcase")}
    assert cases["test_wrong[far]"].find("failure") is not None
    assert cases["test_broken[far]"].find("error") is not None
    assert cases["test_fine[down]"].find("error") is not None
    assert cases["test_skipped[far]"].find("skipped") is not None
    assert [each.tag for each in cases["test_a_check[far]"]] == ["properties"]
    said = {each.get("name"): each.get("value") for each in cases["test_a_check[far]"].iter("property")}
    assert said == {
        "host": "far",
        "target": "far",
        "check": "a_check",
        "verdict": "warning",
        "severity": "warning",
        "title": "The setting is on",
        "remediation": "echo 1 >/proc/sys/x",
        "runbook": "hosts.md#memory",
        "message": "it is off, expected on",
        "cause": "wrong",
    }

    head, _, below = made.terminal.partition("\nfar")
    assert "10 checks not observed" in head + below
    assert "not observed" not in below.partition("\ndown")[0]
    assert "wrong and says so" in below
    assert "muster: 2 ok, 2 skipped, 1 warning, 11 unknown, 4 critical · 2 targets on 2 hosts" in made.terminal
    assert "Unobserved" not in made.terminal


def test_two_workers_come_to_the_same_verdicts(tmp_path: Path, far: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    alone = run(tmp_path / "one", checks=CHECKS, inventory=far)
    shared = run(tmp_path / "two", "-n", "2", checks=CHECKS, inventory=far)
    assert verdicts(shared) == verdicts(alone)
    assert shared.code == alone.code
    assert shared.terminal.splitlines()[-1] == alone.terminal.splitlines()[-1]


def test_a_host_that_never_answers_costs_one_attempt(tmp_path: Path) -> None:
    checks = "\n".join(f"def test_{number}(host):\n    pass" for number in range(4))
    more = tmp_path / "test_other.py"
    more.write_text("def test_other(host, http, docker_client, memory):\n    pass", encoding="utf-8")
    with HttpServer() as silent:  # which waits for a request that never comes
        connection = {"kind": "ssh", "address": "127.0.0.1", "port": silent.port, "connect_timeout": "1s"}
        hosts = inventory(down={"connection": connection})
        made = run(tmp_path, checks=checks, inventory=hosts, more=[more])
        assert silent.connections == 1
    found = [(each["verdict"], each["message"]) for each in made.results]
    assert found == [("unknown", "ssh: timed out after 1 s")] * 5, made.terminal
    assert "down: ssh: timed out after 1 s; 5 checks not observed" in made.terminal
    assert made.code == 3


def test_what_is_lost_amid_a_test_is_an_error_and_unknown(tmp_path: Path, web: HttpServer) -> None:
    checks = f'def test_it(http):\n    http.get("{web.url}/slow-headers", timeout=0.2)'
    made = run(tmp_path, checks=checks, inventory=inventory(here=LOCAL))
    (found,) = made.results
    assert (found["verdict"], found["cause"]) == ("unknown", "timeout")
    assert found["message"].startswith("ReadTimeout")
    (case,) = made.junit.iter("testcase")
    assert [each.tag for each in case] == ["properties", "error"]
    assert made.code == 1


def test_secrets_are_taken_out_of_what_a_live_test_says(tmp_path: Path) -> None:
    checks = (
        "def test_it(host):\n    print('it is opensesame')\n    assert host.check_output('echo opensesame') == ''"
    )
    endpoint = {"url": "http://127.0.0.1:1/", "headers": {"Authorization": "Bearer ${env:WORD}"}}
    hosts = inventory(here={**LOCAL, "endpoints": {"it": endpoint}})
    made = run(tmp_path, checks=checks, inventory=hosts, environment={"WORD": "opensesame"})
    assert [each["verdict"] for each in made.results] == ["critical"], made.terminal
    for report in ("junit.xml", "report.html", "results.jsonl"):
        text = (made.folder / report).read_text(encoding="utf-8")
        assert "***" in text, report
        assert "opensesame" not in text, report
    assert "opensesame" not in made.terminal


def test_a_live_check_without_a_title_is_refused(tmp_path: Path) -> None:
    checks = """
from muster import check


@check(severity="critical", remediation="")
def test_it(host):
    assert host
"""
    made = run(tmp_path, checks=checks, inventory=inventory(here=LOCAL))
    assert made.code == 2
    assert "test_sample.py:5: test_it has no title" in made.terminal
    assert "test_it has no remediation" in made.terminal


def test_a_live_test_without_a_target_is_left_out_and_counted(tmp_path: Path) -> None:
    checks = "def test_it(database):\n    pass\n\ndef test_other(host):\n    pass"
    made = run(tmp_path, checks=checks, inventory=inventory(here=LOCAL))
    assert [(each["check"], each["verdict"]) for each in made.results] == [("other", "ok")]
    assert "no databases here: 1 check without a target" in made.terminal


def test_facts_of_two_kinds_beside_a_live_fixture_are_an_error(tmp_path: Path) -> None:
    checks = "def test_it(host, container_state, endpoint_attempt):\n    pass"
    made = run(tmp_path, checks=checks, inventory=inventory(here=LOCAL))
    assert made.code == 2
    assert "test_it reads facts of two kinds of target, container and endpoint" in made.terminal
    assert "Traceback" not in made.terminal
