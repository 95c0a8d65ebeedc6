"""The progress bar: seen on a terminal while it gathers, gone afterwards, never in the way."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from muster.report import progress
from muster.targets import Host

SLOW = """
from muster import Command, Host, Output, Probe, check, need


@need(Host)
def slow(host: Host) -> Probe[str]:
    \"""What takes its time.\"""
    return Probe(Command("sleep SECONDS; echo done"), lambda output: output.text.strip())


@check(severity="critical", remediation="wait")
def test_it_ends(slow: str) -> None:
    \"""It ends.\"""
    assert slow == "done"
"""
SHOWN = re.compile(r"gathering \d+/2 facts, \d/2 hosts")
COLOUR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
HIDE, SHOW, ERASE = "\x1b[?25l", "\x1b[?25h", "\x1b[2K"


class Watched:
    """A run with a terminal of its own, and what it has written there."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self._written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self._terminal, 65_536):
                self._written += chunk
        except OSError:
            return

    @property
    def text(self) -> str:
        return self._written.decode("utf-8", "replace")

    def wait_for(self, pattern: re.Pattern[str]) -> None:
        give_up = time.monotonic() + 30
        while not pattern.search(self.text):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < give_up, self.text
            time.sleep(0.02)

    def end(self) -> int:
        code = self.process.wait(30)
        self._reader.join(10)
        return code


@contextmanager
def watched(folder: Path, *options: str, seconds: float = 1.0, **environment: str) -> Iterator[Watched]:
    (folder / "test_slow.py").write_text(SLOW.replace("SECONDS", str(seconds)))
    (folder / "two.yaml").write_text("hosts: {'host-[1:2]': {connection: {kind: local}}}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), "-c", "/dev/null"]
    command += ["--inventory", "two.yaml", *options, "test_slow.py"]
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "COLUMNS": "80", "TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    run = Watched(process, ours)
    try:
        yield run
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(ours)


@pytest.mark.parametrize("columns", ["80", "40"])
def test_a_person_sees_how_far_the_gathering_is_and_then_the_result(tmp_path: Path, columns: str) -> None:
    with watched(tmp_path, COLUMNS=columns) as run:
        run.wait_for(SHOWN)
        assert run.end() == 0
    before, _, after = run.text.rpartition("gathering")
    assert HIDE in before
    assert SHOW in after, "the cursor is back"
    assert ERASE in after, "the bar is gone"
    assert "asked 2 hosts for 2 facts" in after
    assert "host-1" in after


@pytest.mark.parametrize("wish", [{"options": ("--color=no",)}, {"NO_COLOR": "1"}])
def test_the_bar_has_no_colour_for_who_wants_none(tmp_path: Path, wish: dict[str, object]) -> None:
    options = wish.get("options", ())
    environment = {name: str(value) for name, value in wish.items() if name != "options"}
    assert isinstance(options, tuple)
    with watched(tmp_path, *options, **environment) as run:
        run.wait_for(SHOWN)
        assert run.end() == 0
    assert not COLOUR.search(run.text), COLOUR.search(run.text)


@pytest.mark.parametrize("columns", [80, 24])
def test_the_bar_leaves_room_for_what_a_terminal_shows_of_two_ctrl_c(tmp_path: Path, columns: int) -> None:
    with watched(tmp_path, COLUMNS=str(columns)) as run:
        run.wait_for(re.compile("gathering"))
        assert run.end() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", run.text)
    drawn = [line for line in re.split(r"[\r\n]", plain) if "gathering" in line]
    assert drawn
    assert max(map(len, drawn)) <= columns - len("^C^C"), drawn


def test_a_terminal_that_cannot_move_its_cursor_has_no_bar(tmp_path: Path) -> None:
    with watched(tmp_path, TERM="dumb") as run:
        assert run.end() == 0
    assert "facts, " not in run.text
    assert "\x1b" not in run.text


def test_a_short_gathering_has_no_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    host = Host(name="host")
    with progress.bar({host: 1}, colour=True) as advance:
        advance(host, 1)
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_gone_after_an_interruption(tmp_path: Path) -> None:
    with watched(tmp_path, seconds=20) as run:
        run.wait_for(SHOWN)
        run.process.send_signal(signal.SIGINT)
        assert run.end() == 130
    after = run.text.rpartition("gathering")[2]
    assert SHOW in after
    assert ERASE in after
    assert (tmp_path / "reports" / "junit.xml").exists()


def test_a_bar_that_is_told_from_several_threads_counts_right() -> None:
    hosts = [Host(name=f"host-{number}") for number in range(8)]
    with progress.bar(dict.fromkeys(hosts, 100), colour=False) as advance:
        threads = [
            threading.Thread(target=lambda host=host: [advance(host, 1) for _ in range(100)]) for host in hosts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = advance.__self__  # type: ignore[attr-defined]
        assert counted.said == "800/800 facts, 8/8 hosts"
