"""Shards of one run over a small suite with every verdict, live tests and tests that are no checks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from muster.cli import main
from tests.engine.report_runs import CHECKS, Made, run

SITE = (
    CHECKS
    + '''

def test_live_is_wrong(host):
    """The shell is another."""
    assert host.run("echo live").stdout == "dead\\n", "live, expected dead"


def test_plain_passes(record_testsuite_property):
    record_testsuite_property("site", "north")


def test_plain_fails(capsys):
    print("what a plain test says")
    assert 1 == 2, "one is not two"


def test_plain_is_skipped():
    import pytest

    pytest.skip("not today")
'''
)

INVENTORY = """\
vars: {role: proxy}
hosts:
  web-[1:4]:
    connection: {kind: local}
    labels: {role: "${role}"}
    limits:
      space_used_percent: {warning: 80, critical: 90}
  gone:
    connection: {kind: ssh, address: 127.0.0.1, port: 9, connect_timeout: 2s}
"""


def run_shards(folder: Path, count: int, *options: str, checks: str = SITE, inventory: str = INVENTORY) -> list[Made]:
    """Run all shards, one after the other; the reports of the third are in ``folder/shard-3``."""
    made = []
    for number in range(1, count + 1):
        name = f"shard-{number}"
        words = (f"--shard={number}/{count}", f"--reports={name}", *options)
        each = run(folder, *words, checks=checks, inventory=inventory)
        made.append(Made(each.code, each.terminal, folder / name))
    return made


def merge(*folders: Path, reports: Path) -> Result:
    """The command ``muster merge``, in this process."""
    return CliRunner().invoke(main, ["merge", *map(str, folders), "--reports", str(reports)])


def account(folder: Path, **changes: Any) -> None:
    """Change what a shard says of itself, so that it agrees with the reports that are there."""
    file = folder / "run.json"
    said = json.loads(file.read_text("utf-8"))
    for name in said["reports"]:
        said["reports"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    file.write_text(json.dumps({**said, **changes}), "utf-8")
