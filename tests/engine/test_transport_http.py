"""HTTP: how an attempt went and what was answered, by servers of every kind."""

from __future__ import annotations

import base64
import gzip
import time
import tracemalloc
from pathlib import Path

import pytest

from muster.questions.http import Answered, Exchange, HttpRequest
from muster.targets import Connection, Host
from tests.engine.asking import answer, failure, local, observe, open_files, ssh
from tests.servers.http import Certificates, Conversation, HttpServer
from tests.servers.processes import wait_for
from tests.servers.sshd import Sshd
from tests.servers.tls import full_port


def ask(url: str, **more: object) -> Exchange:
    found = answer(local(), HttpRequest(url, **{"timeout": 5.0, **more}))  # type: ignore[arg-type]
    assert isinstance(found, Exchange)
    return found


def answered(url: str, **more: object) -> Answered:
    exchange = ask(url, **more)
    assert exchange.attempt.connected, exchange.attempt
    assert exchange.answered is not None
    return exchange.answered


def test_an_answer_has_its_status_headers_body_and_time(web: HttpServer) -> None:
    found = answered(f"{web.url}/healthz")

    assert (found.status, found.body, found.truncated, found.redirects) == (200, b'{"ok": true}', False, ())
    assert ("content-type", "application/json") in found.headers
    assert found.url == f"{web.url}/healthz"
    assert 0 < found.seconds < 5


def test_the_request_is_sent_as_asked_and_says_who_asks(web: HttpServer) -> None:
    found = answered(f"{web.url}/echo", method="PUT", headers=(("X-Trace", "7"),), body="grüße")
    text = found.body.decode()
    assert '"method": "PUT"' in text
    assert '"x-trace": "7"' in text
    assert '"user-agent": "muster/' in text


def test_user_and_password_of_a_url_are_sent_and_never_shown(web: HttpServer) -> None:
    request = HttpRequest(f"http://ops:opensesame@127.0.0.1:{web.port}/private")
    found = answer(local(), request)

    assert found.answered.status == 200
    assert "opensesame" not in str(found)
    assert "opensesame" not in request.describe()
    assert answered(f"{web.url}/private").status == 401


def test_a_packed_body_is_unpacked(web: HttpServer) -> None:
    assert answered(f"{web.url}/gzip").body == b'{"ok": true}'


@pytest.mark.parametrize("path", ["gigabyte", "endless", "gzip-bomb"])
def test_of_a_body_without_end_no_more_is_kept_than_wanted(web: HttpServer, path: str) -> None:
    tracemalloc.start()
    try:
        found = answered(f"{web.url}/{path}", max_bytes=100_000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(found.body), found.truncated) == (100_000, True)
    assert most < 20_000_000


def test_a_refused_connection_is_tried_twice(refused_port: int) -> None:
    (found,) = observe(local(), HttpRequest(f"http://127.0.0.1:{refused_port}/"))
    attempt = found.value.attempt
    assert (attempt.outcome, attempt.cause, attempt.tries, found.tries) == ("refused", "network", 2, 2)
    assert str(attempt) == f"refused: 127.0.0.1:{refused_port} (after 2 tries)"
    assert attempt.seconds >= 0.5


def test_a_connection_that_is_reset_once_is_fine_the_second_time() -> None:
    with HttpServer() as web:
        exchange = ask(f"{web.url}/reset-once")
        assert (exchange.attempt.connected, exchange.attempt.tries, web.asked("/reset-once")) == (True, 2, 2)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_may_not_be_repeated_is_not_sent_twice(method: str) -> None:
    with HttpServer() as web:
        attempt = ask(f"{web.url}/reset", method=method).attempt
        assert (attempt.outcome, attempt.cause) == ("reset", "network")
        assert web.asked("/reset") == {"GET": 2, "POST": 1}[method]


