"""Runs of the real plugin over a small suite of its own, in a process of its own, for the tests of the reports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"

#: Every verdict (but waived, which has no way to come about yet), limits of all kinds, several offenders in one.
CHECKS = '''
"""A small suite of each verdict."""

from dataclasses import dataclass

from muster import Command, DoesNotApply, Host, Measure, Output, Probe, Unobserved, check, need


@dataclass(frozen=True)
class Words:
    said: str

    def __str__(self):
        return self.said


def parse(output: Output) -> Words:
    return Words(output.text.strip())


@need(Host)
def words(host: Host) -> Probe[Words]:
    """What the host says."""
    return Probe(Command("printf 'two words'"), parse)


@need(Host)
def forbidden(host: Host) -> Probe[Words]:
    """What nobody may see."""

    def refuse(output: Output) -> Words:
        raise Unobserved("permission", "/etc/shadow: permission denied, needs root")

    return Probe(Command("true"), refuse)


@need(Host)
def pointless(host: Host) -> Probe[Words]:
    """What has no meaning here."""
    raise DoesNotApply("no such thing on this host")


@check(severity="critical", remediation="say it again", runbook="hosts.md#words")
def test_words_are_said(words: Words) -> None:
    """The host says two words."""
    assert words.said == "two words", f"said {words}, expected two words"


@check(severity="critical", remediation="teach it & <again>", runbook="hosts.md#words")
def test_words_are_three(words: Words) -> None:
    """The host says three words."""
    assert words.said.count(" ") == 2, f"{words}, expected three words"


@check(severity="warning", remediation="speak up")
def test_words_are_loud(words: Words) -> None:
    """The host speaks loudly."""
    assert words.said.isupper(), f"{words}, expected capitals"


@check(severity="critical", remediation="chmod a+r /etc/shadow", runbook="hosts.md#rights")
def test_secrets_are_known(forbidden: Words) -> None:
    """The host tells its secrets."""


@check(severity="warning", remediation="nothing")
def test_point_is_seen(pointless: Words) -> None:
    """The host sees the point."""


@check(severity="critical", remediation="rm something")
def test_disks_have_space(words: Words, measure: Measure) -> None:
    """Every disk has space."""
    measure("space_used_percent", 12.5, of="/")
    measure("space_used_percent", 85, of="/var")
    measure("space_used_percent", 97.25, of="/home")
    measure("free_bytes", 5 * 1024**2, of="/boot")
    measure("words", 2)


@check(severity="critical", remediation="mend the check")
def test_check_breaks(words: Words) -> None:
    """The check itself is sound."""
    raise ValueError("this check is broken")
'''

#: ``here`` is asked; nothing listens where ``gone`` is said to be.
INVENTORY = """\
hosts:
  here:
    connection: {kind: local}
    labels: {role: proxy, site: "a & b"}
    limits:
      space_used_percent: {warning: 80, critical: 90}
      free_bytes: {warning_below: 10MB, critical_below: 1MB}
"""

GONE = """\
  gone:
    connection: {kind: ssh, address: 127.0.0.1, port: PORT, connect_timeout: 2s}
"""


@dataclass(frozen=True)
class Made:
    """What a run left behind."""

    code: int
    terminal: str
    folder: Path

    @property
    def junit(self) -> ET.Element:
        return ET.parse(self.folder / "junit.xml").getroot()

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text(encoding="utf-8")

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "results.jsonl").read_text("utf-8").splitlines()]


def run(
    folder: Path,
    *options: str,
    checks: str = CHECKS,
    inventory: str = INVENTORY,
    environment: Mapping[str, str] | None = None,
    columns: int = 80,
    more: Sequence[Path] = (),
) -> Made:
    """Run ``checks`` over ``inventory``, both written to ``folder``, and wait for the end."""
    (folder / "test_sample.py").write_text(checks, encoding="utf-8")
    (folder / "inventory.yaml").write_text(inventory, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib"]
    # Without --confcutdir pytest would look through every folder above, which other programs write to.
    command += ["--rootdir", str(folder), "--confcutdir", str(folder), "-c", "/dev/null"]
    command += ["--inventory", "inventory.yaml"]
    command += [*options, "test_sample.py", *map(str, more)]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "COLUMNS": str(columns), "TZ": "UTC", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return Made(done.returncode, done.stdout.decode("utf-8"), folder / "reports")


def rows(page: str) -> list[dict[str, Any]]:
    """The rows of an HTML report: what pytest-html's script draws its table from."""
    import html

    found = re.search(r'data-jsonblob="(.*?)"', page, re.DOTALL)
    assert found, "the page has no rows"
    return [row for each in json.loads(html.unescape(found[1]))["tests"].values() for row in each]


def steady(text: str, port: int | None = None) -> str:
    """``text`` without what differs from one run to the next: times, durations, run ids, versions, ports."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z| UTC)?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "RUN", text)
    text = re.sub(r'<data value=\\?"\d+\.\d+\\?">[^<]*</data>', "<data>SECONDS</data>", text)
    text = re.sub(r"test_sample\.py:\d+", "test_sample.py:LINE", text)
    text = re.sub(r"/[^ \"<]*/(?=test_sample\.py)", "FOLDER/", text)
    return text.replace(f":{port}", ":PORT") if port else text


def same_as_golden(name: str, text: str) -> None:
    """Compare with a golden file. With ``MUSTER_GOLDEN=write`` in the environment it is written first."""
    golden = GOLDEN / name
    if os.environ.get("MUSTER_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
