"""What a name resolves to: records by a server, recorded answers of the host's own resolver, and their comparison."""

from __future__ import annotations

import pytest

from muster.facts import dns_answer, endpoint_attempt
from muster.facts.dns_answer import DnsAnswer
from muster.probes import Attempt, Command, Unobserved
from muster.questions.ports import Resolve, Resolved
from muster.targets import DnsEndpoint
from tests.facts.recordings import recorded, said


def asked(name: str = "www.example.net", **more: object) -> DnsEndpoint:
    return DnsEndpoint(**{"name": "www", "url": f"dns:{name}", "name_asked": name} | more)  # type: ignore[arg-type]


def by_host(which: str, name: str = "www.example.net", kind: str = "A") -> DnsAnswer:
    endpoint = asked(name, type=kind)
    return dns_answer.parse(endpoint, dns_answer.read(endpoint, said(recorded("dns_answer", which))))


@pytest.mark.parametrize(
    ("which", "kind", "records"),
    [
        ("debian12", "A", ("127.0.0.1",)),
        ("debian12", "AAAA", ()),
        ("busybox", "A", ("192.0.2.2", "192.0.2.1")),
        ("busybox-both", "A", ("192.0.2.1",)),
        ("busybox-both", "AAAA", ("2001:db8::1",)),
        ("busybox-alias", "A", ("192.0.2.1",)),
    ],
)
def test_what_the_hosts_resolver_says(which: str, kind: str, records: tuple[str, ...]) -> None:
    found = by_host(which, kind=kind)
    assert (found.code, found.records) == ("NOERROR", records)


def test_a_name_that_the_hosts_resolver_does_not_know() -> None:
    assert str(by_host("debian12-unknown")) == "A of www.example.net: not found"
    assert str(by_host("busybox-unknown")) == "A of www.example.net: NXDOMAIN"


def test_an_address_of_the_old_kind_in_the_new_form_is_no_ipv6() -> None:
    text = "::ffff:192.0.2.1 STREAM www.example.net\n2001:db8::1 STREAM\n2001:db8::1 DGRAM\ngetent 0\n"
    endpoint = asked(type="AAAA")
    assert dns_answer.read(endpoint, said(text)).records == ("2001:db8::1",)


def test_a_server_that_fails_for_one_type_only_has_not_said_that_there_is_none() -> None:
    text = recorded("dns_answer", "busybox-both").replace("Name:\twww.example.net\nAddress: 2001:db8::1\n", "")
    text = text.replace("nslookup 0", "** server can't find www.example.net: SERVFAIL\nnslookup 1")
    endpoint = asked(type="AAAA")
    assert dns_answer.parse(endpoint, dns_answer.read(endpoint, said(text))).is_as(()) is False


def test_dns_servers_that_do_not_answer_the_host_are_an_attempt_that_failed() -> None:
    endpoint = asked()
    output = said(recorded("dns_answer", "busybox-no-server"))
    attempt = dns_answer.attempt(endpoint, output)
    assert (attempt.outcome, attempt.cause) == ("timed out", "timeout")
    with pytest.raises(Unobserved, match="DNS servers do not answer"):
        dns_answer.parse(endpoint, dns_answer.read(endpoint, output))


def test_a_host_without_tools_is_unobserved_and_the_way_out_named() -> None:
    with pytest.raises(Unobserved, match="neither getent nor nslookup") as raised:
        by_host("without")
    assert (raised.value.cause, "dns://server/name" in raised.value.message) == ("missing", True)


@pytest.mark.parametrize("text", ["127.0.0.1 STREAM localhost\n", "127.0.0.1", "getent", "what?\n", ""])
def test_an_answer_that_breaks_off_is_none(text: str) -> None:
    with pytest.raises(Unobserved) as raised:
        dns_answer.read(asked(), said(text))
    assert raised.value.cause == "unreadable"


