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
