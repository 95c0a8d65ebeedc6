"""TLS handshakes with any port: at once, or after what STARTTLS is called there."""

from __future__ import annotations

import contextlib
import re
import ssl
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from muster.probes import Attempt
from muster.questions.ports import Handshake, Handshaken
from muster.text import printable
from muster.transports.link import Reader, Stream, StreamRefused
from muster.transports.secured import Secured, client_context, reason

if TYPE_CHECKING:
    from muster.transports.ports import Port

READ_AT_ONCE = 16_384

#: So much may be said before TLS begins, and in a handshake, in bytes. OpenSSL takes no chain above 100 KiB.
LONGEST_TALK, LONGEST_HANDSHAKE = 65_536, 1_048_576
LONGEST_EXCERPT = 100

#: The types of record that a server may begin with (RFC 8446, 5.1): an alert, a handshake.
RECORDS = (21, 22)

#: What PostgreSQL is sent to ask for TLS: a length and the code 1234.5679 ("SSLRequest" in its protocol).
SSL_REQUEST = bytes.fromhex("00000008 04d2162f")

_REPLY = re.compile(rb"(\d{3})(?:([ -])(.*))?")
_DER = 2


async def handshake(port: Port, question: Handshake) -> Handshaken:
    """What the server shows of itself.

    It is asked as a careful client asks. Where its certificate is not trusted it is asked again by one that trusts
    any, to see the certificate; where the two have no version in common, by one that knows versions before 1.2.

    Raises:
        StreamRefused: there was no handshake.
        Unobserved: ``ca_file`` cannot be read.
    """
    try:
        try:
            return await _shaken(port, question, client_context(question.ca_file))
        except ssl.SSLCertVerificationError as error:
            distrust = error.verify_message
        except ssl.SSLError:
            try:
                return await _shaken(port, question, client_context(question.ca_file, lenient=True))
            except ssl.SSLCertVerificationError as error:
                distrust = error.verify_message
        shown = await _shaken(port, question, client_context(None, lenient=True, verify=False))
        return replace(shown, distrust=distrust)
    except ssl.SSLError as error:
        raise StreamRefused(Attempt("TLS failed", "wrong", f"{port.where}: {reason(error)}")) from None


async def _shaken(port: Port, question: Handshake, settings: ssl.SSLContext) -> Handshaken:
    """One handshake, over a connection of its own."""
    name = question.server_name or question.address
    async with port.stream() as stream:
        reader, writer = stream
        heard = _Heard(port, reader, await _before(port, question.starttls, stream))
        try:
            made = Secured((heard, writer), settings, name)
        except ValueError:
            raise StreamRefused(Attempt("TLS failed", "wrong", f"{name!r} is no name to ask for")) from None
        await made.shake_hands()
        with contextlib.suppress(OSError):
            made.session.unwrap()
        with contextlib.suppress(OSError):
            await made.drain()
    session = made.session
    cipher = session.cipher()
    return Handshaken(Attempt("connected"), session.version() or "", cipher[0] if cipher else "", _chain(session))


class _Heard:
    """What a server says in a handshake, no more than it may, after ``first``, which has been read before."""

    def __init__(self, port: Port, reader: Reader, first: bytes) -> None:
        self._port = port
        self._reader = reader
        self._first = first
        self._total = 0

    async def read(self, n: int = -1, /) -> bytes:
        heard, self._first = self._first or await self._reader.read(n), b""
        if heard and not self._total and heard[0] not in RECORDS:
            raise _not("TLS", self._port, heard)
        self._total += len(heard)
        if not heard or self._total > LONGEST_HANDSHAKE:
            raise _cut_off(self._port, "in the TLS handshake")
        return heard


def _chain(session: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the server sent; only its own where this Python does not give the others away."""
    if public := getattr(session, "get_unverified_chain", None):  # from Python 3.13
        return tuple(public())
    private: Any = getattr(getattr(session, "_sslobj", None), "get_unverified_chain", None)
    if private is not None:
        return tuple(each.public_bytes(_DER) for each in private() or ())
    own = session.getpeercert(binary_form=True)
    return (own,) if own else ()


async def _before(port: Port, starttls: str | None, stream: Stream) -> bytes:
    """Ask for TLS in the words of the protocol, until the server is ready. Returns what it has said beyond that."""
    match starttls:
        case "smtp":
            return await _Smtp(port, stream).ready()
        case "postgres":
            reader, writer = stream
            writer.write(SSL_REQUEST)
            await writer.drain()
            said = await reader.read(1)
            if said == b"N":
                raise StreamRefused(Attempt("no STARTTLS", "wrong", f"{port.where} answers that it has no TLS"))
            if not said:
                raise _cut_off(port, "when asked for TLS")
            if said != b"S":
                raise _not("PostgreSQL", port, said + await reader.read(READ_AT_ONCE))
    return b""


class _Smtp:
    """The talk with a mail server before TLS (RFC 5321, RFC 3207)."""

    def __init__(self, port: Port, stream: Stream) -> None:
        self._port = port
        self._reader, self._writer = stream
        self._rest = b""
        self._heard = 0

    async def ready(self) -> bytes:
        await self._expect(b"220", await self._reply())
        offered = await self._asked(b"EHLO [127.0.0.1]", b"250")
        if b"STARTTLS" not in (line.strip().upper() for line in offered):
            raise StreamRefused(Attempt("no STARTTLS", "wrong", f"{self._port.where} does not offer it"))
        await self._asked(b"STARTTLS", b"220")
        return self._rest

    async def _asked(self, command: bytes, expected: bytes) -> list[bytes]:
        self._writer.write(command + b"\r\n")
        await self._writer.drain()
        return await self._expect(expected, await self._reply())

    async def _expect(self, expected: bytes, reply: tuple[bytes, list[bytes]]) -> list[bytes]:
        code, lines = reply
        if code != expected:
            said = printable((code + b" " + b" ".join(lines)).decode("utf-8", "backslashreplace"), LONGEST_EXCERPT)
            raise StreamRefused(Attempt("no STARTTLS", "wrong", f"{self._port.where} answered: {said}"))
        return lines

    async def _reply(self) -> tuple[bytes, list[bytes]]:
        """The code of a reply, and the text of each of its lines."""
        lines: list[bytes] = []
        while True:
            line = await self._line()
            found = _REPLY.fullmatch(line)
            if found is None:
                raise _not("SMTP", self._port, line)
            lines.append(found[3] or b"")
            if found[2] != b"-":
                return found[1], lines

    async def _line(self) -> bytes:
        while b"\n" not in self._rest:
            more = await self._reader.read(READ_AT_ONCE)
            if not more:
                raise _cut_off(self._port, "before TLS")
            self._rest += more
            self._heard += len(more)
            if self._heard > LONGEST_TALK:
                raise _not("SMTP", self._port, self._rest)
        line, _, self._rest = self._rest.partition(b"\n")
        return line.rstrip(b"\r")


def _not(protocol: str, port: Port, said: bytes) -> StreamRefused:
    first = said.strip().partition(b"\n")[0]
    text = printable(first.decode("utf-8", "backslashreplace").strip(), LONGEST_EXCERPT)
    return StreamRefused(Attempt(f"not {protocol}", "wrong", f"{port.where} says: {text or 'an empty line'}"))


def _cut_off(port: Port, when: str) -> StreamRefused:
    return StreamRefused(Attempt("cut off", "wrong", f"{port.where} closed the connection {when}"))
