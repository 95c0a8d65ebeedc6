"""What a run imports when it starts: a run waits for nothing that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import muster

#: What pytest loads of ours where there is no inventory.
PLUGIN = {"muster", "muster.exits", "muster.need", "muster.plugin"}

TEST = """
import sys

def test_what_is_imported():
    with open("imported", "w") as file:
        file.write(" ".join(sys.modules))
"""


def imported(folder: Path, *words: str, **files: str) -> set[str]:
    """The modules that are imported when a test runs, of the plugin alone and without other plugins."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_all.py").write_text(TEST)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
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
