"""What ends a check in another way than an assertion: it costs that check, and is never lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.live_runs import LOCAL, inventory
from tests.engine.report_runs import Made, run

#: Ways to end a test, and what comes of it. The last of them ends only the test whose work it stands in.
ENDINGS = {
    'pytest.skip("no need")': ("skipped", "no need"),
    'pytest.xfail("known")': ("skipped", "known"),
    'pytest.fail("no good")': ("critical", "no good"),
    'raise DoesNotApply("no such thing")': ("skipped", "no such thing"),
    "raise SystemExit(0)": ("unknown", "the check itself broke: SystemExit: 0"),
    "raise GeneratorExit": ("unknown", "the check itself broke: GeneratorExit: "),
    "turn_round()": ("unknown", "the check itself broke: RecursionError: maximum recursion depth exceeded"),
}

HERE = inventory(here=LOCAL)


def ended(number: int, ending: str) -> str:
    return f'''
@check(severity="critical", remediation="say them")
def test_judged_{number}(words: CommandOutput) -> None:
    """Words are said."""
    {ending}


def test_live_{number}(host):
    {ending}
'''


HEAD = """
import pytest

from muster import CommandOutput, DoesNotApply, Host, check, fact

words = fact.command("echo two words")


def turn_round():
    turn_round()
"""


def told(made: Made) -> dict[str, tuple[str, str]]:
    return {each["check"]: (each["verdict"], each["message"].partition(" at /")[0]) for each in made.results}


@pytest.mark.parametrize("options", [(), ("--no-quick-path",), ("-n", "1")], ids=" ".join)
def test_whatever_ends_a_check_is_the_verdict_of_that_check(tmp_path: Path, options: tuple[str, ...]) -> None:
    checks = HEAD + "".join(ended(number, ending) for number, ending in enumerate(ENDINGS))
    made = run(tmp_path, *options, checks=checks, inventory=HERE)
    found = told(made)
    assert len(made.results) == 2 * len(ENDINGS), made.terminal
    for number, (verdict, message) in enumerate(ENDINGS.values()):
        for kind in ("judged", "live"):
            said = found[f"{kind}_{number}"]
            assert (said[0], said[1][: len(message)]) == (verdict, message)
    assert made.code == 1
    assert made.terminal.splitlines()[-1].startswith("muster: 6 skipped, 6 unknown, 2 critical")


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
@pytest.mark.parametrize(("code", "wanted"), [("", 1), (", 0", 1), (", 7", 7)], ids=["no-code", "0", "7"])
def test_a_test_that_ends_the_run_does_not_make_it_green(
    tmp_path: Path, options: tuple[str, ...], code: str, wanted: int
) -> None:
    checks = f"""
import pytest

def test_it(host, target):
    if target.name == "b":
        pytest.exit("seen enough"{code})

def test_other(host):
    pass
"""
    made = run(tmp_path, *options, checks=checks, inventory=inventory(a=LOCAL, b=LOCAL, c=LOCAL))
    assert made.code == wanted, made.terminal
    assert "Exit: seen enough" in made.terminal
    assert "INTERNALERROR" not in made.terminal
    assert "checks not judged" in made.terminal.splitlines()[-1]
    assert {each["verdict"] for each in made.results} == {"ok"}
    assert made.junit[0].get("tests") == str(len(made.results))


def test_what_fails_without_a_verdict_is_not_for_want_of_the_network(tmp_path: Path, refused_port: int) -> None:
    checks = "def test_it(host):\n    pass\n\ndef test_about_no_target():\n    assert False, 'wrong'\n"
    down = {"connection": {"address": "127.0.0.1", "port": refused_port, "user": "ops"}}
    made = run(tmp_path, checks=checks, inventory=inventory(down=down))
    assert [each["cause"] for each in made.results] == ["network"]
    assert made.code == 1


SUBTESTS = (
    HEAD
    + '''
PARTS = {"here": [1, 2, 3], "calm": []}


def each_part(subtests, target, too_much):
    for part in range(1, 4):
        with subtests.test(part=part):
            assert part not in PARTS[target.name], f"part {part} of {too_much}"


@check(severity="critical", remediation="mend it")
def test_judged(words: CommandOutput, target: Host, subtests) -> None:
    """Every part is well."""
    each_part(subtests, target, "judged")


@check(severity="warning", remediation="mend it")
def test_mild(words: CommandOutput, target: Host, subtests) -> None:
    """Every part is well."""
    each_part(subtests, target, "mild")


def test_live(host, target, subtests):
    each_part(subtests, target, "live")


def test_skipped_after_all(host, target, subtests):
    each_part(subtests, target, "skipped")
    pytest.skip("seen enough")


def test_not_seen(host, target, subtests):
    with subtests.test():
        assert target.name == "calm" or host.run("true").rc == 1, "wrong"
    with subtests.test():
        raise TimeoutError("too late")
    with subtests.test():
        pytest.skip("no need")
'''
)


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "worker"])
def test_a_subtest_that_fails_is_in_the_one_verdict_of_its_test(tmp_path: Path, options: tuple[str, ...]) -> None:
    made = run(tmp_path, *options, checks=SUBTESTS, inventory=inventory(here=LOCAL, calm=LOCAL))
    found = {(each["host"], each["check"]): (each["verdict"], each["message"]) for each in made.results}
    assert len(made.results) == len(found) == 10, made.terminal

    def parts(of: str) -> str:
        return "; ".join(f"part {part} of {of}" for part in (1, 2, 3))

    assert {check: said for (host, check), said in found.items() if host == "here"} == {
        "judged": ("critical", parts("judged")),
        "mild": ("warning", parts("mild")),
        "live": ("critical", parts("live")),
        "skipped_after_all": ("critical", parts("skipped")),
        "not_seen": ("critical", "wrong"),
    }
    assert {check: said for (host, check), said in found.items() if host == "calm"} == {
        "judged": ("ok", "two words"),
        "mild": ("ok", "two words"),
        "live": ("ok", ""),
        "skipped_after_all": ("skipped", "seen enough"),
        "not_seen": ("unknown", "TimeoutError: too late"),
    }
    cases = {str(case.get("name")): {each.tag for each in case} for case in made.junit.iter("testcase")}
    assert len(cases) == 10
    assert len(list(made.junit.iter("failure"))) == 4
    assert cases["test_mild[here]"] == {"properties"}
    assert made.code == 1


def test_a_warning_of_a_subtest_does_not_fail_a_run(tmp_path: Path) -> None:
    made = run(tmp_path, "-k", "mild", checks=SUBTESTS, inventory=HERE)
    assert [each["verdict"] for each in made.results] == ["warning"]
    assert made.code == 0


def test_secrets_are_taken_out_of_what_a_subtest_prints(tmp_path: Path) -> None:
    checks = """
def test_live(host, subtests):
    with subtests.test():
        print("it is opensesame")
        assert host.run("true").rc == 1, "not opensesame"

def test_about_no_target(subtests):
    with subtests.test():
        print("it is opensesame")
        assert False, "not opensesame"
"""
    endpoint = {"url": "http://127.0.0.1:1/", "headers": {"Authorization": "Bearer ${env:WORD}"}}
    hosts = inventory(here={**LOCAL, "endpoints": {"it": endpoint}})
    made = run(tmp_path, "-rA", checks=checks, inventory=hosts, environment={"WORD": "opensesame"})
    assert "it is ***" in made.terminal
    for text in (made.terminal, *(each.read_text("utf-8") for each in made.folder.iterdir())):
        assert "opensesame" not in text
