"""DNS over TCP (RFC 7766): what a server knows of a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from muster.probes import Attempt, Unobserved
from muster.questions.ports import Resolve, Resolved
from muster.transports.link import Reader, StreamRefused

if TYPE_CHECKING:
    from muster.transports.ports import Port

#: How many bytes of a message tell which question it is about (RFC 1035, 4.1.1).
ID_BYTES = 2


async def resolve(port: Port, question: Resolve) -> Resolved:
    """What the server answers: records of the type that was asked for, behind the aliases of the name.

    Raises:
        StreamRefused: there is no answer that is one to the question.
        Unobserved: there is no such question.
    """
    try:
        asked = dns.message.make_query(question.name, dns.rdatatype.from_text(question.type))
        packed = asked.to_wire()
    except (dns.exception.DNSException, ValueError) as error:
        raise Unobserved("wrong", f"DNS cannot be asked for {question.type} of {question.name}: {error}") from None
    async with port.stream() as (reader, writer):
        writer.write(len(packed).to_bytes(2, "big") + packed)
        await writer.drain()
        length = int.from_bytes(await _exactly(port, reader, 2), "big")
        received = await _exactly(port, reader, min(length, ID_BYTES))
        if received != packed[:ID_BYTES]:
            # What speaks no DNS has announced a length by chance, and would let us wait for the rest.
            raise _not_dns(port, "does not begin as an answer to the question")
        received += await _exactly(port, reader, length - ID_BYTES)
    try:
        answer = dns.message.from_wire(received)
    except (dns.exception.DNSException, ValueError) as error:
        raise _not_dns(port, f"cannot be read: {str(error) or type(error).__name__}") from None
    if not asked.is_response(answer):
        raise _not_dns(port, "is to another question")
    return Resolved(Attempt("connected"), dns.rcode.to_text(answer.rcode()), _records(answer))


def _records(answer: dns.message.Message) -> tuple[str, ...]:
    assert isinstance(answer, dns.message.QueryMessage)
    try:
        found = answer.resolve_chaining().answer
    except dns.exception.DNSException:
        # Aliases in a circle, or records of a name that does not exist.
        return ()
    return tuple(each.to_text() for each in found or ())


async def _exactly(port: Port, reader: Reader, length: int) -> bytes:
    received = b""
    while len(received) < length:
        more = await reader.read(length - len(received))
        if not more:
            raise StreamRefused(Attempt("cut off", "unreadable", f"{port.where} closed the connection in its answer"))
        received += more
    return received


def _not_dns(port: Port, why: str) -> StreamRefused:
    return StreamRefused(Attempt("not DNS", "unreadable", f"what {port.where} answers {why}"))
