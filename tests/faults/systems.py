"""Whole systems: one thing is wrong with a stand-in, and its inventory that ships says which.

All faults of a system are looked at in one run. Each is a host of its own, which is the inventory's one host again,
with its own container, ports and files. The machine of the tests is all of them: its own limits are off, and of the
checks of hosts only those run that a fault is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from tests.faults.cases import CALM, CLONE, Bad, Case, Ran
from tests.servers.docker import Engine
from tests.servers.service import Service

S = TypeVar("S", bound=Service)


_OF_HOSTS = ("test_hosts.py", "test_security.py")
#: The checks of whatever is under a host, and those of a host that tell of its disks and its engine.
CHECKS = (
    *(f"checks/{path.name}" for path in sorted((CLONE / "checks").glob("test_*.py")) if path.name not in _OF_HOSTS),
    *(f"checks/test_hosts.py::test_{name}" for name in ("docker_engine_answers", "filesystems_have_space")),
)


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a system, and all the checks that must not be ok then: by target, then by check.

    ``rest`` says what all others of a target are then: those that are ok on the host ``well``. The target of the host
    itself is ``host``.
    """

    name: str
    bad: Mapping[str, Mapping[str, Bad]] = field(default_factory=dict)
    rest: Mapping[str, Bad] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


class Stage(Generic[S]):
    """Where the faults of a system are: each has a host of the inventory, and most have a service of their own.

    ``make`` makes a service that is not started, in a folder; ``well`` is one with which nothing is wrong.
    """

    def __init__(self, engine: Engine, place: Path, make: Callable[[Path], S], well: S) -> None:
        self.engine = engine
        self.place = place
        self.hosts: dict[str, dict[str, Any]] = {}
        self._make = make
        self._well = well

    def host(self, name: str, settings: Mapping[str, object] | None = None, **more: object) -> None:
        """A host with the service that is well, but other variables, or with more said of it."""
        variables = {**self._well.settings, **(settings or {})}
        self.hosts[name] = {"docker": {"url": self.engine.url}, "vars": variables, **more}

    def service(self, name: str, settings: Mapping[str, object] | None = None, **options: Any) -> S:
        """A host with a service of its own, which is started with these options."""
        service = self._make(self.place / name)
        service.start(self.engine, f"faulty-{name}", **options)
        self.host(name, {**service.settings, **(settings or {})})
        return service


def shipped(name: str) -> dict[str, Any]:
    """An inventory that ships, as it is written."""
    read = yaml.safe_load((CLONE / "inventories" / f"{name}.yaml").read_text("utf-8"))
    assert isinstance(read, dict)
    return read


def over(inventory: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The inventory with its one host once for each of ``hosts``, which say what is different there."""
    ((_, host),) = inventory["hosts"].items()
    defaults = inventory.get("defaults", {})
    return {
        **inventory,
        "defaults": {**defaults, "limits": {**CALM, **defaults.get("limits", {})}},
        "hosts": {name: {**host, **different} for name, different in hosts.items()},
    }


def compare(ran: Ran, fault: Fault) -> None:
    """Assert that exactly what the fault says is not ok on its host, and on what is under it."""
    seen = {record["target"] for record in ran.results if fault.name in (record["host"], record["target"])}
    assert {*fault.bad, *fault.rest} - {"host"} <= seen, ran.terminal
    for target in sorted(seen):
        name, host = ("host", "") if target == fault.name else (target, fault.name)
        bad = {**_rest(ran, fault, name), **fault.bad.get(name, {})}
        ran.compare(Case(target, {}, bad, host))


def _rest(ran: Ran, fault: Fault, target: str) -> dict[str, Bad]:
    """The checks that ``rest`` is about. What does not apply where all is well may be unknown as well."""
    if target not in fault.rest:
        return {}
    well, here = (
        {record["check"]: record["verdict"] for record in ran.results if (record["host"], record["target"]) == place}
        for place in (("well", target), (fault.name, target))
    )
    names = [name for name, verdict in well.items() if verdict == "ok" or here[name] != "skipped"]
    assert len(names) > 2, ran.terminal
    return dict.fromkeys(names, fault.rest[target])
