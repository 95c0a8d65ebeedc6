"""This machine: its shell, with every way in which a command can misbehave."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from muster.probes import Command, Login, Output, Unobserved
from muster.transports import shell
from muster.transports.pool import Pool
from tests.engine.asking import answer, failure, files_are_closed, local, observe, open_files
from tests.servers.processes import runs, wait_for


def test_a_command_gives_its_output_when_it_ran_and_how_long_it_took() -> None:
    before = time.time()
    found = answer(local(), Command("printf 'a\\0b'; echo why >&2; exit 3"))

    assert isinstance(found, Output)
    assert (found.stdout, found.complaint, found.status, found.truncated) == (b"a\0b", "why", 3, False)
    assert before <= found.started_at < found.answered_at <= time.time()
    assert 0 < found.seconds < 5


def test_this_machine_can_always_be_logged_in_to() -> None:
    assert answer(local(), Login()).connected


def test_the_python_that_runs_the_suite_is_found() -> None:
    found = answer(local(), Command("PATH=${PATH##*:} command -v python3"))
    assert found.text.strip() == str(Path(sys.executable).parent / "python3")


def test_a_command_that_stalls_costs_itself_only_and_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    stalls = Command(f"sh -c 'echo $$ >{pids}; exec sleep 1000' | cat", timeout=0.3)
    first, stalled, after, last = observe(
        local(), Command("echo first"), stalls, Command("echo after"), Command("echo last")
    )

    assert [each.value.text for each in (first, after, last)] == ["first\n", "after\n", "last\n"]
    assert isinstance(stalled.failure, Unobserved)
    assert stalled.failure.cause == "timeout"
    assert str(stalled.failure).startswith("no answer in 0.3 s: sh: sh -c 'echo $$")
    pid = int(pids.read_text())
    wait_for(lambda: not runs(pid), "the end of the stalled command")


def test_several_commands_that_stall_cost_one_timeout_each() -> None:
    commands = [Command(f"sleep 100{number}", timeout=0.2) for number in range(3)]
    found = observe(local(), *commands, Command("echo fine"))

    assert [getattr(each.failure, "cause", None) for each in found] == ["timeout", "timeout", "timeout", None]


def test_what_a_command_leaves_in_the_background_keeps_nobody_waiting() -> None:
    found = observe(local(), Command("sleep 1000 & echo started"), Command("echo after"))
    assert [each.value.text for each in found] == ["started\n", "after\n"]


def test_a_flood_of_complaints_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "COMPLAINT_MAX_BYTES", 1_000_000)
    flood, after = observe(local(), Command("yes >&2"), Command("echo after"))

    assert isinstance(flood.failure, Unobserved)
    assert flood.failure.cause == "unreadable"
    assert after.value.text == "after\n"


def test_a_command_that_prints_too_much_is_cut_and_costs_itself_only() -> None:
    long, endless, after = observe(
        local(), Command("head -c 10000000 /dev/zero"), Command("yes", max_bytes=10), Command("echo after")
    )
    assert (len(long.value.stdout), long.value.truncated) == (65_536, True)
    assert (endless.value.stdout, endless.value.truncated) == (b"y\ny\ny\ny\ny\n", True)
    assert after.value.text == "after\n"


def test_a_command_that_ends_the_shell_costs_itself_only() -> None:
    killed, after = observe(local(), Command("kill -9 $$"), Command("echo after"))
    assert isinstance(killed.failure, Unobserved)
    assert "the shell ended by signal 9 during sh: kill -9 $$" in str(killed.failure)
    assert after.value.text == "after\n"


@pytest.mark.needs("sudo")
def test_with_sudo_commands_run_as_root() -> None:
    from muster.targets import Connection, Host

    host = Host(name="here", connection=Connection(kind="local", sudo=True))
    stalled, found = observe(host, Command("sleep 1000", timeout=0.3), Command("id -u"))
    assert found.value.text == "0\n"
    assert isinstance(stalled.failure, Unobserved)
    assert stalled.failure.cause == "timeout"


def test_without_a_shell_nothing_is_observed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    why = failure(local(), Command("echo hello"))
    assert (why.cause, str(why)) == ("missing", "there is no sh on this host")


def test_no_descriptor_stays_open() -> None:
    observe(local(), Command("echo warm"))
    before = open_files()
    for _ in range(3):
        observe(local(), Command("echo a"), Command("sleep 1000", timeout=0.1))
    files_are_closed(before)


def test_who_runs_this_need_not_be_known_where_this_machine_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_knows() -> str:
        raise KeyError("getpwuid(): uid not found: 1000770000")  # as OpenShift gives them

    monkeypatch.setattr("getpass.getuser", nobody_knows)
    assert Pool({}).files > 0
