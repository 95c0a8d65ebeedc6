"""A pytest plugin beside `in_memory`: of the facts in memory a share is bad, each in numbers of its own.

``NOT_OK`` in the environment is the share, in percent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from in_memory import FACTS, GB  # type: ignore[import-not-found]

from muster.facts.clock import Clock
from muster.facts.failed_units import FailedUnits
from muster.facts.filesystems import Filesystem, Filesystems
from muster.facts.load import Load
from muster.facts.memory import Memory
from muster.facts.swap import Swap
from muster.facts.uptime import Uptime

#: A bad fact for each good one but the login's, without which a host is one row. No two get the same number.
BAD: Mapping[str, Callable[[int], Any]] = {
    "memory": lambda n: Memory(64 * GB, n * 10_000),
    "swap": lambda n: Swap(8 * GB, n * 10_000),
    "load": lambda n: Load(99, 100 + n / 100, 99, 8),
    "uptime": lambda n: Uptime(n % 599, 1_234_567),
    "clock": lambda n: Clock(2 + n / 1000, 0.01, True),
    "failed_units": lambda n: FailedUnits((f"job-{n}.service",)),
    "filesystems": lambda n: Filesystems((Filesystem("/var", 100 * GB, 99 * GB, n * 10_000),)),
}


def pytest_configure() -> None:
    share, number = int(os.environ["NOT_OK"]), count(1)

    def some(good: Callable[[], Any], bad: Callable[[int], Any]) -> Callable[[], Any]:
        def fact() -> Any:
            n = next(number)
            return bad(n) if n * share % 100 < share else good()

        return fact

    FACTS.update({name: some(FACTS[name], bad) for name, bad in BAD.items()})
