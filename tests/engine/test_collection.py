"""Collecting checks over an inventory: what is refused, what they may take, and what has no target."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.report_runs import run

HERE = "hosts: {here: {connection: local}, there: {connection: local, listening: [1]}}\n"
HEAD = "import pytest\nfrom muster import *\n"


def check(body: str, decoration: str = 'severity="critical", remediation="mend it"') -> str:
    return f"{HEAD}\n@check({decoration})\n{body}\n"


@pytest.mark.parametrize(
    ("checks", "complaint"),
    [
        (check("def test_bare(load):\n    assert load, 'none'"), "test_sample.py:4: test_bare has no title"),
        (
            check("def test_grave(load):\n    '''Fine.'''", 'severity="fatal", remediation="x"'),
            "test_sample.py:4: test_grave has severity 'fatal': choose one of info, warning, critical",
        ),
        (
            check("def test_lost(load):\n    '''Fine.'''", 'severity="info", remediation=" "'),
            "test_sample.py:4: test_lost has no remediation",
        ),
        (
            check("def test_page(load):\n    '''Fine.'''", 'severity="info", remediation="x", runbook="a page"'),
            "test_sample.py:4: test_page has runbook 'a page': write it as page.md#heading",
        ),
        (
            check("def test_typo(memori):\n    '''Fine.'''"),
            "test_sample.py:4: test_typo asks for 'memori', which is no fact; did you mean memory?",
        ),
        (
            check("def test_two(response, container_state):\n    '''Fine.'''"),
            "test_two reads facts of two kinds of target, container and endpoint: make it two checks",
        ),
        (check("def test_idle(measure):\n    '''Fine.'''"), "test_idle reads no fact: take one as an argument"),
        (
            f"{HEAD}\nclass TestAll:\n    @check(severity='info', remediation='x')\n"
            "    def test_in_class(self, load):\n        '''Fine.'''\n",
            "TestAll::test_in_class: a check is a function of a module, no method",
        ),
    ],
)
def test_a_badly_written_check_is_refused_with_file_and_line(tmp_path: Path, checks: str, complaint: str) -> None:
    made = run(tmp_path, checks=checks, inventory=HERE, columns=200)
    assert made.code == 2, made.terminal
    assert complaint in made.terminal
    assert "Traceback" not in made.terminal
    assert not (made.folder / "results.jsonl").exists(), "nothing is judged beside a check that is wrong"


def test_all_that_is_wrong_with_a_check_is_said_at_once(tmp_path: Path) -> None:
    made = run(
        tmp_path, checks=check("def test_bare(load):\n    pass", "severity='', remediation=''"), inventory=HERE
    )
    for complaint in ("has no title", "has severity ''", "has no remediation"):
        assert complaint in made.terminal


def test_a_check_may_take_fixtures_parameters_and_needs_of_its_own(tmp_path: Path) -> None:
    checks = (
        HEAD
        + '''
shells = fact.command("echo $((20 + 1))")

@pytest.fixture
def most():
    return 1e6

@pytest.mark.parametrize("factor", [1, 2])
@check(severity="critical", remediation="mend it")
def test_own(shells, load, most, factor, target):
    """The site's own."""
    assert load.one < most * factor, f"{load}"
    assert str(shells) == "21", f"{shells} at {target.name}"
