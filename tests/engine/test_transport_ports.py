"""Ports: connections, handshakes and names, by servers that are well and by those that are hostile."""

from __future__ import annotations

import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket

import dns.flags
import dns.message
import dns.rrset
import pytest
import trustme

from muster.observations import Observations
from muster.questions.ports import Connect, Handshake, Handshaken, Resolve, Resolved
from tests.engine.asking import (
    answer,
    failure,
    files_are_closed,
    gatherer,
    local,
    need,
    observe,
    open_files,
    plan,
    ssh,
)
from tests.servers.dns import dns_server
from tests.servers.http import Certificates, HttpServer
from tests.servers.postgres import Postgres
from tests.servers.processes import wait_for
from tests.servers.sshd import Sshd
from tests.servers.tls import Pem, full_port, pem, saying, smtp, talking_port

HERE = "127.0.0.1"
WWW = "www.example.net"


def shaken(port: int, **more: object) -> Handshaken:
    found = answer(local(), Handshake(HERE, port, **{"timeout": 5.0, **more}))  # type: ignore[arg-type]
    assert isinstance(found, Handshaken)
    return found


def resolved(port: int, name: str = WWW, kind: str = "A", timeout: float = 5.0) -> Resolved:
    found = answer(local(), Resolve(name, kind, HERE, port, timeout))
    assert isinstance(found, Resolved)
    return found


@pytest.fixture
def own(tmp_path: Path) -> Pem:
    return pem(tmp_path)


@pytest.fixture(scope="module")
def dns_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with dns_server(tmp_path_factory.mktemp("dns")) as port:
        yield port


def test_a_port_that_accepts_is_connected(web: HttpServer) -> None:
    (found,) = observe(local(), Connect(HERE, web.port))
    assert found.value.connected
    assert 0 < found.value.seconds < 5


def test_a_port_that_refuses_is_tried_twice(refused_port: int) -> None:
    (found,) = observe(local(), Connect(HERE, refused_port))
    assert (str(found.value), found.value.cause) == (f"refused: {HERE}:{refused_port} (after 2 tries)", "network")
    assert found.tries == 2


@pytest.mark.parametrize("name", ["muster-test.invalid", "two..dots", f"{'x' * 64}.example"])
def test_a_name_that_cannot_be_resolved_is_said_so(name: str) -> None:
    attempt = answer(local(), Connect(name, 80))
    assert (attempt.outcome, attempt.cause, attempt.detail) == ("no such name", "network", f"{name}:80")


def test_packets_that_are_dropped_time_out_before_anything_was_reached() -> None:
    with full_port() as port:
        attempt = answer(local(), Connect(HERE, port, timeout=0.3))
    assert str(attempt) == f"timed out: no connection to {HERE}:{port} in 0.3 s"
    assert attempt.cause == "network"


@pytest.mark.needs("sshd")
def test_a_port_is_tried_from_the_host(ssh_host: Sshd, web: HttpServer, refused_port: int) -> None:
    opened, refused = observe(ssh(ssh_host), Connect(HERE, web.port), Connect(HERE, refused_port))
    assert opened.value.connected
    assert (refused.value.outcome, refused.value.tries) == ("refused", 2)


@pytest.mark.needs("sshd")
def test_a_host_that_does_not_let_us_try_says_nothing_of_the_port(start_sshd: Callable[..., Sshd]) -> None:
    server = start_sshd(options={"AllowTcpForwarding": "no"})
    why = failure(ssh(server), Connect(HERE, 80))
    assert why.cause == "permission"
    assert "AllowTcpForwarding" in why.message


def test_a_handshake_shows_version_cipher_and_certificate(tls: Certificates) -> None:
    with HttpServer(tls.good) as server:
        found = shaken(server.port, ca_file=str(tls.ca_file))
    assert (found.attempt.outcome, found.protocol, found.distrust) == ("connected", "TLSv1.3", "")
    assert found.cipher.startswith("TLS_")
    assert len(found.certificates) == 1


