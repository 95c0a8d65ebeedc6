"""Containers that run well, and how they are set up, by hand or by a compose file: as it was meant, or not."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from tests.faults.cases import Case, critical, each, unknown, warning
from tests.faults.container_words import (
    AGE,
    BOUNDED,
    CPU,
    DIGEST,
    HEALTHY,
    IMAGE,
    LINES,
    MOUNTS,
    POLICY,
    PORTS,
    PRIVILEGES,
    ROOT,
    RUNS,
    SIZE,
    UPTIME,
    USED,
    lost,
)
from tests.servers.docker import BOUNDED as BOUNDED_LOG
from tests.servers.docker import IMAGE as IMAGE_NAME
from tests.servers.docker import Engine
from tests.servers.processes import wait_for

#: On the engine ``steady``, as `vary` starts them.
CONFIGURED = (
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


def vary(engine: Engine, folder: Path) -> None:
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


def compose(engine: Engine, folder: Path) -> None:
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
