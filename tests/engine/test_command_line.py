"""The command line of a run: where pytest finds the checks, and the wheel without a clone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCAL = "hosts: {here: {connection: local}}\n"


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "form",
    [
        "--inventory {0}/far.yaml",
        "--inventory={0}/far.yaml",
        "--inventory ../elsewhere/far.yaml",
        "--inventory={0}/far.yaml --html ../elsewhere/report.html",
    ],
)
def test_an_inventory_elsewhere_does_not_move_the_checks(tmp_path: Path, form: str) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    (site / "checks").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "far.yaml").write_text(LOCAL, "utf-8")
    (elsewhere / "report.html").write_text("of the run before", "utf-8")
    (site / "pytest.ini").write_text("[pytest]\ntestpaths = checks\n", "utf-8")
    (site / "checks/test_here.py").write_text("def test_here(host):\n    assert host.exists('sh')\n", "utf-8")
    (site / "test_elsewhere.py").write_text("def test_not_this_one():\n    assert False\n", "utf-8")
    done = run(site, "pytest", *form.format(elsewhere).split(" "))
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert f"rootdir: {site}" in done.stdout


def test_pytest_starts_once_where_its_ini_file_is_named(tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    site.mkdir()
    elsewhere.mkdir()
    (elsewhere / "far.yaml").write_text(LOCAL, "utf-8")
    (site / "mine.ini").write_text("[pytest]\n", "utf-8")
    (site / "test_here.py").write_text("def test_here(host):\n    assert host.exists('sh')\n", "utf-8")
    starts = "def pytest_addoption():\n    with open('starts', 'a') as file:\n        file.write('.')\n"
    (site / "starts.py").write_text(starts, "utf-8")
    words = ["-c", "mine.ini", "-p", "starts", "--inventory", "../elsewhere/far.yaml"]
    done = run(site, "pytest", *words)
    assert done.returncode == 0, done.stdout
    assert f"rootdir: {site}" in done.stdout
    assert (site / "starts").read_text("utf-8") == "."


def test_the_wheel_runs_its_checks_without_a_clone(tmp_path: Path) -> None:
    built = run(ROOT, "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT))
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    installed, anywhere = tmp_path / "installed", tmp_path / "anywhere"
    zipfile.ZipFile(wheel).extractall(installed)
    anywhere.mkdir()
    (anywhere / "mine.yaml").write_text(LOCAL, "utf-8")
    words = ("pytest", "--pyargs", "muster.checks", "--inventory", "mine.yaml", "-k", "reachable", "-v")
    done = run(anywhere, *words, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok        host is reachable" in done.stdout
    assert not (installed / "muster/checks/site").exists(), "a site's own checks do not ship"


def test_checks_without_an_inventory_are_told_what_is_missing(tmp_path: Path) -> None:
    done = run(tmp_path, "pytest", f"--rootdir={tmp_path}", "-c", os.devnull, str(ROOT / "checks"))
    assert done.returncode == 2, done.stdout
    assert "name one with --inventory FILE" in done.stdout
    assert "not found" not in done.stdout


def test_without_an_inventory_other_tests_run_as_ever(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_other():\n    assert True\n", "utf-8")
    done = run(tmp_path, "pytest", f"--rootdir={tmp_path}", "-c", os.devnull)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "reports").exists()
    assert "muster:" not in done.stdout
