"""The terminal: what a person reads at the end of a run, on a wide screen and on a narrow one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.report_runs import GONE, INVENTORY, Made, run
from tests.servers.processes import refusing_port

MANY = """
from muster import Host, check


@check(severity="critical", remediation="count again")
def test_count_is_right(target: Host) -> None:
    \"""The count is right.\"""
    assert target.name != "host-050", "counted 49, expected 50"
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with refusing_port() as refusing:
        yield refusing


def listing(made: Made) -> list[str]:
    """The lines between pytest's own, from the first host to the last line."""
    lines = COLOUR.sub("", made.terminal).splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(("here", "host-", "observed from")))
    return [line for line in lines[start:] if not re.match(r"[-=]+ ", line)]


@pytest.mark.parametrize("columns", [80, 40])
def test_each_verdict_says_what_was_observed_within_the_width(tmp_path: Path, port: int, columns: int) -> None:
    made = run(tmp_path, inventory=INVENTORY + GONE.replace("PORT", str(port)), columns=columns)
    lines = listing(made)
    said = "".join("".join(lines).split())
    for text in (
        "here ok words are said · two words",
        "critical words are three two words, expected three words → teach it & <again>",
        "→ docs/runbooks/hosts.md#words",
        "warning words are loud two words, expected capitals → speak up",
        "unknown secrets are known /etc/shadow: permission denied, needs root",
        "skipped point is seen · no such thing on this host",
        "space_used_percent of /home is 97.25 %, expected at most 90 %",
    ):
        assert "".join(text.split()) in said
    wide = [line for line in lines[:-1] if len(line) > columns and " " in line[12:] and not line.startswith("gone")]
    assert not wide


def test_an_unreachable_host_is_one_line(tmp_path: Path, port: int) -> None:
    made = run(tmp_path, "-v", inventory=INVENTORY + GONE.replace("PORT", str(port)))
    about = [line for line in listing(made) if "refused" in line]
    assert about == [f"gone: ssh: refused: 127.0.0.1:{port} (after 2 tries); 6 checks not observed"]


def test_the_last_line_counts(tmp_path: Path, port: int) -> None:
    made = run(tmp_path, inventory=INVENTORY + GONE.replace("PORT", str(port)))
    assert made.terminal.splitlines()[-1] == (
        "muster: 1 ok, 2 skipped, 1 warning, 8 unknown, 2 critical · 2 targets on 2 hosts · 8 checks not observed"
    )


def test_what_is_ok_is_left_out_when_quiet(tmp_path: Path) -> None:
    lines = listing(run(tmp_path, "-q"))
    assert lines[0] == "here  (1 more ok)"
    assert not any(line.startswith(("  ok", "  skipped")) for line in lines)
    assert any(line.startswith("  critical") for line in lines)


def test_up_to_a_hundred_verdicts_are_all_listed(tmp_path: Path) -> None:
    inventory = "hosts: {'host-[001:100]': {connection: {kind: local}}}\n"
    lines = listing(run(tmp_path, checks=MANY, inventory=inventory))
    assert sum(line.startswith("  ok") for line in lines) == 99


def test_checks_that_could_not_look_for_one_reason_are_one_entry_whatever_came_between(tmp_path: Path) -> None:
    unseen = """
@check(severity="critical", remediation="chmod a+r {0}")
def test_{0}(shadow: CommandOutput) -> None:
    \"""It is seen.\"""
"""
    between = """
@check(severity="critical", remediation="mend it")
def test_between(target: Host) -> None:
    \"""It is well.\"""
    assert not target.name, "seen, expected nothing"
"""
    names = "from muster import CommandOutput, Host, check, fact\n"
    checks = f'{names}shadow = fact.command("exit 127")\n{unseen.format("one")}{between}{unseen.format("two")}'
    said = run(tmp_path, checks=checks).terminal
    assert len(re.findall(r"^  unknown ", said, re.MULTILINE)) == 1, said
    assert "unknown   2 checks not observed" in said


def test_of_more_than_a_hundred_verdicts_those_that_are_not_ok_are_listed(tmp_path: Path) -> None:
    inventory = "hosts: {'host-[001:101]': {connection: {kind: local}}}\n"
    lines = listing(run(tmp_path, checks=MANY, inventory=inventory))
    assert lines == [
        "host-050",
        "  critical  count is right",
        "            counted 49, expected 50",
        "            → count again",
        "muster: 100 ok, 1 critical · 101 targets on 101 hosts",
    ]


def test_all_of_more_than_a_hundred_verdicts_are_listed_when_asked_for(tmp_path: Path) -> None:
    inventory = "hosts: {'host-[001:101]': {connection: {kind: local}}}\n"
    lines = listing(run(tmp_path, "-v", checks=MANY, inventory=inventory))
    assert sum(line.startswith("  ok") for line in lines) == 100


