"""Many endpoints at once: as many as there are file descriptors for, each timed alone, and nothing left behind."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from muster.questions.http import Exchange, HttpRequest
from muster.targets import RUNNER
from muster.transports.http import Http
from muster.transports.link import Link
from muster.transports.local import LocalLink
from muster.transports.pool import BEGUN_AT_ONCE, Pool
from tests.engine.asking import files_are_closed, observe, open_files
from tests.servers.http import HttpServer
from tests.servers.processes import wait_for

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE = 15.0


@contextmanager
def patient(count: int) -> Iterator[int]:
    """A port of every address of this machine that answers nobody before so many have connected."""

    def serve() -> None:
        with ExitStack() as held:
            connections = [held.enter_context(listener.accept()[0]) for _ in range(count)]
            for each in connections:
                each.settimeout(PATIENCE)
                each.recv(65_536)
                each.sendall(ANSWER)

    with socket.create_server(("", 0), backlog=count) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_a_thousand_origins_are_asked_at_once() -> None:
    count = min(1_000, Pool({}).files // 10)
    with patient(count) as port:
        urls = [f"http://127.0.{number // 250}.{number % 250 + 1}:{port}/" for number in range(count)]
        found = observe(RUNNER, *(HttpRequest(url, timeout=PATIENCE) for url in urls))
    assert [each.value.answered.body for each in found] == [b"ok"] * count


def test_they_are_not_begun_all_in_one_turn_of_the_loop(web: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0
    begun: list[int] = []
    ask = Http.ask

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async def counted(self: Http, link: Link, request: HttpRequest) -> Exchange:
        if not turns:
            turn()
        begun.append(turns)
        return await ask(self, link, request)

    monkeypatch.setattr(Http, "ask", counted)
    observe(RUNNER, *(HttpRequest(f"{web.url}/healthz?{number}") for number in range(100)))
    assert len(begun) == 100
    # What counts the turns has its place in them before one, or after it.
    assert max(Counter(begun).values()) <= 2 * BEGUN_AT_ONCE


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("cancelled", [False, True])
def test_what_is_given_up_leaves_neither_tasks_nor_descriptors(
    silent_port: int, over_tls: bool, cancelled: bool
) -> None:
    async def give_up() -> None:
        before = open_files()
        link = LocalLink()
        http = Http()
        with HttpServer() as web:
            silent = f"http{'s' if over_tls else ''}://127.0.0.1:{silent_port}/"
            urls = [silent, f"{web.url}/trickle", f"{web.url}/slow-headers", "http://localhost:1/"]
            timeout = PATIENCE if cancelled else 0.5
            asking = [asyncio.create_task(http.ask(link, HttpRequest(url, timeout=timeout))) for url in urls]
            if cancelled:
                await asyncio.to_thread(wait_for, lambda: len(web.requests) == 2, "the requests")
                for each in asking:
                    each.cancel()
            await asyncio.wait(asking)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.to_thread(files_are_closed, before)

    asyncio.run(give_up())
