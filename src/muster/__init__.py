"""Muster: operational checks as pytest tests.

These names are what a check, and a test of a check, may use. They are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from muster.need import Need as Need
from muster.need import need as need

if TYPE_CHECKING:
    from muster import fact as fact
    from muster.applies import expects as expects
    from muster.applies import is_verified as is_verified
    from muster.applies import limited as limited
    from muster.applies import serves as serves
    from muster.applies import should_answer as should_answer
    from muster.applies import should_be_closed as should_be_closed
    from muster.applies import shows_certificate as shows_certificate
    from muster.databases import Database as Database
    from muster.databases import Mysql as Mysql
    from muster.databases import Postgres as Postgres
    from muster.databases import Redis as Redis
    from muster.databases import ServerDatabase as ServerDatabase
    from muster.databases import Sqlite as Sqlite
    from muster.declaration import check as check
    from muster.facts.accounts import Accounts as Accounts
    from muster.facts.certificate import Certificate as Certificate
    from muster.facts.certificate_files import CertificateFiles as CertificateFiles
    from muster.facts.clock import Clock as Clock
    from muster.facts.command_output import CommandOutput as CommandOutput
    from muster.facts.container_health import ContainerHealth as ContainerHealth
    from muster.facts.container_image import ContainerImage as ContainerImage
    from muster.facts.container_log_setup import ContainerLogSetup as ContainerLogSetup
    from muster.facts.container_log_size import ContainerLogSize as ContainerLogSize
    from muster.facts.container_logs import ContainerLogs as ContainerLogs
    from muster.facts.container_lookup import ContainerLookup as ContainerLookup
    from muster.facts.container_mounts import ContainerMounts as ContainerMounts
    from muster.facts.container_ports import ContainerPorts as ContainerPorts
    from muster.facts.container_privileges import ContainerPrivileges as ContainerPrivileges
    from muster.facts.container_restart_policy import ContainerRestartPolicy as ContainerRestartPolicy
    from muster.facts.container_state import ContainerState as ContainerState
    from muster.facts.container_uptime import ContainerUptime as ContainerUptime
    from muster.facts.container_usage import ContainerUsage as ContainerUsage
    from muster.facts.cpu import Cpu as Cpu
    from muster.facts.cron_jobs import CronJobs as CronJobs
    from muster.facts.dns_answer import DnsAnswer as DnsAnswer
    from muster.facts.docker_containers import DockerContainers as DockerContainers
    from muster.facts.docker_engine import DockerAnswer as DockerAnswer
    from muster.facts.expected_units import ExpectedUnits as ExpectedUnits
    from muster.facts.failed_logins import FailedLogins as FailedLogins
    from muster.facts.failed_units import FailedUnits as FailedUnits
    from muster.facts.file_rules import FileRules as FileRules
    from muster.facts.file_state import FileState as FileState
    from muster.facts.filesystems import Filesystems as Filesystems
    from muster.facts.inodes import Inodes as Inodes
    from muster.facts.kernel_log import KernelLog as KernelLog
    from muster.facts.listening_ports import ListeningPorts as ListeningPorts
    from muster.facts.load import Load as Load
    from muster.facts.memory import Memory as Memory
    from muster.facts.mysql_locks import MysqlLocks as MysqlLocks
    from muster.facts.mysql_refusals import MysqlRefusals as MysqlRefusals
    from muster.facts.mysql_replication import MysqlReplication as MysqlReplication
    from muster.facts.mysql_sessions import MysqlSessions as MysqlSessions
    from muster.facts.mysql_tables import MysqlTables as MysqlTables
    from muster.facts.oom_kills import OomKills as OomKills
    from muster.facts.open_files import OpenFiles as OpenFiles
    from muster.facts.pending_reboot import PendingReboot as PendingReboot
    from muster.facts.port_state import PortState as PortState
    from muster.facts.postgres_archiver import PostgresArchiver as PostgresArchiver
    from muster.facts.postgres_checksums import DamagedPages as DamagedPages
    from muster.facts.postgres_checksums import PostgresChecksums as PostgresChecksums
    from muster.facts.postgres_followers import PostgresFollowers as PostgresFollowers
    from muster.facts.postgres_locks import PostgresLocks as PostgresLocks
    from muster.facts.postgres_replica import PostgresReplica as PostgresReplica
    from muster.facts.postgres_replica import PostgresReplicaLag as PostgresReplicaLag
    from muster.facts.postgres_sessions import PostgresSessions as PostgresSessions
    from muster.facts.postgres_size import PostgresSize as PostgresSize
    from muster.facts.postgres_tables import PostgresTables as PostgresTables
    from muster.facts.postgres_transaction_ids import PostgresTransactionIds as PostgresTransactionIds
    from muster.facts.process import ProcessState as ProcessState
    from muster.facts.process_cpu import ProcessCpu as ProcessCpu
    from muster.facts.process_files import ProcessFiles as ProcessFiles
    from muster.facts.process_instances import ProcessInstances as ProcessInstances
    from muster.facts.process_ports import ProcessPorts as ProcessPorts
    from muster.facts.process_restarts import ProcessRestarts as ProcessRestarts
    from muster.facts.process_usage import ProcessUsage as ProcessUsage
    from muster.facts.query_values import QueryValues as QueryValues
    from muster.facts.rabbitmq import RabbitmqQueues as RabbitmqQueues
    from muster.facts.readonly_filesystems import ReadonlyFilesystems as ReadonlyFilesystems
    from muster.facts.redis_clients import RedisClients as RedisClients
    from muster.facts.redis_keys import RedisKeys as RedisKeys
    from muster.facts.redis_memory import RedisMemory as RedisMemory
    from muster.facts.redis_persistence import RedisPersistence as RedisPersistence
    from muster.facts.redis_replication import RedisReplication as RedisReplication
    from muster.facts.redis_slow_log import RedisClock as RedisClock
    from muster.facts.redis_slow_log import RedisSlowLog as RedisSlowLog
    from muster.facts.response import Response as Response
    from muster.facts.rows import NewestRows as NewestRows
    from muster.facts.rows import RowCounts as RowCounts
    from muster.facts.server_connections import ServerConnections as ServerConnections
    from muster.facts.server_role import ServerRole as ServerRole
    from muster.facts.server_version import ServerVersion as ServerVersion
    from muster.facts.sql import SlowStatements as SlowStatements
    from muster.facts.sqlite_file import SqliteFile as SqliteFile
    from muster.facts.sqlite_integrity import SqliteIntegrity as SqliteIntegrity
    from muster.facts.sshd_settings import SshdSettings as SshdSettings
    from muster.facts.swap import Swap as Swap
    from muster.facts.tls_state import TlsState as TlsState
    from muster.facts.updates import Updates as Updates
    from muster.facts.uptime import Uptime as Uptime
    from muster.facts.world_writable import WorldWritable as WorldWritable
    from muster.facts.zombies import Zombies as Zombies
    from muster.judge import Measure as Measure
    from muster.limits import Limit as Limit
    from muster.probes import Attempt as Attempt
    from muster.probes import Command as Command
    from muster.probes import DoesNotApply as DoesNotApply
    from muster.probes import Output as Output
    from muster.probes import Probe as Probe
    from muster.probes import Sample as Sample
    from muster.probes import Samples as Samples
    from muster.probes import Unobserved as Unobserved
    from muster.questions.http import HttpRequest as HttpRequest
    from muster.questions.ports import Connect as Connect
    from muster.questions.servers import AskRedis as AskRedis
    from muster.questions.servers import AskServer as AskServer
    from muster.questions.servers import Rows as Rows
    from muster.questions.servers import Select as Select
    from muster.targets import Container as Container
    from muster.targets import DnsEndpoint as DnsEndpoint
    from muster.targets import Endpoint as Endpoint
    from muster.targets import Host as Host
    from muster.targets import HttpEndpoint as HttpEndpoint
    from muster.targets import Process as Process
    from muster.targets import Target as Target
    from muster.targets import TcpEndpoint as TcpEndpoint
    from muster.targets import TlsEndpoint as TlsEndpoint

#: Public name -> the module that has it. A fact's type is added here with its module.
_HOMES = {
    "Accounts": "facts.accounts",
    "AskRedis": "questions.servers",
    "AskServer": "questions.servers",
    "Attempt": "probes",
    "Certificate": "facts.certificate",
    "CertificateFiles": "facts.certificate_files",
    "Clock": "facts.clock",
    "Command": "probes",
    "CommandOutput": "facts.command_output",
    "Connect": "questions.ports",
    "Container": "targets",
    "ContainerHealth": "facts.container_health",
    "ContainerImage": "facts.container_image",
    "ContainerLogSetup": "facts.container_log_setup",
    "ContainerLogSize": "facts.container_log_size",
    "ContainerLogs": "facts.container_logs",
    "ContainerLookup": "facts.container_lookup",
    "ContainerMounts": "facts.container_mounts",
    "ContainerPorts": "facts.container_ports",
    "ContainerPrivileges": "facts.container_privileges",
    "ContainerRestartPolicy": "facts.container_restart_policy",
    "ContainerState": "facts.container_state",
    "ContainerUptime": "facts.container_uptime",
    "ContainerUsage": "facts.container_usage",
    "Cpu": "facts.cpu",
    "CronJobs": "facts.cron_jobs",
    "DamagedPages": "facts.postgres_checksums",
    "Database": "databases",
    "DnsAnswer": "facts.dns_answer",
    "DnsEndpoint": "targets",
    "DockerAnswer": "facts.docker_engine",
    "DockerContainers": "facts.docker_containers",
    "DoesNotApply": "probes",
    "Endpoint": "targets",
    "ExpectedUnits": "facts.expected_units",
    "FailedLogins": "facts.failed_logins",
    "FailedUnits": "facts.failed_units",
    "FileRules": "facts.file_rules",
    "FileState": "facts.file_state",
    "Filesystems": "facts.filesystems",
    "Host": "targets",
    "HttpEndpoint": "targets",
    "HttpRequest": "questions.http",
    "Inodes": "facts.inodes",
    "KernelLog": "facts.kernel_log",
    "Limit": "limits",
    "ListeningPorts": "facts.listening_ports",
    "Load": "facts.load",
    "Measure": "judge",
    "Memory": "facts.memory",
    "Mysql": "databases",
    "MysqlLocks": "facts.mysql_locks",
    "MysqlRefusals": "facts.mysql_refusals",
    "MysqlReplication": "facts.mysql_replication",
    "MysqlSessions": "facts.mysql_sessions",
    "MysqlTables": "facts.mysql_tables",
    "NewestRows": "facts.rows",
    "OomKills": "facts.oom_kills",
    "OpenFiles": "facts.open_files",
    "Output": "probes",
    "PendingReboot": "facts.pending_reboot",
    "PortState": "facts.port_state",
    "Postgres": "databases",
    "PostgresArchiver": "facts.postgres_archiver",
    "PostgresChecksums": "facts.postgres_checksums",
    "PostgresFollowers": "facts.postgres_followers",
    "PostgresLocks": "facts.postgres_locks",
    "PostgresReplica": "facts.postgres_replica",
    "PostgresReplicaLag": "facts.postgres_replica",
    "PostgresSessions": "facts.postgres_sessions",
    "PostgresSize": "facts.postgres_size",
    "PostgresTables": "facts.postgres_tables",
    "PostgresTransactionIds": "facts.postgres_transaction_ids",
    "Probe": "probes",
    "Process": "targets",
    "ProcessCpu": "facts.process_cpu",
    "ProcessFiles": "facts.process_files",
    "ProcessInstances": "facts.process_instances",
    "ProcessPorts": "facts.process_ports",
    "ProcessRestarts": "facts.process_restarts",
    "ProcessState": "facts.process",
    "ProcessUsage": "facts.process_usage",
    "QueryValues": "facts.query_values",
    "RabbitmqQueues": "facts.rabbitmq",
    "ReadonlyFilesystems": "facts.readonly_filesystems",
    "Redis": "databases",
    "RedisClients": "facts.redis_clients",
    "RedisClock": "facts.redis_slow_log",
    "RedisKeys": "facts.redis_keys",
    "RedisMemory": "facts.redis_memory",
    "RedisPersistence": "facts.redis_persistence",
    "RedisReplication": "facts.redis_replication",
    "RedisSlowLog": "facts.redis_slow_log",
    "Response": "facts.response",
    "RowCounts": "facts.rows",
    "Rows": "questions.servers",
    "Sample": "probes",
    "Samples": "probes",
    "Select": "questions.servers",
    "ServerConnections": "facts.server_connections",
    "ServerDatabase": "databases",
    "ServerRole": "facts.server_role",
    "ServerVersion": "facts.server_version",
    "SlowStatements": "facts.sql",
    "Sqlite": "databases",
    "SqliteFile": "facts.sqlite_file",
    "SqliteIntegrity": "facts.sqlite_integrity",
    "SshdSettings": "facts.sshd_settings",
    "Swap": "facts.swap",
    "Target": "targets",
    "TcpEndpoint": "targets",
    "TlsEndpoint": "targets",
    "TlsState": "facts.tls_state",
    "Unobserved": "probes",
    "Updates": "facts.updates",
    "Uptime": "facts.uptime",
    "WorldWritable": "facts.world_writable",
    "Zombies": "facts.zombies",
    "check": "declaration",
    "expects": "applies",
    "is_verified": "applies",
    "limited": "applies",
    "serves": "applies",
    "should_answer": "applies",
    "should_be_closed": "applies",
    "shows_certificate": "applies",
}

__all__ = [*_HOMES, "Need", "fact", "need"]


def __getattr__(name: str) -> Any:
    if name == "fact":
        return importlib.import_module("muster.fact")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"muster.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'muster' has no name {name!r}")
