"""The service that the demo watches: HTTP, HTTPS and an SQLite file, on free ports of 127.0.0.1.

It is a shop with troubles, the ones that ``inventories/demo.yaml`` tells of: its checkout fails, its mailer is
down, an archive is gone, it has rather many goroutines and a certificate that expires soon.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import socket
import sqlite3
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"

#: Path to status code and JSON answer.
ANSWERS: Mapping[str, tuple[int, Any]] = {
    "/": (200, {"shop": "open"}),
    "/healthz": (200, {"ok": True}),
    "/status.json": (200, {"version": "1.4.2", "goroutines": 240, "memory": {"alloc_mb": 12.5}}),
    "/checkout": (503, {"ok": False, "error": "the payment provider does not answer"}),
}

#: Less than the 30 days before its end at which a certificate should have been renewed.
CERTIFICATE_DAYS = 20


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, answer = ANSWERS.get(self.path, (404, {"error": "no such page"}))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: what is asked stands in the suite's reports."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[dict[str, str]]:
    """Serve from threads in the background, with files in ``folder``.

    Yields the variables that ``inventories/demo.yaml`` needs (``--set``): ``folder``, ``port``,
    ``tls_port`` and ``closed_port``, on which connections are refused.
    """
    _make_database(folder / "orders.db")
    certificate, key = _make_certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    plain = ThreadingHTTPServer((LOOPBACK, 0), _Answer)
    secure = ThreadingHTTPServer((LOOPBACK, 0), _Answer)
    secure.socket = tls.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    with plain, secure, socket.socket() as closed:
        closed.bind((LOOPBACK, 0))  # held, so that nobody else listens there
        for server in (plain, secure):
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        try:
            yield {
                "folder": str(folder),
                "port": str(plain.server_port),
                "tls_port": str(secure.server_port),
                "closed_port": str(closed.getsockname()[1]),
            }
        finally:
            plain.shutdown()
            secure.shutdown()


def _make_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, pieces INTEGER NOT NULL)")
        database.executemany("INSERT INTO orders (item, pieces) VALUES (?, ?)", [("tea", 2), ("cups", 6)])
        database.commit()


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key. Whoever trusts the certificate itself can verify it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "demo shop")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].touch(0o600)
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
