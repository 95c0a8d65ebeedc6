"""Silence: 1,000 hosts over SSH of which one in a hundred never answers, beside the same fleet with all up."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from muster.exits import EXIT_NETWORK
from tests.benchmarks.contest import PYTEST, Bar, Contender, Contest, versions
from tests.benchmarks.judging import HOSTS
from tests.benchmarks.thousand_hosts import write
from tests.servers.ssh_fleet import Fleet

CONNECT_TIMEOUT = 2
"""Seconds that a host may take to let us in."""

SPARED = 0.5
"""Seconds more: what it takes to say of each check of a silent host why there is no answer."""


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    silent = range(50, HOSTS, 100)
    with tempfile.TemporaryDirectory() as made, Fleet(HOSTS) as up, Fleet(HOSTS, silent=silent) as some_silent:
        folders = Path(made, "up"), Path(made, "silent")
        for folder, fleet in zip(folders, (up, some_silent), strict=True):
            write(folder, fleet, connect_timeout=f"{CONNECT_TIMEOUT}s")
        muster = (*PYTEST, "--inventory", "inventory.yaml", "-p", "no:html")
        yield Contest(
            [
                Contender("all up", muster, folders[0]),
                Contender("1 % silent", muster, folders[1], exits=EXIT_NETWORK),
            ],
            [Bar("1 % silent", "all up", within=CONNECT_TIMEOUT + SPARED)],
            servers=[up.pid, some_silent.pid],
            on=versions("asyncssh"),
        )
