"""Ctrl-C: what was judged is in the reports, and nothing is left running or connected."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.cases import CLONE, command, results, surroundings
from tests.servers.http import HttpServer
from tests.servers.processes import children, runs, wait_for

#: A check of a user's own whose fact takes a minute, and one that itself does.
SLOW = '''
from pathlib import Path
import time

from muster import CommandOutput, HttpEndpoint, Host, check, fact

slow = fact.command("sleep 61")


@check(severity="info", remediation="none")
def test_the_host_is_quick(slow: CommandOutput) -> None:
    """The host is quick."""


@check(severity="info", remediation="none")
def test_zz_the_check_is_quick(target: HttpEndpoint) -> None:
    """The check is quick."""
    Path(__file__).with_name("judging").touch()
    time.sleep(61)
'''


@pytest.mark.parametrize("trace", [False, True], ids=["usual", "full-trace"])
def test_ctrl_c_while_gathering_leaves_no_connection_and_no_process(tmp_path: Path, trace: bool) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW)
    with HttpServer() as server, socket.create_server(("127.0.0.1", 0)) as sshd:
        silent = {"address": "127.0.0.1", "port": sshd.getsockname()[1], "connect_timeout": "1m"}
        inventory = {
            "hosts": {"here": {"connection": "local"}, "silent": {"connection": silent}},
            "endpoints": {"slow": {"url": f"{server.url}/slow-headers", "timeout": "1m"}},
        }
        options = (str(tmp_path / "test_slow.py"), "checks", "-k", "not zz", *["--full-trace"] * trace)
        with _started(tmp_path, inventory, *options) as process:
            connected = _reached(sshd, process)
            wait_for(lambda: server.asked("/slow-headers") == 1, "the request")
            wait_for(lambda: any(_is_sleep(pid) for pid in children(process.pid)), "the command")
            below = children(process.pid)
            said = _interrupt(process)
        assert process.returncode == 130, said
        connected.settimeout(5)
        while connected.recv(1024):  # what it said before; then the end
            pass
        connected.close()
    assert not [pid for pid in below if runs(pid)]
    assert not _group(process.pid)
    assert "Traceback" not in said
    # Where Python was waiting is for who asks for it.
    assert ("threading.py" in said) is trace, said
    assert ("KeyboardInterrupt" if trace else "Exit: interrupted !") in said
    ET.parse(tmp_path / "reports" / "junit.xml")


def test_ctrl_c_while_judging_keeps_what_was_judged(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW)
    with HttpServer() as server:
        inventory = {"endpoints": {"service": {"url": f"{server.url}/healthz"}}}
        with _started(tmp_path, inventory, "checks", str(tmp_path / "test_slow.py")) as process:
            wait_for((tmp_path / "judging").exists, "judging")
            judged = results(tmp_path / "reports")
            said = _interrupt(process)
        assert process.returncode == 130, said
    assert {record["check"] for record in judged} == {
        "endpoint_answers",
        "endpoint_answers_in_time",
        "endpoint_status_is_expected",
    }
    assert results(tmp_path / "reports") == judged
    suite = ET.parse(tmp_path / "reports" / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert suite.attrib["tests"] == "3"
    assert (tmp_path / "reports" / "report.html").stat().st_size > 0
    assert re.search(r"muster: 3 ok · 1 target · \d+ checks? not judged", said)
    assert not _group(process.pid)


def test_a_second_ctrl_c_does_not_tear_the_reports(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW)
    with HttpServer() as server:
        inventory = {"endpoints": {"service": {"url": f"{server.url}/healthz"}}}
        with _started(tmp_path, inventory, "checks", str(tmp_path / "test_slow.py")) as process:
            wait_for((tmp_path / "judging").exists, "judging")
            process.send_signal(signal.SIGINT)
            wait_for(lambda: _ignores_interrupts(process.pid), "the first to be noticed")
            said = _interrupt(process)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "not judged" in said
    assert ET.parse(tmp_path / "reports" / "junit.xml").getroot().find("testsuite") is not None


def test_a_second_run_on_the_same_reports_is_told_so(tmp_path: Path) -> None:
    with HttpServer() as server:
        inventory = {"endpoints": {"slow": {"url": f"{server.url}/slow-headers", "timeout": "1m"}}}
        with _started(tmp_path, inventory) as first:
            wait_for(lambda: server.asked("/slow-headers") == 1, "the request")
            with _started(tmp_path, inventory) as second:
                said, _ = second.communicate(timeout=30)
            assert second.returncode == 2
            assert f"another run (pid {first.pid}) is writing reports to {tmp_path}/reports" in said
            assert "name another with --reports DIR" in said
            _interrupt(first)
        assert server.connections == 1


@contextmanager
def _started(folder: Path, inventory: object, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command in the background, in a process group of its own."""
    words = command(folder, inventory, *options)
    output = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(words, cwd=CLONE, env=surroundings(folder), start_new_session=True, **output) as process:
        try:
            yield process
        finally:
            process.kill()


def _reached(server: socket.socket, process: subprocess.Popen[str]) -> socket.socket:
    """The first connection of a run; where there is none, what the run said of why."""
    server.settimeout(30)
    try:
        return server.accept()[0]
    except TimeoutError:
        process.kill()
        pytest.fail(f"the run did not connect within 30 s: {process.communicate()[0]}")


def _interrupt(process: subprocess.Popen[str]) -> str:
    """Ctrl-C to the suite alone, as a supervisor would send it; returns all that it printed."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    return said


def _group(leader: int) -> list[int]:
    """The processes that are left of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and runs(int(entry.name)):
            try:
                if os.getpgid(int(entry.name)) == leader:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def _is_sleep(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0061\x00"
    except OSError:
        return False


def _ignores_interrupts(pid: int) -> bool:
    """Whether the process ignores SIGINT, or has ended (proc_pid_status(5), ``SigIgn``)."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = re.findall(r"^SigIgn:\s*(\w+)$", status, re.MULTILINE)
    return not masks or bool(int(masks[0], 16) >> (signal.SIGINT - 1) & 1)