def test_of_very_many_verdicts_that_are_not_ok_each_check_is_one_entry(tmp_path: Path, port: int) -> None:
    checks = """
from muster import Command, Host, Measure, Output, Probe, check, need


@need(Host)
def words(host: Host) -> Probe[str]:
    \"""What the host says.\"""
    return Probe(Command("true"), lambda output: output.text)


@check(severity="critical", remediation="count again")
def test_count_is_right(words: str, target: Host) -> None:
    \"""The count is right.\"""
    assert target.name == "here-2", f"{target.name} counted 49, expected 50"


@check(severity="warning", remediation="sweep", runbook="hosts.md#sweep")
def test_floor_is_clean(words: str) -> None:
    \"""The floor is clean.\"""
    raise AssertionError("dust, expected none")
"""
    few = "import muster.report.listing\nmuster.report.listing.FEW = muster.report.listing.MOST = 4\n"
    (tmp_path / "conftest.py").write_text(few)
    inventory = "hosts:\n  here-[1:4]: {connection: {kind: local}}\n" + GONE.replace("PORT", str(port))
    said = run(tmp_path, checks=checks, inventory=inventory).terminal
    assert [line for line in said.splitlines() if line.startswith(("7 ", "1 ", " ")) or "muster: " in line][1:] == [
        "7 verdicts by check; the reports have each of them, and so has -v",
        "1 host not reached; 2 checks not observed",
        "  critical  count is right: 3 targets",
        "            here-1: here-1 counted 49, expected 50",
        "            → count again",
        "  warning   floor is clean: 4 targets",
        "            here-1: dust, expected none",
        "            → sweep",
        "            → docs/runbooks/hosts.md#sweep",
        "muster: 1 ok, 4 warning, 2 unknown, 3 critical · 5 targets on 5 hosts · 2 checks not observed",
    ]
    whole = run(tmp_path, "-v", checks=checks, inventory=inventory).terminal
    assert whole.count("counted 49, expected 50") == 3


def test_colour_is_there_when_asked_for_and_words_say_the_same(tmp_path: Path) -> None:
    coloured = run(tmp_path, "--color=yes")
    plain = run(tmp_path, "--color=no")
    assert re.search(r"\x1b\[[\d;]*31m[^\n]*critical", coloured.terminal)
    assert "\x1b" not in plain.terminal
    assert listing(coloured) == listing(plain)


def test_no_colour_is_shown_to_who_wants_none(tmp_path: Path) -> None:
    assert "\x1b" not in run(tmp_path, environment={"NO_COLOR": "1"}).terminal


def test_the_tracebacks_of_pytest_are_shown_when_asked_for(tmp_path: Path) -> None:
    assert "= FAILURES =" not in run(tmp_path).terminal
    assert "= FAILURES =" in run(tmp_path, "--tb=short").terminal
    assert "short test summary" in run(tmp_path, "-ra").terminal


def test_the_summary_of_pytest_names_the_verdicts(tmp_path: Path) -> None:
    said = run(tmp_path, "-rA").terminal
    for word in ("ok", "critical", "unknown"):
        assert re.search(rf"^{word} \S*test_\S+\[here\]", said, re.MULTILINE)


def test_a_run_without_a_terminal_judges_all_the_same(tmp_path: Path) -> None:
    made = run(tmp_path, "-p", "no:terminal")
    assert (made.code, made.terminal) == (1, "")
    assert {"ok", "critical", "unknown"} <= {each["verdict"] for each in made.results}


def test_all_that_was_observed_is_shown_of_what_is_wrong_when_asked_for(tmp_path: Path) -> None:
    checks = """
from muster import Memory, check


@check(severity="critical", remediation="mend it")
def test_memory_is_odd(memory: Memory) -> None:
    \"""Memory is odd.\"""
    assert memory.total_bytes % 2, "even, expected odd"
"""
    assert "observed: " not in run(tmp_path, checks=checks).terminal
    assert re.search(r"even, expected odd\n +observed: [\d.]+ GiB of", run(tmp_path, "-v", checks=checks).terminal)


def test_the_gathering_is_told_in_one_line_where_nobody_watches(tmp_path: Path) -> None:
    made = run(tmp_path)
    assert re.search(r"^asked 1 host for 2 facts in \d+\.\d s$", made.terminal, re.MULTILINE)
    assert "facts, " not in made.terminal


def test_the_name_of_an_inventory_reaches_the_terminal_without_controls() -> None:
    from muster.report.terminal import header

    assert header(["e\x1b[31m.yaml"], []).endswith(r"from e\x1b[31m.yaml")
