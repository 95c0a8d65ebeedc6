"""The inventories of the one-api, over a stand-in: well, and ill in every way that its guide names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cases import CLONE, Ran, critical, each, run, unknown, warning
from tests.faults.systems import CHECKS, Fault, Stage, compare, over, shipped
from tests.servers.docker import Engine
from tests.servers.mariadb import MariaDb
from tests.servers.one_api import MYSQL_PASSWORD, NAME, REDIS_PASSWORD, STARTED, OneApi, mysql, redis
from tests.servers.processes import refusing_port, wait_for
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.needs("docker", "mariadb", "redis")

INVENTORY, DATABASES = shipped("one-api"), shipped("one-api-databases")
PASSWORDS = {"ONE_API_MYSQL_PASSWORD": MYSQL_PASSWORD, "ONE_API_REDIS_PASSWORD": REDIS_PASSWORD}

VALUES, LOG, USAGE = (
    "endpoint_values_are_within_limits",
    "container_log_has_few_such_lines",
    "container_memory_is_within_limits",
)
OF_RUNNING = ("container_is_healthy", USAGE, "container_uptime_is_within_limits")

MISSING = "no container matches faulty-none"
#: /api/monitor/health cannot be asked, and a database cannot be logged in to: critical, once.
REFUSED = {"endpoint_answers": critical("refused", "expected an answer", cause="network")}
NO_DATABASE = {"database_accepts_connections": critical("refused", "expected a connection", cause="network")}
DENIED = {"database_accepts_connections": critical("denied", "expected a connection", cause="permission")}
SILENT = unknown("refused", cause="network")
LOCKED_OUT = unknown("denied", cause="permission")


def down(says: str, state: str) -> dict[str, Any]:
    return {
        "container_is_running": critical(says, "expected running"),
        **each(OF_RUNNING, unknown(f"is not running ({state})", cause="missing")),
    }


FAULTS = (
    Fault("well"),
    Fault("goroutines-high", {"health": {VALUES: warning("goroutines is 3000", "expected at most 2000")}}),
    Fault("goroutines-leaking", {"health": {VALUES: critical("goroutines is 6500", "expected at most 5000")}}),
    Fault("at-peak"),
    Fault("beyond-peak", {"health": {VALUES: critical("goroutines is 5500", "expected at most 5000")}}),
    Fault("deployed"),
    Fault("deployed-halfway", {NAME: {LOG: warning("log_lines", "listener is 0", "expected at least 1")}}),
    Fault("memory-leaking", {"health": {VALUES: warning("memory_alloc is 2048 MB", "expected at most 1024 MB")}}),
    Fault("not-ok", {"health": {"endpoint_json_is_expected": critical('$.status is "degraded", expected "ok"')}}),
    Fault("changed-api", {"health": {VALUES: critical("$.goroutines is missing", "expected a number")}}),
    Fault(
        "no-such-path",
        {
            "health": {
                "endpoint_status_is_expected": critical("404 Not Found", "expected 200"),
                "endpoint_json_is_expected": critical(""),
                VALUES: critical(""),
            }
        },
    ),
    Fault(
        "deaf",
        {"health": {"endpoint_answers": critical("reset", "expected an answer", cause="network")}},
        {"health": unknown("reset", cause="network")},
    ),
    Fault(
        "silent",
        {"health": {"endpoint_answers": critical("timed out", "no answer in 1 s", cause="timeout")}},
        {"health": unknown("timed out", cause="timeout")},
    ),
    Fault(
        "gone",
        {NAME: {"container_exists": critical(MISSING, "expected one", cause="missing")}, "health": REFUSED},
        {NAME: unknown(MISSING, cause="missing"), "health": SILENT},
    ),
    Fault("stopped", {NAME: down("exited with 137", "exited"), "health": REFUSED}, {"health": SILENT}),
    Fault("restarted", {NAME: {"container_restarts_are_few": warning("container_restarts is 1", "at most 0")}}),
    Fault("stays-down", {NAME: {"container_restart_policy_is_as_expected": warning("no, expected always")}}),
    Fault(
        "killed-for-memory",
        {
            NAME: {
                **down("restarting after exit 1", "restarting"),
                "container_restarts_are_few": critical("expected at most 5"),
                "container_was_not_killed_for_memory": warning("out of memory", "expected it to fit in its limit"),
            },
            # Refused, unless it is asked in the blink of an eye in which it starts: then reset.
            "health": {"endpoint_answers": critical("expected an answer", cause="network")},
        },
        {"health": unknown("", cause="network")},
    ),
    Fault("short-of-memory", {NAME: {USAGE: warning("container_memory_percent is ", "expected at most 80 %")}}),
    Fault("large", {NAME: {USAGE: warning("container_memory_bytes is 1", "expected at most")}}),
    Fault(
        "logs-goroutines",
        {NAME: {LOG: warning("high-goroutine is 1", "goroutine count: 2310", "expected at most 0")}},
    ),
    Fault("logs-panics", {NAME: {LOG: warning("panics is 2", "panic: again", "expected at most 0")}}),
    Fault("logs-errors", {NAME: {LOG: warning("errors is 101", "expected at most 100")}}),
    Fault("logged-errors-long-ago"),
    Fault("mysql-down", {"one-api-mysql": NO_DATABASE}, {"one-api-mysql": SILENT}),
    Fault("redis-down", {"one-api-redis": NO_DATABASE}, {"one-api-redis": SILENT}),
    Fault("mysql-wrong-password", {"one-api-mysql": DENIED}, {"one-api-mysql": LOCKED_OUT}),
    Fault("redis-wrong-password", {"one-api-redis": DENIED}, {"one-api-redis": LOCKED_OUT}),
    Fault(
        "no-channels", {"one-api-mysql": {"row_counts_are_within_limits": warning("of channels is 0", "at least 1")}}
    ),
)

SERVE = "exec nc -ll -p 3000 -e /service/answer"


def break_health(stage: Stage[OneApi]) -> None:
    stage.service("goroutines-high").says(goroutines=3000)
    stage.service("goroutines-leaking").says(goroutines=6500)
    stage.service("at-peak").says(goroutines=4200)
    stage.service("beyond-peak").says(goroutines=5500)
    for name in ("at-peak", "beyond-peak"):
        stage.hosts[name]["groups"] = ["peak"]
    stage.service("memory-leaking").says(memory={"alloc_mb": 2048, "sys_mb": 3072, "num_gc": 156})
    stage.service("not-ok").says(status="degraded")
    stage.service("changed-api").says(without="goroutines")
    (stage.service("no-such-path").folder / "path").write_text("/api/status")
    stage.service("deaf", script="exec sleep 1000000")
    stage.service("silent", {"timeout": "1s"}).answer({}, after=600)


def break_container(stage: Stage[OneApi], held: ExitStack) -> Callable[[], None]:
    """What takes its time; what it gives waits for that."""
    # What is killed is not its first process: of that one the engine misses at times why it ended.
    killed = stage.service("killed-for-memory", script="tail /dev/zero; sleep 0.1; exit 1", **limited_to("8m"))
    restarted = stage.service("restarted", script=f"[ -e /tmp/x ] && {SERVE}; touch /tmp/x; exit 1")
    short = stage.service("short-of-memory", script=holding(58_000_000))
    large = stage.service("large", script=holding(1_100_000_000), **limited_to("8g"))
    stage.host("gone", {"container": "faulty-none", "port": held.enter_context(refusing_port())})
    stage.service("stays-down", restart="no")
    stage.service("stopped").end()

    def arrived() -> bool:
        restarted.container.reload()
        return (
            (restarted.container.attrs["RestartCount"], restarted.container.status) == (1, "running")
            and used(short) > 57_000_000
            and used(large) > 1_090_000_000
            and killed.crashes_for(20)
            and killed.container.attrs["State"]["OOMKilled"]
        )

    return lambda: wait_for(arrived, "containers in trouble", seconds=120)


def limited_to(memory: str) -> dict[str, str]:
    return {"mem_limit": memory, "memswap_limit": memory}


def break_log(stage: Stage[OneApi]) -> None:
    stage.service("deployed")
    stage.service("deployed-halfway", lines=STARTED[:2])
    for name in ("deployed", "deployed-halfway"):
        stage.hosts[name]["groups"] = ["deployed"]
    days = timedelta(days=1)
    stage.service("logs-goroutines").logged(3 * days, ["[SYS] High goroutine count: 2310"])
    stage.service("logs-panics").log("panic: runtime error: index out of range", "goroutine 1:", "panic: again")
    stage.service("logs-errors").log(
        *(f"[ERR] relay error: channel #7, status 502, {number}" for number in range(101))
    )
    stage.service("logged-errors-long-ago").logged(3 * days, ["[ERR] relay error: timeout, then a panic"] * 200)


def break_databases(stage: Stage[OneApi], good_mysql: MariaDb, good_redis: RedisServer, held: ExitStack) -> None:
    good_mysql.user("stranger", "another-password")
    empty = "one-api-empty"
    good_mysql.sql(f"CREATE DATABASE `{empty}`", f"CREATE TABLE `{empty}`.channels (id INT PRIMARY KEY)")
    good_mysql.sql(f"GRANT SELECT ON `{empty}`.* TO muster@'%'")
    nobody = f"127.0.0.1:{held.enter_context(refusing_port())}"
    other = held.enter_context(RedisServer(requirepass="another-password"))
    where = {"mysql": f"127.0.0.1:{good_mysql.port}", "redis": f"127.0.0.1:{good_redis.port}"}
    for name, different in {
        "well": {},
        "mysql-down": {"mysql": nobody},
        "redis-down": {"redis": nobody},
        "mysql-wrong-password": {"mysql_user": "stranger"},
        "redis-wrong-password": {"redis": f"127.0.0.1:{other.port}"},
        "no-channels": {"mysql_database": empty},
    }.items():
        stage.host(name, {**where, **different}, databases=DATABASES["defaults"]["databases"])


def has_health(service: OneApi, status: str) -> bool:
    service.container.reload()
    return bool(service.container.attrs["State"]["Health"]["Status"] == status)


def holding(size: int) -> str:
    """Shell text that serves, and has so many bytes of memory in use."""
    return f"(head -c {size} /dev/zero; sleep 1000000) | tail -n 1 & {SERVE}"


def used(service: OneApi) -> int:
    """The memory that its container has in use, in bytes."""
    return int(service.container.stats(stream=False, one_shot=True)["memory_stats"]["usage"])


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="muster-one-api-"))
    folder.chmod(0o755)  # its containers run as nobody
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[Engine]:
    """An engine that ends before the folders do: it makes those anew that a container lacks."""
    with Engine(tls=False) as engine:
        yield engine


@pytest.fixture(scope="module")
def well(running: Engine, place: Path) -> OneApi:
    service = OneApi(place / "well")
    service.start(running, health="true")
    wait_for(lambda: has_health(service, "healthy"), "a healthy one-api")
    return service


@pytest.fixture(scope="module")
def good_mysql() -> Iterator[MariaDb]:
    with mysql() as server:
        yield server


@pytest.fixture(scope="module")
def good_redis() -> Iterator[RedisServer]:
    with redis() as server:
        yield server


@pytest.fixture(scope="module")
def faulty(running: Engine, place: Path, well: OneApi, good_mysql: MariaDb, good_redis: RedisServer) -> Iterator[Ran]:
    """The run over all faults, each on a host of its own."""
    with ExitStack() as held:
        stage = Stage(running, place, OneApi, well)
        wait = break_container(stage, held)
        break_health(stage)
        break_log(stage)
        break_databases(stage, good_mysql, good_redis, held)
        wait()
        folder = place / "run"
        folder.mkdir()
        inventory = {**INVENTORY, "vars": {**INVENTORY["vars"], **DATABASES["vars"]}}
        ran = run(folder, over(inventory, stage.hosts), *CHECKS, environment=PASSWORDS)
        assert ran.code == 1, ran.terminal
        yield ran


@pytest.mark.parametrize("databases", [False, True], ids=["alone", "with-its-databases"])
def test_the_inventories_that_ship_are_ok(
    tmp_path: Path, running: Engine, well: OneApi, good_mysql: MariaDb, good_redis: RedisServer, databases: bool
) -> None:
    host: dict[str, object] = {"docker": {"url": running.url}}
    more, settings = [], dict(well.settings)
    if databases:
        more = [f"--inventory={CLONE / 'inventories' / 'one-api-databases.yaml'}"]
        settings |= {"mysql": f"127.0.0.1:{good_mysql.port}", "redis": f"127.0.0.1:{good_redis.port}"}
    inventory = over(INVENTORY, {NAME: host})
    ran = run(tmp_path, inventory, "-v", *more, settings=settings, environment=PASSWORDS if databases else None)
    assert ran.code == 0, ran.terminal
    compare(ran, Fault(NAME))
    assert {record["target"] for record in ran.results} == {
        *(NAME, "health"),
        *(DATABASES["defaults"]["databases"] if databases else ()),
    }


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_each_fault_is_found_and_nothing_else(faulty: Ran, fault: Fault) -> None:
    compare(faulty, fault)


def test_every_fault_was_looked_at(faulty: Ran) -> None:
    assert {record["host"] or record["target"] for record in faulty.results} == {fault.name for fault in FAULTS}


def test_no_password_is_in_what_a_run_leaves(faulty: Ran) -> None:
    left = faulty.terminal + "".join(file.read_text("utf-8") for file in faulty.folder.iterdir() if file.is_file())
    assert "one-api-mysql" in left
    assert [word for word in PASSWORDS.values() if word in left] == []