def test_a_name_that_nobody_has() -> None:
    attempt = ask("http://nowhere.invalid/").attempt
    assert (attempt.outcome, attempt.cause, attempt.detail) == ("no such name", "network", "nowhere.invalid")


def test_a_server_that_accepts_and_says_nothing_was_connected(web: HttpServer, silent_port: int) -> None:
    for url in (f"{web.url}/slow-headers", f"http://127.0.0.1:{silent_port}/"):
        attempt = ask(url, timeout=0.3).attempt
        assert (attempt.outcome, attempt.cause) == ("timed out", "timeout")
        assert str(attempt) == "timed out: connected, but no answer in 0.3 s"


@pytest.mark.parametrize("path", ["slow-body", "trickle"])
def test_a_body_that_never_ends_is_too_slow_too(web: HttpServer, path: str) -> None:
    began = time.monotonic()
    attempt = ask(f"{web.url}/{path}", timeout=0.3).attempt
    assert attempt.cause == "timeout"
    assert str(attempt) == "timed out: connected, but the answer did not end in 0.3 s"
    assert time.monotonic() - began < 2


def test_a_server_that_accepts_and_never_shakes_hands_was_connected(silent_port: int) -> None:
    attempt = ask(f"https://127.0.0.1:{silent_port}/", timeout=0.3).attempt
    assert (str(attempt), attempt.cause) == ("timed out: connected, but no answer in 0.3 s", "timeout")


def test_a_port_that_does_not_accept_was_not_connected() -> None:
    with full_port() as port:
        attempt = ask(f"http://127.0.0.1:{port}/", timeout=0.3).attempt
    assert (str(attempt), attempt.cause) == ("timed out: no connection in 0.3 s", "network")


@pytest.mark.parametrize(
    ("path", "outcome", "cause"),
    [
        ("garbage", "not HTTP", "unreadable"),
        ("endless-headers", "not HTTP", "unreadable"),
        ("closed", "reset", "network"),
        ("reset-in-body", "cut off", "unreadable"),
        ("short-body", "cut off", "unreadable"),
        ("bad-gzip", "cut off", "unreadable"),
    ],
)
def test_broken_answers_are_told_apart(web: HttpServer, path: str, outcome: str, cause: str) -> None:
    attempt = ask(f"{web.url}/{path}").attempt
    assert (attempt.outcome, attempt.cause) == (outcome, cause), attempt
    assert len(str(attempt)) < 300


def test_a_packed_body_that_ends_too_early_is_not_taken_for_the_whole() -> None:
    packed = gzip.compress(b'{"ok": true}' + b" " * 100)[:-8]
    with HttpServer(paths={"/half": lambda talk: talk.answer(packed, "Content-Encoding: gzip")}) as server:
        attempt = ask(f"{server.url}/half").attempt
    assert (attempt.outcome, attempt.cause) == ("cut off", "unreadable")


def test_a_body_may_be_packed_in_several_parts() -> None:
    one, other = gzip.compress(b"one "), gzip.compress(b"other")
    ends = {
        "/whole": b"",
        "/padded": bytes(512),
        "/long": gzip.compress(b"x" * 20),
        "/cut": one[:-1],
        "/bad": b"\x1f\x8b bad",
    }

    def behave(talk: Conversation) -> None:
        talk.head("200 OK", "Content-Encoding: gzip")
        # However they are cut in pieces.
        for byte in one + other + ends[talk.request.path]:
            talk.send(bytes([byte]))

    with HttpServer(paths=dict.fromkeys(ends, behave)) as server:
        whole = answered(f"{server.url}/whole", max_bytes=9)
        assert (whole.body, whole.truncated) == (b"one other", False)
        assert answered(f"{server.url}/padded").body == b"one other"
        long = answered(f"{server.url}/long", max_bytes=12)
        assert (long.body, long.truncated) == (b"one otherxxx", True)
        assert ask(f"{server.url}/cut").attempt.outcome == "cut off"
        assert ask(f"{server.url}/bad").attempt.outcome == "cut off"


