"""The inventory that replaces the script of the quota-proxy guide, over a stand-in: well, and ill in every way."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cases import Ran, critical, each, run, unknown, warning
from tests.faults.systems import CHECKS, Fault, Stage, compare, over, shipped
from tests.servers import sqlite_files
from tests.servers.docker import Engine
from tests.servers.processes import ServerError, children, refusing_port, runs, wait_for
from tests.servers.quota_proxy import QuotaProxy, quota_proxy
from tests.servers.sshd import Account, Sshd

pytestmark = pytest.mark.needs("docker", "sshd", "sudo")

INVENTORY = shipped("quota-proxy")

#: What can be said of a container only while it runs, and of a database only if it is one.
OF_RUNNING = ("container_is_healthy", "container_ports_are_mapped", "container_uptime_is_within_limits")
OPENED = ("database_integrity", "query_values_are_within_limits")

NO_CONTAINER = "no container matches faulty-none*"
NO_FILE = "quota.db: no such file"
NO_RIGHT = unknown("permission denied", "to the group docker", cause="permission")
NOT_SQLITE = "does not begin as SQLite files do"

#: /healthz cannot be asked: critical, once.
REFUSED = {"endpoint_answers": critical("refused", "expected an answer", cause="network")}
SILENT = {"healthz": unknown("refused", cause="network")}


def down(says: str, state: str) -> dict[str, Any]:
    return {
        "container_is_running": critical(says, "expected running"),
        **each(OF_RUNNING, unknown(f"is not running ({state})", cause="missing")),
    }


FAULTS = (
    Fault("well"),
    Fault(
        "no-container",
        {
            "quota-proxy": {"container_exists": critical(NO_CONTAINER, "expected one", cause="missing")},
            "healthz": REFUSED,
        },
        {"quota-proxy": unknown(NO_CONTAINER, cause="missing"), **SILENT},
    ),
    Fault("stopped", {"quota-proxy": down("exited with 137", "exited"), "healthz": REFUSED}, SILENT),
    Fault(
        "crashing",
        {
            "quota-proxy": {
                **down("restarting after exit 1", "restarting"),
                "container_restarts_are_few": critical("expected at most 5"),
            },
            # Refused, unless it is asked in the blink of an eye in which it starts: then reset.
            "healthz": {"endpoint_answers": critical("expected an answer", cause="network")},
        },
        {"healthz": unknown("", cause="network")},
    ),
    Fault(
        "crashed-once",
        {"quota-proxy": {"container_restarts_are_few": warning("container_restarts is 1", "at most 0")}},
    ),
    Fault(
        "stays-down", {"quota-proxy": {"container_restart_policy_is_as_expected": warning("no, expected unless-")}}
    ),
    Fault(
        "unhealthy",
        {"quota-proxy": {"container_is_healthy": critical("unhealthy", "exit 1: no upstream", "expected healthy")}},
    ),
    Fault(
        "other-port",
        {
            "quota-proxy": {"container_ports_are_mapped": critical("->8787/tcp, expected 127.0.0.1:", "->8787/tcp")},
            "healthz": REFUSED,
        },
        SILENT,
    ),
    Fault("refused", {"healthz": REFUSED}, SILENT),
    Fault(
        "deaf",
        {"healthz": {"endpoint_answers": critical("reset", "expected an answer", cause="network")}},
        {"healthz": unknown("reset", cause="network")},
    ),
    Fault(
        "silent",
        {"healthz": {"endpoint_answers": critical("timed out", "no answer in 1 s", cause="timeout")}},
        {"healthz": unknown("timed out", cause="timeout")},
    ),
    Fault("slow", {"healthz": {"endpoint_answers_in_time": warning("response_seconds is ", "expected at most 1 s")}}),
    Fault(
        "error", {"healthz": {"endpoint_status_is_expected": critical("500 Internal Server Error", "expected 200")}}
    ),
    Fault("not-ok", {"healthz": {"endpoint_json_is_expected": critical("$.ok is false, expected true")}}),
    Fault("not-json", {"healthz": {"endpoint_json_is_expected": critical("<html>")}}),
    Fault(
        "logs-errors", {"quota-proxy": {"container_log_has_few_such_lines": warning("errors", "expected at most 0")}}
    ),
    Fault("not-mounted", {"quota-proxy": {"container_mounts_are_there": critical("expected ", "/data:/data")}}),
    Fault(
        "started-just-now",
        {
            "quota-proxy": {
                "container_uptime_is_within_limits": warning("container_uptime_seconds is", "at least 300 s")
            }
        },
    ),
    Fault(
        "no-database",
        {"quota": {"database_accepts_connections": critical(NO_FILE, "expected a connection", cause="missing")}},
        {"quota": unknown(NO_FILE, cause="missing")},
    ),
    Fault(
        "not-a-database",
        {
            "quota": {
                "database_accepts_connections": critical(NOT_SQLITE),
                **each(OPENED, unknown(NOT_SQLITE, cause="wrong")),
            }
        },
    ),
    Fault("damaged", {"quota": {"database_integrity": critical("missing from index", "expected ok")}}),
    Fault("never-set-up", {"quota": {"query_values_are_within_limits": critical("tables", "expected at least 1")}}),
    Fault(
        "grown",
        {
            "quota": {
                "database_size_is_within_limits": warning("database_size_bytes is 1.0 GiB", "expected at most"),
                "database_write_ahead_log_is_small": warning("database_wal_bytes is 1.0 GiB", "expected at most"),
            }
        },
    ),
    Fault(
        "closed-to-us",
        {
            "quota": each(
                ("database_accepts_connections", *OPENED), unknown("cannot be read by", "sudo", cause="permission")
            )
        },
    ),
    Fault(
        "no-engine",
        {
            "host": {
                "docker_engine_answers": critical("none.sock is not there", "expected an answer", cause="missing")
            }
        },
        {"quota-proxy": unknown("none.sock is not there", cause="missing")},
    ),
    Fault("engine-closed-to-us", {"host": {"docker_engine_answers": NO_RIGHT}}, {"quota-proxy": NO_RIGHT}),
    Fault(
        "disk-full",
        {"host": {"filesystems_have_space": critical("/disk-full/data", "100 %", "expected at most 99.9")}},
    ),
)


def beside(stage: Stage[QuotaProxy], name: str, make: Callable[[Path, str], Path]) -> QuotaProxy:
    """A service of its own, beside a database that is made for it."""
    service = stage.service(name)
    service.database.unlink()
    make(service.data, service.database.name)
    return service


def break_containers(stage: Stage[QuotaProxy], held: ExitStack) -> Callable[[], None]:
    """What takes its time; what it gives waits for that."""
    crashing = stage.service("crashing", script="exit 1")
    once = "[ -e /tmp/x ] && exec nc -ll -p 8787 -e /service/answer; touch /tmp/x; exit 1"
    crashed = stage.service("crashed-once", script=once)
    stage.host("no-container", {"container": "faulty-none*", "port": held.enter_context(refusing_port())})
    stopped = stage.service("stopped")
    stopped.end()
    stage.service("stays-down", restart="no")
    ill = stage.service("unhealthy", health="echo no upstream; exit 1")
    stage.service("other-port", {"port": held.enter_context(refusing_port())})
    unproxied = stage.service("refused")
    stage.service("deaf", script="exec sleep 1000000")
    stage.service("logs-errors").log("listening on 8787", "Error: SQLITE_BUSY: database is locked")
    stage.service("not-mounted", volumes={})
    stage.service("started-just-now", {"settled": "5m"})
    end_proxy_of(stage.engine, unproxied.outside)
    for service in (stopped, unproxied):  # else another server may come to listen there
        with contextlib.suppress(OSError):  # a client has it, who does not listen
            held.enter_context(refusing_port(port=service.outside))

    def arrived() -> bool:
        for service in (crashed, ill):
            service.container.reload()
        return (
            (crashed.container.attrs["RestartCount"], crashed.container.status) == (1, "running")
            and ill.container.attrs["State"]["Health"]["Status"] == "unhealthy"
            and crashing.crashes_for(20)
        )

    return lambda: wait_for(arrived, "containers in trouble", seconds=120)


def break_answers(stage: Stage[QuotaProxy]) -> None:
    stage.service("silent", {"timeout": "1s"}).answer({"ok": True}, after=600)
    stage.service("slow", {"slow": "1s"}).answer({"ok": True}, after=1.2)
    stage.service("error").answer({"ok": True}, "500 Internal Server Error")
    stage.service("not-ok").answer({"ok": False})
    stage.service("not-json").answer("<html>starting</html>")


def break_databases(stage: Stage[QuotaProxy], held: ExitStack) -> None:
    beside(stage, "no-database", sqlite_files.missing)
    beside(stage, "not-a-database", sqlite_files.corrupt_header)
    beside(stage, "damaged", sqlite_files.corrupt_index)
    beside(stage, "never-set-up", without_tables)
    grown = beside(stage, "grown", lambda folder, name: held.enter_context(sqlite_files.good_wal_open(folder, name)))
    os.truncate(f"{grown.database}-wal", 1_100_000_000)  # the rest is zeros, and takes no room on the disk


def break_hosts(stage: Stage[QuotaProxy], ops: Account, held: ExitStack) -> None:
    ordinary = {"connection": held.enter_context(Sshd(user=ops.name)).connection()}
    beside(stage, "closed-to-us", sqlite_files.unreadable)
    stage.hosts["closed-to-us"] |= {**ordinary, "docker": {"url": stage.engine.tcp_url}}
    stage.service("engine-closed-to-us")
    stage.hosts["engine-closed-to-us"] |= ordinary
    stage.host("no-engine", docker={"url": f"unix://{stage.place}/none.sock"})
    full = stage.service("disk-full").data
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "full", str(full)], check=True)
    held.callback(subprocess.run, ["umount", str(full)], check=True)
    sqlite_files.good_wal(full, "quota.db")
    with contextlib.suppress(OSError), (full / "backup").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    # What the machine of the tests has on its own disks is no fault.
    stage.hosts["disk-full"]["limits"] = {"filesystem_used_percent": {"critical": 99.9}}


def without_tables(folder: Path, name: str) -> Path:
    """A file that is a database, and was never set up."""
    path = folder / name
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 1")
    return path


def end_proxy_of(engine: Engine, port: int) -> None:
    """End the engine's own proxy of a port: the port is mapped as before, and nobody listens."""
    dockerd = int((engine.folder / "pid").read_text())
    for pid in children(dockerd):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"-host-port" in words and words[words.index(b"-host-port") + 1] == str(port).encode():
            os.kill(pid, signal.SIGKILL)
            wait_for(partial(ended, pid), "the end of the proxy")
            return
    raise ServerError(f"no proxy of port {port}")


