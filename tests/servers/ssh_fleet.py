"""A fleet of light SSH hosts in one process of its own, each on an address of 127.0.0.0/8 and all on one port.

``with Fleet(1000) as fleet:`` starts it; ``fleet.inventory()`` is an inventory of it. A host runs no command: the
first batch of a kind that any host is sent runs here, in a real ``sh``, and what that printed is the answer of every
host that is sent the same one, in the pieces in which sshd would have sent it, with that batch's own nonce. So its
facts can be read, and are those of this machine at that time.

A silent host accepts connections (the kernel does) and never says a word.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import asyncssh
from asyncssh.constants import MSG_IGNORE

from tests.servers.processes import ServerError, free_port

ROOT = Path(__file__).parents[2]
USER = "ops"

HELLO = re.compile(rb"\\n([0-9a-f]{32}) hello ")
KILL = re.compile(rb"^kill -9 -\d+ 2>/dev/null\n", re.MULTILINE)
PLACE = b"nonce-of-the-batch"


def address(number: int) -> str:
    """The address of a host, counted from 0."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


@dataclass(frozen=True, slots=True)
class Count:
    """What a fleet has seen: connections that are open ``now`` and that were at ``most``, those of them that had not
    logged in yet, sessions of one connection, all logins and batches; and the seconds of processor time it took."""

    now: int = 0
    most: int = 0
    most_before_login: int = 0
    most_sessions: int = 0
    logins: int = 0
    batches: int = 0
    cpu: float = 0.0