def test_the_whole_chain_that_a_server_sends_is_shown(tmp_path: Path) -> None:
    root = trustme.CA()
    between = root.create_child_ca()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    between.issue_cert(HERE).configure_cert(context)
    root.cert_pem.write_to_path(tmp_path / "ca.pem")
    with HttpServer(context) as server:
        found = shaken(server.port, ca_file=str(tmp_path / "ca.pem"))
    assert found.distrust == ""
    assert found.certificates[1] == ssl.PEM_cert_to_DER_cert(between.cert_pem.bytes().decode())


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("expired", "certificate has expired"),
        ("wrong_name", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("self_signed", "self-signed certificate"),
        ("unknown_ca", "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_shown_all_the_same(tls: Certificates, which: str, why: str) -> None:
    with HttpServer(getattr(tls, which)) as server:
        found = shaken(server.port, ca_file=str(tls.ca_file))
    assert (found.attempt.connected, found.distrust, len(found.certificates)) == (True, why, 1)


def test_the_name_that_is_asked_for_is_the_one_that_counts(tls: Certificates) -> None:
    with HttpServer(tls.good) as server:
        assert shaken(server.port, ca_file=str(tls.ca_file), server_name="localhost").distrust == ""
        other = shaken(server.port, ca_file=str(tls.ca_file), server_name="other.example").distrust
    assert other == "Hostname mismatch, certificate is not valid for 'other.example'."


def test_without_a_ca_file_the_machine_decides_whom_to_trust(tls: Certificates) -> None:
    with HttpServer(tls.good) as server:
        assert shaken(server.port).distrust == "unable to get local issuer certificate"


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2"])
def test_a_server_of_yesterday_is_heard_to_the_end(own: Pem, version: str) -> None:
    with HttpServer(own.context(ssl.TLSVersion[version])) as server:
        found = shaken(server.port, ca_file=str(own.ca_file))
        stranger = shaken(server.port)
    assert (found.protocol, found.distrust) == (version.replace("_", "."), "")
    assert (stranger.protocol, stranger.distrust) == (found.protocol, "unable to get local issuer certificate")


def test_a_ca_file_that_is_not_there_or_no_certificate_is_said(tmp_path: Path, tls: Certificates) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with HttpServer(tls.good) as server:
        gone = failure(local(), Handshake(HERE, server.port, ca_file=str(tmp_path / "gone.pem")))
        empty = failure(local(), Handshake(HERE, server.port, ca_file=str(tmp_path / "empty.pem")))
    assert (gone.cause, gone.message) == ("missing", f"ca_file {tmp_path}/gone.pem: No such file or directory")
    assert empty.cause == "wrong"
    assert f"ca_file {tmp_path}/empty.pem" in empty.message


def test_a_ca_file_that_was_changed_is_read_again(own: Pem, tls: Certificates) -> None:
    with HttpServer(tls.good) as server:
        assert shaken(server.port, ca_file=str(own.ca_file)).distrust != ""
        own.ca_file.write_bytes(tls.ca_file.read_bytes())
        assert shaken(server.port, ca_file=str(own.ca_file)).distrust == ""


@pytest.mark.needs("smtp")
def test_starttls_of_a_mail_server(own: Pem, tmp_path: Path) -> None:
    with smtp(tmp_path, own) as port, smtp(tmp_path) as plain:
        found = shaken(port, starttls="smtp", ca_file=str(own.ca_file))
        without = shaken(plain, starttls="smtp").attempt
        at_once = shaken(port).attempt
    assert (found.protocol, found.distrust) == ("TLSv1.3", "")
    assert str(without) == f"no STARTTLS: {HERE}:{plain} does not offer it"
    assert str(at_once).startswith(f"not TLS: {HERE}:{port} says: 220 ")


@pytest.mark.needs("postgres")
def test_starttls_of_postgresql() -> None:
    with Postgres(tls=True) as server, Postgres() as plain:
        found = shaken(server.port, starttls="postgres", ca_file=str(server.ca_file))
        without = shaken(plain.port, starttls="postgres").attempt
        at_once = shaken(server.port).attempt
    assert (found.attempt.connected, found.distrust) == (True, "")
    assert (without.outcome, without.cause) == ("no STARTTLS", "wrong")
    assert at_once.outcome in ("cut off", "reset")


@pytest.mark.needs("sshd")
def test_a_handshake_is_made_from_the_host(ssh_host: Sshd, tls: Certificates) -> None:
    with HttpServer(tls.good) as server:
        found = answer(ssh(ssh_host), Handshake(HERE, server.port, ca_file=str(tls.ca_file)))
    assert (found.attempt.connected, found.distrust, len(found.certificates)) == (True, "", 1)


def _endlessly(words: bytes) -> Callable[[socket], None]:
    def talk(connection: socket) -> None:
        while True:
            connection.sendall(words)

    return talk


def _hang_up(connection: socket) -> None:
    connection.recv(65_536)


@pytest.mark.parametrize(
    ("talk", "starttls", "outcome"),
    [
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), None, "not TLS"),
        (saying(b"\x16\x03\x01\xff\xff" + b"\0" * 70_000), None, "TLS failed"),
        (saying(b"\x15\x03\x01\x00\x02\x02\x28"), None, "TLS failed"),
        (_endlessly(b"\x16\x03\x03\x40\x00" + b"\1" * 0x4000), None, "TLS failed"),
        (_hang_up, None, "cut off"),
        (saying(b"554 go away\r\n"), "smtp", "no STARTTLS"),
        (saying(b"hello\r\n"), "smtp", "not SMTP"),
        (saying(b"220 a\r\n250 STARTTLS\r\n220 go\r\n250 and more in plain text\r\n"), "smtp", "not TLS"),
        (_endlessly(b"220-and so on\r\n"), "smtp", "not SMTP"),
        (_endlessly(b"220"), "smtp", "not SMTP"),
        (_hang_up, "postgres", "cut off"),
        (saying(b"SE and more in plain text"), "postgres", "not TLS"),
        (saying(b"\x4a\0\0\0\x0a8.0.36\0"), "postgres", "not PostgreSQL"),
    ],
)
def test_what_is_no_tls_has_an_outcome_soon(
    talk: Callable[[socket], None], starttls: str | None, outcome: str
) -> None:
    with talking_port(talk) as port:
        found = shaken(port, starttls=starttls, timeout=8.0)
    assert (found.attempt.outcome, found.attempt.cause) == (outcome, "wrong")
    assert found.attempt.seconds < 7
    assert len(str(found.attempt)) < 300