def test_garbage_in_place_of_addresses_is_no_record() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        dns_answer.read(asked(), said("rubbish STREAM x\ngetent 0\n"))


def test_other_types_need_a_server() -> None:
    for need in (dns_answer.dns_answer, endpoint_attempt.endpoint_attempt):
        with pytest.raises(Unobserved, match=r"dns://server/example.net\?type=MX"):
            need.probe(asked("example.net", type="MX"))


def test_a_name_reaches_the_shell_as_one_word() -> None:
    question = dns_answer.of_the_host(asked("a;reboot"))
    assert "getent ahosts 'a;reboot' " in question.script
    assert question.describe() == "sh: getent ahosts 'a;reboot'"


def test_all_facts_of_a_name_ask_one_question() -> None:
    here, there = asked(), asked(server="192.0.2.53", type="MX", port=5353)
    for endpoint, kind in ((here, Command), (there, Resolve)):
        questions = {
            need.probe(endpoint).question for need in (dns_answer.dns_answer, endpoint_attempt.endpoint_attempt)
        }
        assert [type(each) for each in questions] == [kind]
    assert dns_answer.of_a_server(there).describe() == "DNS: MX of www.example.net, asked of 192.0.2.53:5353 over TCP"


def test_a_server_that_was_not_reached_leaves_the_name_unobserved() -> None:
    resolved = Resolved(Attempt("refused", "network", "192.0.2.53:53"))
    with pytest.raises(Unobserved, match="refused: 192"):
        dns_answer.parse(asked(server="192.0.2.53"), resolved)


@pytest.mark.parametrize(
    ("kind", "records", "expected"),
    [
        ("A", ("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "192.0.2.2")),
        ("AAAA", ("2001:db8::1",), ("2001:0DB8:0:0::1",)),
        ("MX", ("10 mail.example.net.",), ("10 Mail.example.net",)),
        ("CNAME", ("www.example.net.",), ("www.example.net",)),
        ("TXT", ('"v=spf1 -all"',), ("v=spf1 -all",)),
        ("TXT", ('"v=DKIM1; p=" "MIIB\\"x"',), ('v=DKIM1; p=MIIB"x',)),
        ("MX", ("0 .",), ("0 .",)),
        ("A", ("192.0.2.1",), None),
        ("A", (), ()),
    ],
)
def test_records_that_are_as_expected(kind: str, records: tuple[str, ...], expected: tuple[str, ...] | None) -> None:
    assert DnsAnswer("x", kind, "NOERROR", records).is_as(expected)


@pytest.mark.parametrize(
    ("kind", "code", "records", "expected"),
    [
        ("A", "NOERROR", ("192.0.2.1", "192.0.2.2"), ("192.0.2.1",)),
        ("A", "NOERROR", ("192.0.2.1",), ("192.0.2.1", "192.0.2.2")),
        ("A", "NOERROR", (), None),
        ("A", "NXDOMAIN", (), None),
        ("A", "SERVFAIL", (), ()),
        ("TXT", "NOERROR", ('"Secret"',), ("secret",)),
        ("A", "NOERROR", ("192.0.2.1",), ("www.example.net",)),
    ],
)
def test_records_that_are_not(
    kind: str, code: str, records: tuple[str, ...], expected: tuple[str, ...] | None
) -> None:
    assert not DnsAnswer("x", kind, code, records).is_as(expected)


def test_no_name_is_known_for_certain_to_be_gone() -> None:
    assert DnsAnswer("x", "A", "NXDOMAIN").is_as(())


def test_an_answer_in_one_line_is_bounded_and_harmless() -> None:
    many = DnsAnswer("x", "TXT", "NOERROR", tuple("\x1b" * 500 + str(number) for number in range(100)))
    assert "\x1b" not in str(many)
    assert len(str(many)) < 5_000
    assert str(DnsAnswer("x", "SRV", "NOERROR")) == "SRV of x: no such record"
