"""Limits: the warning and critical bounds on a measurement, and the defaults that ship.

An inventory overrides every default here. A report says where a limit came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Breach = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class Limit:
    """The bounds on one measurement, in that measurement's unit.

    ``warning`` and ``critical`` bound from above: a value over the bound is too high. ``warning_below``
    and ``critical_below`` bound from below. A bound itself is still within the limit.

    ``source`` says where the limit came from: ``default``, or the inventory's ``file:line``.
    """

    warning: float | None = None
    critical: float | None = None
    warning_below: float | None = None
    critical_below: float | None = None
    source: str = "default"

    def breach(self, value: float) -> tuple[Breach, str] | None:
        """Tell which bound ``value`` is beyond, worst first.

        Returns the verdict that it asks for and the bound in words, such as
        ``("critical", "at most 90")``, or None where the value is within all bounds.
        A value that is not a number (NaN) is beyond every bound.
        """
        if self.critical is not None and not value <= self.critical:
            return "critical", f"at most {self.critical:g}"
        if self.critical_below is not None and not value >= self.critical_below:
            return "critical", f"at least {self.critical_below:g}"
        if self.warning is not None and not value <= self.warning:
            return "warning", f"at most {self.warning:g}"
        if self.warning_below is not None and not value >= self.warning_below:
            return "warning", f"at least {self.warning_below:g}"
        return None


@dataclass(frozen=True, slots=True)
class Measurable:
    """A measurement that the shipped checks record: its unit, its meaning and its default limit."""

    unit: str
    meaning: str
    limit: Limit = Limit()


#: Every measurement of the shipped checks, by name. The one place for default limits.
MEASURABLE: Mapping[str, Measurable] = {
    # TLS certificates are renewed 30 days before their end, as certbot does; a week is left to do it by hand.
    "certificate_days_left": Measurable(
        "d", "days until a certificate expires", Limit(warning_below=30, critical_below=7)
    ),
    # A second off misleads whoever compares logs; one-time passwords are wrong beyond 30 s (RFC 6238, 5.2).
    "clock_offset_seconds": Measurable(
        "s", "how far the host's clock is from ours, for certain", Limit(warning=1, critical=30)
    ),
    # A container that is well is not restarted. An engine counts them for as long as the container exists.
    "container_restarts": Measurable("", "restarts by the container's restart policy", Limit(warning=0)),
    "container_uptime_seconds": Measurable("s", "time since the container was started"),
    # HostHighCpuLoad and HostCpuStealNoisyNeighbor of Awesome Prometheus Alerts, both warnings over minutes. A second
    # that is busy is no fault by itself: critical only where an inventory says so.
    "cpu_iowait_percent": Measurable("%", "processor time that is idle while something waits for a disk"),
    "cpu_steal_percent": Measurable("%", "processor time that the hypervisor gave to others", Limit(warning=10)),
    "cpu_used_percent": Measurable("%", "processor time in use, over a second", Limit(warning=80)),
    "database_size_bytes": Measurable("B", "size of the database's file and its write-ahead log"),
    # The network-probe guide warns above 10 in the log; a typing error or two a day is nobody's attack.
    "failed_logins": Measurable("", "logins that failed, in the window", Limit(warning=10)),
    "filesystem_used_percent": Measurable(
        "%", "space in use, of what users other than root can have", Limit(warning=80, critical=90)
    ),
    "inodes_used_percent": Measurable("%", "inodes in use", Limit(warning=80, critical=90)),
    # What the kernel calls an error is one, until somebody knows it and says how many are usual.
    "kernel_errors": Measurable(
        "", "messages of the kernel of priority err or worse, in the window", Limit(warning=0)
    ),
    # Far above what a host with a purpose has: a port scan's worth, or sockets that leak.
    "listening_ports": Measurable("", "TCP and UDP ports that listen", Limit(warning=250)),
    # The node exporter's mixin warns at 2 a core (NodeSystemSaturation).
    "load_per_core": Measurable("", "5-minute load average, for each core", Limit(warning=2, critical=10)),
    "memory_used_percent": Measurable(
        "%", "memory that programs cannot get without swapping", Limit(warning=85, critical=95)
    ),
    # A host that is well kills nothing; the kernel counts since it started.
    "oom_kills": Measurable("", "processes killed for want of memory since the kernel started", Limit(warning=0)),
    "open_files_percent": Measurable("%", "open files, of those that can be", Limit(warning=80, critical=95)),
    # apt and dnf fetch them daily by default; older ones do not know what is there to install.
    "package_lists_age_days": Measurable("d", "age of the package lists", Limit(warning=7)),
    "response_bytes": Measurable("B", "size of the answer's body"),
    "response_seconds": Measurable(
        "s", "time from the request to the end of the answer", Limit(warning=1, critical=5)
    ),
    "security_updates": Measurable("", "packages with a security update to install", Limit(warning=0)),
    "swap_used_percent": Measurable("%", "swap in use", Limit(warning=80)),
    "updates": Measurable("", "packages with an update to install"),
    "uptime_seconds": Measurable("s", "time since the host started", Limit(warning_below=600)),
    # One or two are on their way out at any time on a busy host; NRPE's sample configuration warns above 5.
    "zombie_processes": Measurable("", "processes that have ended and were not waited for", Limit(warning=5)),
}


def unit_of(name: str) -> str:
    """The unit of a measurement: the declared one, else what its name ends in, else none."""
    if known := MEASURABLE.get(name):
        return known.unit
    for ending, unit in (("_percent", "%"), ("_bytes", "B"), ("_seconds", "s"), ("_days", "d"), ("_mb", "MB")):
        if name.endswith(ending):
            return unit
    return ""
