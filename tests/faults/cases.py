"""Faults: what stands in an inventory, and what the suite has to say of it.

A `Case` is one target over a real server, good or broken, with every check that must not be ok on it. `run` is
the real command, over many targets at once; a `Ran` is what it left behind, which `Ran.compare` holds against a
case. What servers chose themselves (ports, folders) is a variable of the inventory: ``${web}``.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

CLONE = Path(__file__).parents[2]

#: What the machine that the tests run on may have of its own, and no case is about unless it names it.
OF_THE_MACHINE = frozenset(
    {"docker_containers_are_well", "docker_engine_answers", "no_reboot_is_pending", "no_unit_has_failed"}
)

_NO_BOUND = {"warning": None, "critical": None, "warning_below": None, "critical_below": None}
#: Limits that no machine is beyond: how the one that the tests run on fares is no case.
CALM = dict.fromkeys(
    (
        *("clock_offset_seconds", "filesystem_used_percent"),
        *("inodes_used_percent", "kernel_errors", "listening_ports", "load_per_core", "memory_used_percent"),
        *("oom_kills", "open_files_percent", "response_seconds", "swap_used_percent", "uptime_seconds"),
        "zombie_processes",
    ),
    _NO_BOUND,
)


@dataclass(frozen=True, slots=True)
class Bad:
    """A verdict that is not ok: its cause, and pieces of its message. ``${name}`` stands for what the run noted."""

    verdict: str
    cause: str
    says: tuple[str, ...]


def critical(*says: str, cause: str = "wrong") -> Bad:
    return Bad("critical", cause, says)


def warning(*says: str, cause: str = "wrong") -> Bad:
    return Bad("warning", cause, says)


def unknown(*says: str, cause: str) -> Bad:
    return Bad("unknown", cause, says)


def each(checks: Iterable[str], bad: Bad) -> dict[str, Bad]:
    """The same verdict of several checks: of what could not be reached, each says why."""
    return dict.fromkeys(checks, bad)


@dataclass(frozen=True)
class Case:
    """A target, on ``host`` unless it is one or is of the top level. What is not ``bad`` of it is ok or skipped."""

    name: str
    entry: Mapping[str, Any]
    bad: Mapping[str, Bad] = field(default_factory=dict)
    host: str = ""

    def __str__(self) -> str:
        return self.name


def by_name(case: Case) -> str:
    """The id of a test over cases."""
    return f"{case.host}/{case.name}" if case.host else case.name


def under(section: str, cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """What stands in an inventory below each host of these cases."""
    hosts: dict[str, dict[str, Any]] = {}
    for case in cases:
        hosts.setdefault(case.host, {}).setdefault(section, {})[case.name] = case.entry
    return hosts


@dataclass(frozen=True)
class Ran:
    """What a run left behind, with what was ``noted`` beside it."""

    code: int
    terminal: str
    folder: Path
    noted: Mapping[str, Any] = field(default_factory=dict)

    @property
    def results(self) -> list[dict[str, Any]]:
        return results(self.folder)

    def of(self, case: Case) -> dict[str, dict[str, Any]]:
        """The records of one target, by check. A target of the top level has no host, and a host has itself."""
        hosts = {case.host} if case.host else {"", case.name}
        return {each["check"]: each for each in self.results if each["target"] == case.name and each["host"] in hosts}

    def compare(self, case: Case) -> None:
        """Assert that exactly the checks of the case are not ok, for its causes and in its words."""
        found = self.of(case)
        told = {
            check: record
            for check, record in found.items()
            if record["verdict"] not in ("ok", "skipped") and (check not in OF_THE_MACHINE or check in case.bad)
        }
        shown = {check: (record["verdict"], record["cause"], record["message"]) for check, record in told.items()}
        wanted = {check: (bad.verdict, bad.cause) for check, bad in case.bad.items()}
        assert {check: each[:2] for check, each in shown.items()} == wanted, shown
        for check, bad in case.bad.items():
            said = [Template(piece).safe_substitute(self.noted) for piece in bad.says]
            assert [piece for piece in said if piece not in shown[check][2]] == [], shown[check][2]
        if not case.bad:
            assert "ok" in {record["verdict"] for record in found.values()}, found


def results(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder's ``results.jsonl``."""
    return [json.loads(line) for line in (folder / "results.jsonl").read_text("utf-8").splitlines()]


def command(
    folder: Path, inventory: object, *options: str, settings: Mapping[str, object] | None = None
) -> list[str]:
    """The command over ``inventory``: text is written as it is, a mapping as JSON, which is YAML, None not at all."""
    file = folder / "inventory.yaml"
    if inventory is not None:
        file.write_text(inventory if isinstance(inventory, str) else json.dumps(inventory, indent=1), "utf-8")
    # With "=": else pytest takes the file for a path to collect from, and starts anew when it knows better.
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--inventory={file}"]
    words += [f"--reports={folder / 'reports'}"]
    words += [f"--set={name}={value}" for name, value in (settings or {}).items()]
    return [*words, *options]


def surroundings(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a run: nothing of the caller's, whose ``DOCKER_HOST`` or ``~/.ssh/config`` would count."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "200",
        "DOCKER_HOST": f"unix://{folder}/no-engine.sock",
        **(more or {}),
    }


def run(
    folder: Path,
    inventory: object,
    *options: str,
    settings: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Ran:
    """Run the suite's own checks over ``inventory``, in a process of its own, and wait for the end.

    ``before`` are words in front of the command, such as `UNPRIVILEGED`.
    """
    done = subprocess.run(
        [*before, *command(folder, inventory, *options, settings=settings)],
        cwd=CLONE,
        env=surroundings(folder, environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode("utf-8"), folder / "reports")


#: In front of a command: even as root it may do no more than the owner of root's files may.
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def shared(folder: Path, name: str, make: Callable[[Path], Ran]) -> Ran:
    """What ``make`` does in a folder, once for all workers of a session."""
    place = folder / name
    with _only_one(folder / f"{name}.lock"):
        done = place / "ran.json"
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            ran = make(place)
            assert (ran.folder / "results.jsonl").is_file(), ran.terminal
            done.write_text(json.dumps([ran.code, ran.terminal, str(ran.folder), ran.noted]), "utf-8")
        code, terminal, reports, noted = json.loads(done.read_text("utf-8"))
    return Ran(code, terminal, Path(reports), noted)


@contextmanager
def _only_one(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
