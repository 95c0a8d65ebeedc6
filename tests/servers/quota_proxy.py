"""The quota-proxy as its compose file runs it: a container with /healthz, and an SQLite file in a folder of its own.

The image that its makers build is not to be had, so the service is ours (`tests.servers.service`); the engine, its
healthcheck, restart policy, mounts and log are real, and so is the database: in WAL mode, and open.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from tests.servers import sqlite_files
from tests.servers.docker import Engine
from tests.servers.processes import wait_for
from tests.servers.service import Service

#: As compose names it.
NAME = "quota-proxy-quota-proxy-1"

HEALTHCHECK = "wget -q -O- http://127.0.0.1:8787/healthz"


class QuotaProxy(Service):
    """A quota-proxy that answers ``{"ok": true}`` once it is started. ``folder`` is not there yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "service", "/healthz", 8787)
        self.answer({"ok": True})
        self.data = folder / "data"
        self.data.mkdir()
        self.database = sqlite_files.good_wal(self.data, "quota.db")

    @property
    def settings(self) -> dict[str, object]:
        """Where it is, as variables of its inventory; it may be young, and slow where the machine is busy."""
        return {**super().settings, "data": str(self.data), "settled": 0, "slow": 5}

    def start(self, engine: Engine, name: str = NAME, **options: Any) -> Container:
        """Run it; ``options`` as of `Service.start`, in place of what its compose file says."""
        usual = {"volumes": {str(self.data): {"bind": "/data", "mode": "rw"}}}
        return super().start(engine, name, **{**usual, **options})


@contextlib.contextmanager
def quota_proxy(engine: Engine, folder: Path) -> Iterator[QuotaProxy]:
    """One that is well: its healthcheck says so, and its database is open, with a row that is in its WAL only."""
    service = QuotaProxy(folder)
    service.database.unlink()
    with sqlite_files.good_wal_open(service.data, "quota.db"):
        container = service.start(engine, health=HEALTHCHECK)

        def healthy() -> bool:
            container.reload()
            return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

        wait_for(healthy, "a healthy quota-proxy")
        yield service