def test_a_server_that_talks_without_end_costs_no_memory() -> None:
    with talking_port(_endlessly(b"x" * 65_536)) as port:
        tracemalloc.start()
        try:
            shaken(port, starttls="smtp")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 5_000_000


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize(
    ("name", "kind", "code", "records"),
    [
        (WWW, "A", "NOERROR", {"192.0.2.1"}),
        (WWW, "AAAA", "NOERROR", {"2001:db8::1"}),
        ("WWW.example.NET.", "A", "NOERROR", {"192.0.2.1"}),
        ("alias.example.net", "A", "NOERROR", {"192.0.2.1"}),
        ("two.example.net", "A", "NOERROR", {"192.0.2.1", "192.0.2.2"}),
        ("example.net", "MX", "NOERROR", {"10 mail.example.net."}),
        ("example.net", "TXT", "NOERROR", {'"v=spf1 -all"'}),
        (WWW, "SRV", "NOERROR", set()),
        ("gone.example.net", "A", "NXDOMAIN", set()),
        ("www.example.org", "A", "REFUSED", set()),
    ],
)
def test_a_dns_server_is_asked_over_tcp(dns_port: int, name: str, kind: str, code: str, records: set[str]) -> None:
    found = resolved(dns_port, name, kind)
    assert (found.attempt.connected, found.code, set(found.records)) == (True, code, records)


@pytest.mark.needs("dnsmasq", "sshd")
def test_a_dns_server_is_asked_from_the_host(ssh_host: Sshd, dns_port: int) -> None:
    assert answer(ssh(ssh_host), Resolve(WWW, "A", HERE, dns_port)).records == ("192.0.2.1",)


@pytest.mark.parametrize(("name", "kind"), [(WWW, "NONSENSE"), ("two..dots", "A"), ("x" * 64, "A")])
def test_what_dns_has_no_question_for_is_said(name: str, kind: str, web: HttpServer) -> None:
    why = failure(local(), Resolve(name, kind, HERE, web.port))
    assert why.cause == "wrong"
    assert why.message.startswith(f"DNS cannot be asked for {kind} of {name}: ")


@contextmanager
def _liar(lie: Callable[[dns.message.Message], bytes]) -> Iterator[int]:
    """A DNS server that answers in its own way."""

    def talk(connection: socket) -> None:
        length = int.from_bytes(connection.recv(2), "big")
        said = lie(dns.message.from_wire(connection.recv(length)))
        connection.sendall(len(said).to_bytes(2, "big") + said)

    with talking_port(talk) as port:
        yield port


def _another_id(asked: dns.message.Message) -> bytes:
    reply = dns.message.make_response(asked)
    reply.id ^= 1
    return reply.to_wire()


