"""Ports that speak TLS otherwise than HTTPS does: after STARTTLS of SMTP, in an old version; and some that do not."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from tests.servers.processes import Background, accepts, free_port

#: Debian's python3-aiosmtpd is for Debian's Python.
PYTHON = "/usr/bin/python3"

Talk = Callable[[socket], None]


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate for 127.0.0.1 and localhost, with its key, in files; ``ca_file`` trusts it."""

    certificate: Path
    key: Path
    ca_file: Path

    def context(self, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLContext:
        """For a server that knows no later version of TLS than ``newest``."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        with warnings.catch_warnings():
            # Python warns of versions that nobody should use, which is what this one is for.
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            made.maximum_version = newest
        made.set_ciphers("ALL:@SECLEVEL=0")
        return made


def pem(folder: Path) -> Pem:
    """Make a certificate in a folder."""
    import trustme

    ca = trustme.CA()
    made = ca.issue_cert("127.0.0.1", "localhost")
    files = Pem(folder / "server.pem", folder / "server.key", folder / "server-ca.pem")
    files.certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
    made.private_key_pem.write_to_path(files.key)
    ca.cert_pem.write_to_path(files.ca_file)
    return files


@contextlib.contextmanager
def smtp(folder: Path, tls: Pem | None = None) -> Iterator[int]:
    """The port of a mail server, aiosmtpd, that offers STARTTLS where it is given a certificate."""
    port = free_port()
    secured = ["--tlscert", str(tls.certificate), "--tlskey", str(tls.key), "--no-requiretls"] if tls else []
    server = Background(
        [PYTHON, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", *secured], folder / f"smtp-{port}.log"
    )
    try:
        server.wait_for(lambda: accepts("127.0.0.1", port))
        yield port
    finally:
        server.stop()


@contextlib.contextmanager
def talking_port(talk: Talk) -> Iterator[int]:
    """A port where ``talk`` has every connection for itself, and ends it by returning."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                talk(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


@contextlib.contextmanager
def full_port() -> Iterator[int]:
    """A port whose queue is full, so that the kernel drops whatever else comes, as a firewall does."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def saying(words: bytes) -> Talk:
    """Say something at once, and wait for the other side to hang up."""

    def talk(connection: socket) -> None:
        connection.sendall(words)
        while connection.recv(65_536):
            pass

    return talk
