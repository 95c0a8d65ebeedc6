"""The facts about endpoints: what an answer says, and the certificate that it came with."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from muster.facts import certificate, endpoint_attempt, port_state, response
from muster.facts.response import Response
from muster.probes import Attempt, Unobserved
from muster.questions.http import Answered, Exchange
from muster.targets import HttpEndpoint, JsonRule, TcpEndpoint

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
        ("http://h/a", (), "http://[", "302 Found to http://["),
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


AT = (("date", "Mon, 15 Jan 2024 10:36:00 GMT"),)


@pytest.mark.parametrize(
    ("time", "age"),
    [
        ("2024-01-15T10:35:30Z", 30),
        ("2024-01-15T10:35:30.25Z", 29.75),
        ("2024-01-15T10:35:30.123456789+00:00", pytest.approx(29.876544)),
        ("2024-01-15T18:35:30+08:00", 30),
        ("2024-01-15t10:37:00z", -60),
    ],
)
def test_a_time_counts_as_its_age_by_the_clock_of_the_server(time: str, age: float) -> None:
    found = answer({"last_check_time": time}, headers=AT)
    assert found.numbers({"last_check": "$.last_check_time"}) == ({"last_check": age}, ())


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("date", "yesterday"),),
        (("date", "Mon, 15 Jan 2024 10:36:00 +99999999999999"),),
        (("date", "15 Jan 99999999999999999999 10:36:00"),),
    ],
)
def test_the_age_of_a_time_is_by_our_clock_where_the_server_does_not_tell_its_own(headers: Any) -> None:
    now = datetime.now(UTC)
    ages, _ = answer({"at": now.isoformat()}, headers=headers).numbers({"at": "$.at"})
    assert 0 <= ages["at"] < 60


@pytest.mark.parametrize("text", ["", "2024-01-15", "2024-01-15T10:35:30", "2024-13-15T10:35:30Z", "7", "now"])
def test_what_is_no_time_with_a_zone_has_no_age(text: str) -> None:
    assert answer({"at": text}, headers=AT).numbers({"at": "$.at"})[0] == {}


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


def test_every_rule_and_every_part_is_judged() -> None:
    found = answer({"ok": False, "services": {"db": "up", "mail": "down", "disk": "full"}})
    rules = {
        "$.ok": JsonRule(equals=True, compares=True),
        "$.gone": JsonRule(),
        "$.services": JsonRule(type="object"),
    }
    broken = found.broken_rules(rules)
    assert broken[0] == "$.ok is false, expected true"
    assert broken[1].startswith("$.gone is missing")
    assert len(broken) == 2
    assert found.bad_parts({"$.services.*": ("up",)}) == ("mail: down, expected up", "disk: full, expected up")


def test_what_is_no_json_breaks_every_rule() -> None:
    page = answer(b"<html>", "text/html")
    for said in (page.broken_rules({"$.ok": JsonRule(present=False)}), page.bad_parts({"$.a.*": ("up",)})):
        assert len(said) == 1
        assert said[0].startswith("the body (text/html) is no JSON")


def test_text_and_patterns_are_looked_for_in_the_body() -> None:
    found = answer("Größe: 42 m\n".encode("latin-1"), "text/plain; charset=latin-1")
    assert found.holds("Größe")
    assert not found.holds("größe")
    assert found.matches(r"\d+ m$")
    assert not found.matches(r"^\d+")


def test_what_is_not_in_a_part_of_the_body_may_be_in_the_rest() -> None:
    part = answer(b"hello", "text/plain", truncated=True)
    assert part.holds("hell")
    assert part.matches("^h")
    for look in (part.holds, part.matches):
        with pytest.raises(Unobserved, match="not in the first 5 B of the body"):
            look("world")


@pytest.mark.parametrize(
    ("globs", "bad"),
    [
        ({"content-type": "text/*", "x-two": "b"}, ()),
        ({"content-type": "application/json"}, ("content-type is text/html, expected application/json",)),
        ({"x-two": "c"}, ("x-two is a, b, expected c",)),
        ({"x-gone": "*"}, ("x-gone is missing, expected *",)),
    ],
)
def test_headers_are_held_against_globs(globs: dict[str, str], bad: tuple[str, ...]) -> None:
    headers = (("content-type", "text/html"), ("x-two", "a"), ("x-two", "b"))
    assert answer(b"", headers=headers).bad_headers(globs) == bad


@pytest.mark.parametrize(
    ("location", "glob", "right"),
    [
        ("https://h/a", "https://h/*", True),
        ("https://h/a", "https://h/a", True),
        ("/login", "http://h/login", True),
        ("https://[::1]:8/a", "https://[::1]:8/a", True),
        ("https://h/a", "http://h/*", False),
        ("https://user:secret@h/a", "https://h/a", True),
    ],
)
def test_a_redirect_is_held_against_a_glob(location: str, glob: str, right: bool) -> None:
    found = answer(b"", status=302, headers=(("location", location),))
    assert found.sends_to(glob) is right
    assert not answer(b"").sends_to(glob)


def test_the_size_of_a_body_that_was_cut_off_is_the_announced_one() -> None:
    assert answer(b"12345").total_size == 5
    assert answer(b"12345", truncated=True, headers=(("content-length", "1000"),)).total_size == 1000


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("content-length", "many"),),
        (("content-length", "-1"),),
        (("content-length", "9" * 30),),
        (("content-length", "1000"), ("content-encoding", "gzip")),
    ],
)
def test_the_size_of_a_body_that_was_cut_off_may_be_unknown(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Unobserved, match="longer than the 5 B that are read"):
        _ = answer(b"12345", truncated=True, headers=headers).total_size


def test_redirects_that_are_expected_by_their_place_are_not_followed() -> None:
    assert response.request(HttpEndpoint(name="x", url="http://h/", redirect="https://h/")).max_redirects == 0


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (Attempt("connected"), "open: a connection was accepted"),
        (Attempt("refused", "network", "h:1", tries=2), "closed (refused: h:1 (after 2 tries))"),
        (Attempt("timed out", "network", "no connection to h:1 in 10 s"), "closed (timed out: no connection"),
        (Attempt("unreachable", "network", "h:1"), "closed (unreachable: h:1)"),
    ],
)
def test_a_port_is_open_or_closed(attempt: Attempt, said: str) -> None:
    found = port_state.parse(attempt)
    assert found.open is attempt.connected
    assert str(found).startswith(said)


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt("no such name", "network", "h:1"),
        Attempt("denied", "permission", "h:1"),
        Attempt("no file descriptor left", "internal"),
        Attempt("not connected", "network", "whatever"),
    ],
)
def test_what_says_nothing_of_a_port_does_not_make_it_closed(attempt: Attempt) -> None:
    with pytest.raises(Unobserved, match=attempt.outcome) as raised:
        port_state.parse(attempt)
    assert raised.value.cause == attempt.cause


def test_the_facts_of_a_port_ask_one_question() -> None:
    target = TcpEndpoint(name="db", url="tcp://h:5432", address="h", port=5432, open=False, timeout=3)
    questions = {need.probe(target).question for need in (port_state.port_state, endpoint_attempt.endpoint_attempt)}
    assert [each.describe() for each in questions] == ["TCP: connect to h:5432"]
