"""Endpoints: they answer, in time, and with what is expected."""

from muster import (
    Attempt,
    Certificate,
    HttpEndpoint,
    Measure,
    Response,
    check,
    expects,
    limited,
    should_answer,
    shows_certificate,
)


@check(
    severity="critical",
    remediation="On the host: curl -v URL; ss -tlnp; then start what should listen there",
    runbook="endpoints.md#endpoint-does-not-answer",
    applies=should_answer,
)
def test_endpoint_answers(endpoint_attempt: Attempt) -> None:
    """The endpoint answers.

    Nobody is served while it does not, and nothing else can be said of it.
    """
    assert endpoint_attempt.connected, f"{endpoint_attempt}, expected an answer"


@check(
    severity="critical",
    remediation="curl -v URL; docker logs --tail 200 NAME, or journalctl -u UNIT -e",
    runbook="endpoints.md#status-is-not-as-expected",
)
def test_endpoint_status_is_expected(response: Response, target: HttpEndpoint) -> None:
    """The endpoint answers with the expected status.

    It is there, but refuses, fails, or sends its clients elsewhere.
    """
    expected = target.status or ((100, 399),)
    right = any(first <= response.status <= last for first, last in expected)
    if not (target.status or target.redirect):
        right = right and response.onward is None
    told = " or ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in target.status)
    assert right, f"{response.outcome}, expected {told or 'a status below 400'}"


@check(
    severity="critical",
    remediation="curl -s URL | python3 -m json.tool; docker logs --tail 200 NAME, or journalctl -u UNIT -e",
    runbook="endpoints.md#json-is-not-as-expected",
    applies=expects("json"),
)
def test_endpoint_json_is_expected(response: Response, target: HttpEndpoint) -> None:
    """The endpoint's JSON says what it should.

    A service that answers may still say of itself that it does not work.
    """
    difference = response.json_difference(target.json)
    assert not difference, difference


@check(
    severity="critical",
    remediation="curl -s URL | python3 -m json.tool; docker logs --tail 200 NAME, or journalctl -u UNIT -e",
    runbook="endpoints.md#json-is-not-as-expected",
    applies=expects("rules"),
)
def test_endpoint_json_follows_its_rules(response: Response, target: HttpEndpoint) -> None:
    """The endpoint's JSON is at each path as it should be.

    Who reads it counts on what stands there, and of which type it is.
    """
    broken = response.broken_rules(target.rules)
    assert not broken, "; ".join(broken)


@check(
    severity="critical",
    remediation="curl -s URL | python3 -m json.tool; then look at the part that it names as at a service of its own",
    runbook="endpoints.md#part-is-not-well",
    applies=expects("parts"),
)
def test_endpoint_parts_are_well(response: Response, target: HttpEndpoint) -> None:
    """Every part that the endpoint tells of is well.

    It answers still, but what it is made of, or stands on, fails.
    """
    bad = response.bad_parts(target.parts)
    assert not bad, "; ".join(bad)


@check(
    severity="critical",
    remediation="curl -s URL | head -c 2000; docker logs --tail 200 NAME, or journalctl -u UNIT -e",
    runbook="endpoints.md#body-is-not-as-expected",
    applies=expects("text"),
)
def test_endpoint_body_has_the_text(response: Response, target: HttpEndpoint) -> None:
    """The endpoint's answer has the expected text in it.

    An error page, a login page or an empty page may come with status 200 too.
    """
    assert response.holds(target.text or ""), f"{response.excerpt}, expected the text {target.text!r} in it"


@check(
    severity="critical",
    remediation="curl -s URL | head -c 2000; docker logs --tail 200 NAME, or journalctl -u UNIT -e",
    runbook="endpoints.md#body-is-not-as-expected",
    applies=expects("matches"),
)
def test_endpoint_body_matches(response: Response, target: HttpEndpoint) -> None:
    """The endpoint's answer matches the expected pattern.

    An error page, a login page or an empty page may come with status 200 too.
    """
    assert response.matches(target.matches or ""), f"{response.excerpt}, expected a match of {target.matches}"


@check(
    severity="critical",
    remediation="curl -sI URL; mend the configuration of the server, or of the proxy before it, and reload that",
    runbook="endpoints.md#header-is-not-as-expected",
    applies=expects("answer_headers"),
)
def test_endpoint_headers_are_expected(response: Response, target: HttpEndpoint) -> None:
    """The endpoint's answer has the expected headers.

    Browsers and clients go by them: what a body is, whether it may be kept, what it may do.
    """
    bad = response.bad_headers(target.answer_headers)
    assert not bad, "; ".join(bad)


@check(
    severity="critical",
    remediation="curl -sI URL; mend the redirect in the server, or in the proxy before it, and reload that",
    runbook="endpoints.md#redirect-is-not-as-expected",
    applies=expects("redirect"),
)
def test_endpoint_redirects_as_expected(response: Response, target: HttpEndpoint) -> None:
    """The endpoint sends its clients where it should.

    They end up nowhere, or stay on plain HTTP.
    """
    assert response.sends_to(target.redirect or ""), f"{response.outcome}, expected a redirect to {target.redirect}"


@check(
    severity="warning",
    remediation="curl -so /dev/null -w '%{size_download}\\n' URL; ask for less of it, or in pages",
    runbook="endpoints.md#answer-is-too-large",
    applies=limited("response_bytes"),
)
def test_endpoint_size_is_within_limits(response: Response, measure: Measure) -> None:
    """The endpoint's answer is of the size that it should be.

    One that grows slows everybody down; one that shrank may be an error page.
    """
    measure("response_bytes", response.total_size)


@check(
    severity="critical",
    remediation="curl -s URL | python3 -m json.tool; look up what the value counts, and what makes it grow",
    runbook="endpoints.md#value-is-beyond-its-limit",
    applies=expects("values"),
)
def test_endpoint_values_are_within_limits(response: Response, target: HttpEndpoint, measure: Measure) -> None:
    """The numbers that the endpoint gives of itself are within their limits.

    They tell of a leak or an overload before the service goes down.
    """
    found, lacking = response.numbers({name: value.path for name, value in target.values.items()})
    for name, number in found.items():
        measure(name, number, unit=target.values[name].unit or None, limit=target.values[name].limit)
    assert not lacking, f"{'; '.join(lacking)}; expected a number"


@check(
    severity="warning",
    remediation="curl -so /dev/null -w '%{time_connect} %{time_starttransfer} %{time_total}\\n' URL; top on the host",
    runbook="endpoints.md#endpoint-is-slow",
)
def test_endpoint_answers_in_time(response: Response, measure: Measure) -> None:
    """The endpoint answers in time.

    Clients give up on what is slow, and what is slow is often about to fail.
    """
    measure("response_seconds", response.seconds)


@check(
    severity="critical",
    remediation="certbot renew (or however it is issued), then reload the server",
    runbook="endpoints.md#certificate-expires",
    applies=shows_certificate,
)
def test_endpoint_certificate_is_valid_for_long(certificate: Certificate, measure: Measure) -> None:
    """The endpoint's certificate does not expire soon.

    From its last second on, every client refuses the connection.
    """
    measure("certificate_days_left", round(certificate.days_left, 1), of=certificate.subject)
