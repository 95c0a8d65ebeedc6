"""URLs as they are sent, and as they are said."""

from __future__ import annotations

import socket
import threading

import pytest

from muster.questions.http import HttpRequest
from muster.transports import names
from muster.transports.urls import Url, credentials
from tests.engine.asking import answer, local
from tests.servers.http import Certificates, Conversation, HttpServer


@pytest.mark.parametrize(
    ("text", "url", "authority", "target"),
    [
        ("http://h", "http://h/", "h", "/"),
        ("http://h?x=1", "http://h/?x=1", "h", "/?x=1"),
        ("HTTP://H.Example:80/A", "http://h.example/A", "h.example", "/A"),
        ("https://h:443/", "https://h/", "h", "/"),
        ("https://h:80/", "https://h:80/", "h:80", "/"),
        ("http://ops:secret@h/x#part", "http://h/x", "h", "/x"),
        (
            "http://h/a b/ü?q=ä b&c=1+2",
            "http://h/a%20b/%C3%BC?q=%C3%A4%20b&c=1+2",
            "h",
            "/a%20b/%C3%BC?q=%C3%A4%20b&c=1+2",
        ),
        ("http://h/%2F%c3%bc/100%/%zz", "http://h/%2F%c3%bc/100%25/%25zz", "h", "/%2F%c3%bc/100%25/%25zz"),
        ('http://h/?q=up{job="x"}[5m]', "http://h/?q=up%7Bjob=%22x%22%7D[5m]", "h", "/?q=up%7Bjob=%22x%22%7D[5m]"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x", "[::1]:8080", "/x"),
        ("http://[FE80::1%eth0]/", "http://[fe80::1%eth0]/", "[fe80::1%eth0]", "/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
        ("http://under_score.example./", "http://under_score.example./", "under_score.example.", "/"),
    ],
)
def test_a_url_is_encoded_where_it_has_to_be(text: str, url: str, authority: str, target: str) -> None:
    found = Url.of(text)
    assert (str(found), found.authority, found.target) == (url, authority, target)
    assert Url.of(url) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h/x",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://a b/",
        "http://h\\x/",
        "http://h:99999/",
        "http://h:x/",
        "http://[::1/",
        "http://[v1.a:\x1b]/",
        "http://[fe80::1%25\x1b]/",
        "http://\u2488example/",
        f"http://ä{'x' * 70}/",
    ],
)
def test_what_nobody_can_ask_is_no_url(text: str) -> None:
    with pytest.raises(ValueError):
        Url.of(text)


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/y?z", "http://h:81/y?z"),
        ("y", "http://h:81/a/y"),
        ("?q", "http://h:81/a/b?q"),
        ("//other/ü#x", "http://other/%C3%BC"),
        ("https://ops:secret@other/", "https://other/"),
        ("/gr\udcfc\udcdf", "http://h:81/gr%FC%DF"),
    ],
)
def test_a_reference_leads_on(reference: str, url: str) -> None:
    assert str(Url.of("http://h:81/a/b").joined(reference)) == url


def test_user_and_password_are_decoded() -> None:
    assert credentials("http://ops%40x:p%2Fw@h/") == ("ops@x", "p/w")
    assert credentials("http://ops@h/") == ("ops", "")
    assert credentials("http://h/") is None


def no_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return True
    return False


@pytest.mark.skipif(no_ipv6(), reason="this machine has no IPv6")
def test_an_endpoint_is_asked_by_its_address_in_brackets() -> None:
    received = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            received.append(connection.recv(65_536))
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        assert answer(local(), HttpRequest(f"http://[::1]:{port}/a b?ü#x")).answered.status == 204
        thread.join()
    assert received[0].startswith(f"GET /a%20b?%C3%BC HTTP/1.1\r\nHost: [::1]:{port}\r\n".encode())


def test_where_a_redirect_of_any_bytes_leads_is_asked() -> None:
    def away(talk: Conversation) -> None:
        talk.send(b"HTTP/1.1 302 Found\r\nLocation: /gr\xfc\xdfe an alle\r\nContent-Length: 0\r\n\r\n")

    with HttpServer(paths={"/": away}) as server:
        found = answer(local(), HttpRequest(f"{server.url}/")).answered
    assert (found.status, found.url) == (404, f"{server.url}/gr%FC%DFe%20an%20alle")


def test_the_dot_at_the_end_of_a_name_is_not_part_of_its_certificate(
    tls: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_found", lambda name: [(socket.AF_INET, ("127.0.0.1", 0))])
    with HttpServer(tls.good) as server:
        request = HttpRequest(f"https://localhost.:{server.port}/healthz", ca_file=str(tls.ca_file))
        found = answer(local(), request)
        assert found.attempt.connected, found.attempt
        assert server.requests[0].headers["host"] == f"localhost.:{server.port}"
