"""SSH: 30 checks of 1,000 hosts, each check with a question of its own, beside plain pytest on 30,000 tests that do
nothing. The hosts are light ones, of a fleet in one process, whose own processor time is told apart."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import over_ssh
from tests.benchmarks.contest import PYTEST, Bar, Contender, Contest, versions
from tests.benchmarks.judging import EMPTY, HOSTS
from tests.servers.ssh_fleet import Fleet

#: The hosts are all this machine, and it is busy: no limit of a measurement is a part of the work.
FREE = {"critical": 1e12}

COMMANDS = (*over_ssh.COMMANDS, "cat /proc/net/dev")

MEASURED = {
    "memory": ("Memory", "memory_used_percent", "memory.used_percent"),
    "load": ("Load", "load_per_core", "load.per_core"),
    "uptime": ("Uptime", "uptime_seconds", "uptime.seconds"),
    "open_files": ("OpenFiles", "open_files_used_percent", "open_files.used_percent"),
    "zombies": ("Zombies", "zombies", "len(zombies)"),
}

HEAD = '''\
from muster import (
    Attempt, CommandOutput, Filesystems, Inodes, Load, Measure, Memory, OpenFiles, ReadonlyFilesystems, Uptime,
    Zombies, check, fact,
)


@check(severity="critical", remediation="look at it by hand")
def test_host_is_reachable(login: Attempt) -> None:
    """The host lets us in."""
    assert login.connected, f"{login}, expected to log in"


@check(severity="critical", remediation="look at it by hand")
def test_filesystems_have_space(filesystems: Filesystems, measure: Measure) -> None:
    """The file systems have space left."""
    for each in filesystems:
        measure("filesystem_used_percent", each.used_percent, of=each.mount)


@check(severity="critical", remediation="look at it by hand")
def test_filesystems_have_inodes(inodes: Inodes, measure: Measure) -> None:
    """The file systems have inodes left."""
    for each in inodes:
        measure("inodes_used_percent", each.used_percent, of=each.mount)


@check(severity="critical", remediation="look at it by hand")
def test_filesystems_are_known(readonly_filesystems: ReadonlyFilesystems) -> None:
    """What is mounted can be told."""
    assert str(readonly_filesystems), "nothing, expected words"
'''

MEASURE = '''

@check(severity="critical", remediation="look at it by hand")
def test_{name}({name}: {kind}, measure: Measure) -> None:
    """The host is well, in respect of {name}."""
    measure("{measurement}", {value})
'''


def checks() -> str:
    """A module of 30 checks."""
    text = [HEAD]
    for name, (kind, measurement, value) in MEASURED.items():
        text.append(MEASURE.format(name=name, kind=kind, measurement=measurement, value=value))
    text += [over_ssh.CHECK.format(number=at, command=command) for at, command in enumerate(COMMANDS)]
    return "".join(text)


def write(folder: Path, fleet: Fleet, **connection: object) -> None:
    """The inventory of a fleet, and the checks; ``connection`` is of all its hosts."""
    folder.mkdir(parents=True)
    names = ["filesystem_used_percent", "inodes_used_percent", *(each for _, each, _ in MEASURED.values())]
    inventory = fleet.inventory(**connection)
    inventory["defaults"]["limits"] = dict.fromkeys(names, FREE)
    (folder / "inventory.yaml").write_text(json.dumps(inventory))
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_all.py").write_text(checks())


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    with tempfile.TemporaryDirectory() as made, Fleet(HOSTS) as fleet:
        ours, plain = Path(made, "ours"), Path(made, "plain")
        write(ours, fleet)
        plain.mkdir()
        (plain / "pytest.ini").write_text("[pytest]\n")
        (plain / "test_all.py").write_text(EMPTY)
        yield Contest(
            [
                Contender("plain pytest", PYTEST, plain),
                Contender("muster", (*PYTEST, "--inventory", "inventory.yaml", "-p", "no:html"), ours),
            ],
            [
                Bar("muster", "plain pytest", "cpu", at_most=1),
                Bar("muster", "plain pytest", "rss", at_most=1.3),
                Bar("muster", "plain pytest"),
            ],
            servers=[fleet.pid],
            on=versions("asyncssh"),
        )
