"""What a container uses of the processor and the memory that it may have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from muster.facts.container_lookup import name_of, pattern, running
from muster.facts.container_state import moment
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.docker import ContainerStats, Stats
from muster.targets import Container
from muster.text import size

#: The length of a period of the scheduler, in microseconds, where a container is given none of its own (cgroups(7)).
USUAL_PERIOD = 100_000

#: Two looks that are closer to each other, in seconds, tell nothing: the kernel may count in steps of 10 ms.
CLOSEST = 0.2


class ContainerUsage(Struct, frozen=True):
    """What a running container uses. Source: Docker Engine API, ``GET /containers/{id}/stats``, twice.

    ``cpus`` is how many cores it kept busy over a second, ``cpu_limit`` how many it may. ``memory_bytes`` is its
    memory without what of it is a cache of files, ``memory_limit`` how much it may have. The one is ``cpu_limited``
    and the other ``memory_limited`` by the container's own limit, else by the machine.
    """

    cpus: float
    cpu_limit: float
    memory_bytes: int
    memory_limit: int
    cpu_limited: bool = False
    memory_limited: bool = False
    name: str = ""

    @property
    def cpu_percent(self) -> float:
        """Of the processor time that it may have."""
        return 100 * self.cpus / self.cpu_limit

    @property
    def memory_percent(self) -> float:
        """Of the memory that it may have."""
        return 100 * self.memory_bytes / self.memory_limit

    def __str__(self) -> str:
        cores = "its" if self.cpu_limited else "the host's"
        memory = "its" if self.memory_limited else "the host's"
        return (
            f"{self.cpus:.2f} of {cores} {self.cpu_limit:g} cores ({self.cpu_percent:.1f} %), memory "
            f"{size(self.memory_bytes)} of {memory} {size(self.memory_limit)} ({self.memory_percent:.1f} %)"
        )


def parse(match: str, stats: Stats) -> ContainerUsage:
    """Make the fact of two looks at what a container uses.

    Raises:
        Unobserved: the container does not run, or ended between the looks.
    """
    inspected = running(match, stats.matches)
    name = name_of(inspected)
    if stats.first is None or stats.second is None:
        raise Unobserved("missing", f"the engine does not say what {name} uses")
    begun, ended = moment(stats.first["read"]), moment(stats.second["read"])
    memory = stats.second["memory_stats"]
    if begun is None or ended is None or "usage" not in memory:
        raise Unobserved("missing", f"{name} ended while it was looked at")
    apart = (ended - begun).total_seconds()
    used = _cpu_time(stats.second) - _cpu_time(stats.first)
    if apart < CLOSEST or used < 0:
        raise Unobserved("unreadable", f"{name} was restarted, or the engine looked at it twice in {apart:.3f} s")
    host = inspected["HostConfig"]
    cores = _cores(stats.second["cpu_stats"])
    allowed = _allowed(host, cores)
    return ContainerUsage(
        used / apart / 1e9,
        allowed,
        max(int(memory["usage"]) - _cached(memory.get("stats") or {}), 0),
        int(memory["limit"]),
        allowed < cores,
        bool(host.get("Memory")),
        name,
    )


def _cpu_time(stats: Mapping[str, Any]) -> int:
    """Processor time since the start, in nanoseconds."""
    return int(stats["cpu_stats"]["cpu_usage"]["total_usage"])


def _cores(cpu: Mapping[str, Any]) -> float:
    """How many cores the machine has."""
    return float(cpu.get("online_cpus") or len(cpu["cpu_usage"]["percpu_usage"]))


def _allowed(host: Mapping[str, Any], cores: float) -> float:
    """How many cores a container may keep busy: the least of ``--cpus``, ``--cpu-quota``, ``--cpuset-cpus``."""
    found = [cores]
    if host.get("NanoCpus"):
        found.append(int(host["NanoCpus"]) / 1e9)
    if (quota := int(host.get("CpuQuota") or 0)) > 0:
        found.append(quota / (int(host.get("CpuPeriod") or 0) or USUAL_PERIOD))
    if host.get("CpusetCpus"):
        found.append(float(_listed(str(host["CpusetCpus"]))))
    return min(found)


def _listed(cpus: str) -> int:
    """How many are in a list such as ``0-3,7`` (cpuset(7), "List format")."""
    ranges = (part.partition("-") for part in cpus.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


def _cached(stats: Mapping[str, Any]) -> int:
    """What of the memory is a cache of files (Docker API): ``cache`` of cgroup v1, ``inactive_file`` of v2."""
    if "total_cache" in stats or "cache" in stats:
        return int(stats.get("total_cache", stats.get("cache")) or 0)
    return int(stats.get("inactive_file") or 0)


@need(Container)
def container_usage(container: Container) -> Probe[ContainerUsage]:
    """What a running container uses of the processor and the memory that it may have."""
    match = pattern(container)
    return Probe(ContainerStats(match), partial(parse, match))
