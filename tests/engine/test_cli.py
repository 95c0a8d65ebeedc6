"""The command ``muster``: validate, schema, checks, and help that teaches. Merging is in test_merge.py."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from muster.cli import main
from muster.limits import MEASURABLE

ROOT = Path(__file__).parents[2]
SITE = '''
from muster import Load, check


@check(severity="info", remediation="top")
def test_load_is_low(load: Load) -> None:
    """The load is low."""
'''


@pytest.fixture(autouse=True)
def _in_a_throwaway_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("vars: {port: 1}\nhosts: {a: {endpoints: {e: {url: 'http://a:${port}/'}}}, b: {}}\n")
    Path("bad.yaml").write_text("hosts:\n  a: {conection: local}\n  b: {timeout: 5sec}\n")


def muster(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_validate_counts_what_is_right() -> None:
    result = muster("validate", "good.yaml")
    assert (result.exit_code, result.output) == (0, "ok: 2 hosts, 3 targets\n")


def test_validate_reads_several_files_as_one_inventory() -> None:
    Path("more.yaml").write_text("hosts: {c: {}}\n")
    assert muster("validate", "good.yaml", "more.yaml").output == "ok: 3 hosts, 4 targets\n"


def test_validate_says_all_that_is_wrong_and_exits_2() -> None:
    result = muster("validate", "bad.yaml")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == ["bad.yaml:2:7", "bad.yaml:3:16"]


def test_validate_takes_settings_and_refuses_what_is_no_setting() -> None:
    assert muster("validate", "good.yaml", "--set", "port=9000").exit_code == 0
    assert muster("validate", "good.yaml", "--set", "port=x").stderr.startswith("good.yaml:2:34: url:")
    for wrong in ("port", "=1"):
        result = muster("validate", "good.yaml", "--set", wrong)
        assert result.exit_code == 2
        assert "is not name=value" in result.stderr
    assert "port is set twice" in muster("validate", "good.yaml", "--set", "port=1", "--set", "port=2").stderr


def test_validate_of_a_file_that_is_not_there_exits_2() -> None:
    result = muster("validate", "gone.yaml")
    assert (result.exit_code, result.stderr) == (2, "gone.yaml:1:1: cannot be read: No such file or directory\n")


def test_schema_prints_json() -> None:
    result = muster("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["properties"].keys() >= {"vars", "defaults", "groups", "hosts", "endpoints"}


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert muster("--version").output == f"muster {version('pytest-muster')}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["Examples:", "muster validate", "muster schema", "pytest --inventory"]),
        (("validate",), ["Examples:", "--set", "file:line:column"]),
        (("schema",), ["yaml-language-server: $schema=", "muster schema >"]),
    ],
)
def test_help_teaches_with_examples(arguments: tuple[str, ...], words: list[str]) -> None:
    result = muster(*arguments, "--help")
    assert result.exit_code == 0
    assert [word for word in words if word not in result.output] == []


def test_the_command_is_installed_and_starts_without_what_only_loading_needs() -> None:
    command = Path(sys.executable).with_name("muster")
    done = subprocess.run([command, "validate", "good.yaml"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok: 2 hosts, 3 targets\n", "")
    text = "import sys, muster.cli; sys.exit(bool({'pydantic', 'yaml', 'asyncssh', 'pytest'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


def test_checks_prints_every_check_that_ships_by_kind() -> None:
    result = muster("checks")
    assert result.exit_code == 0, result.output
    shipped = sorted((ROOT / "checks").rglob("test_*.py"))
    names = [name for path in shipped for name in re.findall(r"^def test_(\w+)", path.read_text("utf-8"), re.M)]
    assert sorted(re.findall(r"^  (\w+) ", result.stdout, re.M)) == sorted(names)
    assert re.search(r"^hosts: \d+ checks$", result.stdout, re.M)
    assert re.search(r"^  host_is_reachable +critical +login +The host can be logged in to$", result.stdout, re.M)


def test_checks_prints_those_of_a_site() -> None:
    Path("test_site.py").write_text(SITE)
    assert muster("checks", "test_site.py").stdout == (
        "hosts: 1 check\n  load_is_low  info  load  The load is low\n1 check in all\n"
    )
    assert muster("checks", "--markdown", "test_site.py").stdout.splitlines()[-1] == (
        "| hosts | load_is_low | info | load | The load is low |"
    )


def test_checks_refuses_one_that_is_badly_written() -> None:
    Path("test_site.py").write_text(SITE.replace('"""The load is low."""', "pass"))
    result = muster("checks", "test_site.py")
    assert result.exit_code == 2
    assert re.search(r"test_site\.py:\d+: test_load_is_low has no title", result.stderr)


def test_checks_prints_the_default_limits() -> None:
    lines = muster("checks", "--limits").stdout.splitlines()
    assert len(lines) == len(MEASURABLE) + 1
    (line,) = [line for line in lines if line.startswith("filesystem_used_percent ")]
    assert re.search(r" % +warning above 80, critical above 90 +space in use", line)


def test_the_help_of_merge_teaches() -> None:
    said = muster("merge", "--help").output
    assert "Exit status" in said
    assert "muster merge shards/*" in said
    assert "muster merge shards/*" in muster("--help").output
    assert muster("merge").exit_code == 2
