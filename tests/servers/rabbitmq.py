"""A RabbitMQ broker of our own, with the management API, on free ports of 127.0.0.1.

It has its own node name, folder, Erlang cookie and port mapper (epmd), so that it meets no other. Starting it takes
some six seconds.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

from tests.servers.processes import Background, free_port, wait_for

#: Where Debian keeps the programs themselves; those on the PATH insist on an account and a folder of their own.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")

#: Everybody's password.
PASSWORD = "open-sesame"


class RabbitMq:
    """A broker, running while the object is entered.

    ``queues`` are by vhost. For each vhost there is a user of its name, who may ask the management API and sees that
    vhost only; ``stranger`` may log in, but not ask it.
    """

    def __init__(self, queues: dict[str, Sequence[str]]) -> None:
        self.port = free_port()
        self.amqp_port = free_port()
        self._queues = queues
        self._running = ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            folder = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="muster-rabbitmq-")))
            mapper = free_port()
            self._environment = {
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": str(folder),
                "LANG": "C.UTF-8",
                "ERL_EPMD_PORT": str(mapper),
                "RABBITMQ_NODENAME": "muster@localhost",
                "RABBITMQ_DIST_PORT": str(free_port()),
                "RABBITMQ_MNESIA_BASE": str(folder / "data"),
                "RABBITMQ_LOG_BASE": str(folder),
                "RABBITMQ_PID_FILE": str(folder / "pid"),
                "RABBITMQ_CONF_ENV_FILE": "/dev/null",
                "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            }
            self._configure(folder)
            words = ["env", "-i", *(f"{name}={value}" for name, value in self._environment.items())]
            ports = Background([*words, "epmd", "-port", str(mapper), "-address", "127.0.0.1"], folder / "epmd.log")
            starting.callback(ports.stop)
            broker = Background([*words, str(PROGRAMS / "rabbitmq-server")], folder / "broker.log")
            starting.callback(broker.stop, seconds=30)
            broker.wait_for(self._answers, seconds=90)
            self._running = starting.pop_all()
        for vhost in self._queues:
            wait_for(lambda vhost=vhost: self._counted(vhost), f"the numbers of {vhost}")  # type: ignore[misc]
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def publish(self, vhost: str, queue: str, count: int) -> None:
        """Put messages into a queue, and wait until the management API counts them."""
        message = {"properties": {}, "routing_key": queue, "payload": "work", "payload_encoding": "string"}
        for _ in range(count):
            self.asked(vhost, f"/api/exchanges/{vhost}/amq.default/publish", message)
        self.wait_until(vhost, queue, messages=count)

    def wait_until(self, vhost: str, queue: str, **numbers: int) -> None:
        """Wait until the management API says these numbers of a queue, which it collects four times a second."""

        def as_wanted() -> bool:
            found = self.asked(vhost, f"/api/queues/{vhost}/{queue}")
            return {name: found.get(name) for name in numbers} == numbers

        wait_for(as_wanted, f"{numbers} in {vhost}/{queue}")

    def run_out_of_memory(self) -> None:
        """Raise the alarm of memory, by setting the mark at which it is raised below what the broker needs."""
        words = [str(PROGRAMS / "rabbitmqctl"), "set_vm_memory_high_watermark", "0.00001"]
        subprocess.run(words, env=self._environment, check=True, capture_output=True, timeout=60)

        def alarmed() -> bool:
            try:
                self.asked(next(iter(self._queues)), "/api/health/checks/alarms")
            except urllib.error.HTTPError as error:
                return error.code == 503
            return False

        wait_for(alarmed, "the alarm of memory")

    @contextmanager
    def consumer(self, vhost: str, queue: str) -> Iterator[None]:
        """Somebody who takes the messages of a queue, and acknowledges none (AMQP 0-9-1)."""
        with (
            socket.create_connection(("127.0.0.1", self.amqp_port), timeout=10) as connection,
            connection.makefile("rb") as frames,
        ):
            connection.sendall(b"AMQP\0\0\x09\x01")
            _await(frames, (10, 10))
            login = f"\0{vhost}\0{PASSWORD}".encode()
            _send(connection, 0, (10, 11), _long(b"") + _short("PLAIN") + _long(login) + _short("en_US"))
            _await(frames, (10, 30))
            _send(connection, 0, (10, 31), struct.pack(">HIH", 1, 131_072, 0))
            _send(connection, 0, (10, 40), _short(vhost) + _short("") + b"\0")
            _await(frames, (10, 41))
            _send(connection, 1, (20, 10), _short(""))
            _await(frames, (20, 11))
            _send(connection, 1, (60, 20), struct.pack(">H", 0) + _short(queue) + _short("") + b"\0" + _long(b""))
            _await(frames, (60, 21))
            self.wait_until(vhost, queue, consumers=1)
            yield

    def asked(self, user: str, path: str, body: object = None) -> Any:
        """What the management API answers a user. Raises ``HTTPError`` for a status of 400 and above."""
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.load(answer)

    def _configure(self, folder: Path) -> None:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "vhosts": [{"name": vhost} for vhost in self._queues],
            "users": [
                {"name": "stranger", "password": PASSWORD, "tags": ""},
                *({"name": vhost, "password": PASSWORD, "tags": "management"} for vhost in self._queues),
            ],
            "permissions": [{"user": vhost, "vhost": vhost, **everything} for vhost in self._queues],
            "queues": [
                {"name": name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}
                for vhost, names in self._queues.items()
                for name in names
            ],
        }
        (folder / "definitions.json").write_text(json.dumps(definitions))
        (folder / "plugins").write_text("[rabbitmq_management].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.amqp_port}\n"
            f"management.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {self.port}\n"
            f"load_definitions = {folder / 'definitions.json'}\n"
            "collect_statistics_interval = 250\n"
            "log.file = false\nlog.console = true\n"
        )

    def _answers(self) -> bool:
        try:
            return bool(self.asked(next(iter(self._queues)), "/api/health/checks/alarms"))
        except OSError:
            return False

    def _counted(self, vhost: str) -> bool:
        found = {queue["name"] for queue in self.asked(vhost, "/api/queues") if "messages" in queue}
        return found == set(self._queues[vhost])


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _send(connection: socket.socket, channel: int, method: tuple[int, int], arguments: bytes) -> None:
    payload = struct.pack(">HH", *method) + arguments
    connection.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")


def _await(frames: BinaryIO, method: tuple[int, int]) -> None:
    """Read frames up to the one with this method."""
    while True:
        kind, _, length = struct.unpack(">BHI", frames.read(7))
        payload = frames.read(length + 1)
        if kind == 1 and struct.unpack_from(">HH", payload) == method:
            return
