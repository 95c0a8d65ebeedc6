"""The facts about endpoints: what an answer says, and the certificate that it came with."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from muster.facts import certificate, endpoint_attempt, response
from muster.facts.response import Response
from muster.probes import Answered, Attempt, Exchange, Unobserved
from muster.targets import HttpEndpoint

REFUSED = Exchange(Attempt("refused", "network", "127.0.0.1:9", tries=2))
#: What `ssl.SSLSocket.getpeercert` gave for a certificate that trustme made.
PEER = {
    "subject": ((("organizationName", "trustme v1.2.1"),), (("organizationalUnitName", "Testing cert"),)),
    "issuer": ((("organizationName", "trustme v1.2.1"),), (("organizationalUnitName", "Testing CA"),)),
    "version": 3,
    "serialNumber": "4DB2D6AC1B27C34B6D8FF1A9C1BBA3D0ED66C7B1",
    "notBefore": "Jan  1 00:00:00 2000 GMT",
    "notAfter": "Jan  1 00:00:00 2038 GMT",
    "subjectAltName": (("DNS", "localhost"), ("IP Address", "127.0.0.1")),
}


def answer(body: bytes | Any = b"", kind: str = "application/json", **more: Any) -> Response:
    """The fact of an answer with this body; what is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given: dict[str, Any] = {
        "url": "http://h/healthz",
        "status": 200,
        "headers": (("content-type", kind),),
        "body": raw,
        "truncated": False,
        "seconds": 0.012,
    }
    return response.parse(Exchange(Attempt("connected"), Answered(**(given | more))))


def test_all_facts_of_an_endpoint_ask_one_question() -> None:
    target = HttpEndpoint(name="healthz", url="http://127.0.0.1:8787/healthz", timeout=3)
    needs = (endpoint_attempt.endpoint_attempt, response.response, certificate.certificate)
    questions = {each.probe(target).question for each in needs}
    assert len(questions) == 1
    assert next(iter(questions)).describe() == "GET http://127.0.0.1:8787/healthz"


def test_redirects_are_followed_unless_one_is_expected() -> None:
    assert response.request(HttpEndpoint(name="x", url="http://h/", status=((200, 200),))).max_redirects == 10
    assert response.request(HttpEndpoint(name="x", url="http://h/")).max_redirects == 10
    assert response.request(HttpEndpoint(name="x", url="http://h/", status=((301, 301),))).max_redirects == 0
    assert response.request(HttpEndpoint(name="x", url="http://h/", status=((304, 304),))).max_redirects == 10


def test_the_attempt_is_a_fact_even_where_it_failed() -> None:
    found = endpoint_attempt.parse(REFUSED)
    assert (found.cause, str(found)) == ("network", "refused: 127.0.0.1:9 (after 2 tries)")


@pytest.mark.parametrize("parse", [response.parse, certificate.parse])
def test_what_hangs_on_an_answer_is_unobserved_without_one(parse: Any) -> None:
    with pytest.raises(Unobserved, match=r"refused: 127\.0\.0\.1:9") as raised:
        parse(REFUSED)
    assert raised.value.cause == "network"


def test_an_answer_in_one_line() -> None:
    assert str(answer({"ok": True})) == '200 OK in 12 ms, 12 B of application/json: {"ok": true}'
    assert str(answer(b"", kind="")) == "200 OK in 12 ms, 0 B"
    assert str(answer(b"x", "text/plain", redirects=("http://h/a",), truncated=True)) == (
        "200 OK in 12 ms from http://h/healthz (redirected), more than 1 B of text/plain: x"
    )


def test_a_password_in_a_url_is_not_in_the_fact() -> None:
    found = answer(b"x", url="http://user:pass@h/a", redirects=("http://user:pass@h/b",))
    assert "pass" not in f"{found!r}{found}"


def test_a_status_that_nobody_knows_is_shown_as_it_is() -> None:
    assert answer(b"no", "text/plain", status=799).outcome == "799: no"


def test_an_error_comes_with_the_beginning_of_its_body() -> None:
    found = answer(b"<h1>Bad\ngateway</h1>\x1b[2J" + b"x" * 1000, "text/html", status=502)
    assert found.outcome.startswith("502 Bad Gateway: <h1>Bad gateway</h1>\\x1b[2Jxxx")
    assert len(found.outcome) < 250
    assert answer(b"", status=503).outcome == "503 Service Unavailable: an empty body"


@pytest.mark.parametrize(
    ("url", "redirects", "location", "outcome"),
    [
        ("http://h/b", ("http://h/a",), "/a", "redirects in a circle: http://h/a -> http://h/b -> http://h/a"),
        ("http://h/a", (), "http://h/a", "redirects in a circle: http://h/a -> http://h/a"),
        (
            "http://h/c",
            ("http://h/a", "http://h/b"),
            "b",
            "redirects in a circle: http://h/b -> http://h/c -> http://h/b",
        ),
        ("http://h/c", ("http://h/a", "http://h/b"), "d", "redirects 2 times, and then to http://h/d"),
        ("http://h/a", (), "/login", "302 Found to http://h/login"),
    ],
)
def test_a_redirect_that_was_not_followed(url: str, redirects: tuple[str, ...], location: str, outcome: str) -> None:
    found = answer(b"", status=302, url=url, redirects=redirects, headers=(("location", location),))
    assert found.onward is not None
    assert found.outcome == outcome