def test_what_stands_behind_a_packed_body_is_not_read() -> None:
    def behave(talk: Conversation) -> None:
        talk.head("200 OK", "Content-Encoding: gzip")
        talk.send(gzip.compress(b"whole"))
        while not talk.server.stopping.is_set():
            talk.send(bytes(1_048_576))

    with HttpServer(paths={"/more": behave}) as server:
        assert answered(f"{server.url}/more").body == b"whole"


def test_chunks_that_are_none_are_no_body(web: HttpServer) -> None:
    attempt = ask(f"{web.url}/bad-chunks").attempt
    assert (attempt.outcome, attempt.cause) == ("cut off", "unreadable")
    assert "Invalid character in chunk size" in attempt.detail


def test_a_redirect_is_followed_and_left_urls_are_kept(web: HttpServer) -> None:
    found = answered(f"{web.url}/moved")
    assert (found.status, found.url, found.redirects) == (200, f"{web.url}/healthz", (f"{web.url}/moved",))


def test_a_circle_of_redirects_ends_with_the_last_of_them(web: HttpServer) -> None:
    found = answered(f"{web.url}/circle")
    assert (found.status, found.redirects) == (302, (f"{web.url}/circle",))


def test_no_more_redirects_are_followed_than_wanted() -> None:
    def on(talk: Conversation) -> None:
        talk.answer(b"", f"Location: /{int(talk.request.path[1:]) + 1}", status="302 Found")

    with HttpServer(paths={f"/{number}": on for number in range(9)}) as web:
        found = answered(f"{web.url}/0", max_redirects=3)
        assert (found.status, len(found.redirects), found.url) == (302, 3, f"{web.url}/3")
        assert answered(f"{web.url}/0", max_redirects=0).redirects == ()


@pytest.mark.parametrize("path", ["to-file", "to-nowhere"])
def test_only_http_is_followed(web: HttpServer, path: str) -> None:
    found = answered(f"{web.url}/{path}")
    assert (found.status, found.redirects) == (302, ())


def test_secrets_do_not_follow_to_another_origin() -> None:
    with HttpServer() as other:
        away = {"/away": lambda talk: talk.answer(b"", f"Location: {other.url}/echo", status="302 Found")}
        with HttpServer(paths=away) as web:
            url = f"http://ops:opensesame@127.0.0.1:{web.port}/away"
            found = answered(url, headers=(("X-Api-Key", "abc"), ("Cookie", "id=1"), ("Accept", "text/plain")))
            at_home = dict(web.requests[0].headers)
        seen = dict(other.requests[0].headers)
    assert found.status == 200
    assert at_home["authorization"] == "Basic " + base64.b64encode(b"ops:opensesame").decode()
    assert at_home["x-api-key"] == "abc"
    assert not {"authorization", "cookie", "x-api-key"} & set(seen)
    assert seen["accept"] == "text/plain"


def test_a_body_does_not_follow_to_another_origin() -> None:
    with HttpServer() as other:
        away = {
            "/away": lambda talk: talk.answer(b"", f"Location: {other.url}/echo", status="307 Temporary Redirect")
        }
        with HttpServer(paths=away) as web:
            assert answered(f"{web.url}/away", method="POST", body="secret").status == 307
        assert not other.requests


def test_proxies_of_the_surroundings_have_no_say(
    web: HttpServer, refused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refused_port}")
    assert answered(f"{web.url}/healthz").status == 200


def test_what_is_no_url_is_said_without_its_password() -> None:
    attempt = ask("ftp://ops:opensesame@127.0.0.1/").attempt
    assert (attempt.outcome, attempt.cause) == ("not a URL", "wrong")
    assert "opensesame" not in str(attempt)


