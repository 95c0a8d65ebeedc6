"""Endpoints: they answer, in time, and with what is expected."""

from muster import Attempt, Certificate, HttpEndpoint, Measure, Response, check, expects, shows_certificate


@check(
    severity="critical",
    remediation="On the host: curl -v URL; ss -tlnp; then start what should listen there",
    runbook="endpoints.md#endpoint-does-not-answer",
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
    if not target.status:
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
