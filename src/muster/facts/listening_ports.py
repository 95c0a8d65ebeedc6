"""Ports that listen on a host, from /proc/net."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from muster.facts.reading import some, whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host

# The kernel writes addresses as it keeps them, so the order of their bytes is the machine's: the sixth byte
# of any program tells it (1 little, 2 big; elf(5), EI_DATA). 0A is a TCP socket that listens, 07 a UDP
# socket that takes from anyone. The last line proves that the list is whole.
SCRIPT = """\
[ -r /proc/net/tcp ] || { echo "/proc/net/tcp: no such file, or permission denied" >&2; exit 1; }
dd if=/proc/self/exe bs=1 skip=5 count=1 2>/dev/null | tr '\\001\\002' LB; echo
for table in tcp tcp6 udp udp6; do
    [ -r /proc/net/$table ] || continue
    case $table in tcp*) state=0A ;; *) state=07 ;; esac
    echo "$table"; grep " $state " /proc/net/$table || [ $? = 1 ] || exit
done
echo end"""

_SOCKET = re.compile(r" *\d+: ((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} (?:0A|07) .*")
_EXPECTED = re.compile(r"(?:(?P<address>.+):)?(?P<port>\d{1,5})(?:/(?P<protocol>tcp|udp))?")


class Port(Struct, frozen=True, order=True):
    """A port that listens. ``address`` is that which it is bound to: ``0.0.0.0`` or ``::`` is any."""

    number: int
    protocol: str
    address: str

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.number}/{self.protocol}"


class ListeningPorts(Struct, frozen=True):
    """All ports that listen on a host: TCP, and UDP sockets that take from anyone. Source: proc(5), /proc/net/tcp."""

    every: tuple[Port, ...]

    def __len__(self) -> int:
        return len(self.every)

    def missing(self, expected: tuple[str, ...]) -> list[str]:
        """Which of the ``expected`` ports do not listen, each with what is to be seen in its place.

        They are written ``8787``, ``8787/tcp``, ``127.0.0.1:8787/tcp``, ``[::1]:8787`` or ``53/udp``; TCP unless
        they say otherwise. With an address, the port must be bound to this address and no other; ``0.0.0.0``
        is also met by ``::``.

        Raises:
            ValueError: one of them is not written like that.
        """
        return [message for each in expected if (message := self._lacks(each))]

    def beyond(self, allowed: tuple[str, ...]) -> list[str]:
        """Which ports listen that are not ``allowed``, which are written as in `missing`.

        Without an address, the port is allowed at every one; with one, at that only (``0.0.0.0`` takes in ``::``).
        What listens on the loopback alone counts as well: every program of the host can reach it.

        Raises:
            ValueError: one of them is not written like that.
        """
        rules = [_expected(each) for each in allowed]
        return [
            str(port)
            for port in self.every
            if not any(
                (port.number, port.protocol) == (number, protocol) and (not addresses or port.address in addresses)
                for number, protocol, addresses in rules
            )
        ]

    def _lacks(self, expected: str) -> str:
        number, protocol, addresses = _expected(expected)
        here = [each for each in self.every if (each.number, each.protocol) == (number, protocol)]
        if not here:
            return f"{expected} does not listen"
        if not addresses or addresses & {each.address for each in here}:
            return ""
        return f"{expected} does not listen, but {some(map(str, here))}"

    def __str__(self) -> str:
        if not self.every:
            return "nothing listens"
        return f"{len(self.every)} listening: {some(map(str, self.every), 8)}"


def _expected(text: str) -> tuple[int, str, frozenset[str]]:
    """Port, protocol and the addresses that will do, none where any will; ValueError where it is not written so."""
    match = _EXPECTED.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no port: write it as 8787, 53/udp or 127.0.0.1:8787/tcp")
    addresses: frozenset[str] = frozenset()
    if match["address"] is not None:
        address = str(ipaddress.ip_address(match["address"].strip("[]")))
        addresses = frozenset((address, "::") if address == "0.0.0.0" else (address,))  # noqa: S104
    return int(match["port"]), match["protocol"] or "tcp", addresses


def parse(output: Output) -> ListeningPorts:
    lines = whole(output, "/proc/net/tcp").splitlines()
    if len(lines) < 3 or lines[-1] != "end" or lines[0] not in ("L", "B"):
        raise Unobserved("unreadable", "the list of sockets in /proc/net is not whole")
    ports, table = set(), ""
    for line in lines[1:-1]:
        if line in ("tcp", "tcp6", "udp", "udp6"):
            table = line
        elif (match := _SOCKET.fullmatch(line)) and table:
            ports.add(Port(int(match[2], 16), table[:3], _address(match[1], lines[0] == "L")))
        else:
            raise Unobserved("unreadable", f"/proc/net/{table or 'tcp'} has a line that is no socket: {line[:80]}")
    return ListeningPorts(tuple(sorted(ports)))


def _address(digits: str, little: bool) -> str:
    """The address in words of 32 bits, each in the machine's own order; one of IPv4 within IPv6 as IPv4."""
    raw = bytes.fromhex(digits)
    if little:
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    return str(getattr(address, "ipv4_mapped", None) or address)


@need(Host)
def listening_ports(host: Host) -> Probe[ListeningPorts]:
    """Which TCP and UDP ports listen on the host, at which addresses."""
    return Probe(Command(SCRIPT, timeout=host.timeout, max_bytes=1_048_576), parse)
