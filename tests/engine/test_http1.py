"""HTTP/1.1: whatever a server sends, there is one clear outcome, and it takes no more than it may."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from muster.probes import Attempt
from muster.questions.http import Answered, Exchange, HttpRequest
from muster.transports.http1 import Answer
from tests.engine.asking import answer, local
from tests.servers.http import Conversation, HttpServer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def says(*pieces: bytes, stays: bool = False) -> Callable[[Conversation], None]:
    """Send these, and hang up, or not: then there is nothing else to read."""

    def behave(talk: Conversation) -> None:
        for piece in pieces:
            talk.send(piece)
        if stays:
            talk.wait()

    return behave


def floods(start: bytes, pieces: Callable[[], Iterable[bytes]]) -> Callable[[Conversation], None]:
    """Send these again and again, until nobody listens any more."""

    def behave(talk: Conversation) -> None:
        talk.send(start)
        while not talk.server.stopping.is_set():
            for piece in pieces():
                talk.send(piece)

    return behave


def asked(behave: Callable[[Conversation], None], **more: Any) -> Exchange:
    with HttpServer(paths={"/": behave}) as server:
        found = answer(local(), HttpRequest(f"{server.url}/", **{"timeout": 20.0, **more}))
    assert isinstance(found, Exchange)
    return found


def answered(behave: Callable[[Conversation], None], **more: Any) -> Answered:
    exchange = asked(behave, **more)
    assert exchange.answered is not None, exchange.attempt
    return exchange.answered


def failed(behave: Callable[[Conversation], None], **more: Any) -> Attempt:
    exchange = asked(behave, **more)
    assert exchange.answered is None, exchange.answered
    assert len(exchange.attempt.detail) < 400
    assert exchange.attempt.detail.isprintable()
    return exchange.attempt


# What is no HTTP


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "answered: SSH-2.0-OpenSSH_9.2p1 Debian-2"),
        (b"<html>HTTP/0.9 has no headers</html>", "answered: <html>HTTP/0.9 has no headers</html>"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "answered: \\x15\\x03\\x01\\x00\\x02\\x02F"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "answered: HTTP/1.1 200 OK"),
        (b"HTTP/1.1 099 Odd\r\n\r\n", "answered: HTTP/1.1 099 Odd: "),
        (b"HTTP/1.1 20 OK\r\n\r\n", "Invalid status code"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "Invalid header token"),
        (OK + b"X-Nul: a\0b\r\n\r\n", "the header X-Nul holds an end of a line, or NUL"),
        (OK + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n", "Content-Length overflow"),
        (OK + b"Content-Length: -1\r\n\r\n", "Invalid character in Content-Length"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "Duplicate Content-Length"),
        (OK + b"Transfer-Encoding: br, chunked\r\n\r\n", "no Transfer-Encoding but chunked is understood"),
    ],
)
def test_what_is_no_http_is_shown_at_once(said: bytes, shown: str) -> None:
    attempt = failed(says(said, stays=True))
    assert (attempt.outcome, attempt.cause) == ("not HTTP", "unreadable")
    assert shown in attempt.detail


@pytest.mark.parametrize(
    ("start", "more", "shown"),
    [
        (OK, b"X-More: x\r\n", "more than 64.0 KiB of headers"),
        (OK + b"X-Long: ", b"x" * 1000, "more than 64.0 KiB of headers"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "more than 8 answers of 1xx, and no other"),
    ],
)
def test_headers_have_an_end_or_are_none(start: bytes, more: bytes, shown: str) -> None:
    attempt = failed(floods(start, lambda: [more]))
    assert (attempt.outcome, attempt.cause) == ("not HTTP", "unreadable")
    assert shown in attempt.detail


def test_a_connection_that_ends_within_the_headers_is_cut_off() -> None:
    attempt = failed(says(OK + b"Content-Le"))
    assert (attempt.outcome, attempt.cause) == ("cut off", "unreadable")
    assert attempt.detail.endswith("closed the connection in the midst of its headers")


# What is HTTP, if odd


def test_an_answer_may_come_byte_by_byte() -> None:
    whole = OK + b"Content-Length: 2\r\n\r\nok"
    assert answered(says(*(whole[at : at + 1] for at in range(len(whole))))).body == b"ok"


@pytest.mark.parametrize(
    "whole",
    [
        OK + b"X-Folded: one\r\n two\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        CHUNKED.removesuffix(b"\r\n") + b"Content-Length: 7\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: x\r\n\r\n",
        OK + b"Upgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200\r\n\r\nok",
    ],
    ids=[
        "folded",
        "line feeds alone",
        "a length, chunks and a trailer",
        "an upgrade on offer",
        "no reason, no length",
    ],
)
def test_where_an_answer_is_torn_makes_no_difference(whole: bytes) -> None:
    class Pieces:
        def __init__(self, *pieces: bytes) -> None:
            self._left = list(pieces)

        async def read(self, n: int = -1, /) -> bytes:
            return self._left.pop(0) if self._left else b""

    async def heard(*pieces: bytes) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        read = Answer(Pieces(*pieces), "there", has_body=True, may_switch=False)
        await read.begin()
        body = b""
        while piece := await read.read():
            body += piece
        return read.status, read.headers, body

    found = answered(says(whole))
    assert (found.status, found.body) == (200, b"ok")
    assert "x-trailer" not in dict(found.headers)
    for at in range(1, len(whole)):
        assert asyncio.run(heard(whole[:at], whole[at:])) == (200, found.headers, b"ok")


def test_an_answer_leaves_nothing_for_the_garbage_collector() -> None:
    def behave(talk: Conversation) -> None:
        talk.send(OK + b"Content-Length: 2\r\n\r\nok")

    gc.collect()
    gc.disable()
    try:
        answered(behave)
        assert not [each for each in gc.get_objects() if type(each).__name__ == "HttpResponseParser"]
    finally:
        gc.enable()


def test_a_status_that_nobody_knows_is_one() -> None:
    assert answered(says(b"HTTP/1.1 999 \x1b[2J\xff\r\nContent-Length: 0\r\n\r\n")).status == 999


def test_headers_of_any_bytes_are_kept() -> None:
    found = answered(says(OK + "X-Name: grüße\r\nX-Latin: ".encode() + b"\xe9\x1b[2J\r\nContent-Length: 0\r\n\r\n"))
    assert ("x-name", "grüße") in found.headers
    assert ("x-latin", "\udce9\x1b[2J") in found.headers


def test_answers_before_the_answer_are_passed_over() -> None:
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert answered(says(before + OK + b"Content-Length: 2\r\n\r\nok")).body == b"ok"


def test_another_protocol_is_an_answer_where_it_was_asked_for() -> None:
    switches = says(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello", stays=True
    )
    found = answered(switches, headers=(("Connection", "Upgrade"), ("Upgrade", "echo")))
    assert (found.status, found.body) == (101, b"")

    unasked = failed(switches)
    assert unasked.outcome == "not HTTP"
    assert unasked.detail.endswith("HTTP/1.1 101 Switching Protocols: it was not asked for another protocol")


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")]
)
def test_what_has_no_body_is_not_waited_for(method: str, status: str) -> None:
    said = says(f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n".encode(), stays=True)
    found = answered(said, method=method)
    assert (found.status, found.body, found.truncated) == (int(status[:3]), b"", False)


def test_a_body_of_unknown_length_ends_with_the_connection() -> None:
    assert answered(says(b"HTTP/1.0 200 OK\r\n\r\nall ", b"of it")).body == b"all of it"


def test_what_stands_behind_an_answer_is_not_read() -> None:
    one = OK + b"Content-Length: 3\r\n\r\none"
    assert answered(says(one + one, stays=True)).body == b"one"


def test_a_server_may_refuse_a_request_that_it_has_not_read() -> None:
    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        found = answer(local(), HttpRequest(url, method="POST", body="x" * 20_000_000, timeout=20.0))
    assert found.attempt.connected, found.attempt
    assert found.answered.status == 413


# Bodies


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (CHUNKED + b"zz\r\nok\r\n", "Invalid character in chunk size"),
        (CHUNKED + b"-2\r\nok\r\n", "Invalid character in chunk size"),
        (CHUNKED + b"f" * 21 + b"\r\nok\r\n", "Chunk size overflow"),
        (CHUNKED + b"2\r\nok!\r\n", "Expected LF after chunk data"),
        (CHUNKED + b"2\r\nok\r\n", "the connection ended before the last chunk"),
        (CHUNKED + b"ffffffffffffffff\r\nok\r\n", "the connection ended before the last chunk"),
        (OK + b"Content-Length: 9\r\n\r\nok", "received 2 bytes, expected 9"),
    ],
)
def test_a_broken_body_is_none(said: bytes, shown: str) -> None:
    attempt = failed(says(said))
    assert (attempt.outcome, attempt.cause) == ("cut off", "unreadable")
    assert attempt.detail.startswith("the body is broken: ")
    assert shown in attempt.detail


def test_a_body_in_chunks_of_one_byte_is_whole() -> None:
    # More around it than in it, by far, and more than the room that any answer has for that.
    body = CHUNKED + b"1\r\nx\r\n" * 300_000 + b"0\r\n\r\n"
    assert answered(says(body)).body == b"x" * 300_000


PACKED = OK + b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def _packed_nothing() -> bytes:
    """What zlib writes for a flush: an empty block (RFC 1951, 3.2.4)."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.flush(zlib.Z_FULL_FLUSH) * 1_000


