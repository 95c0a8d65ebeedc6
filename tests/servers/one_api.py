"""The one-api as its compose file runs it: a container with /api/monitor/health and a log, beside MariaDB and Redis.

Its image is not to be had, so the service is ours (`tests.servers.service`) and says what the guide of the one-api
shows; the engine, its limits and its log are real, and so are the databases.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from tests.servers.docker import Engine
from tests.servers.mariadb import MariaDb
from tests.servers.redis_server import RedisServer
from tests.servers.service import Service

NAME = "one-api"

#: What it says when it is well: the guide's own example.
HEALTH = {
    "status": "ok",
    "goroutines": 1234,
    "memory": {"alloc_mb": 256, "total_alloc_mb": 1024, "sys_mb": 512, "num_gc": 45},
}

#: What it logs when it starts.
STARTED = (
    "[SYS] One API v0.6.10 started",
    "[SYS] monitoring endpoints enabled at /api/monitor/health",
    "[SYS] key disable notification listener started",
)

#: Who may look at the databases, and by which passwords.
MYSQL_USER, MYSQL_PASSWORD, REDIS_PASSWORD = "muster", "look-at-mysql", "look-at-redis"


class OneApi(Service):
    """A one-api that is well once it is started. ``folder`` is not there yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "/api/monitor/health", 3000)
        self.says()

    def says(self, *, memory: dict[str, int] | None = None, without: str = "", **changed: object) -> None:
        """What it says of itself from now on: `HEALTH`, with some of it changed, or one member left out."""
        told = {**HEALTH, **changed, "memory": {**HEALTH["memory"], **(memory or {})}}  # type: ignore[dict-item]
        self.answer({name: value for name, value in told.items() if name != without})

    def start(
        self, engine: Engine, name: str = NAME, *, lines: tuple[str, ...] = STARTED, **options: Any
    ) -> Container:
        """Run it: it logs ``lines`` and serves. ``options`` as of `Service.start`, in place of what is usual."""
        printed = "".join(f"echo '{line}'; " for line in lines)
        usual = {"restart": "always", "mem_limit": "64m", "memswap_limit": "64m"}
        return super().start(engine, name, **{**usual, "script": printed + self.serve, **options})


@contextlib.contextmanager
def mysql() -> Iterator[MariaDb]:
    """The MariaDB of a one-api, with one channel, and a user who may look at it."""
    with MariaDb() as server:
        server.sql("CREATE DATABASE `one-api`")
        server.sql(
            "CREATE TABLE channels (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80), status INT)",
            "INSERT INTO channels (name, status) VALUES ('upstream', 1)",
            database="one-api",
        )
        server.user(MYSQL_USER, MYSQL_PASSWORD, "SELECT ON `one-api`.*", "PROCESS ON *.*", "SLAVE MONITOR ON *.*")
        for _ in range(150):  # of so many, the few who may not log in, or went away, are few
            server.connection().close()
        yield server


@contextlib.contextmanager
def redis() -> Iterator[RedisServer]:
    """The Redis of a one-api, with a password."""
    with RedisServer(requirepass=REDIS_PASSWORD) as server:
        server.fill(100, 64, prefix="token")
        yield server
