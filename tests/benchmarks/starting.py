"""Starting: a whole run of the first inventory, all of whose verdicts are ok, beside plain pytest with one test."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, ROOT, Bar, Contender, Contest
from tests.servers.docker import Engine
from tests.servers.quota_proxy import quota_proxy


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        engine = running.enter_context(Engine())
        service = running.enter_context(quota_proxy(engine, folder / "quota-proxy"))
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_one.py").write_text("def test_one():\n    pass\n")
        muster = (
            *(*PYTEST, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(ROOT / "checks")),
            *("--inventory", str(ROOT / "inventories/quota-proxy.yaml"), "--reports", str(folder / "reports")),
            *(word for name, value in service.settings.items() for word in ("--set", f"{name}={value}")),
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
