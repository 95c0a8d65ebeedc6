"""A pytest plugin that puts facts into memory where a run would gather them. All else of the run is as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from muster.facts.clock import Clock
from muster.facts.failed_units import FailedUnits
from muster.facts.filesystems import Filesystem, Filesystems
from muster.facts.load import Load
from muster.facts.memory import Memory
from muster.facts.swap import Swap
from muster.facts.uptime import Uptime
from muster.gather import Gatherer
from muster.observations import Observation, Observations
from muster.plan import Plan
from muster.probes import Attempt

GB = 1 << 30

#: A new fact for each host, by the name of its need: in a real run no two are one object.
FACTS: Mapping[str, Callable[[], Any]] = {
    "login": lambda: Attempt("connected", seconds=0.1),
    "memory": lambda: Memory(64 * GB, 40 * GB),
    "swap": lambda: Swap(8 * GB, 7 * GB),
    "load": lambda: Load(0.31, 0.42, 0.37, 8),
    "uptime": lambda: Uptime(1_234_567.8, int(time.time()) - 1_234_567),
    "clock": lambda: Clock(0.02, 0.01, True),
    "failed_units": lambda: FailedUnits(()),
    "filesystems": lambda: Filesystems(
        tuple(Filesystem(mount, 100 * GB, 41 * GB, 54 * GB) for mount in ("/", "/boot", "/var"))
    ),
}


def gather_now(
    self: Gatherer, plan: Plan, observations: Observations, progress: object = None, *, keep: bool = True
) -> None:
    """Stands for `Gatherer.gather_now`."""
    now = time.time()
    for asks in plan.hosts.values():
        for ask in asks:
            for target, need, _ in ask.wants:
                observations.put(target, need, Observation(FACTS[need.name](), observed_at=now, seconds=0.123))


def pytest_configure() -> None:
    Gatherer.gather_now = gather_now  # type: ignore[method-assign]
