"""What a name resolves to: by a DNS server, or by the host's own resolver."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv6Address, ip_address

from msgspec import Struct

from muster.facts.reading import NOT_FOUND, some, uncut
from muster.need import need
from muster.probes import Attempt, Command, Output, Probe, Unobserved
from muster.questions.ports import Resolve, Resolved
from muster.targets import DnsEndpoint
from muster.text import printable

#: The types of record that a host's own resolver is asked for, and the version of their addresses.
ADDRESSES = {"A": 4, "AAAA": 6}

#: What a server says that knows what there is, or that there is nothing (RFC 1035, 4.1.1). `NOT_KNOWN` is for the
#: host's resolver, which does not say why.
NOT_KNOWN = "not found"
CERTAIN = ("NOERROR", "NXDOMAIN", NOT_KNOWN)

# getent(1) exits with 2 for a name that is not found. Where it is not there, busybox has nslookup.
_SCRIPT = """\
getent ahosts {name} 2>/dev/null
status=$?
if [ $status = 0 ] || [ $status = 2 ]; then
    echo "getent $status"
else
    nslookup {name} 2>&1
    echo "nslookup $?"
fi
"""
_LOOKED_UP = re.compile(r"Address(?: \d{1,3})?:\s*(\S+)")
_REFUSED = re.compile(r"server can't find [^:]*: ([A-Z]{1,20})$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)


class DnsAnswer(Struct, frozen=True):
    """The records of a type that a name has, each as in a zone file.

    ``code`` is what the server said: ``NOERROR``, ``NXDOMAIN``, ``SERVFAIL``, ...
    """

    name: str
    type: str
    code: str
    records: tuple[str, ...] = ()

    def is_as(self, expected: Iterable[str] | None) -> bool:
        """Whether these are all the records, in any order; of None, whether there are any.

        Case and the dot at a name's end do not count, nor do the quotes of a text.
        """
        if expected is None:
            return bool(self.records)
        return self.code in CERTAIN and set(map(self._plain, self.records)) == set(map(self._plain, expected))

    def __str__(self) -> str:
        said = f"{self.type} of {self.name}: "
        if self.records:
            return said + some(printable(each, 200) for each in self.records)
        return said + ("no such record" if self.code == "NOERROR" else self.code)

    def _plain(self, record: str) -> str:
        if self.type in ADDRESSES:
            try:
                return str(ip_address(record))
            except ValueError:
                return record
        if self.type in ("TXT", "SPF"):
            pieces = _QUOTED.findall(record)
            return re.sub(r"\\(.)", r"\1", "".join(pieces), flags=re.DOTALL) if pieces else record
        return " ".join(word.rstrip(".") or "." for word in record.lower().split())


def parse(endpoint: DnsEndpoint, resolved: Resolved) -> DnsAnswer:
    """Make the fact of an answer. Raises `Unobserved` where there is none."""
    attempt = resolved.attempt
    if not attempt.connected:
        raise Unobserved(attempt.cause or "network", str(attempt))
    return DnsAnswer(endpoint.name_asked, endpoint.type, printable(resolved.code, 40), resolved.records)


def read(endpoint: DnsEndpoint, output: Output) -> Resolved:
    """What the host's resolver answered.

    Raises:
        Unobserved: the host has nothing to ask it with.
    """
    *lines, last = uncut(output, f"getent ahosts {endpoint.name_asked}").splitlines() or [""]
    tool, _, status = last.partition(" ")
    refusals = [found[1] for line in lines if (found := _REFUSED.search(line))]
    if tool == "getent":
        addresses = [line.split()[0] for line in lines if line.strip()]
    elif tool == "nslookup" and status != str(NOT_FOUND):
        if any("timed out" in line or "no servers" in line for line in lines):
            return Resolved(Attempt("timed out", "timeout", "the host's DNS servers do not answer"))
        # What stands before the first name is the server.
        names = next((at for at, line in enumerate(lines) if line.startswith("Name:")), len(lines))
        addresses = [found[1] for line in lines[names:] if (found := _LOOKED_UP.match(line))]
    elif tool == "nslookup":
        raise Unobserved("missing", "neither getent nor nslookup is there; name a server: dns://server/name")
    else:
        raise Unobserved("unreadable", f"getent ahosts {endpoint.name_asked}: the answer is not whole")
    records = tuple(dict.fromkeys(each for each in addresses if _is_of(each, endpoint.type)))
    code = "NOERROR" if records or (addresses and not refusals) else (refusals or [NOT_KNOWN])[-1]
    return Resolved(Attempt("connected"), code, records)


def _is_of(text: str, kind: str) -> bool:
    address = ip_address(text)
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    return address.version == ADDRESSES[kind] and not mapped


def attempt(endpoint: DnsEndpoint, output: Output) -> Attempt:
    """How the attempt to ask the host's resolver went."""
    return read(endpoint, output).attempt


def of_the_host(endpoint: DnsEndpoint) -> Command:
    """The question to the host's resolver.

    Raises:
        Unobserved: it cannot be asked for this type of record.
    """
    if endpoint.type not in ADDRESSES:
        way = f"name a server: dns://server/{endpoint.name_asked}?type={endpoint.type}"
        raise Unobserved("missing", f"a host's own resolver knows A and AAAA only; {way}")
    name = shlex.quote(endpoint.name_asked)
    return Command(_SCRIPT.format(name=name), timeout=endpoint.timeout, told=f"getent ahosts {name}", slow=True)


def of_a_server(endpoint: DnsEndpoint) -> Resolve:
    """The question to a DNS server."""
    assert endpoint.server is not None
    return Resolve(endpoint.name_asked, endpoint.type, endpoint.server, endpoint.port, endpoint.timeout)


@need(DnsEndpoint)
def dns_answer(endpoint: DnsEndpoint) -> Probe[DnsAnswer]:
    """What the name resolves to."""
    if endpoint.server is None:
        return Probe(of_the_host(endpoint), lambda output: parse(endpoint, read(endpoint, output)))
    return Probe(of_a_server(endpoint), partial(parse, endpoint))