class Fleet:
    """Hosts that answer while the object is entered.

    Args:
        hosts: how many.
        delay: seconds before each batch is answered.
        silent: the numbers of hosts, counted from 0, that accept and never answer.
    """

    def __init__(self, hosts: int, *, delay: float = 0.0, silent: Collection[int] = ()) -> None:
        self.hosts = hosts
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="muster-fleet-"))
        self.key_file = self.folder / "client"
        self.known_hosts = self.folder / "known_hosts"
        self._command = [sys.executable, "-m", __name__, str(self.folder), f"--port={self.port}", f"--hosts={hosts}"]
        self._command += [f"--delay={delay}", "--silent", *map(str, silent)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        for name in ("host", "client"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(self.folder / name)
            key.write_public_key(self.folder / f"{name}.pub")
        public = (self.folder / "host.pub").read_text()
        lines = (f"[{address(number)}]:{self.port} {public}" for number in range(self.hosts))
        self.known_hosts.write_text("".join(lines))
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._said()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        self._process.terminate()
        with self._process:
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def count(self) -> Count:
        """What it has seen until now."""
        assert self._process is not None
        pipe: IO[str] = self._process.stdin  # type: ignore[assignment]
        pipe.write("\n")
        pipe.flush()
        return Count(**json.loads(self._said()))

    def connection(self, **more: object) -> dict[str, object]:
        """What stands under ``connection:`` for all its hosts; ``more`` adds or replaces."""
        keys = {"key_file": str(self.key_file), "known_hosts": str(self.known_hosts)}
        return {"kind": "ssh", "user": USER, "port": self.port, **keys, **more}

    def inventory(self, **more: object) -> dict[str, Any]:
        """An inventory of it; ``more`` is about the connection of each host."""
        hosts = {f"web-{at:05}": {"connection": {"address": address(at)}} for at in range(self.hosts)}
        return {"defaults": {"connection": self.connection(**more)}, "hosts": hosts}

    def _said(self) -> str:
        """The next line that it says, which it does once it is ready and when it is asked for its count."""
        assert self._process is not None
        pipe: IO[str] = self._process.stdout  # type: ignore[assignment]
        if not (line := pipe.readline()):
            raise ServerError(f"the fleet has ended\n{(self.folder / 'log').read_text()[-2000:]}")
        return line


class _Answers:
    """What ``sh`` prints for a batch, recorded once for each kind of batch."""

    def __init__(self) -> None:
        self._recorded: dict[bytes, asyncio.Task[list[tuple[bool, bytes]]]] = {}

    async def pieces(self, script: bytes) -> Iterator[tuple[bool, bytes]]:
        """The answer in pieces, True with those that stand on standard error."""
        found = HELLO.search(script)
        if found is None:
            raise ValueError("no batch")
        nonce = found.group(1)
        # The process group that it would kill was one of the recording.
        kind = KILL.sub(b"", script.replace(nonce, PLACE), 1)
        if kind not in self._recorded:
            self._recorded[kind] = asyncio.create_task(_record(kind))
        recorded = await asyncio.shield(self._recorded[kind])
        return ((is_error, piece.replace(PLACE, nonce)) for is_error, piece in recorded)


async def _record(script: bytes) -> list[tuple[bool, bytes]]:
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "sh", "-s", stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    )
    stdout, stderr = await process.communicate(script)
    # A batch writes the mark on standard error first, and sshd sends each piece that it can read.
    pieces: list[tuple[bool, bytes]] = []
    for out, error in zip(_sections(stdout), _sections(stderr), strict=True):
        pieces += [(True, error), (False, out)]
    return pieces


def _sections(printed: bytes) -> Sequence[bytes]:
    """What was printed, cut behind each mark."""
    return re.findall(rb"(?s).*?\n" + PLACE + rb" [^\n]*\n", printed)


def _send_packet(self: asyncssh.SSHServerConnection, pkttype: int, *args: bytes, handler: Any = None) -> None:
    """What sshd sends: asyncssh puts a packet that means nothing before each one of its own."""
    if pkttype != MSG_IGNORE:
        super(asyncssh.SSHServerConnection, self).send_packet(pkttype, *args, handler=handler)


class _Seen:
    """Counts connections and sessions as they come and go."""

    def __init__(self) -> None:
        self.count = dict.fromkeys(Count.__dataclass_fields__, 0)
        self.before_login = 0

    def comes(self) -> None:
        self.count["now"] += 1
        self.before_login += 1
        self._most("most", self.count["now"])
        self._most("most_before_login", self.before_login)

    def logged_in(self) -> None:
        self.count["logins"] += 1
        self.before_login -= 1

    def sessions(self, number: int) -> None:
        self._most("most_sessions", number)

    def goes(self, *, logged_in: bool) -> None:
        self.count["now"] -= 1
        self.before_login -= not logged_in

    def told(self) -> str:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return json.dumps(asdict(Count(**self.count | {"cpu": used.ru_utime + used.ru_stime})))

    def _most(self, name: str, number: int) -> None:
        self.count[name] = max(self.count[name], number)


class _Host(asyncssh.SSHServer):
    """One connection to one host."""

    def __init__(self, answers: _Answers, seen: _Seen, delay: float) -> None:
        self.answers, self.seen, self.delay = answers, seen, delay
        self.logged_in = False
        self.sessions = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.seen.comes()

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.goes(logged_in=self.logged_in)

    def auth_completed(self) -> None:
        self.logged_in = True
        self.seen.logged_in()

    def session_requested(self) -> _Session:
        return _Session(self)


class _Session(asyncssh.SSHServerSession[bytes]):
    """One shell, which is sent a batch."""

    def __init__(self, host: _Host) -> None:
        self._host = host
        self._script = bytearray()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._host.sessions += 1
        self._host.seen.sessions(self._host.sessions)

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.sessions -= 1

    def exec_requested(self, command: str) -> bool:
        return command in ("exec sh -s", "exec sudo -n sh -s")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._script += data

    def eof_received(self) -> bool:
        self._answering = asyncio.create_task(self._answer())
        return True

    async def _answer(self) -> None:
        host, channel = self._host, self._channel
        host.seen.count["batches"] += 1
        pieces = await host.answers.pieces(bytes(self._script))
        if host.delay:
            await asyncio.sleep(host.delay)
        if channel.is_closing():
            return
        with contextlib.suppress(BrokenPipeError):
            for is_error, piece in pieces:
                (channel.write_stderr if is_error else channel.write)(piece)
            channel.exit(0)


async def _serve(folder: Path, port: int, hosts: int, delay: float, silent: Collection[int]) -> None:
    asyncssh.SSHServerConnection.send_packet = _send_packet  # type: ignore[method-assign]
    answers, seen = _Answers(), _Seen()
    options = asyncssh.SSHServerConnectionOptions(
        server_factory=lambda: _Host(answers, seen, delay),
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "client.pub"),
        encoding=None,
        compression_algs=["none"],
        login_timeout=0,
    )
    quiet = []
    for number in range(hosts):
        if number in silent:
            quiet.append(socket.create_server((address(number), port), backlog=1024))
        else:
            await asyncssh.listen(address(number), port, options=options, backlog=1024)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while await lines.readline():
        print(seen.told(), flush=True)
    # Whoever started it has gone.


def main(words: Sequence[str]) -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("--port", type=int, required=True)
    asked.add_argument("--hosts", type=int, required=True)
    asked.add_argument("--delay", type=float, default=0.0)
    asked.add_argument("--silent", type=int, nargs="*", default=())
    options = asked.parse_args(words)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_serve(options.folder, options.port, options.hosts, options.delay, set(options.silent)))


if __name__ == "__main__":
    main(sys.argv[1:])
