"""Containers in every state, and Docker engines that answer in every way, or do not."""

from __future__ import annotations

import json
import shlex
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.faults.cases import CALM, Case, Ran, critical, each, run, under, unknown, warning
from tests.servers.docker import BOUNDED as BOUNDED_LOG
from tests.servers.docker import IMAGE as IMAGE_NAME
from tests.servers.docker import SECOND, Engine
from tests.servers.processes import refusing_port, wait_for
from tests.servers.sshd import Account, Sshd

EXISTS, RUNS, HEALTHY = "container_exists", "container_is_running", "container_is_healthy"
RESTARTS, MEMORY = "container_restarts_are_few", "container_was_not_killed_for_memory"
PORTS, UPTIME = "container_ports_are_mapped", "container_uptime_is_within_limits"
IMAGE, DIGEST, AGE = (
    "container_image_is_as_expected",
    "container_digest_is_as_expected",
    "container_age_is_within_limits",
)
POLICY, MOUNTS = "container_restart_policy_is_as_expected", "container_mounts_are_there"
PRIVILEGES, ROOT = "container_has_no_privileges", "container_does_not_run_as_root"
BOUNDED, SIZE, LINES = "container_log_is_bounded", "container_log_is_small", "container_log_has_few_such_lines"
CPU, USED = "container_cpu_is_within_limits", "container_memory_is_within_limits"
#: The checks that no inventory has to ask for.
ALWAYS = (AGE, PRIVILEGES, ROOT, BOUNDED)
MAPPED = {"ports": ["127.0.0.1:${port}->8787/tcp"]}


def lost(verdict: object, says: str, *more: str, cause: str) -> dict[str, object]:
    """It is not there: critical, once. ``more`` are the checks that its entry asks for."""
    checks = (RUNS, HEALTHY, RESTARTS, MEMORY, UPTIME, CPU, USED, *ALWAYS, *more)
    return {EXISTS: verdict, **each(checks, unknown(says, cause=cause))}


def stopped(says: str, state: str) -> dict[str, object]:
    """It does not run, so nothing that it does can be looked at."""
    return {
        RUNS: critical(says, "expected running"),
        **each((HEALTHY, PORTS, UPTIME, CPU, USED), unknown(f"is not running ({state})", cause="missing")),
    }


def unhealthy(*says: str) -> dict[str, object]:
    return {HEALTHY: critical("unhealthy, failed", *says, "expected healthy")}


