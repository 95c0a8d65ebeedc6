"""The question of a fact, put to this machine: in a shell, with Debian's programs or with busybox's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from muster.probes import Command, Output

#: By name, the shell and the programs that stand before all others of the machine, as ``name=program``.
HOSTS: Mapping[str, tuple[str, ...]] = {
    "debian": ("dash", "awk=mawk"),
    "gawk": ("bash", "awk=gawk"),
    "alpine": ("busybox",),
}


def ask(script: str, host: str, folder: Path, *, more: Mapping[str, str] | None = None) -> Output:
    """Run a script as the host of that name in `HOSTS` would. On ``alpine`` there is nothing but busybox.

    ``folder`` is for links to the programs; ``more`` are more of them, by name.
    """
    shell, *given = HOSTS[host]
    if shutil.which(shell) is None:
        pytest.skip(f"left out, needs {shell}")
    programs = folder / host
    programs.mkdir()
    links = dict(each.split("=") for each in given)
    if host == "alpine":
        listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
        links |= dict.fromkeys(listed.stdout.split(), "busybox")
    for name, program in {**links, **(more or {})}.items():
        if found := shutil.which(program):
            (programs / name).symlink_to(found)
    path = str(programs) if host == "alpine" else f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"
    words = ["busybox", "sh", "-c", script] if host == "alpine" else [shell, "-c", script]
    words[0] = shutil.which(words[0]) or words[0]
    ran = subprocess.run(words, capture_output=True, env={"PATH": path, "LC_ALL": "C"}, check=False)
    return Output(ran.stdout, ran.stderr, ran.returncode)


def asked(question: object) -> str:
    """The script of a question that is a command."""
    assert isinstance(question, Command)
    return question.script
