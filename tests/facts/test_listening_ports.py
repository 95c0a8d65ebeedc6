import pytest

from muster.facts.listening_ports import ListeningPorts, Port, parse
from muster.probes import Unobserved
from tests.facts.recordings import recorded, said


@pytest.fixture
def ports() -> ListeningPorts:
    return parse(said(recorded("listening_ports")))


def test_addresses_of_both_families_are_read(ports: ListeningPorts) -> None:
    # What ss -tuln said at the same time. A UDP socket with a peer and a TCP connection do not listen.
    assert [str(each) for each in ports.every] == [
        "0.0.0.0:22/tcp",
        "127.0.0.53:53/udp",
        "0.0.0.0:68/udp",
        "[::]:80/tcp",
        "[::]:546/udp",
        "10.20.30.40:5432/tcp",
        "[fd00::5]:5432/tcp",
        "[::1]:6379/tcp",
        "127.0.0.1:8787/tcp",
        "127.0.0.1:9000/tcp",
    ]
    assert str(ports).startswith("10 listening: 0.0.0.0:22/tcp, ")
    assert str(ports).endswith(" and 2 more")


@pytest.mark.parametrize(
    "expected",
    ["22", "22/tcp", "53/udp", "127.0.0.1:8787/tcp", "127.0.0.1:8787", "[::1]:6379", "::1:6379/tcp", "0.0.0.0:80"],
)
def test_an_expected_port_that_listens_is_found(ports: ListeningPorts, expected: str) -> None:
    assert ports.missing((expected,)) == []


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ("8080", "8080 does not listen"),
        ("53", "53 does not listen"),
        ("22/udp", "22/udp does not listen"),
        ("127.0.0.1:22/tcp", "127.0.0.1:22/tcp does not listen, but 0.0.0.0:22/tcp"),
        ("0.0.0.0:8787", "0.0.0.0:8787 does not listen, but 127.0.0.1:8787/tcp"),
        ("10.20.30.4:5432", "10.20.30.4:5432 does not listen, but 10.20.30.40:5432/tcp, [fd00::5]:5432/tcp"),
    ],
)
def test_what_listens_elsewhere_or_not_at_all_is_told(ports: ListeningPorts, expected: str, message: str) -> None:
    assert ports.missing(("22", expected)) == [message]


ALL = ("22", "53/udp", "68/udp", "80", "546/udp", "5432", "6379", "8787", "9000")


def test_ports_that_are_allowed_are_none_beyond(ports: ListeningPorts) -> None:
    assert ports.beyond(ALL) == []
    assert len(ports.beyond(())) == len(ports)


@pytest.mark.parametrize(
    ("instead_of", "entry", "beyond"),
    [
        ("22", "22/udp", ["0.0.0.0:22/tcp"]),
        ("22", "127.0.0.1:22", ["0.0.0.0:22/tcp"]),
        ("53/udp", "127.0.0.53:53/udp", []),
        ("53/udp", "53", ["127.0.0.53:53/udp"]),
        ("80", "0.0.0.0:80", []),
        ("80", "[::]:80", []),
        ("5432", "[fd00::5]:5432", ["10.20.30.40:5432/tcp"]),
        ("8787", "0.0.0.0:8787", ["127.0.0.1:8787/tcp"]),
        ("9000", "127.0.0.1:9001", ["127.0.0.1:9000/tcp"]),
    ],
)
def test_an_entry_with_an_address_allows_that_address_only(
    ports: ListeningPorts, instead_of: str, entry: str, beyond: list[str]
) -> None:
    assert ports.beyond((*(each for each in ALL if each != instead_of), entry)) == beyond


@pytest.mark.parametrize("wrong", ["", "http", "8787/sctp", "somewhere:8787"])
def test_what_is_no_port_is_refused(ports: ListeningPorts, wrong: str) -> None:
    wrong_address = ListeningPorts((Port(8787, "tcp", "127.0.0.1"),))
    with pytest.raises(ValueError, match=r"port|address"):
        wrong_address.missing((wrong,))
    with pytest.raises(ValueError, match=r"port|address"):
        wrong_address.beyond((wrong,))


def test_a_big_endian_host_writes_addresses_the_other_way_round() -> None:
    line = "0: 7F000001:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0"
    assert str(parse(said(f"B\ntcp\n {line}\nend\n")).every[0]) == "127.0.0.1:8787/tcp"


def test_a_host_on_which_nothing_listens_says_so() -> None:
    assert str(parse(said("L\ntcp\ntcp6\nudp\nend\n"))) == "nothing listens"


def test_a_host_that_does_not_show_its_sockets_is_not_one_without() -> None:
    with pytest.raises(Unobserved):
        parse(said("", status=1, stderr="/proc/net/tcp: no such file, or permission denied\n"))
