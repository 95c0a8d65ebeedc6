"""``muster merge``: the reports of shards become those of one run, or every reason is told why they cannot."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TextIO

import pytest

from muster.report.folder import Folder
from muster.scale.inputs import Refused
from muster.scale.merge import merged as merged_of
from tests.engine.report_runs import CHECKS, Made, run
from tests.engine.shard_runs import INVENTORY, SITE, account, merge, run_shards

COUNTED = ("tests", "failures", "errors", "skipped")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    return run_shards(tmp_path_factory.mktemp("shards"), 3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return run(tmp_path_factory.mktemp("whole"), checks=SITE, inventory=INVENTORY)


@pytest.fixture(scope="module")
def merged(shards: list[Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("merged") / "reports"
    done = merge(*(shard.folder for shard in reversed(shards)), reports=folder)
    return Made(done.exit_code, done.output, folder)


@pytest.fixture
def folders(shards: list[Made], tmp_path: Path) -> list[Path]:
    """A copy of the shards, to be broken."""
    return [Path(shutil.copytree(shard.folder, tmp_path / shard.folder.name)) for shard in shards]


def cases(made: Made) -> dict[str, tuple[str, ...]]:
    """Each test case by its name: what it holds."""
    found = {}
    for case in made.junit.iter("testcase"):
        name = f"{case.attrib['classname']}.{case.attrib['name']}"
        assert name not in found
        found[name] = tuple(sorted(child.tag for child in case))
    return found


def suite(made: Made) -> ET.Element:
    (found,) = made.junit.findall("testsuite")
    return found


def refused(folders: list[Path], *complaints: str) -> None:
    """Merging is refused with these complaints, one a line, and what was there stays."""
    old = folders[0].parent / "reports"
    old.mkdir(exist_ok=True)
    (old / "junit.xml").write_text("of another day", "utf-8")
    done = merge(*folders, reports=old)
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == len(complaints), done.stderr
    for line, complaint in zip(done.stderr.splitlines(), complaints, strict=True):
        assert re.fullmatch(complaint, line.replace(f"{folders[0].parent}/", "")), done.stderr
    assert [each.name for each in old.iterdir() if each.name != ".lock"] == ["junit.xml"]
    assert (old / "junit.xml").read_text("utf-8") == "of another day"


# What comes of it


def test_the_exit_code_is_that_of_one_run(merged: Made, whole: Made) -> None:
    assert (merged.code, whole.code) == (1, 1)


def test_junit_has_every_case_of_one_run_and_its_sums(merged: Made, whole: Made) -> None:
    assert cases(merged) == cases(whole)
    assert {name: suite(merged).get(name) for name in COUNTED} == {name: suite(whole).get(name) for name in COUNTED}
    assert (merged.folder / "junit.xml").read_bytes().startswith(b'<?xml version="1.0" encoding="utf-8"?><testsuites')
    assert float(suite(merged).attrib["time"]) > 0


def test_junit_keeps_the_order_of_the_shards_and_what_each_case_says(merged: Made, shards: list[Made]) -> None:
    every = [ET.tostring(case) for shard in shards for case in shard.junit.iter("testcase")]
    assert [ET.tostring(case) for case in merged.junit.iter("testcase")] == every
    assert suite(merged).find("properties/property[@name='site']") is not None


def test_results_have_every_line_of_every_shard(merged: Made, shards: list[Made], whole: Made) -> None:
    assert merged.results == [line for shard in shards for line in shard.results]
    said = [(line["host"], line["check"], line["verdict"], line["cause"]) for line in merged.results]
    assert sorted(map(repr, said)) == sorted(
        repr((line["host"], line["check"], line["verdict"], line["cause"])) for line in whole.results
    )


def test_the_terminal_says_what_one_run_says(merged: Made, whole: Made) -> None:
    last = next(line for line in whole.terminal.splitlines() if line.startswith("muster: ") and " ok" in line)
    assert last in merged.terminal.splitlines()
    assert "\ngone: ssh: refused: 127.0.0.1:9 (after 2 tries); 7 checks not observed\n" in merged.terminal
    assert "tests that are no checks: 1 failed, 1 passed, 1 skipped" in merged.terminal


def test_the_page_has_the_tracebacks_of_live_tests_and_says_nothing_twice(merged: Made) -> None:
    rows = re.findall(r'<tbody class="verdict-.*?</tbody>', merged.page, re.DOTALL)
    live = [row for row in rows if "<small>live_is_wrong" in row]
    assert len(live) == 4
    for row in live:
        assert "Expected: The shell is another" in row
        assert row.count("&gt;       assert host.run(&quot;echo live&quot;).stdout ==") == 1
    judged = [row for row in rows if "<small>words_are_three" in row]
    assert [row.count("Observed: two words") for row in judged] == [1, 1, 1, 1]
    assert merged.page.count("observed: two words") == 0
    assert merged.page.count("permission denied, needs root") == 4


def test_the_last_line_says_when_they_ran(folders: list[Path]) -> None:
    """A folder that was left over from another day gives itself away."""
    account(folders[0], started=1_000_000_000.0, finished=1_000_000_001.0)
    account(folders[1], started=1_100_000_000.0, finished=1_100_000_001.0)
    account(folders[2], started=1_050_000_000.0, finished=1_050_000_001.0)
    done = merge(*folders, reports=folders[0].parent / "reports")
    assert done.stdout.splitlines()[-1] == "3 shards; they ran from 2001-09-09 01:46:40 to 2004-11-09 11:33:21 UTC"


def test_the_folder_holds_the_reports_and_nothing_else(merged: Made) -> None:
    names = sorted(each.name for each in merged.folder.iterdir())
    assert names == [".lock", "junit.xml", "report.html", "results.jsonl"]


def test_reports_of_before_are_replaced_also_those_of_a_shard(folders: list[Path]) -> None:
    reports = Path(shutil.copytree(folders[0], folders[0].parent / "reports"))
    assert merge(*folders, reports=reports).exit_code == 1
    assert not (reports / "run.json").exists()
    assert len(Made(1, "", reports).results) == sum(len(Made(1, "", each).results) for each in folders)


def test_the_rows_of_a_run_merge_into_a_default_folder(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from muster.cli import main

    monkeypatch.chdir(folders[0].parent)
    done = CliRunner().invoke(main, ["merge", *(each.name for each in folders)])
    assert done.exit_code == 1
    assert Path("reports/junit.xml").is_file()


def test_a_shard_that_ran_on_workers_is_one_like_the_others(
    folders: list[Path], shards: list[Made], tmp_path: Path
) -> None:
    made = run(shards[0].folder.parent, "--shard=1/3", "-n", "2", checks=SITE, inventory=INVENTORY)
    on_workers = Path(shutil.move(made.folder, tmp_path / "on-workers"))
    done = merge(on_workers, *folders[1:], reports=tmp_path / "reports")
    assert done.exit_code == 1, done.stderr
    assert sorted(cases(Made(1, "", tmp_path / "reports"))) == sorted(
        f"{case.attrib['classname']}.{case.attrib['name']}"
        for shard in shards
        for case in shard.junit.iter("testcase")
    )


# The exit code

GOOD = (
    "from muster import Load, check\n\n\n"
    + '''
@check(severity="warning", remediation="top")
def test_load_is_known(load: Load, measure) -> None:
    """The load is known."""
    measure("load_per_core", 99, of="all")
'''
)
ONE = "hosts: {web-1: {connection: {kind: local}}}\n"


@pytest.mark.parametrize(
    ("code", "checks", "options"),
    [
        (0, "def test_a(): pass\ndef test_b(): pass\n", ()),
        (1, "def test_a(): pass\ndef test_b(): assert 0\n", ()),
        (5, "def test_a(): pass\n", ("-k", "nosuch")),
    ],
    ids=["ok", "a plain test fails", "nothing selected"],
)
def test_the_exit_code_without_verdicts(tmp_path: Path, code: int, checks: str, options: tuple[str, ...]) -> None:
    made = run_shards(tmp_path, 2, *options, checks=checks, inventory=ONE)
    assert merge(*(each.folder for each in made), reports=tmp_path / "all").exit_code == code


WARNS = '''
@check(severity="warning", remediation="speak up")
def test_words_are_loud(words: Words) -> None:
    """The host speaks loudly."""
    assert words.said.isupper(), f"{words}, expected capitals"
'''
SEEN = WARNS.replace("isupper", "islower")


def test_the_exit_code_where_nobody_answers_and_with_a_shard_that_is_empty(tmp_path: Path) -> None:
    inventory = "hosts: {gone: {connection: {address: 127.0.0.1, port: 9}}}\n"
    made = run_shards(tmp_path, 2, "-k", "words_are_said", inventory=inventory)
    assert sorted(each.code for each in made) == [0, 3]
    done = merge(*(each.folder for each in made), reports=tmp_path / "all")
    assert done.exit_code == 3


@pytest.mark.parametrize(("fail_on", "code"), [("critical", 0), ("warning", 1)])
def test_the_exit_code_where_a_warning_may_fail_a_run(tmp_path: Path, fail_on: str, code: int) -> None:
    made = run_shards(tmp_path, 2, f"--fail-on={fail_on}", "-k", "loud", inventory=ONE)
    done = merge(*(each.folder for each in made), reports=tmp_path / "all")
    assert (done.exit_code, "1 warning" in done.stdout) == (code, True)


@pytest.mark.parametrize("other", ["a warning", "a plain test", "a file"])
def test_that_nobody_answers_does_not_hide_what_else_fails(tmp_path: Path, other: str) -> None:
    """3 would say that all is for want of an answer, and a pipeline may let that pass."""
    inventory = "hosts: {gone: {connection: {address: 127.0.0.1, port: 9}}, near: {connection: {kind: local}}}\n"
    checks = CHECKS.partition('@check(severity="critical", remediation="say it again"')[0]
    checks += WARNS if other == "a warning" else SEEN + ("def test_plain(): assert 0\n" * (other == "a plain test"))
    more = ["--fail-on=warning", "--continue-on-collection-errors"]
    if other == "a file":
        (tmp_path / "test_broken.py").write_text("1 / 0\n", "utf-8")
        more.append("test_broken.py")
    alone = run(tmp_path, *more, checks=checks, inventory=inventory)
    assert (alone.code, "1 unknown" in alone.terminal) == (1, True), alone.terminal
    made = run_shards(tmp_path, 2, *more, checks=checks, inventory=inventory)
    assert 3 in {each.code for each in made} or other == "a file"
    assert merge(*(each.folder for each in made), reports=tmp_path / "all").exit_code == 1


# What is refused


def test_a_missing_shard(folders: list[Path]) -> None:
    refused(folders[1:], "missing: shard 1/3")
    refused(folders[:1], "missing: shard 2/3, 3/3")


def test_a_shard_twice(folders: list[Path]) -> None:
    again = Path(shutil.copytree(folders[0], folders[0].parent / "again"))
    refused([*folders, again], "again: is shard 1/3, and so is shard-1")
    refused([*folders, folders[0]], "shard-1: is named 2 times")


def test_shards_of_another_count(folders: list[Path]) -> None:
    account(folders[1], shards=4)
    refused(folders, r"shard-2: is shard 2/4, and shard-1 is one of 3", "missing: shard 2/3")


@pytest.mark.parametrize(
    ("options", "inventory", "complaint"),
    [
        ((), INVENTORY + "    labels: {a: b}\n", "is of another inventory, or was given other values with --set"),
        (("--set", "role=web"), INVENTORY, "is of another inventory, or was given other values with --set"),
        (("--limit", "*"), INVENTORY, "was run with another --limit"),
        (("-k", "words"), INVENTORY, "was run with another -k"),
        (("-m", "check"), INVENTORY, "was run with another -m"),
        (("--fail-on", "warning"), INVENTORY, "was run with another --fail-on"),
        (("--deselect", "test_sample.py::test_plain_fails"), INVENTORY, "was run with another --deselect"),
        (("--ignore", "elsewhere"), INVENTORY, "was run with another --ignore"),
        (("-p", "cacheprovider", "--lf"), INVENTORY, "was run with another --lf"),
    ],
)
def test_another_selection(
    folders: list[Path], tmp_path: Path, options: tuple[str, ...], inventory: str, complaint: str
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    made = run(site, "--shard=2/3", *options, checks=SITE, inventory=inventory)
    other = Path(shutil.move(made.folder, folders[0].parent / "other"))
    refused([folders[0], other, folders[2]], f"other: {re.escape(complaint)} than shard-1")


def test_other_checks_and_another_version(folders: list[Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    made = run(site, "--shard=2/3", checks=SITE + "\n# changed\n", inventory=INVENTORY)
    other = Path(shutil.move(made.folder, folders[0].parent / "other"))
    said = json.loads((folders[2] / "run.json").read_text("utf-8"))
    account(folders[2], selection={**said["selection"], "muster": "9.9"})
    refused(
        [folders[0], other, folders[2]],
        "other: ran other checks than shard-1",
        "shard-3: was run by another version of Muster than shard-1",
    )


def no_digest(folder: Path) -> None:
    said = json.loads((folder / "run.json").read_text("utf-8"))
    account(folder, reports=dict.fromkeys(said["reports"], "0" * 64))


def first_line_of(folder: Path, line: str) -> None:
    """Another first line in results.jsonl, which the shard says it has written."""
    file = folder / "results.jsonl"
    file.write_bytes(line.encode("utf-8", "surrogatepass") + b"\n" + file.read_bytes().partition(b"\n")[2])
    account(folder)


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    account(folder)


def cut(folder: Path, name: str, by: int = 100) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-by])


def fifo(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "shard-2: is no folder"),
    "no report": (
        lambda folder: (folder / "run.json").unlink(),
        "shard-2: holds no reports of a shard: run.json is missing, pytest --shard writes it",
    ),
    "killed": (lambda folder: account(folder, finished=None), "shard-2: shard 2/3 has not ended, or was killed"),
    "interrupted": (
        lambda folder: account(folder, exit_code=130),
        "shard-2: shard 2/3 ended with 130: it was interrupted",
    ),
    "stopped": (
        lambda folder: account(folder, stopped=True),
        "shard-2: shard 2/3 stopped before all was judged; run it without --maxfail",
    ),
    "broke": (
        lambda folder: account(folder, exit_code=4),
        "shard-2: shard 2/3 ended with 4: it broke, or could not write its reports",
    ),
    "wrong": (lambda folder: account(folder, exit_code=2), "shard-2: shard 2/3 ended with 2: its configuration .*"),
    "strange": (lambda folder: account(folder, exit_code=77), "shard-2: shard 2/3 ended with 77"),
    "run.json is no JSON": (
        lambda folder: (folder / "run.json").write_text("{"),
        "shard-2/run.json: Input data was truncated",
    ),
    "run.json is nested without end": (
        lambda folder: (folder / "run.json").write_text('{"x":' + "[" * 100_000),
        "shard-2/run.json: maximum recursion depth exceeded .*",
    ),
    "run.json is a pipe": (
        lambda folder: fifo(folder, "run.json"),
        "shard-2: holds no reports of a shard: run.json is missing, pytest --shard writes it",
    ),
    "run.json is of another shape": (
        lambda folder: account(folder, shard="2"),
        r"shard-2/run.json: Expected `int`, got `str` - at `\$\.shard`",
    ),
    "run.json of no shard": (lambda folder: account(folder, shard=7), "shard-2/run.json: 7/3: the shards of 3 .*"),
    "run.json is endless": (
        lambda folder: (folder / "run.json").write_text(" " * (2 << 20)),
        "shard-2/run.json: larger than any that a run writes",
    ),
    "results are cut": (lambda folder: cut(folder, "results.jsonl"), r"shard-2/results.jsonl:\d+: is cut off"),
    "results lack a line": (
        lambda folder: write(folder, "results.jsonl", (folder / "results.jsonl").read_bytes().partition(b"\n")[2]),
        r"shard-2/results.jsonl: has \d+ of \d+ verdicts",
    ),
    "results are no JSON": (
        lambda folder: first_line_of(folder, "{nothing"),
        r"shard-2/results.jsonl:1: Expecting .*",
    ),
    "results are a list": (lambda folder: first_line_of(folder, "[1]"), r"shard-2/results.jsonl:1: no verdict: .*"),
    "results lack a name": (lambda folder: first_line_of(folder, "{}"), r"shard-2/results.jsonl:1: no verdict"),
    "results are too deep": (
        lambda folder: first_line_of(folder, "[" * 100_000),
        "shard-2/results.jsonl:1: JSON that is too deep",
    ),
    "results are one line": (
        lambda folder: first_line_of(folder, "x" * (2 << 20)),
        "shard-2/results.jsonl:1: longer than 1,048,576 bytes",
    ),
    "results are a pipe": (lambda folder: fifo(folder, "results.jsonl"), "shard-2/results.jsonl: is missing"),
    "junit is cut": (lambda folder: cut(folder, "junit.xml"), r"shard-2/junit.xml:\d+: .*"),
    "junit is empty": (
        lambda folder: write(folder, "junit.xml", b""),
        "shard-2/junit.xml: does not begin as pytest writes it",
    ),
    "junit has entities": (
        lambda folder: write(folder, "junit.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><testsuites/>'),
        "shard-2/junit.xml: does not begin as pytest writes it",
    ),
    "junit has no suite": (
        lambda folder: write(folder, "junit.xml", b'<?xml version="1.0" encoding="utf-8"?><testsuites/>'),
        "shard-2/junit.xml: has no test suite",
    ),
    "junit is too deep": (
        lambda folder: deepen(folder),
        "shard-2/junit.xml: is nested deeper than pytest writes it",
    ),
    "junit counts nonsense": (
        lambda folder: write(
            folder,
            "junit.xml",
            b'<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite errors="-1" failures="0" skipped="0" '
            b'tests="0" time="1"/></testsuites>',
        ),
        "shard-2/junit.xml: .*",
    ),
    "page is cut": (
        lambda folder: cut(folder, "report.html"),
        "shard-2/report.html: is not as the run left it: cut off, or changed since",
    ),
    "page is missing": (lambda folder: (folder / "report.html").unlink(), "shard-2/report.html: is missing"),
    "results are another": (
        lambda folder: (
            first_line_of(folder, (folder / "results.jsonl").read_text().splitlines()[1]) or no_digest(folder)
        ),
        "shard-2/results.jsonl: is not as .*",
    ),
}


def deepen(folder: Path) -> None:
    """Nest one test case so deep that a writer of XML gives up."""
    text = (folder / "junit.xml").read_text("utf-8")
    deep = f"<testcase>{'<a>' * 20_000}{'</a>' * 20_000}</testcase>"
    (folder / "junit.xml").write_text(text.replace("</testsuite>", f"{deep}</testsuite>"), "utf-8")
    account(folder)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_shard(folders: list[Path], broken: str) -> None:
    breaks, complaint = BROKEN[broken]
    breaks(folders[1])
    gone = ("missing: shard 2/3",) if "run.json" in broken or broken.startswith("no ") else ()
    more = (
        ("shard-2/junit.xml: is not .*", "shard-2/report.html: is not .*") if broken == "results are another" else ()
    )
    refused(folders, complaint, *more, *gone)


def test_everything_that_is_wrong_is_said_at_once(folders: list[Path]) -> None:
    cut(folders[0], "results.jsonl")
    cut(folders[0], "junit.xml")
    cut(folders[0], "report.html")
    account(folders[1], finished=None)
    shutil.rmtree(folders[2])
    refused(
        folders,
        "shard-3: is no folder",
        "missing: shard 3/3",
        r"shard-1/results.jsonl:\d+: is cut off",
        r"shard-1/junit.xml:\d+: .*",
        "shard-1/report.html: is not as the run left it.*",
        "shard-2: shard 2/3 has not ended, or was killed",
    )


def test_shards_are_not_compared_with_one_that_never_ended(folders: list[Path]) -> None:
    account(folders[0], finished=None, selection={})
    refused(folders, "shard-1: shard 1/3 has not ended, or was killed")


def test_the_output_is_none_of_the_inputs(folders: list[Path]) -> None:
    before = {each: each.read_bytes() for each in folders[0].iterdir()}
    done = merge(*folders, reports=folders[0].parent / "x" / ".." / "shard-1")
    assert done.exit_code == 2
    assert "would be both read and written; name another with --reports DIR" in done.stderr
    assert {each: each.read_bytes() for each in folders[0].iterdir()} == before


@pytest.mark.parametrize("name", ["junit.xml", "results.jsonl"])
def test_a_report_that_changes_after_it_was_looked_at(folders: list[Path], name: str) -> None:
    """Between the two readings, another run ends in the folder of a shard."""
    reports = folders[0].parent / "reports"
    reports.mkdir()
    (reports / name).write_text("of another day", "utf-8")
    whole = merged_of(folders)
    changed = folders[2] / name
    changed.write_bytes(changed.read_bytes().replace(b"two words", b"too words"))
    with closing(Folder(reports)) as folder, pytest.raises(Refused, match=f"shard-3/{name}: is not as the run left"):
        whole.write(folder)
    assert sorted(each.name for each in reports.iterdir()) == [".lock", name]
    assert (reports / name).read_text("utf-8") == "of another day"


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_without_a_page_is_whole(folders: list[Path], count: int) -> None:
    """``-p no:html`` and ``--html`` leave none there; nothing is read from it."""
    for folder in folders[:count]:
        forget(folder, "report.html")
    done = merge(*folders, reports=folders[0].parent / "reports")
    assert (done.exit_code, done.stderr) == (1, "")
    assert "words_are_three" in (folders[0].parent / "reports" / "report.html").read_text("utf-8")


def test_a_run_without_junit_is_told_how_to_have_one(folders: list[Path]) -> None:
    forget(folders[1], "junit.xml")
    refused(folders, "shard-2/junit.xml: the run wrote none; run it without -p no:junitxml or --junitxml")


def forget(folder: Path, name: str) -> None:
    """Leave a shard as a run that wrote no such report."""
    (folder / name).unlink()
    said = json.loads((folder / "run.json").read_text("utf-8"))
    del said["reports"][name]
    (folder / "run.json").write_text(json.dumps(said), "utf-8")


# The terminal


def test_an_interrupt_leaves_the_reports_of_before(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    reports = folders[0].parent / "reports"
    reports.mkdir()
    (reports / "junit.xml").write_text("of another day", "utf-8")
    monkeypatch.setattr("muster.report.html_page.LargePage.write", interrupted)
    done = merge(*folders, reports=reports)
    assert (done.exit_code, done.stdout, done.stderr.split()) == (130, "", ["interrupted"])
    assert sorted(each.name for each in reports.iterdir()) == [".lock", "junit.xml"]
    assert (reports / "junit.xml").read_text("utf-8") == "of another day"


@pytest.mark.parametrize("place", ["full", "gone"])
def test_the_exit_code_does_not_hang_on_who_reads_the_listing(tmp_path: Path, place: str) -> None:
    (made,) = run_shards(tmp_path, 1, "-k", "words_are_said", inventory=ONE)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone, Path("/dev/full").open("w") as full:
        stdout = full if place == "full" else gone
        done = merge_elsewhere([made.folder], tmp_path / "all", stdout=stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_that_cannot_write_every_character_gets_its_escape(folders: list[Path]) -> None:
    done = merge_elsewhere(folders, folders[0].parent / "all", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (1, "")
    assert "\\u2192 docs/runbooks/hosts.md" in done.stdout


@pytest.mark.parametrize(("variable", "coloured"), [("NO_COLOR", False), ("FORCE_COLOR", True), ("", False)])
def test_colours_are_as_pytest_has_them(folders: list[Path], variable: str, coloured: bool) -> None:
    wanted = {variable: "1"} if variable else {}
    done = merge_elsewhere(folders, folders[0].parent / "all", **wanted)
    assert ("\x1b[31m" in done.stdout) is coloured


# The folder


def test_two_merges_at_once_do_not_mix(folders: list[Path]) -> None:
    reports = folders[0].parent / "reports"
    start = threading.Barrier(4)
    codes: list[int] = []

    def one() -> None:
        start.wait(60)
        codes.append(merge_elsewhere(folders, reports).returncode)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(codes) <= {1, 2}
    assert 1 in codes
    assert len(list(ET.parse(reports / "junit.xml").iter("testcase"))) == 43
    assert sorted(each.name for each in reports.iterdir()) == [
        ".lock",
        "junit.xml",
        "report.html",
        "results.jsonl",
    ]


def merge_elsewhere(
    folders: list[Path], reports: Path, stdout: TextIO | int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`merge` in a process of its own."""
    command = [sys.executable, "-c", "from muster.cli import main; main()", "merge", *map(str, folders)]
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        [*command, "--reports", reports],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**inherited, **variables},
        encoding="utf-8",
        errors="backslashreplace",
        timeout=60,
        check=False,
    )