#: On the engine ``steady``, where all is well, and on ``troubled``, where most is not.
CONTAINERS = (
    Case("quota-proxy", MAPPED, host="steady"),
    Case("plain", {}, host="steady"),
    Case("healthy", {"match": "heal*", "health": "healthy"}, host="steady"),
    Case("old", {"match": "plain", "limits": {"container_uptime_seconds": {"warning": 1e9}}}, host="steady"),
    Case("plain", {"health": "healthy"}, {HEALTHY: critical("no healthcheck, expected healthy")}, "troubled"),
    Case("unhealthy", {}, unhealthy("exit 1: no database"), "troubled"),
    Case("hostile", {}, unhealthy("<script>document.title='owned'</script>", "\\x1b[2J", "\\x00"), "troubled"),
    Case(
        "warming",
        {},
        {HEALTHY: unknown("starting: its healthcheck has not decided yet; last try: exit 1: no", cause="missing")},
        "troubled",
    ),
    Case("exited", MAPPED, stopped("exited with 3", "exited"), "troubled"),
    Case("created", MAPPED, stopped("created, never started", "created"), "troubled"),
    Case(
        "oom",
        MAPPED,
        {
            **stopped("exited with 137 (SIGKILL, out of memory)", "exited"),
            MEMORY: warning("the kernel killed a process in it, out of memory", "expected it to fit in its limit"),
        },
        "troubled",
    ),
    Case(
        "restarting",
        MAPPED,
        {**stopped("restarting after exit 1", "restarting"), RESTARTS: warning("expected at most 0")},
        "troubled",
    ),
    Case(
        "crashing",
        {"match": "restarting", "limits": {"container_restarts": {"critical": 2}}, **MAPPED},
        {**stopped("restarting after exit 1", "restarting"), RESTARTS: critical("expected at most 2")},
        "troubled",
    ),
    Case(
        "paused",
        {},
        {
            RUNS: critical("paused, expected running"),
            HEALTHY: unknown("paused is paused, so its healthcheck does not run", cause="missing"),
        },
        "troubled",
    ),
    Case("unmapped", {"match": "healthy", **MAPPED}, {PORTS: critical("no ports, expected 127.0.0.1:")}, "troubled"),
    Case(
        "young",
        {"match": "healthy", "limits": {"container_uptime_seconds": {"warning_below": 1e9}}},
        {UPTIME: warning("container_uptime_seconds is", "expected at least 1e+09 s")},
        "troubled",
    ),
    Case(
        "twins",
        {"match": "twin-*", **MAPPED},
        lost(
            critical("2 containers match twin-*: twin-", "; expected one"),
            "2 containers match twin-*: twin-",
            PORTS,
            cause="wrong",
        ),
        "troubled",
    ),
    Case(
        "missing",
        {"match": "quota-proxi*", **MAPPED},
        lost(
            critical("no container matches quota-proxi*; expected one", cause="missing"),
            "no container matches quota-proxi*",
            PORTS,
            cause="missing",
        ),
        "troubled",
    ),
    Case(
        "released",
        {
            "match": "careful",
            "image": "muster/busybox:*",
            "digest": "${image}",
            "restart": "unless-stopped",
            "mounts": ["muster-faults:/data", "${folder}:/host:ro"],
            "limits": {
                "container_age_days": {"warning": 30},
                "container_log_bytes": {"warning": "1MiB"},
                "container_memory_bytes": {"warning": "1GiB"},
            },
            "logs": {
                "high-goroutine": {"pattern": "High goroutine", "window": "168h", "warning": 0},
                "trouble": {"pattern": "error|timeout|panic", "warning": 1},
                "errors": {"level": "error", "critical": 0},
                "requests": {"level": "info", "warning_below": 2},
            },
        },
        host="steady",
    ),
    Case(
        "another-release",
        {
            "match": "careful",
            "image": "muster/busybox:2.*",
            "digest": f"sha256:{64 * '0'}",
            "restart": "always",
            "mounts": ["muster-faults:/data:ro", "/srv:/srv"],
            "limits": {"container_age_days": {"warning_below": 1}, "container_log_bytes": {"critical": 10}},
            "logs": {
                "trouble": {"pattern": "error|timeout|panic", "warning": 0},
                "warnings": {"level": "warning", "critical": 0},
                "requests": {"level": "info", "warning_below": 100},
            },
        },
        {
            IMAGE: warning("muster/busybox:1 (sha256:", "expected muster/busybox:2.*"),
            DIGEST: warning("muster/busybox:1 (sha256:", "expected sha256:0000"),
            POLICY: warning("restart policy unless-stopped, expected always"),
            MOUNTS: critical("muster-faults:/data, ", "expected muster-faults:/data:ro, /srv:/srv"),
            AGE: warning("container_age_days is", "expected at least 1 d"),
            SIZE: critical("container_log_bytes is", "expected at most 10 B"),
            LINES: critical(
                "log_lines of trouble is 1 (",
                "timeout of an upstream \\x1b[2J), expected at most 0",
                "log_lines of warnings is 1 (",
                "log_lines of requests is 2 (",
            ),
        },
        "steady",
    ),
    Case(
        "plain-log",
        {"match": "plain-log", "logs": {"errors": {"level": "error", "warning": 0}}},
        {LINES: unknown("errors: none of 1 line is JSON with a level; count them by `pattern`", cause="unreadable")},
        "steady",
    ),
    Case(
        "accepted",
        {
            "match": "mighty",
            "privileges": ["root", "host-network", "host-pid", "host-ipc", "docker.sock", "cap:NET_ADMIN"],
        },
        host="steady",
    ),
    Case(
        "mighty",
        {"privileges": ["host-network"]},
        {
            PRIVILEGES: warning("host-pid, host-ipc, docker.sock, cap:NET_ADMIN, expected host-network"),
            ROOT: warning("it runs as root, expected another user"),
        },
        "steady",
    ),
    Case(
        "unbounded",
        {"match": "unbounded", "limits": {"container_log_bytes": {"warning": 1}}},
        {
            BOUNDED: warning("logs to json-file without max-size, expected max-size to be set"),
            SIZE: warning("container_log_bytes is", "expected at most 1 B"),
        },
        "steady",
    ),
    Case(
        "elsewhere",
        {
            "match": "unlogged",
            "limits": {"container_log_bytes": {"warning": 1}},
            "logs": {"panic": {"pattern": "panic", "warning": 0}},
        },
        {
            SIZE: unknown("its log driver none names no file whose size could be looked at", cause="missing"),
            LINES: unknown("its log driver none keeps nothing that the engine can read", cause="missing"),
        },
        "steady",
    ),
    Case(
        "greedy",
        {"limits": {"container_cpu_percent": {"warning": 20}}},  # on a busy machine nobody gets all that he may have
        {
            CPU: warning("container_cpu_percent is", "expected at most 20 %"),
            USED: critical("container_memory_percent is", "expected at most 95 %"),
        },
        "steady",
    ),
    Case("plain", {}, host="tcp"),
    Case("plain", {}, host="tls"),
    Case("plain", {}, host="ssh"),
    Case("plain", {}, host="ssh-tcp"),
)


