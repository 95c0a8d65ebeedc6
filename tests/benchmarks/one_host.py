"""One host with 60 checks and 2 databases: the whole run beside the slowest thing that it observed.

The slowest observation is the one of which `results.jsonl` says so. The databases are a real PostgreSQL and a real
Redis.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contest import PYTEST, ROOT, SURROUNDINGS
from tests.benchmarks.figures import Bar, Figure
from tests.servers.postgres import Postgres
from tests.servers.redis_server import RedisServer

#: Seconds that the run may take more than its slowest observation.
MORE = 1.5


@contextlib.contextmanager
def inventory(folder: Path) -> Iterator[Path]:
    with Postgres() as postgres, RedisServer() as redis:
        host: dict[str, Any] = {
            "connection": "local",
            "allowed_users": [],
            "files": {"/etc/passwd": {"owner": "root", "mode": "0644"}},
            "limits": {"cpu_used_percent": {"critical": 100}, "cpu_steal_percent": {"critical": 100}},
            "listening": [str(postgres.port)],
            "processes": {
                "postgres": {"command": f"postgres.*{postgres.port}", "listening": [str(postgres.port)]},
                "redis": {
                    "command": f"redis-server.*:{redis.port}",
                    "limits": {"process_cpu_percent": {"critical": 100}},
                },
            },
            "endpoints": {"redis": {"url": f"tcp://127.0.0.1:{redis.port}"}, "resolver": {"url": "dns:localhost"}},
            "databases": {
                "probe": {"url": f"postgresql://postgres@:{postgres.port}/postgres?host={postgres.folder}"},
                "cache": {"url": f"redis://127.0.0.1:{redis.port}/0"},
            },
        }
        path = folder / "inventory.yaml"
        path.write_text(json.dumps({"hosts": {"here": host}}))
        yield path


def figures(rounds: int) -> Sequence[Figure]:
    with tempfile.TemporaryDirectory() as name, inventory(Path(name)) as path:
        words = [*PYTEST, "-q", f"--inventory={path}", f"--reports={name}/reports"]
        environment = {key: value for key, value in os.environ.items() if key not in SURROUNDINGS}
        took, slowest, checks = [], [], 0
        for _ in range(rounds + 1):
            began = time.perf_counter()
            subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
            took.append(time.perf_counter() - began)
            records = [json.loads(line) for line in (Path(name) / "reports/results.jsonl").read_text().splitlines()]
            slowest.append(max(record["duration_seconds"] for record in records))
            checks = len(records)
    bar = Bar(f"muster, {checks} checks", "the slowest observation", within=MORE)
    return [Figure(bar, took[1:], slowest[1:])]
