"""Database servers: their cases in one run, some asked from here and the others through an sshd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.faults.cases import Case, Ran, run
from tests.servers.sshd import Account, Sshd

#: The password of every account that the suite logs in by, ``${env:PASSWORD}``; ``${env:WRONG}`` is another.
SECRET = "secret-of-muster"
#: The host of the cases that are asked through an sshd.
ELSEWHERE = "elsewhere"


def judged_in(
    serving: ExitStack, folder: Path, ops: Account, cases: Sequence[Case], settings: Mapping[str, object]
) -> Ran:
    """Run over all cases, whose servers are ``settings`` of the inventory; ``${sshd}`` is the port of the sshd."""
    sshd = serving.enter_context(Sshd(user=ops.name))
    known = {**settings, "sshd": sshd.port}
    here = {case.name: case.entry for case in cases if not case.host}
    there = {case.name: case.entry for case in cases if case.host}
    inventory = {"databases": here, "hosts": {ELSEWHERE: {"connection": sshd.connection(), "databases": there}}}
    environment = {"PASSWORD": SECRET, "WRONG": "not-" + SECRET}
    ran = run(folder, inventory, settings=known, environment=environment)
    return Ran(ran.code, ran.terminal, ran.folder, known)