@pytest.mark.parametrize(
    ("start", "more", "shown"),
    [
        (CHUNKED + b"1;", b"x" * 1_000, "hardly anything but framing"),
        (CHUNKED + b"0\r\n", b"X-Trailer: x\r\n", "hardly anything but framing"),
        (CHUNKED, b"1;" + b"x" * 10_000 + b"\r\nx\r\n", "hardly anything but framing"),
        (
            PACKED + _chunk(gzip.compress(b"", mtime=0)[:10]),
            _chunk(_packed_nothing()),
            "next to nothing in what is packed",
        ),
    ],
)
def test_a_flood_of_anything_but_body_is_cut_off(start: bytes, more: bytes, shown: str) -> None:
    tracemalloc.start()
    try:
        attempt = failed(floods(start, lambda: [more]))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (attempt.outcome, attempt.cause) == ("cut off", "unreadable")
    assert shown in attempt.detail
    assert most < 20_000_000


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
def test_a_body_may_be_packed_byte_by_byte(encoding: str) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS if encoding == "deflate" else 16 + zlib.MAX_WBITS)
    packed = b"".join(packer.compress(b"x") + packer.flush(zlib.Z_SYNC_FLUSH) for _ in range(200_000))
    head = OK + f"Content-Encoding: {encoding}\r\nConnection: close\r\n\r\n".encode()
    assert len(packed) > 1_100_000
    assert answered(says(head + packed + packer.flush())).body == b"x" * 200_000