def _another_question(asked: dns.message.Message) -> bytes:
    reply = dns.message.make_response(dns.message.make_query("other.example", "A"))
    reply.id = asked.id
    return reply.to_wire()


def _itself(asked: dns.message.Message) -> bytes:
    return asked.to_wire()


def _cut(asked: dns.message.Message) -> bytes:
    return dns.message.make_response(asked).to_wire()[:-3]


def _noise(asked: dns.message.Message) -> bytes:
    return asked.to_wire()[:2] + bytes(range(255)) * 100


@pytest.mark.parametrize("lie", [_another_id, _another_question, _itself, _cut, _noise])
def test_an_answer_to_another_question_is_none(lie: Callable[[dns.message.Message], bytes]) -> None:
    with _liar(lie) as port:
        found = resolved(port)
    assert (found.attempt.outcome, found.attempt.cause) == ("not DNS", "unreadable")
    assert found.records == ()


def test_aliases_in_a_circle_lead_to_no_record() -> None:
    def circle(asked: dns.message.Message) -> bytes:
        reply = dns.message.make_response(asked)
        reply.answer = [
            dns.rrset.from_text(f"{WWW}.", 60, "IN", "CNAME", "a.example."),
            dns.rrset.from_text("a.example.", 60, "IN", "CNAME", f"{WWW}."),
        ]
        return reply.to_wire()

    with _liar(circle) as port:
        assert resolved(port).records == ()


def test_records_of_another_name_do_not_count() -> None:
    def poisoned(asked: dns.message.Message) -> bytes:
        reply = dns.message.make_response(asked)
        reply.answer = [dns.rrset.from_text("bank.example.", 60, "IN", "A", "192.0.2.66")]
        return reply.to_wire()

    with _liar(poisoned) as port:
        assert resolved(port).records == ()


def test_a_long_answer_is_read_whole() -> None:
    def long(asked: dns.message.Message) -> bytes:
        reply = dns.message.make_response(asked)
        addresses = [f"10.0.{high}.{low}" for high in range(12) for low in range(250)]
        reply.answer = [dns.rrset.from_text(f"{WWW}.", 60, "IN", "A", *addresses)]
        return reply.to_wire(max_size=65_535)

    with _liar(long) as port:
        assert len(resolved(port).records) == 3000


@pytest.mark.parametrize(
    ("talk", "outcome"),
    [
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "not DNS"),
        (_endlessly(b"\xff" * 65_536), "not DNS"),
        (_hang_up, "cut off"),
    ],
)
def test_what_is_no_dns_server_has_an_outcome_soon(talk: Callable[[socket], None], outcome: str) -> None:
    with talking_port(talk) as port:
        found = resolved(port, timeout=8.0)
    assert (found.attempt.outcome, found.attempt.cause) == (outcome, "unreadable")
    assert found.attempt.seconds < 7


def test_silence_times_out(silent_port: int) -> None:
    found = observe(
        local(),
        Handshake(HERE, silent_port, timeout=0.3),
        Handshake(HERE, silent_port, starttls="smtp", timeout=0.3),
        Handshake(HERE, silent_port, starttls="postgres", timeout=0.3),
        Resolve(WWW, "A", HERE, silent_port, timeout=0.3),
    )
    said = {str(each.value.attempt) for each in found}
    assert said == {f"timed out: {HERE}:{silent_port} accepted, but did not answer in 0.3 s"}
    assert {each.value.attempt.cause for each in found} == {"timeout"}


def test_every_connection_is_closed(tls: Certificates, refused_port: int) -> None:
    with ExitStack() as serving:
        ports = [serving.enter_context(HttpServer(getattr(tls, name))).port for name in ("good", "expired")]
        ports += [serving.enter_context(talking_port(_hang_up)), refused_port]
        observe(local(), *(Handshake(HERE, port) for port in ports))
        before = open_files()
        for _ in range(3):
            observe(local(), *(each for port in ports for each in (Handshake(HERE, port), Connect(HERE, port))))
        files_are_closed(before)


@pytest.mark.needs("sshd")
def test_a_connection_over_ssh_ends_before_the_link_does(ssh_host: Sshd) -> None:
    ended: list[bytes] = []

    def talk(connection: socket) -> None:
        ended.append(connection.recv(1))

    host = ssh(ssh_host)
    with talking_port(talk) as port, gatherer(host) as asking:
        asking.gather_now(plan({host: (need(Connect(HERE, port)),)}), Observations())
        wait_for(lambda: ended == [b""], "the end of the connection")
