"""HTTP/1.1 over a stream: one request and its answer (RFC 9112), bounded whatever it is that answers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import h11

from muster.probes import Attempt
from muster.text import printable, size
from muster.transports.link import Reader, Stream, StreamRefused
from muster.transports.outcomes import from_os_error

READ_AT_ONCE = 65_536

HEAD_MAX_BYTES = 65_536
"""Room for a status line with its headers, and for the line before each chunk of a body."""

INTERIM_MAX = 8
"""Answers of 1xx that may come before the one that counts. Servers send one or two."""

FRAMING_MAX_BYTES, FRAMING_MAX_TIMES = 1_048_576, 8
"""So much may come altogether: these bytes, and so many for each of the body. Around a chunk of one byte are five."""

PROTOCOL = b"HTTP/"
SWITCHING = 101
TOO_LARGE = 431
"""What h11 says of headers that are too long (RFC 6585, 5)."""

LONGEST_EXCERPT, LONGEST_REASON = 100, 160

Headers = Sequence[tuple[str, str]]


async def ask(stream: Stream, where: str, method: str, target: str, headers: Headers, body: bytes = b"") -> Answer:
    """Send a request, and read its answer up to the body. The headers name the host, and the length of the body.

    ``where`` is who is asked, for messages.

    Raises:
        ValueError: there can be no such request.
        StreamRefused: there is no answer.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX_BYTES)
    reader, writer = stream
    writer.write(_packed(connection, method, target, headers, body))
    # A server that does not want all of a request may say so before it has read it.
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    receiving = _Receiving(connection, reader, where)
    for _ in range(INTERIM_MAX + 1):
        event = await receiving.event()
        assert isinstance(event, h11.InformationalResponse | h11.Response)
        if event.status_code >= 200 or event.status_code == SWITCHING:
            return Answer(event, receiving)
    raise receiving.not_http(f"more than {INTERIM_MAX} answers of 1xx, and no other")


class Answer:
    """An answer, of which the body is still to be read. ``headers`` have lower-case names, in the order received."""

    def __init__(self, event: h11.InformationalResponse | h11.Response, receiving: _Receiving) -> None:
        self.status = event.status_code
        self.headers = tuple(
            (name.decode("ascii"), value.decode("utf-8", "surrogateescape")) for name, value in event.headers
        )
        self._receiving = receiving

    def header(self, name: str) -> str:
        """The first header of this name; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    async def read(self) -> bytes:
        """The next piece of the body; nothing where it has ended.

        Raises:
            StreamRefused: the answer has ended, and the body has not.
        """
        event = await self._receiving.event()
        return bytes(event.data) if isinstance(event, h11.Data) else b""


class _Receiving:
    """What comes back over the stream, event by event."""

    def __init__(self, connection: h11.Connection, reader: Reader, where: str) -> None:
        self._connection = connection
        self._reader = reader
        self._where = where
        self._start = b""
        self._heard = self._of_body = 0
        self._in_body = self._ended = False

    async def event(self) -> object:
        """The next event of h11. Raises `StreamRefused` where there is none."""
        try:
            while (event := self._connection.next_event()) is h11.NEED_DATA:
                self._receive(await self._reader.read(READ_AT_ONCE))
        except h11.RemoteProtocolError as error:
            raise self._failure(error) from None
        except OSError as error:
            if self._in_body:
                raise broken(error.strerror or str(error) or type(error).__name__) from None
            raise StreamRefused(from_os_error(error, self._where)) from None
        if isinstance(event, h11.Data):
            self._of_body += len(event.data)
        elif isinstance(event, h11.Response):
            self._in_body = True
        return event

    def not_http(self, said: str) -> StreamRefused:
        return StreamRefused(Attempt("not HTTP", "unreadable", f"{self._where} answered: {said}"))

    def _receive(self, received: bytes) -> None:
        self._connection.receive_data(received)
        self._ended = not received
        self._heard += len(received)
        if len(self._start) < LONGEST_EXCERPT:
            self._start += received[:LONGEST_EXCERPT]
            if not self._start:
                closed = f"{self._where} closed the connection without an answer"
                raise StreamRefused(Attempt("reset", "network", closed))
            if not self._start.startswith(PROTOCOL[: len(self._start)]):
                # Who speaks something else may wait for us to go on.
                raise self.not_http(self._first_line)
        if self._heard > FRAMING_MAX_BYTES + FRAMING_MAX_TIMES * self._of_body:
            raise broken("what comes is hardly anything but framing")

    def _failure(self, error: h11.RemoteProtocolError) -> StreamRefused:
        why = str(error)
        if error.error_status_hint == TOO_LARGE:
            why = f"more than {size(HEAD_MAX_BYTES)} of {'framing' if self._in_body else 'headers'}"
        elif "_SWITCH_UPGRADE" in why:
            why = "it was not asked for another protocol"
        if self._in_body:
            return broken(why)
        if self._ended:
            closed = f"{self._where} closed the connection in the midst of its headers"
            return StreamRefused(Attempt("cut off", "unreadable", closed))
        return self.not_http(printable(f"{self._first_line}: {why}", LONGEST_REASON))

    @property
    def _first_line(self) -> str:
        line = self._start.lstrip().partition(b"\n")[0]
        return printable(line.decode("utf-8", "backslashreplace").strip(), LONGEST_EXCERPT) or "an empty line"


def broken(why: str) -> StreamRefused:
    """The failure of an answer whose body is broken in this way."""
    return StreamRefused(Attempt("cut off", "unreadable", f"the body is broken: {printable(why, LONGEST_REASON)}"))


def _packed(connection: h11.Connection, method: str, target: str, headers: Headers, body: bytes) -> bytes:
    """A request as it is sent. Raises ValueError, which does not show what may be secret, where it is none."""
    encoded = [(name.encode(), value.strip().encode()) for name, value in headers]
    try:
        events = (h11.Request(method=method, target=target, headers=encoded), h11.Data(body), h11.EndOfMessage())
        return b"".join(connection.send(event) or b"" for event in events)
    except h11.LocalProtocolError as error:
        raise ValueError(re.split(" b['\"]", str(error))[0]) from None
