"""Live fixtures: ``host``, ``http``, ``docker_client`` and ``database``, for what no declared fact can say.

A test that takes one runs in pytest's ordinary way, once for each host (or database) of the inventory. All of
them go over the host's one pooled connection, and live as long as their module's turn at that host.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from muster.databases import Database, Postgres, Sqlite
from muster.exits import EXIT_CONFIGURATION
from muster.probes import Unobserved
from muster.targets import Host, Target

if TYPE_CHECKING:
    from types import ModuleType

    import requests
    from docker import DockerClient
    from testinfra.host import Host as TestinfraHost

    from muster.live.access import Access
    from muster.live.database import SqliteFile
    from muster.live.server_database import PostgresDatabase
    from muster.suite import Suite


def chosen_hosts(module: ModuleType, suite: Suite) -> set[Host] | None:
    """The hosts that a test file written for testinfra wants: its ``testinfra_hosts``. None where it does not say.

    Each entry is a pattern as ``--limit`` takes it. Of ``ssh://user@web-1:22`` or ``ansible://web`` the name
    counts: how a host is reached is the inventory's to say.

    Raises:
        pytest.Collector.CollectError: an entry matches nothing.
    """
    entries = getattr(module, "testinfra_hosts", None)
    if entries is None:
        return None
    from muster.inventory import NothingSelected, select

    try:
        selected = [select(suite.inventory, _pattern(entry, suite)) for entry in entries]
    except NothingSelected as error:
        said = str(error).removeprefix("--limit ")
        raise pytest.Collector.CollectError(f"{module.__file__}: testinfra_hosts: {said}") from None
    return {suite.host_of(target) for targets in selected for target in targets}


def _pattern(entry: str, suite: Suite) -> str:
    kind, is_url, rest = entry.partition("://")
    if not is_url:
        return entry
    from testinfra.backend.base import BaseBackend

    name = str(BaseBackend.parse_hostspec(rest.partition("?")[0]).name)
    everything = kind == "ansible" and name == "all" and name not in suite.inventory.groups
    return "*" if everything else name


def register(session: pytest.Session, suite: Suite) -> None:
    """Make the live fixtures of this run known to pytest. ``host`` stands before testinfra's own."""
    if session.config.getoption("hosts", None):
        pytest.exit("--hosts is for testinfra alone; over an inventory, use --limit", EXIT_CONFIGURATION)
    hosts: dict[Host, TestinfraHost] = {}

    def access(target: Target) -> Access:
        from muster.live.access import Access

        return Access(suite, suite.host_of(target))

    def host(target: Target) -> TestinfraHost:
        """The host as testinfra knows it: https://testinfra.readthedocs.io/en/latest/modules.html."""
        from muster.live.host import pooled_host

        # One for the whole run: testinfra finds out what kind of system it is once.
        place = suite.host_of(target)
        if place not in hosts:
            hosts[place] = pooled_host(access(target))
        return hosts[place]

    def http(target: Target) -> Iterator[requests.Session]:
        """A requests.Session in the host's own network: http://127.0.0.1:8787/ is its own loopback."""
        from muster.live.http import session

        with session(access(target)) as made:
            yield made

    def docker_client(target: Target) -> Iterator[DockerClient]:
        """A docker.DockerClient of the host's engine."""
        from muster.live.docker import docker_client

        with closing(docker_client(access(target))) as client:
            yield client

    def database(target: Target) -> SqliteFile | PostgresDatabase:
        """The database, to ask in SQL and not to change: database.execute("SELECT 1").fetchone()."""
        from muster.live.database import sqlite_file
        from muster.live.server_database import postgres_database

        match target:
            case Sqlite():
                return sqlite_file(access(target), target)
            case Postgres():
                return postgres_database(access(target), target)
        engine = target.engine if isinstance(target, Database) else target.kind
        raise Unobserved("missing", f"the fixture database asks SQLite and PostgreSQL in SQL, and no {engine}")

    # Module scope, so that module-scoped fixtures of a test file may depend on them, as with testinfra's.
    for fixture in (host, http, docker_client, database):
        pytest.register_fixture(name=fixture.__name__, func=fixture, node=session, scope="module")