'''
    )
    made = run(tmp_path, checks=checks, inventory=HERE)
    assert made.code == 0, made.terminal
    assert [each["verdict"] for each in made.results] == ["ok"] * 4, "two hosts, two factors"
    assert "21" in made.results[0]["message"]


def test_a_fixture_that_does_not_exist_is_unknown_and_not_green(tmp_path: Path) -> None:
    made = run(tmp_path, checks=check("def test_own(load, nowhere):\n    '''Fine.'''"), inventory=HERE)
    assert made.code == 1
    assert {each["verdict"] for each in made.results} == {"unknown"}
    assert "nowhere" in made.results[0]["message"]


def test_a_check_runs_where_the_inventory_expects_something(tmp_path: Path) -> None:
    checks = check(
        "def test_ports(listening_ports, target):\n    '''Fine.'''",
        'severity="info", remediation="x", applies=expects("listening")',
    )
    made = run(tmp_path, checks=checks, inventory=HERE)
    assert [each["host"] for each in made.results] == ["there"]
    nowhere = run(tmp_path, checks=checks, inventory="hosts: {here: {connection: local}}\n")
    assert nowhere.code == 5
    assert "no hosts here" not in nowhere.terminal, "there is a host, and nothing that is expected of it"


def test_kinds_without_a_target_are_counted_once(tmp_path: Path) -> None:
    checks = "\n".join(check(f"def test_{name}(sqlite_file):\n    '''Fine.'''") for name in ("one", "two")) + check(
        "def test_load(load):\n    '''Fine.'''"
    )
    made = run(tmp_path, checks=checks, inventory=HERE)
    assert made.code == 0
    assert "no databases here: 2 checks without a target" in made.terminal
    assert len(made.results) == 2, "the load of both hosts"
    assert "no databases here" not in run(tmp_path, "-q", checks=checks, inventory=HERE).terminal


def test_only_what_selected_checks_read_is_asked(tmp_path: Path) -> None:
    checks = check("def test_load(load):\n    '''Fine.'''") + check("def test_memory(memory):\n    '''Fine.'''")
    made = run(tmp_path, "--dry-run", "-k", "load", "--limit", "here", checks=checks, inventory=HERE)
    assert made.code == 0
    assert "/proc/loadavg" in made.terminal
    assert "/proc/meminfo" not in made.terminal
    assert "there" not in made.terminal.split("would ask")[1]
    assert not made.folder.exists(), "a dry run leaves no reports"


def test_a_dry_run_needs_no_workers(tmp_path: Path) -> None:
    made = run(
        tmp_path, "--dry-run", "-n", "2", checks=check("def test_load(load):\n    '''Fine.'''"), inventory=HERE
    )
    assert made.code == 0, made.terminal
    assert made.terminal.count("/proc/loadavg") == 2, "once for each host"


def test_a_rerun_of_what_failed_asks_for_no_more(tmp_path: Path) -> None:
    checks = check("def test_bad(load):\n    '''Fine.'''\n    assert not load, 'always'") + check(
        "def test_memory(memory):\n    '''Fine.'''"
    )
    cache = ("-p", "cacheprovider", "-o", f"cache_dir={tmp_path / 'cache'}")
    first = run(tmp_path, *cache, checks=checks, inventory=HERE)
    assert first.code == 1
    again = run(tmp_path, *cache, "--lf", "--dry-run", checks=checks, inventory=HERE)
    assert "/proc/loadavg" in again.terminal
    assert "/proc/meminfo" not in again.terminal


def test_nothing_selected_is_never_green(tmp_path: Path) -> None:
    made = run(tmp_path, "-k", "nothing_of_this_name", inventory=HERE)
    assert made.code == 5
    limited = run(tmp_path, "--limit", "ther", inventory=HERE)
    assert limited.code == 5
    assert "there" in limited.terminal, "the nearest name is offered"


def test_a_dry_run_says_that_live_tests_ask_for_themselves(tmp_path: Path) -> None:
    made = run(tmp_path, "--dry-run", checks="def test_live(host):\n    assert host.exists('sh')\n", inventory=HERE)
    assert made.code == 0
    assert "2 live tests would ask for themselves" in made.terminal


def test_what_is_not_observed_by_the_deadline_is_unknown(tmp_path: Path) -> None:
    checks = f"{HEAD}\nslow = fact.command('sleep 60')\n" + check(
        "def test_slow(slow):\n    '''Fine.'''"
    ).removeprefix(HEAD)
    made = run(tmp_path, "--deadline", "700ms", checks=checks, inventory="hosts: {here: {connection: local}}\n")
    assert made.code == 1
    (found,) = made.results
    assert (found["verdict"], found["cause"]) == ("unknown", "timeout")
    assert "the run's deadline of 0.7 s passed" in found["message"]


def test_a_deadline_that_is_no_duration_is_refused(tmp_path: Path) -> None:
    made = run(tmp_path, "--deadline", "soon", inventory=HERE)
    assert made.code == 2
    assert "--deadline soon: is not a duration" in made.terminal


def test_a_run_that_judges_nothing_leaves_no_reports_of_the_one_before(tmp_path: Path) -> None:
    first = run(tmp_path, checks=check("def test_load(load):\n    '''Fine.'''"), inventory=HERE)
    assert (first.code, len(first.results)) == (0, 2)
    for wrong in (("--limit", "nowhere"), ("--set", "nothing=1")):
        again = run(tmp_path, *wrong, inventory=HERE)
        assert again.code in (2, 5), again.terminal
        assert [each.name for each in again.folder.iterdir()] == [".lock"]


def test_asking_pytest_about_itself_keeps_the_reports(tmp_path: Path) -> None:
    run(tmp_path, checks=check("def test_load(load):\n    '''Fine.'''"), inventory=HERE)
    for question in ("--markers", "--fixtures", "--help", "--collect-only"):
        assert len(run(tmp_path, question, inventory=HERE).results) == 2, question


def test_a_file_whose_kinds_have_no_target_is_counted_and_not_imported(tmp_path: Path) -> None:
    idle = check("def test_one(container_state, measure):\n    '''Fine.'''")
    (tmp_path / "test_idle.py").write_text(f"{idle}\nraise RuntimeError('imported')\n")
    made = run(tmp_path, checks=check("def test_load(load):\n    '''Fine.'''"), inventory=HERE)
    assert made.code == 0, made.terminal
    assert "no containers here: 1 check without a target" in made.terminal
    assert "muster: 2 ok" in made.terminal


def test_a_file_with_one_check_that_has_a_target_is_imported_whole(tmp_path: Path) -> None:
    pairs = (("a", "container_state"), ("b", "load"))
    checks = "\n".join(check(f"def test_{name}({fact}):\n    '''Fine.'''") for name, fact in pairs)
    made = run(tmp_path, checks=checks, inventory=HERE)
    assert made.code == 0, made.terminal
    assert "no containers here: 1 check without a target" in made.terminal
    assert "muster: 2 ok" in made.terminal
