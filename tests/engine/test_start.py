"""What a run imports when it starts: a run waits for nothing that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import muster

#: What pytest loads of ours where there is no inventory.
PLUGIN = {"muster", "muster.exits", "muster.need", "muster.plugin"}

#: What only another target, another report or another option needs.
UNUSED = {
    *(
        "aiohttp",
        "asyncssh",
        "click",
        "cryptography",
        "dns",
        "docker",
        "h11",
        "jinja2",
        "psycopg",
        "pymysql",
        "redis",
    ),
    *("requests", "rich", "testinfra", "muster.facts.memory", "muster.transports.ssh", "muster.transports.http"),
}

CHECK = """
from muster import Load, check

@check(severity="info", remediation="wait")
def test_load_is_known(load: Load) -> None:
    '''The load of the host is known.'''
    assert load.cores, f"{load}, expected a core"
"""

TEST = """
import sys

def test_what_is_imported():
    with open("imported", "w") as file:
        file.write(" ".join(sys.modules))
"""


def imported(folder: Path, *words: str) -> set[str]:
    """The modules that are imported when a test has run, of the plugin alone and without other plugins."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_all.py").write_text(TEST)
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(Path(muster.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "muster.plugin", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return set((folder / "imported").read_text().split())


def test_plain_pytest_imports_next_to_nothing(tmp_path: Path) -> None:
    found = imported(tmp_path)
    assert {name for name in found if name.partition(".")[0] == "muster"} == PLUGIN
    assert not found & {"asyncio", "pydantic", "yaml", "rich", "click"}


def test_a_run_over_this_machine_imports_what_this_machine_needs(tmp_path: Path) -> None:
    (tmp_path / "here.yaml").write_text("hosts: {here: {connection: local}}\n")
    (tmp_path / "test_a_load.py").write_text(CHECK)
    found = imported(tmp_path, "--inventory", "here.yaml")
    assert "muster.facts.load" in found
    assert found & UNUSED == set()


@pytest.mark.parametrize("inventory", ["hosts: {here: {connection: local}}", "hosts: {here: {connexion: local}}"])
def test_garbage_is_looked_for_again_when_a_run_is_over(tmp_path: Path, inventory: str) -> None:
    (tmp_path / "here.yaml").write_text(inventory)
    (tmp_path / "test_load.py").write_text(CHECK)
    program = "import gc, pytest; pytest.main(['--inventory', 'here.yaml']); assert gc.isenabled(), 'it stayed off'"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
