"""The checks on endpoints, called with facts made by hand: each on a good endpoint and on a bad one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from checks import test_endpoints as checks
from muster import (
    Attempt,
    Certificate,
    Endpoint,
    HttpEndpoint,
    Limit,
    Measure,
    Response,
    TcpEndpoint,
    limited,
    should_answer,
    should_be_closed,
    shows_certificate,
)
from muster.declaration import read_case
from muster.need import Catalogue
from muster.targets import JsonRule, Value

ONE_API = {"status": "ok", "goroutines": 1234, "memory": {"alloc_mb": 256}}


def message(check: Any, *facts: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*facts)
    return str(raised.value).partition("\nassert ")[0]


def endpoint(**more: Any) -> HttpEndpoint:
    return HttpEndpoint(**({"name": "healthz", "url": "http://127.0.0.1:8787/healthz"} | more))


def response(body: Any = None, status: int = 200, **more: Any) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(**({"url": "http://127.0.0.1:8787/healthz", "status": status, "body": raw} | more))


def test_an_endpoint_that_answers() -> None:
    checks.test_endpoint_answers(Attempt("connected"))


def test_an_endpoint_that_refuses() -> None:
    attempt = Attempt("refused", "network", "127.0.0.1:8787", tries=2)
    said = message(checks.test_endpoint_answers, attempt)
    assert said == "refused: 127.0.0.1:8787 (after 2 tries), expected an answer"


@pytest.mark.parametrize(
    ("expected", "status"), [(200, 200), (404, 404), (301, 301), (None, 200), (None, 204), (None, 304)]
)
def test_a_status_that_is_expected(expected: int | None, status: int) -> None:
    checks.test_endpoint_status_is_expected(
        response(status=status), endpoint(status=((expected, expected),) if expected else ())
    )


def test_a_redirect_may_be_what_is_expected() -> None:
    found = response(status=301, headers=(("location", "/there"),))
    checks.test_endpoint_status_is_expected(found, endpoint(status=((301, 301),)))


@pytest.mark.parametrize(
    ("expected", "status", "said"),
    [
        (200, 503, "503 Service Unavailable: null, expected 200"),
        (200, 204, "204 No Content: null, expected 200"),
        (404, 200, "200 OK: null, expected 404"),
        (None, 404, "404 Not Found: null, expected a status below 400"),
        (None, 500, "500 Internal Server Error: null, expected a status below 400"),
    ],
)
def test_a_status_that_is_not_expected(expected: int | None, status: int, said: str) -> None:
    assert (
        message(
            checks.test_endpoint_status_is_expected,
            response(status=status),
            endpoint(status=((expected, expected),) if expected else ()),
        )
        == said
    )


@pytest.mark.parametrize("expected", [200, None])
def test_redirects_in_a_circle_are_never_expected(expected: int | None) -> None:
    found = response(status=302, url="http://h/b", redirects=("http://h/a",), headers=(("location", "/a"),))
    said = message(
        checks.test_endpoint_status_is_expected, found, endpoint(status=((expected, expected),) if expected else ())
    )
    assert said.startswith("redirects in a circle: http://h/a -> http://h/b -> http://h/a, expected ")


def test_json_that_is_expected() -> None:
    checks.test_endpoint_json_is_expected(response({"ok": True, "more": 1}), endpoint(json={"ok": True}))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ok": False}, "$.ok is false, expected true"),
        ({}, "$.ok is missing, expected true"),
        (b"<html>", "the body is no JSON (Expecting value: line 1 column 1 (char 0)), expected JSON: <html>"),
    ],
)
def test_json_that_is_not_expected(body: Any, said: str) -> None:
    assert message(checks.test_endpoint_json_is_expected, response(body), endpoint(json={"ok": True})) == said


def test_a_body_that_was_cut_off_is_no_json() -> None:
    said = message(
        checks.test_endpoint_json_is_expected, response({"ok": True}, truncated=True), endpoint(json={"ok": True})
    )
    assert said == 'the body is longer than 12 B, and cut off there, expected JSON: {"ok": true}'


def goroutines(path: str = "$.goroutines") -> HttpEndpoint:
    limit = Limit(warning=2000, critical=5000)
    return endpoint(
        values={"goroutines": Value(path=path, limit=limit), "alloc": Value(path="$.memory.alloc_mb", unit="MB")}
    )


@pytest.mark.parametrize(("count", "breach"), [(2000, None), (2001, "warning"), (5001, "critical")])
def test_values_are_measured_against_their_own_limits(count: int, breach: str | None) -> None:
    measure = Measure()
    checks.test_endpoint_values_are_within_limits(response(ONE_API | {"goroutines": count}), goroutines(), measure)
    assert [(each.name, each.value, each.unit, each.breach) for each in measure.taken] == [
        ("goroutines", count, "", breach),
        ("alloc", 256, "MB", None),
    ]


def test_a_value_that_is_not_there_does_not_hide_the_others() -> None:
    measure = Measure()
    check = checks.test_endpoint_values_are_within_limits
    said = message(check, response(ONE_API), goroutines("$.status"), measure)
    assert said == '$.status is "ok", which is no number; expected a number'
    assert [each.name for each in measure.taken] == ["alloc"]


@pytest.mark.parametrize(("seconds", "breach"), [(0.2, None), (1.5, "warning"), (5.5, "critical")])
def test_slow_answers_are_measured(seconds: float, breach: str | None) -> None:
    measure = Measure()
    checks.test_endpoint_answers_in_time(response(seconds=seconds), measure)
    assert [(each.name, each.value, each.breach) for each in measure.taken] == [("response_seconds", seconds, breach)]


@pytest.mark.parametrize(("days", "breach"), [(89.96, None), (29.5, "warning"), (6.9, "critical"), (-1, "critical")])
def test_a_certificate_is_measured_by_the_days_that_are_left(days: float, breach: str | None) -> None:
    measure = Measure()
    found = Certificate("www.example.net", "CA", (), datetime(2027, 1, 1, tzinfo=UTC), days)
    checks.test_endpoint_certificate_is_valid_for_long(found, measure)
    assert [(each.value, each.of, each.breach) for each in measure.taken] == [
        (round(days, 1), "www.example.net", breach)
    ]


@pytest.mark.parametrize(
    ("url", "verify", "applies"),
    [
        ("https://h/", True, True),
        ("HTTPS://h/", True, True),
        ("https://h/", False, False),
        ("http://h/", True, False),
    ],
)
def test_only_a_certificate_that_is_verified_is_looked_at(url: str, verify: bool, applies: bool) -> None:
    assert shows_certificate(endpoint(url=url, verify=verify)) is applies


@pytest.mark.parametrize(("status", "right"), [(200, True), (204, True), (404, True), (300, False), (199, False)])
def test_statuses_may_be_ranges(status: int, right: bool) -> None:
    target = endpoint(status=((200, 299), (404, 404)))
    if right:
        checks.test_endpoint_status_is_expected(response(status=status), target)
    else:
        said = message(checks.test_endpoint_status_is_expected, response(status=status), target)
        assert said.endswith("expected 200-299 or 404")


def test_a_redirect_that_is_expected_by_its_place_has_a_right_status() -> None:
    moved = response(status=308, headers=(("location", "https://h/"),))
    checks.test_endpoint_status_is_expected(moved, endpoint(redirect="https://h/*"))
    assert message(checks.test_endpoint_status_is_expected, moved, endpoint()).endswith("expected a status below 400")


RULES = {"$.ok": JsonRule(equals=True, compares=True), "$.version": JsonRule(type="string")}


def test_rules_that_are_kept_and_broken() -> None:
    target = endpoint(rules=RULES)
    checks.test_endpoint_json_follows_its_rules(response({"ok": True, "version": "1"}), target)
    said = message(checks.test_endpoint_json_follows_its_rules, response({"ok": False, "version": 1}), target)
    assert said == "$.ok is false, expected true; $.version is 1, expected a string"


def test_parts_that_are_well_and_ill() -> None:
    target = endpoint(parts={"$.services.*": ("healthy",)})
    checks.test_endpoint_parts_are_well(response({"services": {"postgresql": "healthy", "redis": "healthy"}}), target)
    ill = response({"services": {"postgresql": "healthy", "redis": "unhealthy: connection refused"}})
    said = message(checks.test_endpoint_parts_are_well, ill, target)
    assert said == "redis: unhealthy: connection refused, expected healthy"


@pytest.mark.parametrize(("body", "said"), [({"services": {}}, "$.services is {}"), ({}, "$.services is missing")])
def test_no_parts_at_all_are_not_well(body: Any, said: str) -> None:
    target = endpoint(parts={"$.services.*": ("healthy",)})
    assert message(checks.test_endpoint_parts_are_well, response(body), target).startswith(said)


def test_a_body_with_its_text_and_without() -> None:
    target = endpoint(text="hello", matches="h.llo")
    for check, wanted in (
        (checks.test_endpoint_body_has_the_text, "expected the text 'hello' in it"),
        (checks.test_endpoint_body_matches, "expected a match of h.llo"),
    ):
        check(response(b"<p>hello</p>"), target)
        assert message(check, response(b"<p>login</p>"), target) == f"<p>login</p>, {wanted}"


def test_headers_that_are_expected_and_not() -> None:
    target = endpoint(answer_headers={"content-type": "text/html*"})
    html = response(b"", headers=(("content-type", "text/html; charset=utf-8"),))
    checks.test_endpoint_headers_are_expected(html, target)
    said = message(checks.test_endpoint_headers_are_expected, response(b""), target)
    assert said == "content-type is missing, expected text/html*"


def test_a_redirect_to_the_right_place_and_to_another() -> None:
    moved = response(b"", status=301, headers=(("location", "https://h/"),))
    checks.test_endpoint_redirects_as_expected(moved, endpoint(redirect="https://*"))
    said = message(checks.test_endpoint_redirects_as_expected, moved, endpoint(redirect="http://*"))
    assert said == "301 Moved Permanently to https://h/, expected a redirect to http://*"


def test_the_size_of_an_answer_is_measured() -> None:
    measure = Measure({"response_bytes": Limit(warning=3)})
    checks.test_endpoint_size_is_within_limits(response(b"12345"), measure)
    assert [(each.value, each.breach) for each in measure.taken] == [(5, "warning")]


def test_the_size_counts_where_the_inventory_limits_it() -> None:
    applies = limited("response_bytes")
    assert applies(endpoint(limits={"response_bytes": Limit(warning=3)}))
    assert not applies(endpoint(limits={"response_seconds": Limit(warning=3)}))


@pytest.mark.parametrize(("opened", "answers"), [(True, True), (False, False)])
def test_a_port_that_must_be_closed_is_not_asked_to_answer(opened: bool, answers: bool) -> None:
    port = TcpEndpoint(name="db", url="tcp://h:1", address="h", port=1, open=opened)
    assert (should_answer(port), should_be_closed(port)) == (answers, not answers)
    assert should_answer(endpoint())


def test_every_check_is_well_written_and_about_endpoints() -> None:
    found = [value for name, value in vars(checks).items() if name.startswith("test_")]
    assert len(found) == 13
    assert {read_case(each, Catalogue()).of for each in found} == {Endpoint, HttpEndpoint}
