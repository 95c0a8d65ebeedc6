"""Whether a TCP port accepts connections, or is closed."""

from __future__ import annotations

from msgspec import Struct

from muster.need import need
from muster.probes import Attempt, Probe, Unobserved
from muster.questions.ports import Connect
from muster.targets import TcpEndpoint

#: The outcomes of an attempt to connect that say that nobody gets in: a refusal by the host or by a firewall
#: (RFC 9293, 3.5.2; an ICMP message of RFC 1812, 5.2.7.1), or a firewall that drops what comes.
CLOSED = ("refused", "reset", "timed out", "unreachable")


class PortState(Struct, frozen=True):
    """Whether a port accepts connections, as seen from the host that it was tried from; ``outcome`` says how."""

    open: bool
    outcome: str

    def __str__(self) -> str:
        return "open: a connection was accepted" if self.open else f"closed ({self.outcome})"


def parse(attempt: Attempt) -> PortState:
    """Make the fact of an attempt.

    Raises:
        Unobserved: it tells nothing of the port, such as a name that is not known.
    """
    if not attempt.connected and attempt.outcome not in CLOSED:
        raise Unobserved(attempt.cause or "network", str(attempt))
    return PortState(attempt.connected, str(attempt))


@need(TcpEndpoint)
def port_state(endpoint: TcpEndpoint) -> Probe[PortState]:
    """Whether the port accepts connections."""
    return Probe(Connect(endpoint.address, endpoint.port, endpoint.timeout), parse)
