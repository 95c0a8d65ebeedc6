"""Containers in every state, and Docker engines that answer in every way, or do not."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.faults.cases import CALM, Case, Ran, critical, run, under, unknown, warning
from tests.faults.container_setups import CONFIGURED, compose, vary
from tests.faults.container_words import (
    HEALTHY,
    MAPPED,
    MEMORY,
    PORTS,
    RESTARTS,
    RUNS,
    UPTIME,
    lost,
    stopped,
    unhealthy,
)
from tests.servers.docker import IMAGE as IMAGE_NAME
from tests.servers.docker import SECOND, Engine
from tests.servers.processes import refusing_port, wait_for
from tests.servers.sshd import Account, Sshd

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
    *CONFIGURED,
    Case("plain", {}, host="tcp"),
    Case("plain", {}, host="tls"),
    Case("plain", {}, host="ssh"),
    Case("plain", {}, host="ssh-tcp"),
)


def silent(verdict: object, *says: str, cause: str) -> dict[str, object]:
    return {
        "docker_engine_answers": verdict,
        "docker_containers_are_well": unknown(*says, cause=cause),
    }


def at(url: str, **more: object) -> dict[str, Any]:
    return {"connection": "local", "docker": {"url": url, **more}}


#: What is looked at only where a limit says so.
USE = {
    "container_cpu_percent": {"warning": 90},
    "container_memory_percent": {"warning": 80, "critical": 95},
}
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
        vary(steady, folder)
        compose(steady, folder)
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
        ran = run(folder, {"defaults": {"limits": CALM | USE}, "hosts": hosts}, settings=settings)
        return Ran(ran.code, ran.terminal, ran.folder, {"folder": str(folder), "ops": ops.name})


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
