"""All facts about hosts that a command is asked for: in every shell, cut off anywhere, and on garbage."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from muster.facts import (
    accounts,
    certificate_files,
    clock,
    cpu,
    cron_jobs,
    expected_units,
    failed_logins,
    failed_units,
    file_rules,
    file_state,
    filesystems,
    inodes,
    kernel_log,
    listening_ports,
    load,
    memory,
    oom_kills,
    open_files,
    pending_reboot,
    readonly_filesystems,
    sshd_settings,
    swap,
    updates,
    uptime,
    world_writable,
    zombies,
)
from muster.need import Catalogue
from muster.probes import Command, DoesNotApply, Output
from muster.targets import FileRule, Host
from tests.facts.recordings import RECORDED

Parser = Callable[[Output], Any]

PARSERS: dict[str, list[Parser]] = {
    "accounts": [accounts.parse],
    "certificate_files": [
        partial(certificate_files.parse, paths=("/srv/app/server.crt",), now=datetime(2026, 11, 20, tzinfo=UTC))
    ],
    "clock": [clock.parse],
    "cron_jobs": [partial(cron_jobs.parse, expected=("backup-database.sh",))],
    "cpu": [cpu.counters],
    "expected_units": [partial(expected_units.parse, names=("steady", "broken.service", "nope", "-.mount"))],
    "failed_logins": [partial(failed_logins.parse, window=3_600.0)],
    "failed_units": [failed_units.parse],
    "file_rules": [
        partial(file_rules.parse, rules={"/srv/secret": FileRule(mode=0o600), "/a": FileRule(), "/b": FileRule()})
    ],
    "file_state": [partial(file_state.parse, path="/etc/shadow")],
    "filesystems": [filesystems.parse, inodes.parse],
    "kernel_log": [partial(kernel_log.parse, window=86_400.0)],
    "listening_ports": [listening_ports.parse],
    "load": [load.parse],
    "memory": [memory.parse, swap.parse],
    "oom_kills": [oom_kills.parse],
    "open_files": [open_files.parse],
    "pending_reboot": [pending_reboot.parse],
    "readonly_filesystems": [readonly_filesystems.parse],
    "sshd_settings": [partial(sshd_settings.parse, expected={"PermitRootLogin": "no", "MaxAuthTries": "3"})],
    "updates": [updates.parse],
    "uptime": [uptime.parse],
    "world_writable": [partial(world_writable.parse, folders=("/srv/app/folder", "/etc/ssh"))],
    "zombies": [zombies.parse],
}
ANSWERS = [
    pytest.param(parse, path, id=f"{path.parent.name}-{path.stem}-{number}")
    for name, parsers in PARSERS.items()
    for number, parse in enumerate(parsers)
    for path in sorted((RECORDED / name).glob("*.txt"))
]
GARBAGE = {
    "empty": b"",
    "blank lines": b"\n\n\n",
    "zeros": b"\0" * 500 + b"\n",
    "every byte": bytes(range(256)) * 4 + b"\n",
    "a web page": b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n",
    "marks only": b"L\n=\n= 0\n= 0\nend\n",
    "a login banner": b"Welcome!\nLast login: Fri Nov 20 16:07:00 2026\n= 0\nend\n",
    "numbers": b"1 2 3 4 5% /\n" * 20,
}
ASKED_OF_EVERY_HOST = (
    *("clock", "failed_units", "filesystems", "inodes", "listening_ports", "load", "memory", "oom_kills"),
    *("open_files", "pending_reboot", "readonly_filesystems", "swap", "uptime", "zombies"),
)
MAY_NOT_APPLY = ("failed_units", "inodes", "pending_reboot", "readonly_filesystems", "swap")
SHELLS = {"dash": ["dash", "-c"], "busybox": ["busybox", "sh", "-c"], "bash": ["bash", "-c"]}


def answer(stdout: bytes, *, truncated: bool = False) -> Output:
    return Output(stdout, truncated=truncated, started_at=1795192650, answered_at=1795192655)


def outcome(parse: Parser, output: Output) -> Any:
    try:
        return parse(output)
    except DoesNotApply as reason:
        return str(reason)
    except Exception:
        return None


@pytest.mark.parametrize(("parse", "path"), ANSWERS)
def test_an_answer_that_is_cut_off_never_makes_another_fact(parse: Parser, path: Any) -> None:
    whole = path.read_bytes()
    right = outcome(parse, answer(whole))
    assert right is not None or "clock" in str(path)
    wrong = [cut for cut in range(len(whole)) if outcome(parse, answer(whole[:cut])) not in (None, right)]
    assert not wrong, f"cut off after {wrong} bytes it makes another fact"


@pytest.mark.parametrize(("parse", "path"), ANSWERS)
def test_an_answer_that_was_too_long_is_no_fact(parse: Parser, path: Any) -> None:
    assert outcome(parse, answer(path.read_bytes(), truncated=True)) is None


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("parse", [pytest.param(parse, id=name) for name, each in PARSERS.items() for parse in each])
def test_garbage_is_no_fact(parse: Parser, garbage: str) -> None:
    assert outcome(parse, answer(GARBAGE[garbage])) is None


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ASKED_OF_EVERY_HOST)
def test_this_machine_answers_in_every_shell(name: str, shell: str) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"left out, needs {shell}")
    probe = Catalogue()[name].probe(Host(name="here"))
    assert isinstance(probe.question, Command)
    began = time.time()
    ran = subprocess.run([*SHELLS[shell], probe.question.script], capture_output=True, check=False)
    output = Output(ran.stdout, ran.stderr, ran.returncode, started_at=began, answered_at=time.time())
    found = outcome(probe.parse, output)
    assert found is not None, output
    assert 5 < len(str(found)) < 300
    assert not isinstance(found, str) or name in MAY_NOT_APPLY, f"does not apply: {found}"
