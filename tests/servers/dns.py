"""A DNS server, dnsmasq, that knows a few names of ``example.net`` and no other server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers.processes import Background, accepts, free_port

RECORDS = (
    "--host-record=www.example.net,192.0.2.1,2001:db8::1",
    "--host-record=two.example.net,192.0.2.1",
    "--host-record=two.example.net,192.0.2.2",
    "--cname=alias.example.net,www.example.net",
    "--mx-host=example.net,mail.example.net,10",
    "--txt-record=example.net,v=spf1 -all",
    "--local=/example.net/",
)


@contextlib.contextmanager
def dns_server(folder: Path) -> Iterator[int]:
    """Its port on 127.0.0.1, for UDP and TCP. For names outside ``example.net`` it answers REFUSED."""
    port = free_port()
    alone = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--pid-file=",
    ]
    where = [f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--log-facility=-"]
    server = Background(["dnsmasq", *alone, *where, *RECORDS], folder / "dnsmasq.log")
    try:
        server.wait_for(lambda: accepts("127.0.0.1", port))
        yield port
    finally:
        server.stop()
