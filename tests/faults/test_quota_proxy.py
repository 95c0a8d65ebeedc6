"""The inventory that replaces the script of the quota-proxy guide, over the service itself, good and broken.

The service is a container with an endpoint and a healthcheck, beside a database in WAL mode that it has open.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.faults.cases import CALM, CLONE, OF_THE_MACHINE, Ran, run
from tests.servers.docker import Engine
from tests.servers.processes import free_port
from tests.servers.sqlite_files import good_wal_open
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.needs("docker", "sshd")

INVENTORY = (CLONE / "inventories" / "quota-proxy.yaml").read_text("utf-8")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    with good_wal_open(tmp_path, "quota.db") as path:
        yield path


def bad(ran: Ran) -> dict[str, str]:
    """The verdicts that are not ok, by check; what the machine has of its own is left out."""
    of_the_service = [record for record in ran.results if record["check"] not in OF_THE_MACHINE]
    assert of_the_service, ran.terminal
    return {
        record["check"]: record["verdict"] for record in of_the_service if record["verdict"] not in ("ok", "skipped")
    }


def over(inventory: dict[str, object], host: dict[str, object]) -> dict[str, object]:
    """The inventory with more said of its host, and no limits on the machine that the tests run on."""
    changed = {**inventory, "defaults": {"limits": CALM}}
    changed["hosts"] = {"quota-proxy": {**inventory["hosts"]["quota-proxy"], **host}}  # type: ignore[index]
    return changed


@pytest.mark.parametrize("far", [False, True], ids=["local", "ssh"])
def test_the_same_inventory_is_ok_from_here_and_over_ssh(
    tmp_path: Path, engine: Engine, ssh_host: Sshd, database: Path, far: bool
) -> None:
    port = engine.mapped_port(engine.container("quota-proxy"), 8787)
    host: dict[str, object] = {"docker": {"url": engine.url}}
    if far:
        host["connection"] = ssh_host.connection()
    ran = run(tmp_path, over(yaml.safe_load(INVENTORY), host), "-v", settings={"port": port, "database": database})
    assert (ran.code, bad(ran)) == (0, {}), ran.terminal
    assert f"127.0.0.1:{port}->8787/tcp" in ran.terminal
    assert {record["check"] for record in ran.results} >= {
        *("container_is_running", "container_is_healthy", "container_ports_are_mapped", "container_restarts_are_few"),
        *("container_uptime_is_within_limits", "database_accepts_connections", "database_integrity"),
        *("endpoint_answers", "endpoint_answers_in_time", "endpoint_json_is_expected", "endpoint_status_is_expected"),
    }


def test_another_port_and_no_database_are_found(tmp_path: Path, engine: Engine) -> None:
    engine.container("quota-proxy")
    settings = {"host": "127.0.0.1", "port": free_port(), "timeout": "2s", "database": tmp_path / "none.db"}
    ran = run(tmp_path, over(yaml.safe_load(INVENTORY), {"docker": {"url": engine.url}}), settings=settings)
    assert ran.code == 1
    assert bad(ran) == {
        "container_ports_are_mapped": "critical",
        "endpoint_answers": "critical",
        "endpoint_answers_in_time": "unknown",
        "endpoint_json_is_expected": "unknown",
        "endpoint_status_is_expected": "unknown",
        "database_accepts_connections": "critical",
        "database_integrity": "unknown",
        "database_size_is_within_limits": "unknown",
    }
