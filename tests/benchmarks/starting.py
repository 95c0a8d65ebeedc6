"""Starting: a whole run of the first inventory, all of whose verdicts are ok, beside plain pytest with one test."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, ROOT, Bar, Contender, Contest
from tests.servers import sqlite_files
from tests.servers.docker import Engine


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        engine = running.enter_context(Engine())
        port = engine.mapped_port(engine.container("quota-proxy"), 8787)
        database = sqlite_files.good(folder, "quota.db")
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_one.py").write_text("def test_one():\n    pass\n")
        muster = (
            *(*PYTEST, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(ROOT / "checks")),
            *("--inventory", str(ROOT / "inventories/quota-proxy.yaml"), "--reports", str(folder / "reports")),
            *("--set", f"port={port}", "--set", f"database={database}"),
        )
        there = {"DOCKER_HOST": engine.url}
        yield Contest(
            [
                Contender("plain pytest", PYTEST, folder),
                Contender("muster", muster, folder, there),
                Contender("plain pytest on a terminal", PYTEST, folder, terminal=True),
                Contender("muster on a terminal", muster, folder, there, terminal=True),
            ],
            [
                Bar("muster", "plain pytest", at_most=2.5),
                Bar("muster on a terminal", "plain pytest on a terminal", at_most=2.5),
                Bar("muster", "plain pytest", "cpu"),
                Bar("muster", "plain pytest", "rss"),
            ],
        )