def test_a_folder_that_another_run_holds(folders: list[Path]) -> None:
    reports = folders[0].parent / "reports"
    reports.mkdir()
    with (reports / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = merge(*folders, reports=reports)
    assert done.exit_code == 2
    assert "is writing reports to" in done.stderr
    assert [each.name for each in reports.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made(folders: list[Path]) -> None:
    done = merge(*folders, reports=Path("/proc/nothing"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "cannot write reports to /proc/nothing" in done.stderr


@pytest.mark.parametrize("full", ["junit.xml", "report.html", "results.jsonl"])
def test_a_full_disk_leaves_the_reports_of_before(folders: list[Path], full: str) -> None:
    reports = folders[0].parent / "reports"
    reports.mkdir()
    (reports / "junit.xml").write_text("of another day", "utf-8")
    (reports / f".{full}.new").symlink_to("/dev/full")
    done = merge(*folders, reports=reports)
    assert (done.exit_code, done.stdout) == (4, "")
    assert re.fullmatch(
        rf"the reports are not written: .*{re.escape(str(reports))}.*No space left on device\n", done.stderr
    )
    assert sorted(each.name for each in reports.iterdir()) == [".lock", "junit.xml"]
    assert (reports / "junit.xml").read_text("utf-8") == "of another day"


def test_a_folder_in_the_place_of_a_report_leaves_the_reports_of_before(folders: list[Path]) -> None:
    reports = folders[0].parent / "reports"
    (reports / "results.jsonl").mkdir(parents=True)
    (reports / "junit.xml").write_text("of another day", "utf-8")
    done = merge(*folders, reports=reports)
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == f"the reports are not written: {reports}/results.jsonl: Is a directory\n"
    assert sorted(each.name for each in reports.iterdir()) == [".lock", "junit.xml", "results.jsonl"]
    assert (reports / "junit.xml").read_text("utf-8") == "of another day"
