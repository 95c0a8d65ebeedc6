"""What a port shows in TLS: its certificate and those above, the version, and why it is not trusted."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from muster.facts import endpoint_attempt, tls_state
from muster.facts.tls_state import TlsState
from muster.probes import Attempt, Unobserved
from muster.questions.ports import Handshaken
from muster.targets import TlsEndpoint

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MAIL = TlsEndpoint(name="mail", url="tls://mail:25", address="mail", port=25, starttls="smtp", timeout=3)


def certificate(name: str | None, days: float, issuer: str = "CA", *names: str) -> bytes:
    """A certificate in DER, with so many days left."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(NOW + days * DAY)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def shown(*chain: bytes, protocol: str = "TLSv1.3", distrust: str = "") -> TlsState:
    return tls_state.parse(
        Handshaken(Attempt("connected"), protocol, "TLS_AES_256_GCM_SHA384", chain, distrust), now=NOW
    )


def test_a_certificate_by_its_names_and_days() -> None:
    found = shown(certificate("mail.example", 20.25, "CA", "mail.example", "smtp.example"))
    assert (found.subject, found.issuer, found.names) == ("mail.example", "CA", ("mail.example", "smtp.example"))
    assert (found.days_left, found.ends, found.not_before) == (20.25, "mail.example", NOW - 30 * DAY)
    assert str(found) == "TLSv1.3, mail.example, issued by CA, valid until 2027-01-21 06:00 UTC (20 days left)"


def test_the_first_of_the_chain_to_end_counts() -> None:
    found = shown(certificate("mail.example", 80), certificate("Between", 3, "Root"))
    assert (found.days_left, found.ends) == (3, "Between")
    assert "(3 days left), by that of Between in its chain" in str(found)


def test_a_root_that_is_sent_along_does_not_count() -> None:
    assert shown(certificate("mail.example", 80, "Root"), certificate("Root", -20, "Root")).days_left == 80


def test_a_self_signed_certificate_of_the_server_itself_does() -> None:
    assert shown(certificate("mail.example", 5, "mail.example")).days_left == 5


def test_why_it_is_not_trusted_is_part_of_the_fact() -> None:
    found = shown(certificate("mail.example", -1), distrust="certificate has expired")
    assert str(found).endswith("(-1 days left); not trusted: certificate has expired")


def test_a_certificate_without_a_common_name_is_called_by_what_it_has() -> None:
    assert shown(certificate(None, 5, "CA", "a.example")).subject == "a.example"
    assert shown(certificate(None, 5)).subject == "no name"
    leaf = trustme.CA().issue_cert("127.0.0.1", "::1")
    found = shown(ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode()))
    assert (found.subject.split()[0], found.names) == ("trustme", ("127.0.0.1", "::1"))


def test_what_a_certificate_says_is_made_harmless() -> None:
    found = shown(certificate("\x1b[2Jmail\n<b>", 5, "CA"), distrust="\x1b[2J")
    assert "\x1b" not in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize(
    ("protocol", "wanted", "enough"),
    [
        ("TLSv1.3", "TLSv1.2", True),
        ("TLSv1.2", "TLSv1.2", True),
        ("TLSv1.2", "TLSv1.3", False),
        ("TLSv1.1", "TLSv1.2", False),
        ("TLSv1", "TLSv1.2", False),
    ],
)
def test_versions_have_an_order(protocol: str, wanted: str, enough: bool) -> None:
    assert shown(certificate("x", 5), protocol=protocol).is_at_least(wanted) is enough


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_certificate_that_is_cut_off_gives_no_fact(cut: int) -> None:
    with pytest.raises(Unobserved, match="cannot be read") as raised:
        shown(certificate("x", 5)[:cut])
    assert raised.value.cause == "unreadable"


def test_garbage_anywhere_in_the_chain_gives_no_fact() -> None:
    with pytest.raises(Unobserved, match="cannot be read"):
        shown(certificate("x", 5), b"\x30\x82\xff\xff garbage")


@pytest.mark.parametrize(("chain", "protocol"), [((), "TLSv1.3"), ((b"x",), "QUIC")])
def test_a_handshake_that_shows_nothing_gives_no_fact(chain: tuple[bytes, ...], protocol: str) -> None:
    with pytest.raises(Unobserved, match="without a certificate"):
        shown(*chain, protocol=protocol)


def test_a_port_that_was_not_reached_leaves_it_unobserved() -> None:
    with pytest.raises(Unobserved, match=r"refused: mail:25") as raised:
        tls_state.parse(Handshaken(Attempt("refused", "network", "mail:25")))
    assert raised.value.cause == "network"


def test_all_facts_of_a_port_ask_one_question() -> None:
    questions = {need.probe(MAIL).question for need in (tls_state.tls_state, endpoint_attempt.endpoint_attempt)}
    assert [each.describe() for each in questions] == ["TLS: handshake with mail:25 after STARTTLS of smtp"]
    assert tls_state.handshake(MAIL).server_name == "mail"
