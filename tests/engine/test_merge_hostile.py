"""What a shard left is hostile: an archive that somebody else packed breaks no report, no page and no terminal."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.browser import Browser, browser
from tests.engine.report_runs import Made
from tests.engine.shard_runs import account, merge, run_shards

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>]]><!-- & \"'</td></tr>"
TERMINAL = "\x00\x07\x1b[31mred\x1b]0;title\x07 \x85 \u202egnp.exe \ufffe \r\n"
HOSTILE = MARKUP + TERMINAL + "\udc80"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [made.folder for made in run_shards(tmp_path_factory.mktemp("shards"), 2)]


@pytest.fixture(scope="module")
def hostile(shards: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A merge where every text of one shard is hostile, in results.jsonl, in junit.xml and in run.json."""
    place = tmp_path_factory.mktemp("hostile")
    folders = [Path(shutil.copytree(each, place / each.name)) for each in shards]
    file = folders[1] / "results.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    file.write_text("".join(json.dumps(worse(line)) + "\n" for line in lines), "utf-8")
    tree = ET.parse(folders[1] / "junit.xml")
    for case in tree.iter("testcase"):
        case.set("name", case.get("name", "") + MARKUP)
        for said in case.iterfind("failure"):
            said.text = MARKUP + " \u202egnp.exe"
    write_junit(folders[1], tree)
    account(folders[1], inventories=[MARKUP + TERMINAL])
    done = merge(*folders, reports=place / "reports")
    return Made(done.exit_code, done.output, place / "reports")


def worse(line: dict[str, Any]) -> dict[str, Any]:
    """A line of results.jsonl with hostile text wherever text stands."""
    measured = [{**each, "of": HOSTILE, "name": HOSTILE, "unit": HOSTILE} for each in line["measurements"]]
    texts = ("check", "kind", "host", "target", "title", "message", "observed", "remediation", "runbook")
    made = {**line, **{name: f"{line[name]}{HOSTILE}" for name in texts}, "measurements": measured}
    return {**made, "labels": {HOSTILE: HOSTILE}}


def write_junit(folder: Path, tree: ET.ElementTree) -> None:
    text = ET.tostring(tree.getroot(), "unicode")
    (folder / "junit.xml").write_text(f'<?xml version="1.0" encoding="utf-8"?>{text}', "utf-8")


def test_hostile_text_is_no_reason_to_refuse(hostile: Made) -> None:
    assert hostile.code == 1, hostile.terminal
    assert len(hostile.results) == sum(1 for _ in hostile.junit.iter("testcase")) - 3


def test_hostile_text_reaches_the_terminal_without_controls(hostile: Made) -> None:
    assert r"\x1b[31mred" in hostile.terminal
    found = {c for c in hostile.terminal if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn")} - {"\n"}
    assert not found, found


def test_hostile_text_is_no_markup_in_the_page(hostile: Made) -> None:
    for element in ("<script>alert", "<img", "\x1b", "\u202e"):
        assert element not in hostile.page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile.page


def test_a_complaint_about_a_hostile_line_is_one_harmless_line(shards: list[Path], tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(each, tmp_path / each.name)) for each in shards]
    file = folders[0] / "results.jsonl"
    line = json.loads(file.read_text("utf-8").splitlines()[0])
    for wrong in ({"verdict": HOSTILE}, {"labels": {HOSTILE: 1}}, {"measurements": [{HOSTILE: 1}]}, {"host": None}):
        file.write_text(json.dumps({**line, **wrong}) + "\n", "utf-8")
        account(folders[0], selection={MARKUP + TERMINAL: ""})
        done = merge(*folders, reports=tmp_path / "reports")
        assert done.exit_code == 2
        assert f"{file}:1: " in done.stderr
        assert not [c for c in done.stderr if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"], (
            done.stderr
        )
        assert max(map(len, done.stderr.splitlines())) < 2_500


def test_json_that_a_parser_chokes_on_is_told(shards: list[Path], tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(each, tmp_path / each.name)) for each in shards]
    file = folders[0] / "results.jsonl"
    line = file.read_text("utf-8").splitlines()[0]
    nonsense = {
        "a number beyond all": re.sub(r'"duration_seconds":[^,}]*', '"duration_seconds":1e999', line),
        "a number of too many digits": re.sub(r'"duration_seconds":[^,}]*', f'"duration_seconds":{"9" * 5000}', line),
        "no number": line.replace('"duration_seconds":', '"duration_seconds":NaN,"x":'),
        "no text": line.encode().replace(b'"message":"', b'"message":"\xff').decode("utf-8", "surrogateescape"),
        "a control": line.replace('"message":"', '"message":"\x1b'),
        **{
            f"the day {day}": re.sub(r'"observed_at":"[^"]*"', f'"observed_at":"{day}"', line)
            for day in (
                "2026-13-99T00:00:00Z",
                "0001-01-01T00:00:00+23:59",
                "9999-12-31T23:59:59-23:59",
                "0001-01-01",
            )
        },
    }
    for what, text in nonsense.items():
        assert text != line
        file.write_bytes(text.encode("utf-8", "surrogateescape") + b"\n")
        account(folders[0])
        done = merge(*folders, reports=tmp_path / "reports")
        assert (done.exit_code, done.stdout) == (2, ""), what
        assert done.stderr.startswith(f"{file}:1: "), what
        assert len(done.stderr) < len(str(file)) + 300


