"""Hosts: of each, exactly the verdicts that it deserves; and one that is down is one line and one timeout."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.faults.cases import Case, Ran, by_name, run
from tests.faults.hosts import CASES, HANGING
from tests.servers.http import HttpServer

pytestmark = pytest.mark.needs("docker", "faketime", "loop", "netns", "sshd", "sudo", "swap", "systemd")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_host_gets_the_verdicts_that_it_deserves(host_run: Ran, case: Case) -> None:
    host_run.compare(case)


def test_a_host_that_is_down_is_one_line_in_the_terminal_and_one_error_for_each_check(host_run: Ran) -> None:
    lines = [line for line in host_run.terminal.splitlines() if line.startswith("cut-off")]
    assert lines == [f"cut-off: ssh: timed out after 1 s; {len(HANGING)} checks not observed"]
    assert host_run.terminal.count("ssh: timed out after 1 s") == 2  # the silent one too
    cases = ET.parse(host_run.folder / "junit.xml").iter("testcase")
    errors = [case for case in cases if "[cut-off]" in case.attrib["name"] and case.find("error") is not None]
    assert len(errors) == len(HANGING)


def test_a_host_that_runs_the_newest_of_its_kernels_waits_for_no_reboot(host_run: Ran) -> None:
    of_the_kernel = host_run.of(Case("newest-kernel", {}))["no_reboot_is_pending"]
    assert of_the_kernel["verdict"] == "ok"
    assert of_the_kernel["message"].endswith("runs, and none that is newer is installed")


def test_noise_of_a_login_shell_is_in_no_verdict(host_run: Ran) -> None:
    said = [record["message"] for record in host_run.of(Case("noisy", {})).values()]
    assert said
    assert not [text for text in said if "hello" in text or "oops" in text or "Authorized" in text]


def test_a_host_that_never_answers_is_tried_once_and_costs_one_timeout(tmp_path: Path) -> None:
    with HttpServer() as silent:  # it waits for a request, as an SSH client waits for a banner
        connection = {"address": "127.0.0.1", "port": silent.port, "connect_timeout": "1s"}
        endpoint = {"healthz": {"url": "http://127.0.0.1/"}}
        ran = run(tmp_path, {"hosts": {"db-7": {"connection": connection, "endpoints": endpoint}}})
        assert silent.connections == 1
    assert ran.code == 3
    assert len(ran.results) == len(HANGING) + 1 + 3
    assert f"db-7: ssh: timed out after 1 s; {len(HANGING) + 3} checks not observed" in ran.terminal
    assert 1 <= sum(record["duration_seconds"] for record in ran.results) < 2
