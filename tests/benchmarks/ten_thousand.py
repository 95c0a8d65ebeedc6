"""Ten thousand targets: 10 checks of 10,000 hosts with the facts in memory, beside the same on 1,000 hosts."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, Bar, Contender, Contest
from tests.benchmarks.judging import CHECK, FORMS, HEAD

CHECKS = 10
FEW, MANY = 1_000, 10_000

#: MB of peak RSS, and how many times as long ten times as many may take.
MOST, TIMES = 900, 11

INVENTORY = """\
defaults: {{connection: {{kind: ssh, user: ops}}, labels: {{role: web}}}}
hosts: {{"web-[00001:{:05}].example.net": {{}}}}
"""


def checks(count: int, *without: str) -> str:
    """A module of so many checks, written from the forms of `judging` but those named."""
    forms = [(name, *form) for name, form in FORMS.items() if name not in without]
    text = [HEAD]
    for number in range(count):
        name, arguments, body = forms[number % len(forms)]
        text.append(CHECK.format(name=name, number=number, arguments=arguments, body=body))
    return "".join(text)


def plugins() -> dict[str, str]:
    """The environment in which the pytest plugins beside this module are found."""
    there = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, there))}


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    with tempfile.TemporaryDirectory() as name:
        contenders = []
        for hosts in (FEW, MANY):
            folder = Path(name, str(hosts))
            folder.mkdir()
            (folder / "pytest.ini").write_text("[pytest]\n")
            (folder / "test_all.py").write_text(checks(CHECKS))
            (folder / "inventory.yaml").write_text(INVENTORY.format(hosts))
            command = (*PYTEST, "-p", "in_memory", "--inventory", "inventory.yaml")
            contenders.append(Contender(f"{CHECKS} checks of {hosts:,} hosts", command, folder, plugins()))
        few, many = (each.name for each in contenders)
        yield Contest(
            contenders,
            [
                Bar(many, few, at_most=TIMES),
                Bar(many, few, "cpu", at_most=TIMES),
                Bar(many, quantity="rss", within=MOST),
            ],
        )
