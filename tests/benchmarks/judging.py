"""Judging: 30 checks of 1,000 hosts with the facts in memory, beside plain pytest on 30,000 tests that do nothing."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, Bar, Contender, Contest

HOSTS = 1_000
CHECKS = 30

INVENTORY = f"""\
defaults: {{connection: {{kind: ssh, user: ops}}, labels: {{role: web}}}}
hosts: {{"web-[0001:{HOSTS}].example.net": {{}}}}
"""

HEAD = '''\
"""Checks as they ship, some of them several times."""

from muster import Attempt, Clock, FailedUnits, Filesystems, Load, Measure, Memory, Swap, Uptime, check
'''

CHECK = '''

@check(severity="critical", remediation="ps -eo rss,pid,user,comm; restart what grows", runbook="hosts.md#memory")
def test_{name}_{number}({arguments}) -> None:
    """The host is well, in respect {number}.

    Whoever is told otherwise knows why it matters.
    """
    {body}
'''

#: The arguments and bodies of the checks that are written again and again until there are enough.
FORMS = {
    "reachable": ("login: Attempt", 'assert login.connected, f"{login}, expected to log in"'),
    "memory": ("memory: Memory, measure: Measure", 'measure("memory_used_percent", memory.used_percent)'),
    "swap": ("swap: Swap, measure: Measure", 'measure("swap_used_percent", swap.used_percent)'),
    "load": ("load: Load, measure: Measure", 'measure("load_per_core", load.per_core)'),
    "uptime": ("uptime: Uptime, measure: Measure", 'measure("uptime_seconds", uptime.seconds)'),
    "clock": ("clock: Clock, measure: Measure", 'measure("clock_offset_seconds", clock.least_offset_seconds)'),
    "units": ("failed_units: FailedUnits", 'assert not failed_units.names, f"{failed_units}, expected none"'),
    "space": (
        "filesystems: Filesystems, measure: Measure",
        'for each in filesystems:\n        measure("filesystem_used_percent", each.used_percent, of=each.mount)',
    ),
}

EMPTY = "import pytest\n" + "".join(
    f'\n\n@pytest.mark.parametrize("host", range({HOSTS}))\ndef test_{number}(host):\n    pass\n'
    for number in range(CHECKS)
)


def checks() -> str:
    """A module of checks."""
    text = [HEAD]
    for number in range(CHECKS):
        name, (arguments, body) = list(FORMS.items())[number % len(FORMS)]
        text.append(CHECK.format(name=name, number=number, arguments=arguments, body=body))
    return "".join(text)


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = Path(folder, "ours"), Path(folder, "plain")
        for each, test in ((ours, checks()), (plain, EMPTY)):
            each.mkdir()
            (each / "pytest.ini").write_text("[pytest]\n")
            (each / "test_all.py").write_text(test)
        (ours / "inventory.yaml").write_text(INVENTORY)
        here = {"PYTHONPATH": str(Path(__file__).parent)}
        muster = (*PYTEST, "-p", "in_memory", "--inventory", "inventory.yaml")
        yield Contest(
            [
                Contender("plain pytest", PYTEST, plain),
                Contender("muster", (*muster, "-p", "no:html"), ours, here),
                Contender("plain pytest with JUnit", (*PYTEST, "--junitxml=junit.xml"), plain),
                Contender("muster with HTML", muster, ours, here),
            ],
            [
                Bar("muster", "plain pytest", at_least=2),
                Bar("muster", "plain pytest", "cpu", at_least=2),
                Bar("muster", "plain pytest", "rss", at_most=1.3),
                Bar("muster", "plain pytest with JUnit"),
                Bar("muster", "plain pytest with JUnit", "rss"),
                Bar("muster with HTML", "plain pytest", at_least=2),
                Bar("muster with HTML", "plain pytest", "cpu", at_least=2),
                Bar("muster with HTML", "plain pytest", "rss", at_most=1.3),
            ],
        )
