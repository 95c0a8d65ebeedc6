"""Limits: the warning and critical bounds on a measurement, and the defaults that ship.

An inventory overrides every default here. A report says where a limit came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Breach = Literal["warning", "critical"]


class Limit(Struct, frozen=True):
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

    @property
    def bounds(self) -> bool:
        """Whether it bounds anything: one without a bound stands for "no limit"."""
        return (self.warning, self.critical, self.warning_below, self.critical_below) != (None, None, None, None)

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


class Measurable(Struct, frozen=True):
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
    # MySQLTuner's bound, of all connections since the start.
    "connections_aborted_percent": Measurable(
        "%", "connections that ended before anybody was logged in, since the server started", Limit(warning=3)
    ),
    # Whoever was refused has failed; a server counts since it started.
    "connections_refused": Measurable(
        "", "connections refused because there were too many, since the server started", Limit(warning=0)
    ),
    # What one burst of a service's pool takes is left; at 95 somebody will be refused soon.
    "connections_used_percent": Measurable(
        "%", "connections of a database server in use, of those not reserved", Limit(warning=80, critical=95)
    ),
    "container_age_days": Measurable("d", "time since the container was made"),
    # Both are judged where the inventory sets a bound: they take a second to see.
    "container_cpu_percent": Measurable("%", "processor time in use over a second, of what the container may have"),
    "container_log_bytes": Measurable("B", "size of the file that the container logs to"),
    "container_memory_bytes": Measurable("B", "memory in use by the container, without its cache of files"),
    # Awesome Prometheus Alerts warns above 80 % (ContainerHighMemoryUsage). At 100 % the kernel kills.
    "container_memory_percent": Measurable(
        "%", "memory in use, of what the container may have", Limit(warning=80, critical=95)
    ),
    # A container that is well is not restarted. An engine counts them for as long as the container exists.
    "container_restarts": Measurable("", "restarts by the container's restart policy", Limit(warning=0)),
    "container_uptime_seconds": Measurable("s", "time since the container was started"),
    "cpu_iowait_percent": Measurable("%", "processor time that is idle while something waits for a disk"),
    # Judged where the inventory sets a bound: it takes a second to see, and one second tells little.
    "cpu_steal_percent": Measurable("%", "processor time that the hypervisor gave to others, over a second"),
    "cpu_used_percent": Measurable("%", "processor time in use, over a second"),
    "database_size_bytes": Measurable(
        "B", "size of a database: its tables and indexes; of SQLite its file and write-ahead log"
    ),
    # SQLite takes it over at 1000 pages, some 4 MB, by itself (wal_autocheckpoint).
    "database_wal_bytes": Measurable("B", "size of an SQLite file's write-ahead log", Limit(warning=64 << 20)),
    # What the inventory says is not to be kept is to be deleted.
    "expired_rows": Measurable("", "rows of a table that are older than they may become", Limit(warning=0)),
    # The network-probe guide warns above 10 in the log; a typing error or two a day is nobody's attack.
    "failed_logins": Measurable("", "logins that failed, in the window", Limit(warning=10)),
    "filesystem_used_percent": Measurable(
        "%", "space in use, of what users other than root can have", Limit(warning=80, critical=90)
    ),
    # What a transaction has locked stays locked. A service waits for an answer within one for seconds, not a minute.
    "idle_in_transaction_seconds": Measurable(
        "s", "longest time that a client has left a transaction open and idle", Limit(warning=60, critical=600)
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
    # People wait for 5 s; proxies give up after 60 (nginx, proxy_read_timeout).
    "lock_wait_seconds": Measurable("s", "longest wait for a lock in a database", Limit(warning=5, critical=60)),
    "log_lines": Measurable("", "lines of a container's log that the inventory wants counted"),
    # Far beyond what any request waits for; reports and dumps of a large database take longer, and are given limits.
    "longest_query_seconds": Measurable(
        "s", "time that the longest running query has taken so far", Limit(warning=300, critical=3600)
    ),
    # Vacuum can remove no row that died since the oldest transaction began.
    "longest_transaction_seconds": Measurable(
        "s", "time since the oldest open transaction began", Limit(warning=900, critical=7200)
    ),
    "memory_used_percent": Measurable(
        "%", "memory that programs cannot get without swapping", Limit(warning=85, critical=95)
    ),
    "newest_row_seconds": Measurable("s", "age of the newest row of a table"),
    # A host that is well kills nothing; the kernel counts since it started.
    "oom_kills": Measurable("", "processes killed for want of memory since the kernel started", Limit(warning=0)),
    "open_files_percent": Measurable("%", "open files, of those that can be", Limit(warning=80, critical=95)),
    # apt and dnf fetch them daily by default; older ones do not know what is there to install.
    "package_lists_age_days": Measurable("d", "age of the package lists", Limit(warning=7)),
    "process_count": Measurable("", "processes of a program"),
    "process_cpu_percent": Measurable("%", "processor time of a program, of one processor"),
    "process_memory_bytes": Measurable("B", "resident memory of a program"),
    # As of a host's open files: what cannot open one more can accept no connection.
    "process_open_files_percent": Measurable(
        "%", "open files of a process, of its soft limit", Limit(warning=80, critical=95)
    ),
    # A program that is well is not restarted. systemd counts them until somebody starts it by hand.
    "process_restarts": Measurable("", "restarts of a program by systemd", Limit(warning=0)),
    "process_threads": Measurable("", "threads of a program"),
    "process_uptime_seconds": Measurable("s", "time since a program was started"),
    "query_value": Measurable("", "number that a query of the inventory gives"),
    # A queue is there to be emptied (RabbitMQ's guide "Monitoring"); a thousand is where shared alerting rules begin.
    "rabbitmq_queue_messages": Measurable("", "messages in a queue of RabbitMQ", Limit(warning=1_000)),
    # A memory that is large enough throws nothing out; the server counts since it started.
    "redis_evicted_keys": Measurable("", "keys thrown out for want of memory since Redis started", Limit(warning=0)),
    # Where 10 MiB or more are lost; MEMORY DOCTOR speaks of it at 1.4 (of all the memory of the process).
    "redis_fragmentation_ratio": Measurable(
        "", "memory that Redis' allocator holds for each byte in use", Limit(warning=1.4)
    ),
    "redis_keys": Measurable("", "keys of a Redis database that match a pattern"),
    # Awesome Prometheus Alerts warns above 90 % (RedisOutOfConfiguredMaxmemory); above 95 little is left to react.
    "redis_memory_percent": Measurable(
        "%", "memory in use by Redis, of maxmemory, else of the machine's", Limit(warning=80, critical=95)
    ),
    # Of those that take more than 10 ms by default: now and then is nobody's fault.
    "redis_slow_commands": Measurable("", "commands in Redis' slow log of the last hour", Limit(warning=10)),
    "redis_unsaved_changes": Measurable("", "changes since Redis last wrote a snapshot"),
    # 16 segments of PostgreSQL's log: more than a replica that keeps up is ever behind.
    "replication_lag_bytes": Measurable(
        "B", "what a replica has not replayed yet, as its primary sees it", Limit(warning=1 << 28)
    ),
    # What is read from a replica that is half a minute behind surprises people.
    "replication_lag_seconds": Measurable(
        "s", "how far a replica is behind its primary", Limit(warning=30, critical=300)
    ),
    # A primary speaks every 10 s, and is given up after 60 (repl-ping-replica-period, repl-timeout).
    "replication_silence_seconds": Measurable(
        "s", "time since a Redis replica heard of its primary", Limit(warning=30)
    ),
    "response_bytes": Measurable("B", "size of the answer's body"),
    "response_seconds": Measurable(
        "s", "time from the request to the end of the answer", Limit(warning=1, critical=5)
    ),
    "security_updates": Measurable("", "packages with a security update to install", Limit(warning=0)),
    # A slot that nobody reads keeps the log until the disk is full (max_slot_wal_keep_size is unlimited by default).
    "slot_retained_bytes": Measurable(
        "B", "write-ahead log that a replication slot retains", Limit(warning=1 << 30, critical=10 << 30)
    ),
    # From a second on the guide of the network-probe counts a query as slow.
    "statement_mean_seconds": Measurable(
        "s", "average time of the slowest statement that is called again and again", Limit(warning=1)
    ),
    "swap_used_percent": Measurable("%", "swap in use", Limit(warning=80)),
    # Twice what autovacuum lets stand by default (autovacuum_vacuum_scale_factor 0.2).
    "table_dead_percent": Measurable("%", "dead rows of a table, of all its rows", Limit(warning=40)),
    "table_rows": Measurable("", "rows of a table"),
    "table_size_bytes": Measurable("B", "size of a table with its indexes"),
    # Autovacuum looks every minute for tables that are due.
    "table_unanalyzed_seconds": Measurable(
        "s", "time since a table that is due for it was analyzed", Limit(warning=86_400)
    ),
    "table_unvacuumed_seconds": Measurable(
        "s", "time since a table that is due for it was vacuumed", Limit(warning=86_400)
    ),
    # Autovacuum freezes at 10 % by default (autovacuum_freeze_max_age): at 25 % it does not get anywhere.
    "transaction_ids_used_percent": Measurable(
        "%", "age of a database's oldest transaction id, of what ids there are", Limit(warning=25, critical=50)
    ),
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
