"""The checks on ports and names, called with facts made by hand: each on a good one and on a bad one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from checks import test_ports as checks
from muster import DnsAnswer, DnsEndpoint, Measure, PortState, TcpEndpoint, TlsEndpoint, TlsState, is_verified
from muster.declaration import read_case
from muster.need import Catalogue

MAIL = TlsEndpoint(name="mail", url="tls://192.0.2.1:465", address="192.0.2.1", port=465, protocol="TLSv1.2")
STATE = TlsState(
    protocol="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    subject="mail.example",
    issuer="CA",
    names=("mail.example", "smtp.example"),
    not_before=datetime(2026, 1, 1, tzinfo=UTC),
    ends="Between",
    not_after=datetime(2027, 1, 1, tzinfo=UTC),
    days_left=59.96,
)


def message(check: Any, *facts: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*facts)
    return str(raised.value).partition("\nassert ")[0]


def name(*answers: str, **more: Any) -> DnsEndpoint:
    given = {"name": "www", "url": "dns:www.example.net", "name_asked": "www.example.net"}
    return DnsEndpoint(**{**given, "answers": answers, **more})


def test_a_port_that_is_closed_and_one_that_is_open() -> None:
    checks.test_port_is_closed(PortState(False, "refused: 192.0.2.1:5432"))
    said = message(checks.test_port_is_closed, PortState(True, "connected"))
    assert said == "open: a connection was accepted, expected it to be closed"


def test_a_certificate_that_is_trusted_and_one_that_is_not() -> None:
    checks.test_port_certificate_is_trusted(STATE, MAIL)
    said = message(checks.test_port_certificate_is_trusted, replace(STATE, distrust="hostname mismatch"), MAIL)
    assert said == (
        "hostname mismatch (mail.example, issued by CA, for mail.example, smtp.example), "
        "expected one that is trusted for 192.0.2.1"
    )


def test_the_name_that_is_expected_is_the_servers_where_the_inventory_says_it() -> None:
    target = TlsEndpoint(name="mail", url="tls://h:25", address="h", port=25, server_name="mail.example")
    bad = replace(STATE, distrust="self-signed certificate", names=())
    said = message(checks.test_port_certificate_is_trusted, bad, target)
    assert said.endswith("for no name), expected one that is trusted for mail.example")


def test_without_verification_nothing_is_to_be_trusted() -> None:
    assert is_verified(MAIL)
    assert not is_verified(TlsEndpoint(name="x", url="tls://h:1", address="h", port=1, verify=False))


@pytest.mark.parametrize(("days", "breach"), [(59.96, None), (29.5, "warning"), (6.9, "critical"), (-1, "critical")])
def test_a_certificate_is_measured_by_the_days_that_are_left(days: float, breach: str | None) -> None:
    measure = Measure()
    checks.test_port_certificate_is_valid_for_long(replace(STATE, days_left=days), measure)
    assert [(each.value, each.of, each.breach) for each in measure.taken] == [(round(days, 1), "Between", breach)]


def test_a_version_that_is_recent_enough_and_one_that_is_not() -> None:
    checks.test_port_speaks_a_recent_tls(STATE, MAIL)
    old = replace(STATE, protocol="TLSv1.1", cipher="ECDHE-RSA-AES256-SHA")
    said = message(checks.test_port_speaks_a_recent_tls, old, MAIL)
    assert said == "TLSv1.1 with ECDHE-RSA-AES256-SHA, expected TLSv1.2 or later"


def test_a_name_that_resolves_as_expected() -> None:
    found = DnsAnswer("www.example.net", "A", "NOERROR", ("192.0.2.1",))
    checks.test_name_resolves_as_expected(found, name("192.0.2.1"))
    checks.test_name_resolves_as_expected(found, name(answers=None))
    checks.test_name_resolves_as_expected(DnsAnswer("www.example.net", "A", "NXDOMAIN"), name())


@pytest.mark.parametrize(
    ("code", "records", "expected", "said"),
    [
        ("NOERROR", ("192.0.2.2",), ("192.0.2.1", "192.0.2.3"), "192.0.2.2, expected 192.0.2.1, 192.0.2.3"),
        ("NXDOMAIN", (), None, "NXDOMAIN, expected some record"),
        ("NOERROR", ("192.0.2.2",), (), "192.0.2.2, expected no record"),
        ("SERVFAIL", (), (), "SERVFAIL, expected no record"),
    ],
)
def test_a_name_that_does_not(
    code: str, records: tuple[str, ...], expected: tuple[str, ...] | None, said: str
) -> None:
    found = DnsAnswer("www.example.net", "A", code, records)
    told = message(checks.test_name_resolves_as_expected, found, name(answers=expected))
    assert told == f"A of www.example.net: {said}"


def test_every_check_is_well_written_and_about_its_kind() -> None:
    functions = [value for key, value in vars(checks).items() if key.startswith("test_")]
    found = {each.__name__: read_case(each, Catalogue()).of for each in functions}
    assert found == {
        "test_port_is_closed": TcpEndpoint,
        "test_port_certificate_is_trusted": TlsEndpoint,
        "test_port_certificate_is_valid_for_long": TlsEndpoint,
        "test_port_speaks_a_recent_tls": TlsEndpoint,
        "test_name_resolves_as_expected": DnsEndpoint,
    }