def test_an_answer_after_redirects_sends_nowhere() -> None:
    assert answer({"ok": True}, redirects=("http://h/a",)).onward is None
    assert answer(b"", status=304).onward is None


def test_text_is_read_in_the_encoding_that_the_answer_names() -> None:
    assert answer("配额".encode("gbk"), "text/plain; charset=gbk").text == "配额"
    assert answer("é".encode("latin-1"), 'text/plain; charset="ISO-8859-1"').text == "é"
    assert answer("é".encode(), "text/plain").text == "é"


@pytest.mark.parametrize("charset", ["idna", "punycode", "rot13", "zip", "no-such-thing", "utf-8-nonsense", ""])
def test_an_encoding_that_is_none_of_the_webs_is_read_as_utf8(charset: str) -> None:
    assert answer(b"a\xff", f"text/plain; charset={charset}").text == "a\\xff"


def test_json_with_a_byte_order_mark_is_json() -> None:
    assert answer(b'\xef\xbb\xbf{"ok": true}').json == {"ok": True}


@pytest.mark.parametrize(
    ("body", "more", "why"),
    [
        (b"<html>login</html>", {"kind": "text/html"}, r"\(text/html\) is no JSON .*expected JSON: <html>login"),
        (b"", {}, "no JSON .*expected JSON: an empty body"),
        (b'{"ok": tr', {}, "no JSON"),
        (b'{"ok": true}', {"truncated": True}, "longer than 12 B, and cut off there"),
        (b'{"a": NaN}', {}, "it holds NaN"),
        (b'{"a": "\xff"}', {}, "no text .*at byte 7"),
        (b"[" * 100_000, {}, "nested too deeply"),
        (b"1" * 5000, {}, "no JSON"),
    ],
)
def test_what_is_no_json_says_why_in_bounded_length(body: bytes, more: dict[str, Any], why: str) -> None:
    found = answer(body, more.pop("kind", "application/json"), **more)
    assert found.json is None
    assert found.json_error is not None
    assert len(found.json_error) < 600
    assert re.search(why, found.json_error)
    assert found.json_difference({"ok": True}) == found.json_error
    assert found.numbers({"a": "$.a"}) == ({}, (found.json_error,))


def test_numbers_are_taken_out_of_json_by_path() -> None:
    body = {"goroutines": 1234, "memory": {"alloc_mb": 25.5}, "queues": [{"len": 0}]}
    paths = {"goroutines": "$.goroutines", "alloc": "$.memory.alloc_mb", "queue": "$.queues[0].len"}
    assert answer(body).numbers(paths) == ({"goroutines": 1234, "alloc": 25.5, "queue": 0}, ())


def test_a_number_that_is_not_there_does_not_hide_the_others() -> None:
    body = {"a": 1, "yes": True, "text": "7"}
    found, lacking = answer(body).numbers({"gone": "$.gone", "yes": "$.yes", "text": "$.text", "a": "$.a"})
    assert found == {"a": 1}
    assert lacking[0].startswith('$.gone is missing: $ is {"a": 1')
    assert lacking[1:] == ("$.yes is true, which is no number", '$.text is "7", which is no number')


def peer(**more: Any) -> certificate.Certificate:
    answered = Answered("https://h/", 200, (), b"", False, 0.1, certificate=PEER | more)
    return certificate.parse(Exchange(Attempt("connected"), answered), datetime(2037, 12, 2, 12, tzinfo=UTC))


def test_a_certificate_counts_its_days() -> None:
    found = peer(subject=((("commonName", "www.example.net"),),))
    assert found.days_left == 29.5
    assert found.names == ("localhost", "127.0.0.1")
    assert str(found) == (
        "www.example.net, issued by trustme v1.2.1, valid until 2038-01-01 00:00 UTC (30 days left)"
    )


def test_a_certificate_without_a_common_name_is_called_by_what_it_has() -> None:
    assert peer().subject == "trustme v1.2.1"
    assert peer(subject=()).subject == "localhost"
    assert peer(subject=(), issuer=(), subjectAltName=()).subject == "no name"


def test_an_answer_without_a_verified_certificate_gives_none() -> None:
    answered = Answered("http://h/", 200, (), b"", False, 0.1, certificate=None)
    with pytest.raises(Unobserved, match="http://h/ answered without a certificate"):
        certificate.parse(Exchange(Attempt("connected"), answered))


def test_a_certificate_that_makes_no_sense_gives_no_fact() -> None:
    with pytest.raises(ValueError, match="time data"):
        peer(notAfter="tomorrow")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400])
def test_a_number_beyond_all_floats_is_none_to_measure(number: bytes) -> None:
    found, lacking = answer(b'{"a": ' + number + b"}").numbers({"a": "$.a"})
    assert not found
    assert len(lacking) == 1
    assert lacking[0].endswith("which is no number that can be measured")
