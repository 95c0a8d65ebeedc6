"""What README says is tried here: its inventory, its checks, its commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from muster import exits, verdict

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def run(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name(program), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_first_inventory_is_right(tmp_path: Path) -> None:
    (inventory,) = blocks("yaml")
    assert len(inventory.splitlines()) <= 10
    (tmp_path / "mine.yaml").write_text(inventory, "utf-8")
    done = run(tmp_path, "muster", "validate", "mine.yaml")
    assert done.returncode == 0, done.stderr
    assert "40 hosts, 160 targets" in done.stdout


def test_the_inventory_limits_and_plans_as_shown(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(blocks("yaml")[0], "utf-8")
    command = [f"--rootdir={tmp_path}", "--inventory", "mine.yaml", "--limit", "proxy-0*,!proxy-03*"]
    done = run(tmp_path, "pytest", str(ROOT / "checks"), *command, "-k", "endpoint", "--dry-run")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("http://127.0.0.1:8787/healthz") == 8, "proxy-01 to 09, less 03"


def test_the_first_check_and_the_live_one_run_over_the_inventory(tmp_path: Path) -> None:
    check, live, *_ = blocks("python")
    assert len([line for line in check.splitlines() if line]) <= 10
    (tmp_path / "inventory.yaml").write_text("hosts: {here: {connection: local}}\n", "utf-8")
    (tmp_path / "test_accounts.py").write_text(check, "utf-8")
    (tmp_path / "test_live.py").write_text(live, "utf-8")
    done = run(tmp_path, "pytest", "--inventory", "inventory.yaml", "-v")
    assert done.returncode == 0, done.stdout
    assert "ok        shadow is private" in done.stdout
    assert "muster: 2 ok · 1 target on 1 host" in done.stdout


def test_the_fact_and_the_check_of_rabbitmq_are_those_that_ship_in_under_60_lines() -> None:
    *_, fact, check = blocks("python")
    assert fact == (ROOT / "src/muster/facts/rabbitmq.py").read_text("utf-8")
    assert check == (ROOT / "checks/test_rabbitmq.py").read_text("utf-8")
    assert len((fact + check).splitlines()) < 60


def test_the_table_of_checks_is_what_muster_checks_prints(tmp_path: Path) -> None:
    done = run(tmp_path, "muster", "checks", "--markdown")
    assert done.returncode == 0, done.stderr
    table = README[README.index("| kind | check |") : README.index("\n</details>")]
    assert table.strip() == done.stdout.strip(), (
        "README has another table: copy what `muster checks --markdown` prints"
    )


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (exits.EXIT_OK, "all pass"),
        (exits.EXIT_BAD, "something is critical or unknown"),
        (exits.EXIT_CONFIGURATION, "is wrong; nothing was contacted"),
        (exits.EXIT_NETWORK, "look at the network or the host"),
        (exits.EXIT_BROKEN, "the suite itself broke"),
        (exits.EXIT_NOTHING, "nothing was selected"),
        (exits.EXIT_INTERRUPTED, "interrupted"),
    ],
)
def test_the_exit_codes_are_those_of_the_code(code: int, meaning: str) -> None:
    (row,) = re.findall(rf"^\| {code} \| (.*) \|$", README, re.MULTILINE)
    assert meaning in row


def test_every_verdict_is_explained() -> None:
    explained = set(re.findall(r"^\| (\w+) \| ", README, re.MULTILINE))
    assert {name for name in verdict.NAMES if name != "waived"} <= explained


def test_the_layout_names_what_is_there() -> None:
    layout = README[README.index("## Layout") :]
    for name in re.findall(r"^    ([\w/]+)/  ", layout, re.MULTILINE):
        assert (ROOT / name).is_dir(), f"{name}/ is in the layout, and not there"


def test_every_link_to_a_page_of_ours_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_inventory_of_the_page_on_inventories_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_TOKEN", "PROBE_PASSWORD", "SHOP_PASSWORD", "CACHE_PASSWORD"):
        monkeypatch.setenv(name, "opensesame")
    page = (ROOT / "docs" / "inventories.md").read_text("utf-8")
    found = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(found) == 5
    for number, text in enumerate(found):
        (tmp_path / f"{number}.yaml").write_text(text, "utf-8")
        done = run(tmp_path, "muster", "validate", f"{number}.yaml")
        assert done.returncode == 0, done.stderr