#: What the containers of the host ``composed`` are declared by; ``PORT`` is set beside it, in ``.env``.
COMPOSE = """\
name: shop
x-service: &service
  image: muster/busybox:${TAG:-1}
  restart: unless-stopped
services:
  web:
    <<: *service
    ports: ["127.0.0.1:${PORT}:8787"]
    healthcheck: {test: "wget -q -O- http://127.0.0.1:8787/healthz"}
    depends_on: [db]
  db:
    <<: *service
    container_name: shop-db
    healthcheck: {disable: true}
  queue:
    <<: *service
    image: muster/busybox:2
    ports: ["127.0.0.1:1:5672"]
    healthcheck: {test: "true"}
  worker: {<<: *service, deploy: {replicas: 2}}
  grafana: {<<: *service, profiles: [monitoring]}
  debug: {<<: *service, profiles: [debugging]}
"""

#: On the host ``composed``, where the inventory says no more than which file to read.
COMPOSED = (
    Case("web", {}, host="composed"),
    Case("db", {}, host="composed"),
    Case(
        "queue",
        {},
        {
            IMAGE: warning("muster/busybox:1 (", "expected muster/busybox:2"),
            POLICY: warning("restart policy no, expected unless-stopped"),
            PORTS: critical("no ports, expected 127.0.0.1:1->5672/tcp"),
            HEALTHY: critical("no healthcheck, expected healthy"),
        },
        "composed",
    ),
    Case("worker-1", {}, host="composed"),
    Case(
        "worker-2",
        {},
        lost(
            critical("no container matches shop[-_]worker[-_]2; expected one", cause="missing"),
            "no container matches shop[-_]worker[-_]2",
            *(IMAGE, POLICY),
            cause="missing",
        ),
        "composed",
    ),
    Case(
        "grafana",
        {},
        {
            RUNS: critical("created, never started", "expected running"),
            **each((HEALTHY, UPTIME, CPU, USED), unknown("is not running (created)", cause="missing")),
        },
        "composed",
    ),
)


def silent(verdict: object, *says: str, cause: str) -> dict[str, object]:
    return {
        "docker_engine_answers": verdict,
        "docker_containers_are_well": unknown(*says, cause=cause),
    }


def at(url: str, **more: object) -> dict[str, Any]:
    return {"connection": "local", "docker": {"url": url, **more}}


