"""Servers that speak SSH and mean no good, or have stopped to mean anything: asyncssh's own, on loopback."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from muster.probes import Command, Login
from muster.targets import Connection, Host
from muster.transports import shell
from tests.engine.asking import answer, failure


class Server(asyncssh.SSHServer):
    """Lets everybody in, and never answers who asks for a session."""

    def begin_auth(self, username: str) -> bool:
        return False

    async def session_requested(self) -> bool:
        await asyncio.sleep(3600)
        return False


@contextmanager
def hostile(folder: Path, **options: Any) -> Iterator[Host]:
    """A host whose sshd this is."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key], server_factory=Server, **options)

    async def end(listening: asyncssh.SSHAcceptor) -> None:
        listening.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    listening = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    try:
        port = listening.get_port()
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
        connection = Connection(address="127.0.0.1", port=port, user="ops", known_hosts=str(known_hosts))
        yield Host(name="web-1", connection=connection)
    finally:
        asyncio.run_coroutine_threadsafe(end(listening), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_server_that_opens_no_session_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "START_TIMEOUT", 0.5)
    with hostile(tmp_path) as host:
        began = time.monotonic()
        why = failure(host, Command("echo hi"))
        assert time.monotonic() - began < 10
    assert (why.cause, str(why)) == ("timeout", "the host started no shell in 0.5 s")


def test_a_server_that_wants_to_compress_is_not_let(tmp_path: Path) -> None:
    with hostile(tmp_path, compression_algs=["zlib@openssh.com"]) as host:
        assert not answer(host, Login()).connected
    with hostile(tmp_path, compression_algs=["zlib@openssh.com", "none"]) as host:
        assert answer(host, Login()).connected
