"""Ports and names: closed where they must be, trusted in TLS, resolved as they should be."""

from muster import (
    DnsAnswer,
    DnsEndpoint,
    Measure,
    PortState,
    TlsEndpoint,
    TlsState,
    check,
    expects,
    is_verified,
    should_be_closed,
)


@check(
    severity="critical",
    remediation="On the host: ss -tlnp; stop what listens there, bind it to 127.0.0.1, or close it in the firewall",
    runbook="endpoints.md#port-is-open",
    applies=should_be_closed,
)
def test_port_is_closed(port_state: PortState) -> None:
    """The port is closed.

    What listens where nothing should can be reached by those who should not.
    """
    assert not port_state.open, f"{port_state}, expected it to be closed"


@check(
    severity="critical",
    remediation="Reissue the certificate for this name, serve it with its chain, and reload the server",
    runbook="endpoints.md#certificate-is-not-trusted",
    applies=is_verified,
)
def test_port_certificate_is_trusted(tls_state: TlsState, target: TlsEndpoint) -> None:
    """The port's certificate is trusted.

    Careful clients do not connect, and careless ones cannot know with whom they talk.
    """
    name = target.server_name or target.address
    shown = f"{tls_state.subject}, issued by {tls_state.issuer}, for {', '.join(tls_state.names) or 'no name'}"
    assert not tls_state.distrust, f"{tls_state.distrust} ({shown}), expected one that is trusted for {name}"


@check(
    severity="critical",
    remediation="certbot renew (or however it is issued), then reload the server",
    runbook="endpoints.md#certificate-expires",
)
def test_port_certificate_is_valid_for_long(tls_state: TlsState, measure: Measure) -> None:
    """The certificates that the port shows do not expire soon.

    From the last second of the first to end, every careful client refuses the connection.
    """
    measure("certificate_days_left", round(tls_state.days_left, 1), of=tls_state.ends)


@check(
    severity="critical",
    remediation="Switch the old versions off in the server (nginx: ssl_protocols TLSv1.2 TLSv1.3;), and reload it",
    runbook="endpoints.md#version-of-tls-is-old",
    applies=expects("protocol"),
)
def test_port_speaks_a_recent_tls(tls_state: TlsState, target: TlsEndpoint) -> None:
    """The port speaks a version of TLS that is recent enough.

    Those before TLS 1.2 can be broken, and clients of today do not speak them any more.
    """
    wanted = target.protocol or ""
    assert tls_state.is_at_least(wanted), f"{tls_state.protocol} with {tls_state.cipher}, expected {wanted} or later"


@check(
    severity="critical",
    remediation="On the host: dig NAME; cat /etc/resolv.conf; mend the zone or the resolver, and wait for caches",
    runbook="endpoints.md#name-does-not-resolve",
)
def test_name_resolves_as_expected(dns_answer: DnsAnswer, target: DnsEndpoint) -> None:
    """The name resolves as expected.

    Clients reach the wrong machine, or none, however well the right one is.
    """
    wanted = "some record" if target.answers is None else ", ".join(target.answers) or "no record"
    assert dns_answer.is_as(target.answers), f"{dns_answer}, expected {wanted}"
