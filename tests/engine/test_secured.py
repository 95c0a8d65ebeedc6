"""TLS over a stream: what servers do in it and to it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trustme

from muster.questions.http import Exchange, HttpRequest
from muster.transports.secured import client_context
from tests.engine.asking import answer, local
from tests.servers.http import OK, Certificates, Conversation, HttpServer


def ask(url: str, tls: Certificates, **more: object) -> Exchange:
    found = answer(local(), HttpRequest(url, ca_file=str(tls.ca_file), **{"timeout": 20.0, **more}))  # type: ignore[arg-type]
    assert isinstance(found, Exchange)
    return found


@contextmanager
def accepting(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a port that does this to all who connect, before any TLS."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                behave(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)


def hang_up(talk: Conversation) -> None:
    """End the connection without the farewell of TLS."""
    talk.connection.shutdown(socket.SHUT_RDWR)


def test_a_long_body_comes_whole(tls: Certificates) -> None:
    body = bytes(range(256)) * 20_000
    with HttpServer(tls.good, paths={"/": lambda talk: talk.answer(body)}) as server:
        found = ask(f"{server.url}/", tls, max_bytes=len(body)).answered
    assert found is not None
    assert found.body == body


def test_a_long_request_is_sent_whole(tls: Certificates) -> None:
    with HttpServer(tls.good) as server:
        assert ask(f"{server.url}/healthz", tls, method="POST", body="x" * 3_000_000).attempt.connected
        assert len(server.requests[0].body) == 3_000_000


def test_a_server_that_hangs_up_without_a_farewell_has_ended_its_answer(tls: Certificates) -> None:
    def whole(talk: Conversation) -> None:
        talk.send(b"HTTP/1.0 200 OK\r\n\r\n" + OK)
        hang_up(talk)

    def half(talk: Conversation) -> None:
        talk.head(length=100)
        talk.send(OK)
        hang_up(talk)

    with HttpServer(tls.good, paths={"/whole": whole, "/half": half}) as server:
        found = ask(f"{server.url}/whole", tls).answered
        assert found is not None
        assert found.body == OK
        cut = ask(f"{server.url}/half", tls).attempt
    assert (cut.outcome, cut.cause) == ("cut off", "unreadable")
    assert "received 12 bytes, expected 100" in cut.detail


def test_a_server_that_hangs_up_in_the_handshake_is_one_that_reset_it(tls: Certificates) -> None:
    with accepting(lambda connection: connection.recv(65_536) and None) as url:
        attempt = ask(url, tls).attempt
    assert (attempt.outcome, attempt.cause, attempt.tries) == ("reset", "network", 2)
    assert attempt.detail == url.removeprefix("https://").removesuffix("/")


def test_what_is_no_tls_says_so(tls: Certificates) -> None:
    with accepting(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        attempt = ask(url, tls).attempt
    assert (attempt.outcome, attempt.cause, attempt.detail) == ("TLS failed", "wrong", "wrong version number")


@pytest.mark.parametrize(
    ("version", "said"),
    [(ssl.TLSVersion.TLSv1_2, "handshake failure"), (ssl.TLSVersion.TLSv1_3, "certificate required")],
)
def test_a_server_that_wants_a_certificate_of_its_client_says_so(version: ssl.TLSVersion, said: str) -> None:
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca = trustme.CA()
    ca.configure_trust(settings)
    ca.issue_cert("127.0.0.1").configure_cert(settings)
    settings.verify_mode = ssl.CERT_REQUIRED
    settings.maximum_version = version
    with HttpServer(settings) as server:
        attempt = answer(local(), HttpRequest(f"{server.url}/", verify=False, timeout=20.0)).attempt
    assert (attempt.outcome, attempt.cause) == ("TLS failed", "wrong")
    assert said in attempt.detail


def test_settings_are_made_once_and_only_where_tls_is_spoken(
    tls: Certificates, web: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file = str(tls.ca_file)
    made = client_context(ca_file)
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("made again"))
    assert client_context(ca_file) is made
    assert ask(f"{web.url}/healthz", tls).attempt.connected
    assert client_context(ca_file, verify=False) is client_context(ca_file, verify=False) is not made
