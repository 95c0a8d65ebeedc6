"""A Docker engine of the tests' own, and containers in every state.

No image can be pulled, so the one image is a static busybox. The engine has its own folder, socket and
bridge, routes and filters nothing (ports are mapped by its userland proxy), and answers in two ways:
``engine.url`` is its socket, ``engine.tls_url`` is TCP on a free port with TLS, for which
``engine.ca_file``, ``engine.cert_file`` and ``engine.key_file`` are needed. ``Engine(tls=False)`` has TCP without
TLS instead, at ``engine.tcp_url``.

``engine.container("unhealthy")`` is a ready-made container, made on first use and kept until the engine
stops; `STATES` has them all. ``engine.run(name, ...)`` is for what is not there. Needs root.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import docker
import trustme
from docker.errors import DockerException
from docker.models.containers import Container

from tests.servers.http import HOSTILE
from tests.servers.processes import Background, ServerError, free_port, wait_for

IMAGE = "muster/busybox:1"
BUSYBOX = Path("/bin/busybox")
SECOND = 1_000_000_000  # Docker's durations are in nanoseconds
FOREVER = ("sleep", "1000000")

#: How containers log unless they are told otherwise: no log grows without end.
BOUNDED = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}

#: A service in shell: every path answers 200 with {"ok": true}, as the quota-proxy's /healthz does.
ANSWER = """#!/bin/sh
while read -r line && [ "${line%?}" ]; do :; done
printf 'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n'
printf 'Content-Length: 12\\r\\nConnection: close\\r\\n\\r\\n{"ok": true}'
"""


class Engine:
    """A dockerd that runs while the object is entered. ``tls``: whether it wants TLS where it answers on TCP."""

    def __init__(self, *, tls: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="muster-docker-"))  # short: a socket's path has 107 bytes at most
        self.socket = self.folder / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._port = free_port()
        self.tls_url = self.tcp_url = f"tcp://127.0.0.1:{self._port}"
        self._tls = tls
        self.ca_file, self.cert_file, self.key_file = (self.folder / f"{name}.pem" for name in ("ca", "cert", "key"))
        self._made: dict[str, Container] = {}
        self._running = contextlib.ExitStack()
        self.client: docker.DockerClient

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            starting.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._certify()
            bridge = starting.enter_context(_bridge())
            settings = self.folder / "daemon.json"
            settings.write_text("{}")  # else /etc/docker/daemon.json counts
            self._process = Background(self._command(bridge, settings), self.folder / "log")
            starting.callback(self._process.stop)
            self._process.wait_for(self._answers)
            self.client = docker.DockerClient(base_url=self.url, timeout=30)
            starting.callback(self.client.close)
            starting.callback(self._remove_all)
            self._import_image()
            self._running = starting.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    @property
    def pid(self) -> int:
        """The dockerd."""
        return self._process.process.pid

    def run(
        self,
        name: str,
        command: Sequence[str] = FOREVER,
        *,
        health: str | None = None,
        ports: Mapping[int, int | None] | None = None,
        restart: str | None = None,
        memory: str | None = None,
        **more: Any,
    ) -> Container:
        """Start a container of the busybox image.

        Args:
            name: its name.
            command: what it runs, without a shell.
            health: shell text that is its healthcheck, run five times a second; one failure is enough.
            ports: port of the container to port of 127.0.0.1, None for a free one.
            restart: its restart policy, such as ``always``.
            memory: its memory limit, at least ``6m``.
            more: further arguments of ``docker.DockerClient.containers.run``.
        """
        if health is not None:
            test = {"test": ["CMD-SHELL", health], "interval": SECOND // 5, "timeout": 5 * SECOND, "retries": 1}
            more["healthcheck"] = test
        if ports is not None:
            mapped = {inside: outside or free_port() for inside, outside in ports.items()}
            more["ports"] = {f"{inside}/tcp": ("127.0.0.1", outside) for inside, outside in mapped.items()}
        if restart is not None:
            more["restart_policy"] = {"Name": restart}
        if memory is not None:
            more |= {"mem_limit": memory, "memswap_limit": memory}
        more.setdefault("log_config", BOUNDED)
        container = self.client.containers.run(IMAGE, list(command), name=name, detach=True, **more)
        assert isinstance(container, Container)
        return container

    def container(self, state: str) -> Container:
        """The ready-made container in this state, named ``state``. See `STATES`."""
        if state not in self._made:
            self._made[state] = STATES[state](self)
        container = self._made[state]
        container.reload()
        return container

    def run_until(
        self, ready: Callable[[Mapping[str, Any]], bool], name: str, *words: Any, **options: Any
    ) -> Container:
        """`run`, then wait until ``ready`` is true of what an inspection says."""
        container = self.run(name, *words, **options)

        def arrived() -> bool:
            container.reload()
            return ready(container.attrs)

        try:
            wait_for(arrived, f"container {name}")
        except ServerError as late:
            raise ServerError(f"{late}\n{json.dumps(container.attrs['State'], indent=1)}") from None
        return container

    def mapped_port(self, container: Container, inside: int) -> int:
        """The port of 127.0.0.1 that a container's port is mapped to."""
        container.reload()
        return int(container.attrs["NetworkSettings"]["Ports"][f"{inside}/tcp"][0]["HostPort"])

    def _command(self, bridge: str, settings: Path) -> list[str]:
        folder = self.folder
        return [
            "dockerd",
            f"--config-file={settings}",
            f"--data-root={folder / 'data'}",
            f"--exec-root={folder / 'exec'}",
            f"--pidfile={folder / 'pid'}",
            f"--bridge={bridge}",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
            "--ip-forward=false",
            "--log-level=warn",
            f"--host={self.url}",
            f"--host={self.tcp_url}",
            *(self._files_for_tls() if self._tls else ["--tls=false"]),
        ]

    def _files_for_tls(self) -> list[str]:
        certificate, key = self.folder / "server.pem", self.folder / "server-key.pem"
        return ["--tlsverify", f"--tlscacert={self.ca_file}", f"--tlscert={certificate}", f"--tlskey={key}"]

    def _certify(self) -> None:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(self.ca_file)
        server = (self.folder / "server.pem", self.folder / "server-key.pem")
        for name, files in (("127.0.0.1", server), ("client", (self.cert_file, self.key_file))):
            issued = ca.issue_cert(name)
            issued.cert_chain_pems[0].write_to_path(files[0])
            issued.private_key_pem.write_to_path(files[1])

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        with contextlib.suppress(DockerException), contextlib.closing(docker.DockerClient(self.url)) as client:
            return bool(client.ping())
        return False

    def _import_image(self) -> None:
        """``docker import`` of a tar with busybox and a link to it for each of its programs."""
        listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(BUSYBOX, "bin/busybox")
            for program in listed:
                link = tarfile.TarInfo(f"bin/{program}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                if program != "busybox":
                    tar.addfile(link)
            answer = tarfile.TarInfo("bin/answer")
            answer.size, answer.mode = len(ANSWER), 0o755
            tar.addfile(answer, io.BytesIO(ANSWER.encode()))
            for folder in ("tmp", "data"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(entry)
        repository, tag = IMAGE.split(":")
        # Its containers do not run as root unless they are told to.
        self.client.api.import_image_from_data(
            packed.getvalue(), repository=repository, tag=tag, changes=["USER 1000:1000"]
        )

    def _remove_all(self) -> None:
        """Remove every container at once: dockerd would give each ten seconds to end."""
        for container in self.client.containers.list(all=True):
            with contextlib.suppress(DockerException):
                container.remove(force=True, v=True)


@contextlib.contextmanager
def _bridge() -> Iterator[str]:
    """A network bridge of our own, with a /24 of 198.18.0.0/15 that no other has (RFC 2544 keeps it for tests)."""
    while True:
        number = random.randrange(512)
        name = f"mstbr{number}"
        if not Path("/sys/class/net", name).exists():
            break
    # With an address of its own: else it takes the lowest of its containers', and is not found for a second whenever
    # that one comes or goes.
    own = f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"
    subprocess.run(["ip", "link", "add", name, "address", own, "type", "bridge"], check=True)
    try:
        address = f"198.{18 + number // 256}.{number % 256}.1/24"
        subprocess.run(["ip", "address", "add", address, "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def _health(wanted: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda attrs: attrs["State"]["Health"]["Status"] == wanted


def _status(wanted: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda attrs: attrs["State"]["Status"] == wanted


def _hostile(engine: Engine) -> Container:
    octal = "".join(f"\\0{byte:o}" for byte in HOSTILE)
    shout = f"printf '%b\\n' '{octal}'"
    command = ("sh", "-c", f"{shout}; {shout} >&2; exec sleep 1000000")
    return engine.run_until(_health("unhealthy"), "hostile", command, health=f"{shout}; exit 1")


def _oom(engine: Engine) -> Container:
    """Killed for want of memory. The engine misses the event at times, and says no more than "137" then."""
    for _ in range(10):
        container = engine.run_until(_status("exited"), "oom", ("tail", "/dev/zero"), memory="6m")
        if container.attrs["State"]["OOMKilled"]:
            return container
        container.remove(force=True)
    raise ServerError("the engine never said that a container was killed for want of memory")


def _paused(engine: Engine) -> Container:
    container = engine.run_until(_status("running"), "paused")
    container.pause()
    return container


def _quota_proxy(engine: Engine) -> Container:
    serve = ("nc", "-ll", "-p", "8787", "-e", "answer")
    check = "wget -q -O- http://127.0.0.1:8787/healthz"
    return engine.run_until(_health("healthy"), "quota-proxy", serve, health=check, ports={8787: None})


#: The ready-made containers. Each is named as its state.
STATES: dict[str, Callable[[Engine], Container]] = {
    "plain": lambda engine: engine.run_until(_status("running"), "plain"),
    "healthy": lambda engine: engine.run_until(_health("healthy"), "healthy", health="true"),
    "unhealthy": lambda engine: engine.run_until(
        _health("unhealthy"), "unhealthy", health="echo no database; exit 1"
    ),
    "starting": lambda engine: engine.run_until(_health("starting"), "starting", health="sleep 4"),
    "exited": lambda engine: engine.run_until(
        _status("exited"), "exited", ("sh", "-c", "echo cannot open quota.db >&2; exit 3")
    ),
    "done": lambda engine: engine.run_until(_status("exited"), "done", ("true",)),
    "created": lambda engine: engine.client.containers.create(IMAGE, ["true"], name="created", log_config=BOUNDED),
    "restarting": lambda engine: engine.run_until(
        lambda attrs: attrs["RestartCount"] >= 5 and attrs["State"]["Status"] == "restarting",
        "restarting",
        ("false",),
        restart="always",
    ),
    "oom": _oom,
    "paused": _paused,
    "hostile": _hostile,
    "quota-proxy": _quota_proxy,
}