REFUSED = silent(critical("refused", "expected an answer", cause="network"), "refused", cause="network")
NO_SOCKET = silent(
    critical("Docker engine: missing: ${folder}/none.sock is not there", "expected an answer", cause="missing"),
    "is not there",
    cause="missing",
)
DENIED = silent(
    unknown("permission denied; add ${ops} to the group docker", cause="permission"),
    "permission denied",
    cause="permission",
)
IN_TROUBLE = {
    "docker_containers_are_well": warning("exited: Exited (3)", "restarting: Restarting", "expected none in trouble")
}

#: Hosts, by how their engine is reached.
ENGINES = (
    Case(
        "composed",
        {
            **at("unix://${steady}"),
            "compose": {"file": "docker-compose.prod.yml", "profiles": ["monitoring"]},
        },
    ),
    Case("steady", at("unix://${steady}")),
    Case("troubled", at("unix://${troubled}"), IN_TROUBLE),
    Case("tcp", at("tcp://127.0.0.1:${tcp}")),
    Case(
        "tls",
        at(
            "tcp://127.0.0.1:${tls}",
            ca_file="${files}/ca.pem",
            cert_file="${files}/cert.pem",
            key_file="${files}/key.pem",
        ),
        IN_TROUBLE,
    ),
    Case(
        "tls-without-key",
        at("tcp://127.0.0.1:${tls}", ca_file="${files}/ca.pem"),
        silent(critical("TLS failed: ", "certificate", cause="wrong"), "TLS failed", cause="wrong"),
    ),
    Case("ssh", {"docker": {"url": "unix://${steady}"}}),
    Case("ssh-tcp", {"docker": {"url": "tcp://127.0.0.1:${tcp}"}}),
    Case("none-expected", {"connection": "local"}),
    Case("no-socket", at("unix://${folder}/none.sock"), NO_SOCKET),
    Case("ssh-no-socket", {"docker": {"url": "unix://${folder}/none.sock"}}, NO_SOCKET),
    Case("stale-socket", at("unix://${stale}"), REFUSED),
    Case("ssh-stale-socket", {"docker": {"url": "unix://${stale}"}}, REFUSED),
    Case("refused", at("tcp://127.0.0.1:${refusing}"), REFUSED),
    Case("denied", {"docker": {"url": "unix://${steady}"}}, DENIED),
    Case("denied-folder", {"docker": {"url": "unix://${troubled}"}}, DENIED),
)


def judged(folder: Path, ops: Account) -> Ran:
    """All of them in one run."""
    with ExitStack() as serving:
        steady = serving.enter_context(Engine(tls=False))
        troubled = serving.enter_context(Engine())
        steady.folder.chmod(0o755)  # the socket in it may be seen by everybody, and used by root alone
        for name in ("healthy", "plain", "quota-proxy"):
            steady.container(name)
        _vary(steady, folder)
        _compose(steady, folder)
        _trouble(troubled)
        hosts = under("containers", CONTAINERS)
        for case in ENGINES:
            hosts.setdefault(case.name, {}).update(case.entry)
        known = serving.enter_context(Sshd())
        for name in ("ssh", "ssh-tcp", "ssh-no-socket", "ssh-stale-socket"):
            hosts[name]["connection"] = known.connection()
        unprivileged = serving.enter_context(Sshd(user=ops.name))
        for name in ("denied", "denied-folder"):
            hosts[name]["connection"] = unprivileged.connection()
        settings = {
            "folder": folder,
            "files": troubled.folder,
            "image": steady.client.images.get(IMAGE_NAME).id,
            "port": steady.mapped_port(steady.container("quota-proxy"), 8787),
            "refusing": serving.enter_context(refusing_port()),
            "stale": _stale_socket(steady.folder / "stale.sock"),
            "steady": steady.socket,
            "tcp": steady.tcp_url.rpartition(":")[2],
            "tls": troubled.tls_url.rpartition(":")[2],
            "troubled": troubled.socket,
        }
        ran = run(folder, {"defaults": {"limits": CALM}, "hosts": hosts}, settings=settings)
        return Ran(ran.code, ran.terminal, ran.folder, {"folder": str(folder), "ops": ops.name})