def test_tls_that_is_trusted_tells_its_certificate(tls: Certificates) -> None:
    with HttpServer(tls.good) as web:
        found = answered(f"{web.url}/healthz", ca_file=str(tls.ca_file))
        again = answered(f"https://localhost:{web.port}/healthz", ca_file=str(tls.ca_file))
    assert found.certificate is not None
    assert "notAfter" in found.certificate
    assert again.certificate == found.certificate


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("expired", "certificate has expired"),
        ("wrong_name", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("self_signed", "self-signed certificate"),
        ("unknown_ca", "unable to get local issuer certificate"),
    ],
)
def test_tls_that_is_not_to_be_trusted_says_why(tls: Certificates, which: str, why: str) -> None:
    with HttpServer(getattr(tls, which)) as web:
        attempt = ask(f"{web.url}/healthz", ca_file=str(tls.ca_file)).attempt
        assert (attempt.outcome, attempt.cause) == ("TLS failed", "wrong")
        assert why in attempt.detail
        assert not web.requests
        assert answered(f"{web.url}/healthz", verify=False).status == 200


def test_a_port_without_tls_fails_at_tls(web: HttpServer) -> None:
    attempt = ask(f"https://127.0.0.1:{web.port}/", timeout=0.5).attempt
    assert attempt.outcome in ("TLS failed", "reset", "timed out")
    assert not attempt.connected


def test_certificates_to_trust_that_are_not_there_are_said(tmp_path: Path) -> None:
    why = failure(local(), HttpRequest("https://127.0.0.1:1/", ca_file=str(tmp_path / "none.pem")))
    assert (why.cause, str(why)) == ("missing", f"ca_file {tmp_path}/none.pem: No such file or directory")


@pytest.mark.parametrize("holds", ["", "-----BEGIN CERTIFICATE-----\nbad\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificates_to_trust_is_wrong(tmp_path: Path, holds: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(holds)
    why = failure(local(), HttpRequest("https://127.0.0.1:1/", ca_file=str(file)))
    assert (why.cause, str(why)) == ("wrong", f"ca_file {file}: no certificate in PEM")


@pytest.mark.needs("sshd")
def test_over_ssh_all_is_the_same(ssh_host: Sshd, web: HttpServer, tls: Certificates) -> None:
    host = ssh(ssh_host)
    with HttpServer(tls.good) as good, HttpServer(tls.expired) as expired:
        questions = [
            HttpRequest(f"{web.url}/moved"),
            HttpRequest(f"https://localhost:{good.port}/healthz", ca_file=str(tls.ca_file)),
            HttpRequest(f"{expired.url}/healthz", ca_file=str(tls.ca_file)),
            HttpRequest(f"{web.url}/slow-headers", timeout=0.5),
            HttpRequest(f"{web.url}/gigabyte", max_bytes=1000),
            HttpRequest(f"{web.url}/garbage"),
            HttpRequest(f"{web.url}/reset"),
        ]
        found = [each.value for each in observe(host, *questions)]

    assert found[0].answered.redirects == (f"{web.url}/moved",)
    assert found[1].answered.certificate is not None
    assert (found[2].attempt.outcome, "expired" in found[2].attempt.detail) == ("TLS failed", True)
    assert found[3].attempt.cause == "timeout"
    assert (len(found[4].answered.body), found[4].answered.truncated) == (1000, True)
    assert [each.attempt.outcome for each in found[5:]] == ["not HTTP", "reset"]


def test_a_host_without_a_login_is_asked_from_here(web: HttpServer) -> None:
    host = Host(name="appliance", connection=Connection(kind="none"))
    assert answer(host, HttpRequest(f"{web.url}/healthz")).answered.status == 200


def test_no_descriptor_stays_open() -> None:
    def once() -> None:
        paths = ("healthz", "gigabyte", "slow-body", "reset")
        with HttpServer() as web:
            observe(local(), *(HttpRequest(f"{web.url}/{path}", timeout=0.3) for path in paths))

    once()
    before = open_files()
    for _ in range(3):
        once()
    wait_for(lambda: open_files() <= before, "the end of the server's own connections")
