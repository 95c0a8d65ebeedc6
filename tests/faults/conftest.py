"""The runs: one over each kind of target, good and broken at once, made once in a session whoever asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import (
    containers,
    databases,
    endpoints,
    hosts,
    mysql,
    ports,
    postgres,
    processes,
    rabbitmq,
    redis,
    rows,
    security,
)
from tests.faults.cases import Ran, shared
from tests.servers.docker import Engine
from tests.servers.http import Certificates
from tests.servers.sshd import Account, cut_off_host


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "runs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def endpoint_run(runs_folder: Path, tls: Certificates) -> Ran:
    def make(folder: Path) -> Ran:
        with cut_off_host() as elsewhere:
            return endpoints.judged(folder, tls, elsewhere)

    return shared(runs_folder, "endpoints", make)


@pytest.fixture(scope="session")
def database_run(runs_folder: Path, ops: Account, sudo_ops: Account) -> Ran:
    return shared(runs_folder, "databases", lambda folder: databases.judged(folder, ops, sudo_ops))


@pytest.fixture(scope="session")
def container_run(runs_folder: Path, ops: Account) -> Ran:
    return shared(runs_folder, "containers", lambda folder: containers.judged(folder, ops))


@pytest.fixture(scope="session")
def host_run(runs_folder: Path, engine: Engine, ops: Account, sudo_ops: Account) -> Ran:
    return shared(runs_folder, "hosts", lambda folder: hosts.judged(folder, engine, ops, sudo_ops))


@pytest.fixture(scope="session")
def security_run(runs_folder: Path, engine: Engine, ops: Account, sudo_ops: Account) -> Ran:
    return shared(runs_folder, "security", lambda folder: security.judged(folder, engine, ops, sudo_ops))


@pytest.fixture(scope="session")
def process_run(runs_folder: Path, engine: Engine, ops: Account, sudo_ops: Account) -> Ran:
    return shared(runs_folder, "processes", lambda folder: processes.judged(folder, engine, ops, sudo_ops))


@pytest.fixture(scope="session")
def postgres_run(runs_folder: Path, ops: Account) -> Ran:
    return shared(runs_folder, "postgres", lambda folder: postgres.judged(folder, ops))


@pytest.fixture(scope="session")
def mysql_run(runs_folder: Path, ops: Account) -> Ran:
    return shared(runs_folder, "mysql", lambda folder: mysql.judged(folder, ops))


@pytest.fixture(scope="session")
def redis_run(runs_folder: Path, ops: Account) -> Ran:
    return shared(runs_folder, "redis", lambda folder: redis.judged(folder, ops))


@pytest.fixture(scope="session")
def rows_run(runs_folder: Path, ops: Account) -> Ran:
    return shared(runs_folder, "rows", lambda folder: rows.judged(folder, ops))


@pytest.fixture(scope="session")
def port_run(runs_folder: Path, tls: Certificates) -> Ran:
    return shared(runs_folder, "ports", lambda folder: ports.judged(folder, tls))


@pytest.fixture(scope="session")
def rabbitmq_run(runs_folder: Path) -> Ran:
    return shared(runs_folder, "rabbitmq", rabbitmq.judged)