def _vary(engine: Engine, folder: Path) -> None:
    """Containers that run well, each with something of its own that not everybody would have."""
    says = [
        {"level": "INFO", "msg": "GET /v1/models"},
        {"Severity": "info", "msg": "GET /healthz"},
        {"level": "warn", "msg": "slow"},
    ]
    lines = "; ".join(f"echo {shlex.quote(json.dumps(line))}" for line in says)
    engine.run(
        "careful",
        ("sh", "-c", f"{lines}; printf 'timeout of an upstream \\033[2J\\n'; exec sleep 1000000"),
        restart="unless-stopped",
        volumes={
            "muster-faults": {"bind": "/data", "mode": "rw"},
            str(folder): {"bind": "/host", "mode": "ro"},
        },
    )
    engine.run("plain-log", ("sh", "-c", "echo ready; exec sleep 1000000"))
    engine.run(
        "mighty",
        user="0",
        network_mode="host",
        pid_mode="host",
        ipc_mode="host",
        cap_add=["NET_ADMIN"],
        volumes={str(engine.socket): {"bind": "/var/run/docker.sock", "mode": "rw"}},
    )
    grows: dict[str, Any] = {"Type": "json-file", "Config": {}}
    engine.run("unbounded", ("sh", "-c", "echo something; exec sleep 1000000"), log_config=grows)
    engine.run("unlogged", log_config={"Type": "none"})
    # One block after the other, each as large as nearly all the memory that it has.
    engine.run("greedy", ("dd", "if=/dev/zero", "of=/dev/null", "bs=63500k"), memory="64m", nano_cpus=50_000_000)


def _compose(engine: Engine, folder: Path) -> None:
    """What `COMPOSE` declares, as compose would start it, but for what went wrong since."""
    always = {"restart": "unless-stopped"}
    serve = ("nc", "-ll", "-p", "8787", "-e", "answer")
    web = engine.run(
        "shop-web-1", serve, health="wget -q -O- http://127.0.0.1:8787/healthz", ports={8787: None}, **always
    )
    (folder / "docker-compose.prod.yml").write_text(COMPOSE)
    (folder / ".env").write_text(f"PORT={engine.mapped_port(web, 8787)}  # free\n")
    engine.run("shop-db", **always)
    engine.run("shop-queue-1")
    engine.run("shop_worker_1", **always)  # as compose 1 calls it
    again = {"Name": "unless-stopped", "MaximumRetryCount": 0}
    engine.client.containers.create(
        IMAGE_NAME, ["true"], name="shop-grafana-1", restart_policy=again, log_config=BOUNDED_LOG
    )
    wait_for(lambda: engine.client.containers.get("shop-web-1").health == "healthy", "a healthy container")


def _trouble(engine: Engine) -> None:
    """A container in every state; the one that restarts waits for its next time, which is seconds away."""
    states = ("plain", "healthy", "unhealthy", "hostile", "exited", "created", "oom", "paused")
    for name in ("restarting", *states):
        engine.container(name)
    for name in ("twin-1", "twin-2"):
        engine.run(name)
    again = {"test": ["CMD-SHELL", "echo no; exit 1"], "interval": SECOND // 5, "start_period": 600 * SECOND}
    engine.run_until(lambda attrs: attrs["State"]["Health"]["Log"], "warming", healthcheck=again)
    before = engine.container("restarting").attrs["RestartCount"]

    def just_restarted() -> bool:
        attrs = engine.container("restarting").attrs
        return attrs["RestartCount"] > before and attrs["State"]["Status"] == "restarting"

    wait_for(just_restarted, "the next restart", seconds=60)


def _stale_socket(path: Path) -> Path:
    """The file of a socket on which nobody listens any more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path