def ended(pid: int) -> bool:
    return not runs(pid)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that an account without rights can reach."""
    folder = Path(tempfile.mkdtemp(prefix="muster-quota-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[Engine]:
    """An engine on which nothing else runs: the inventory looks for quota-proxy*."""
    with Engine(tls=False) as engine:
        engine.folder.chmod(0o755)  # the socket in it may be seen by everybody, and used by root alone
        yield engine


@pytest.fixture(scope="module")
def well(running: Engine, place: Path) -> Iterator[QuotaProxy]:
    with quota_proxy(running, place / "well") as service:
        yield service


@pytest.fixture(scope="module")
def faulty(running: Engine, place: Path, well: QuotaProxy, ops: Account, ssh_host: Sshd) -> Iterator[Ran]:
    """The run over all faults, each on a host of its own."""
    with ExitStack() as held:
        stage = Stage(running, place, QuotaProxy, well)
        stage.host("well")
        wait = break_containers(stage, held)
        break_answers(stage)
        break_databases(stage, held)
        break_hosts(stage, ops, held)
        wait()
        folder = place / "run"
        folder.mkdir()
        ran = run(folder, over(INVENTORY, stage.hosts), *CHECKS)
        assert ran.code == 1, ran.terminal
        yield ran


@pytest.mark.parametrize("far", [False, True], ids=["local", "ssh"])
def test_the_inventory_that_ships_is_ok_from_here_and_over_ssh(
    tmp_path: Path, running: Engine, ssh_host: Sshd, well: QuotaProxy, far: bool
) -> None:
    host: dict[str, object] = {"docker": {"url": running.url}}
    if far:
        host["connection"] = ssh_host.connection()
    ran = run(tmp_path, over(INVENTORY, {"quota-proxy": host}), "-v", settings=well.settings)
    assert ran.code == 0, ran.terminal
    compare(ran, Fault("quota-proxy"))
    assert f"127.0.0.1:{well.outside}->8787/tcp" in ran.terminal


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_each_fault_is_found_and_nothing_else(faulty: Ran, fault: Fault) -> None:
    compare(faulty, fault)


def test_every_fault_was_looked_at(faulty: Ran) -> None:
    assert {record["host"] or record["target"] for record in faulty.results} == {fault.name for fault in FAULTS}
