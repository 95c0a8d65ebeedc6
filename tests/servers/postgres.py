"""Real PostgreSQL servers, each in a throwaway folder, on a free port of 127.0.0.1 and on a socket in its folder.

``with Postgres() as server:`` makes one; ``server.sql("SELECT 1")`` runs a statement as its superuser. ``postgres``
logs in without a password on the socket only; everybody else by SCRAM.
It refuses to run as root: there, it runs as the user ``postgres``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg

from muster.databases import Server
from tests.servers.processes import Background, ServerError, free_port

HBA = """\
local all postgres trust
local replication postgres trust
local all all scram-sha-256
host trusting all 127.0.0.1/32 trust
host clear all 127.0.0.1/32 password
host forbidden all 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""

#: Small, and quick rather than safe: what is in it is thrown away.
QUICK = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "40", "logging_collector": "off"}


def programs() -> Path | None:
    """The folder with the programs of the newest PostgreSQL on this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Postgres:
    """A server: it runs while the object is entered.

    Args:
        settings: as in postgresql.conf.
        tls: the files of a certificate and its key.
        replica_of: the server to copy and to follow, by a replication slot called ``slot``.
        checksums: whether its pages have checksums.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        tls: bool = False,
        replica_of: Postgres | None = None,
        slot: str = "",
        checksums: bool = False,
    ) -> None:
        bin_folder = programs()
        assert bin_folder is not None
        self._bin = bin_folder
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="muster-postgres-"))
        self.data = self.folder / "data"
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.folder.chmod(0o755)
        if self._as:
            shutil.chown(self.folder, "postgres", "postgres")
        self._settings = QUICK | {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        if replica_of is None:
            self._program(
                "initdb",
                "-D",
                str(self.data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                *(["-k"] if checksums else []),
            )
        else:
            of = ["-h", str(replica_of.folder), "-p", str(replica_of.port), "-U", "postgres"]
            self._program(
                "pg_basebackup",
                *of,
                "-D",
                str(self.data),
                "-R",
                "--no-verify-checksums",
                "--no-sync",
                "-c",
                "fast",
                "-X",
                "stream",
                *(["-C", "-S", slot] if slot else []),
            )
        (self.data / "pg_hba.conf").write_text(HBA)
        if tls:
            self._settings |= {"ssl": "on"}
            self._certify()
        self._settings |= settings or {}
        self._process: Background | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def socket(self) -> Path:
        return self.folder / f".s.PGSQL.{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = [*self._as, str(self._bin / "postgres"), "-D", str(self.data), "-p", str(self.port), *words]
        self._process = Background(command, self.folder / "log")
        self._process.wait_for(self._answers)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it, with every session of it: what was committed is on the disk then. SIGQUIT is quicker."""
        if self._process is not None:
            self.signal(how)
            self._process.process.wait(20)
            self._process.stop()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's first process."""
        pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, number)
        if number == signal.SIGCONT and self._process is not None:
            # runuser stops with what it runs.
            os.kill(self._process.process.pid, number)

    def connect(self, database: str = "postgres", **more: Any) -> psycopg.Connection[Any]:
        """A session of the superuser, to break things with."""
        return psycopg.connect(
            **{"host": str(self.folder), "port": self.port, "user": "postgres", "dbname": database, **more},
            autocommit=True,
        )

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last one."""
        with self.connect(database) as connection:
            rows: list[tuple[Any, ...]] = []
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
            return rows

    def server(self, user: str = "muster", password: str | None = "secret-of-muster", **more: Any) -> Server:
        """How Muster logs in to it."""
        known = {"engine": "postgresql", "port": self.port, "user": user, "password": password}
        return Server(**{**known, "database": "postgres", **more})

    def _certify(self) -> None:
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        certificate.cert_chain_pems[0].write_to_path(self.data / "server.crt")
        key = self.data / "server.key"
        key.touch(0o600)
        certificate.private_key_pem.write_to_path(key)
        if self._as:
            shutil.chown(key, "postgres", "postgres")

    def _program(self, name: str, *words: str) -> None:
        command: Sequence[str] = [*self._as, str(self._bin / name), *words]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"{name}: {done.stderr}")

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


@contextlib.contextmanager
def impostor(says: bytes, forever: bytes = b"", *, resets: bool = False) -> Iterator[int]:
    """A port of something else: it waits to be spoken to, says this, the other again and again, and closes.

    One that ``resets`` lets whoever speaks with it know that it is gone.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            with contextlib.suppress(OSError):
                self.request.sendall(says)
                while forever:
                    self.request.sendall(forever)
            if resets:
                # socket(7): with no time to linger, closing resets the connection.
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.request.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
