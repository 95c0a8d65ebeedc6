"""Ports and names: open and closed, with every kind of certificate, at once and after STARTTLS, known and unknown."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from pathlib import Path

from tests.faults.cases import CALM, Bad, Case, Ran, critical, run, under, unknown, warning
from tests.servers.dns import dns_server
from tests.servers.http import Certificates, HttpServer
from tests.servers.postgres import Postgres
from tests.servers.processes import refusing_port, silent_port
from tests.servers.tls import full_port, pem, saying, smtp, talking_port

TRUSTED, LONG, RECENT = (
    "port_certificate_is_trusted",
    "port_certificate_is_valid_for_long",
    "port_speaks_a_recent_tls",
)
LASTING = {"limits": {"certificate_days_left": {"warning_below": 10}}}


def tcp(port: str, **more: object) -> dict[str, object]:
    return {"url": f"tcp://127.0.0.1:${{{port}}}", **more}


def closed(port: str, **more: object) -> dict[str, object]:
    return tcp(port, expect={"open": False}, **more)


def tls(port: str, ca: str = "ca", **more: object) -> dict[str, object]:
    return {"url": f"tls://127.0.0.1:${{{port}}}", "ca_file": f"${{{ca}}}", **LASTING, **more}


def dns(question: str, *answers: str) -> dict[str, object]:
    expect = {"expect": {"answers": list(answers)}} if answers else {}
    return {"url": f"dns://127.0.0.1:${{dns}}/{question}", **expect}


def down(says: str, cause: str, hanging: tuple[str, ...] = ()) -> dict[str, Bad]:
    answers = critical(says, "expected an answer", cause=cause)
    return {"endpoint_answers": answers, **dict.fromkeys(hanging, unknown(says, cause=cause))}


OF_TLS = (TRUSTED, LONG)
OF_DNS = ("name_resolves_as_expected",)

CASES = (
    # good
    Case("open", tcp("web")),
    Case("silent-but-open", tcp("silent")),
    Case("closed", closed("refusing")),
    Case("dropped", closed("full", timeout="500ms")),
    Case("tls", tls("good", expect={"protocol": "TLSv1.2"})),
    Case("tls-by-name", tls("good", server_name="localhost")),
    Case("unverified", tls("self_signed", verify=False)),
    Case("mail", tls("mail", "own_ca", starttls="smtp", expect={"protocol": "TLSv1.3"})),
    Case("postgres", tls("postgres", "postgres_ca", starttls="postgres")),
    Case("address", dns("www.example.net", "192.0.2.1")),
    Case("address-6", dns("www.example.net?type=AAAA", "2001:DB8:0::1")),
    Case("alias", dns("alias.example.net?type=A", "192.0.2.1")),
    Case("two", dns("two.example.net", "192.0.2.1", "192.0.2.2")),
    Case("mail-exchanger", dns("example.net?type=MX", "10 Mail.example.net")),
    Case("text", dns("example.net?type=TXT", "v=spf1 -all")),
    Case("own-resolver", {"url": "dns:localhost", "expect": {"answers": ["127.0.0.1"]}}),
    # down
    Case("refused", tcp("refusing"), down("refused: 127.0.0.1:", "network")),
    Case(
        "no-answer",
        {"url": "tcp://192.0.2.1:5432", "timeout": "500ms"},
        down("no connection to 192.0.2.1", "network"),
    ),
    Case("no-such-name", {"url": "tcp://muster-test.invalid:80"}, down("no such name", "network")),
    Case("tls-refused", tls("refusing"), down("refused", "network", OF_TLS)),
    Case("tls-silent", tls("silent", timeout="1s"), down("did not answer in 1 s", "timeout", OF_TLS)),
    Case("tls-on-plain-mail", tls("plain_mail"), down("not TLS: 127.0.0.1:", "wrong", OF_TLS)),
    Case("no-starttls", tls("plain_mail", starttls="smtp"), down("no STARTTLS", "wrong", OF_TLS)),
    Case("not-mail", tls("ssh", starttls="smtp"), down("not SMTP: 127.0.0.1:", "wrong", OF_TLS)),
    Case("not-postgres", tls("mail", starttls="postgres"), down("not PostgreSQL", "wrong", OF_TLS)),
    Case("postgres-without", tls("plain_postgres", starttls="postgres"), down("it has no TLS", "wrong", OF_TLS)),
    Case(
        "dns-refused",
        {"url": "dns://127.0.0.1:${refusing}/www.example.net"},
        down("refused", "network", OF_DNS),
    ),
    Case(
        "dns-silent",
        {"url": "dns://127.0.0.1:${silent}/www.example.net", "timeout": "1s"},
        down("did not answer in 1 s", "timeout", OF_DNS),
    ),
    Case(
        "not-dns",
        {"url": "dns://127.0.0.1:${ssh}/www.example.net"},
        down("not DNS: what 127.0.0.1:", "unreadable", OF_DNS),
    ),
    # wrong
    Case("open-but-closed", closed("web"), {"port_is_closed": critical("open: a connection was accepted")}),
    Case(
        "closed-by-no-name",
        {"url": "tcp://muster-test.invalid:80", "expect": {"open": False}},
        {"port_is_closed": unknown("no such name", cause="network")},
    ),
    Case(
        "expired",
        tls("expired"),
        {TRUSTED: critical("certificate has expired", "expected one that is trusted"), LONG: warning("-1 d")},
    ),
    Case(
        "wrong-name",
        tls("wrong_name"),
        {TRUSTED: critical("IP address mismatch", "for elsewhere.example", "trusted for 127.0.0.1")},
    ),
    Case("self-signed", tls("self_signed"), {TRUSTED: critical("self-signed certificate")}),
    Case("unknown-ca", tls("unknown_ca"), {TRUSTED: critical("unable to get local issuer certificate")}),
    Case(
        "mail-unknown-ca",
        tls("mail", starttls="smtp"),
        {TRUSTED: critical("unable to get local issuer certificate", "issued by trustme")},
    ),
    Case(
        "postgres-wrong-name",
        tls("postgres", "postgres_ca", starttls="postgres", server_name="db.example"),
        {TRUSTED: critical("Hostname mismatch", "trusted for db.example")},
    ),
    Case(
        "expires-soon",
        tls("good", limits={}),
        {LONG: warning("certificate_days_left", "20.5 d", "expected at least 30 d")},
    ),
    Case(
        "old-tls",
        tls("old", "own_ca", expect={"protocol": "TLSv1.2"}),
        {RECENT: critical("TLSv1.1 with ", "expected TLSv1.2 or later")},
    ),
    Case(
        "wrong-address",
        dns("www.example.net", "192.0.2.7"),
        {OF_DNS[0]: critical("A of www.example.net: 192.0.2.1, expected 192.0.2.7")},
    ),
    Case("one-of-two", dns("two.example.net", "192.0.2.1"), {OF_DNS[0]: critical("192.0.2.2", "expected 192.0.2.1")}),
    Case("no-name", dns("gone.example.net"), {OF_DNS[0]: critical("NXDOMAIN, expected some record")}),
    Case("no-record", dns("www.example.net?type=SRV"), {OF_DNS[0]: critical("no such record, expected some record")}),
    Case("not-served", dns("www.example.org", "192.0.2.1"), {OF_DNS[0]: critical("REFUSED, expected 192.0.2.1")}),
    Case("own-resolver-unknown", {"url": "dns:muster-test.invalid"}, {OF_DNS[0]: critical("not found")}),
)


def judged(folder: Path, certificates: Certificates) -> Ran:
    """All of them in one run."""
    with ExitStack() as serving:
        own = pem(folder)
        settings: dict[str, object] = {"ca": certificates.ca_file, "own_ca": own.ca_file}
        for name in ("good", "expired", "wrong_name", "self_signed", "unknown_ca"):
            settings[name] = serving.enter_context(HttpServer(getattr(certificates, name))).port
        postgres = serving.enter_context(Postgres(tls=True))
        settings |= {
            "web": serving.enter_context(HttpServer()).port,
            "old": serving.enter_context(HttpServer(own.context(ssl.TLSVersion.TLSv1_1))).port,
            "refusing": serving.enter_context(refusing_port()),
            "full": serving.enter_context(full_port()),
            "silent": serving.enter_context(silent_port()),
            "ssh": serving.enter_context(talking_port(saying(b"SSH-2.0-OpenSSH_9.2p1\r\n"))),
            "mail": serving.enter_context(smtp(folder, own)),
            "plain_mail": serving.enter_context(smtp(folder)),
            "postgres": postgres.port,
            "postgres_ca": postgres.ca_file,
            "plain_postgres": serving.enter_context(Postgres()).port,
            "dns": serving.enter_context(dns_server(folder)),
        }
        targets = under("endpoints", CASES)[""]
        return run(folder, {"defaults": {"limits": CALM}, **targets}, settings=settings)