# Requests


@pytest.mark.parametrize(
    "more",
    [
        {"headers": (("X-Token", "open\nsesame"),)},
        {"headers": (("X Token", "opensesame"),)},
        {"method": "GET /opensesame"},
        {"headers": (("X-Token", "open\udce9sesame"),)},
        {"headers": (("Content-Length", "99"),), "method": "POST", "body": "sesame"},
        {"headers": (("Transfer-Encoding", "chunked"),), "method": "POST", "body": "sesame"},
    ],
)
def test_what_cannot_be_asked_is_not_sent_and_not_shown(more: dict[str, Any]) -> None:
    with HttpServer() as server:
        attempt = answer(local(), HttpRequest(f"{server.url}/", **more)).attempt
        assert not server.requests
    assert attempt.outcome == "failed"
    assert "sesame" not in str(attempt)


def test_a_request_says_how_long_its_body_is() -> None:
    def lengths(**more: Any) -> str | None:
        with HttpServer() as server:
            assert answer(local(), HttpRequest(f"{server.url}/healthz", **more)).answered.status == 200
            return server.requests[0].headers.get("content-length")

    assert lengths() is None
    assert lengths(method="POST") == "0"
    assert lengths(method="PUT", body="grüße") == "7"
    assert lengths(method="POST", body="hi", headers=(("Content-Length", "2"),)) == "2"


def test_headers_of_the_request_take_the_place_of_ours() -> None:
    own = (("host", "other.example"), ("User-Agent", " me "), ("Accept-Encoding", "identity"))
    with HttpServer() as server:
        answer(local(), HttpRequest(f"{server.url}/healthz", headers=own))
        seen = server.requests[0].headers
    assert (seen["host"], seen["user-agent"], seen["accept-encoding"]) == ("other.example", "me", "identity")
