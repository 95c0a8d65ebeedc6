"""Redis: real servers on free ports of 127.0.0.1, with throwaway folders.

``with RedisServer() as server:`` starts one; ``server.command("SET", "a", "1")`` asks it, as ``redis-cli`` does, but
over a connection of its own, as its default user.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.servers.processes import Background, accepts, free_port, wait_for

REDIS = "redis-server"


class RedisServer:
    """A Redis that runs while the object is entered. ``settings`` are those of redis.conf, by keyword.

    ``user``: a further ACL user, as ``ACL SETUSER`` has it: ``muster on >secret ...``.
    """

    def __init__(self, *, user: str | None = None, **settings: object) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="muster-redis-"))
        self.store = self.folder / "store"
        self.store.mkdir()
        self.socket = self.folder / "redis.sock"
        chosen = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "unixsocketperm": 777,
            "save": "",
            "appendonly": "no",
            "repl-diskless-sync-delay": 0,
            "dir": self.store,
            "enable-debug-command": "yes",
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        self.folder.chmod(0o755)
        self._password = str(settings.get("requirepass", ""))
        self._command = [REDIS, *(word for name, value in chosen.items() for word in (f"--{name}", str(value)))]
        self._user = user
        self._process: Background | None = None

    def __enter__(self) -> Self:
        self._process = Background(self._command, self.folder / "log")
        self._process.wait_for(lambda: accepts("127.0.0.1", self.port))
        if self._user is not None:
            assert self.command("ACL", "SETUSER", *self._user.split()) == "OK"
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *words: str | bytes | int) -> Any:
        """What it answers to one command: text, a number, None, a list, or an error as its text.

        Where it ended, the answer is None.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            stream = connection.makefile("rwb")
            if self._password:
                stream.write(_packed("AUTH", self._password))
            stream.write(_packed(*words))
            stream.flush()
            if self._password:
                _answer(stream)
            return _answer(stream)

    def info(self, name: str) -> str:
        """One line of ``INFO``."""
        lines = str(self.command("INFO")).splitlines()
        return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))

    def follow(self, primary: RedisServer) -> None:
        """Be a replica of another, and wait until all of it is here."""
        self.command("REPLICAOF", "127.0.0.1", primary.port)
        wait_for(lambda: self.info("master_link_status") == "up", "the replica's link")
        wait_for(lambda: "state=online" in primary.info("slave0"), "the replica's sync")

    def fill(self, count: int, size: int, *, prefix: str = "key") -> None:
        """Write ``count`` keys, ``prefix:1`` and so on, of ``size`` bytes each."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            stream = connection.makefile("rwb")
            for number in range(count):
                stream.write(_packed("SET", f"{prefix}:{number}", b"x" * size))
                if number % 1000 == 999 or number == count - 1:
                    stream.flush()
                    for _ in range(number % 1000 + 1):
                        _answer(stream)


def _packed(*words: str | bytes | int) -> bytes:
    """A command in RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


def _answer(stream: Any) -> Any:
    line = stream.readline()
    if not line:
        return None
    kind, rest = line[:1], line[1:-2]
    match kind:
        case b"+" | b"-":
            return rest.decode()
        case b":":
            return int(rest)
        case b"$":
            return stream.read(int(rest) + 2)[:-2].decode(errors="replace") if int(rest) >= 0 else None
        case b"*":
            return [_answer(stream) for _ in range(int(rest))]
    raise ValueError(f"not RESP2: {line!r}")