@pytest.mark.parametrize("moment", [1e300, -1.0, 253_000_000_000.0])
def test_a_run_at_no_time_is_told(shards: list[Path], tmp_path: Path, moment: float) -> None:
    folders = [Path(shutil.copytree(each, tmp_path / each.name)) for each in shards]
    account(folders[0], finished=moment)
    done = merge(*folders, reports=tmp_path / "reports")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{folders[0]}/run.json: a run was never at that time" in done.stderr


def test_memory_is_bounded_however_many_cases_there_are(shards: list[Path], tmp_path: Path) -> None:
    """Ten times the test cases take no more than a few MB more."""
    peaks = []
    for count in (2_000, 20_000):
        place = tmp_path / str(count)
        folders = [Path(shutil.copytree(each, place / each.name)) for each in shards]
        for folder in folders:
            enlarge(folder, count)
        peaks.append(peak(folders, place / "reports"))
        assert sum(1 for _ in ET.parse(place / "reports" / "junit.xml").iter("testcase")) == 2 * count
        page = (place / "reports" / "report.html").read_text("utf-8")
        assert ("40,000 ok verdicts left out" in page) is (count == 20_000)
    assert peaks[1] < peaks[0] + 10_000, f"{peaks} kB"


def enlarge(folder: Path, count: int) -> None:
    """Let a shard have ``count`` verdicts that are ok, by taking one again and again."""
    lines = (folder / "results.jsonl").read_bytes().splitlines(keepends=True)
    line = next(line for line in lines if b'"ok"' in line)
    (folder / "results.jsonl").write_bytes(line * count)
    text = (folder / "junit.xml").read_text("utf-8")
    case = re.search(r"<testcase [^>]*words_are_said\[web.*?</testcase>", text)
    assert case
    head = text[: text.index("<testcase")]
    (folder / "junit.xml").write_text(f"{head}{case[0] * count}</testsuite></testsuites>", "utf-8")
    account(folder, verdicts=count)


def peak(folders: list[Path], reports: Path) -> int:
    """The largest RSS of a merge in kB. What getrusage(2) says may be of the process that started it."""
    script = "from muster.cli import main\ntry: main()\nexcept SystemExit: print(open('/proc/self/status').read())"
    command = [sys.executable, "-c", script, "merge", *map(str, folders), "--reports", str(reports)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return int(re.findall(r"^VmHWM:\s+(\d+) kB", done.stdout, re.MULTILINE)[0])


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as session:
        yield session


@pytest.mark.needs("chromium")
def test_a_reader_of_the_page_sees_what_is_wrong_and_nothing_happens(hostile: Made, window: Browser) -> None:
    window.open(hostile.folder / "report.html")
    assert window.dialog() is None
    assert window.run("return document.querySelectorAll('img').length") == 0
    assert window.run("return document.querySelectorAll('script').length") == 1
    assert window.run("return performance.getEntriesByType('resource').length") == 0
    text = window.run("return document.body.innerText")
    assert "<script>alert(1)</script>" in text


@pytest.mark.needs("chromium")
def test_a_reader_of_the_page_sees_every_verdict_that_is_not_ok(
    shards: list[Path], tmp_path: Path, window: Browser
) -> None:
    done = merge(*shards, reports=tmp_path)
    window.open(tmp_path / "report.html")
    text = window.run("return document.body.innerText")
    lines = [json.loads(line) for each in shards for line in (each / "results.jsonl").read_text("utf-8").splitlines()]
    for line in lines:
        if line["verdict"] not in ("ok", "skipped") and line["host"] != "gone":
            assert line["message"] in text
            assert line["title"] in text
    assert text.count("The host says two words") == 4
    assert "test_sample::test_plain_passes" in text
    assert "2 shards" in text
    assert "test_sample::test_plain_fails" in text
    assert "one is not two" in text
    assert "what a plain test says" in text
    assert re.search(r"Refused|refused: 127.0.0.1:9", text)
    counts = "return [...document.querySelectorAll('.show label')].map((label) => label.innerText.trim())"
    said = dict(each.split() for each in window.run(counts))
    assert said == {"critical": "13", "unknown": "15", "warning": "4", "waived": "0", "skipped": "6", "ok": "5"}
    assert done.exit_code == 1
