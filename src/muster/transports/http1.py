"""HTTP/1.1 over a stream: one request and its answer (RFC 9112), bounded whatever it is that answers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from muster.probes import Attempt
from muster.text import printable, size
from muster.transports.link import Reader, Stream, StreamRefused
from muster.transports.outcomes import from_os_error

READ_AT_ONCE = 65_536

HEAD_MAX_BYTES = 65_536
"""Room for a status line with its headers, counted as they are read: up to as much again may be looked at."""

INTERIM_MAX = 8
"""Answers of 1xx that may come before the one that counts. Servers send one or two."""

FRAMING_MAX_BYTES, FRAMING_MAX_TIMES = 1_048_576, 8
"""So much may come altogether: these bytes, and so many for each of the body. Around a chunk of one byte are five."""

PROTOCOL = b"HTTP/"
SWITCHING = 101

LONGEST_EXCERPT, LONGEST_REASON = 100, 160

Headers = Sequence[tuple[str, str]]

_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_TARGET = re.compile(r"[!-~]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
"""What a request may be made of (RFC 9110, 5.1, 5.5 and 9.1)."""

_NO_VALUE = re.compile(rb"[\0\r\n]")


async def ask(stream: Stream, where: str, method: str, target: str, headers: Headers, body: bytes = b"") -> Answer:
    """Send a request, and read its answer up to the body. The headers name the host, and the length of the body.

    ``where`` is who is asked, for messages.

    Raises:
        ValueError: there can be no such request.
        StreamRefused: there is no answer.
    """
    reader, writer = stream
    writer.write(_packed(method, target, headers, body))
    # A server that does not want all of a request may say so before it has read it.
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    may_switch = any(name.lower() == "upgrade" for name, _ in headers)
    answer = Answer(reader, where, has_body=method != "HEAD", may_switch=may_switch)
    await answer.begin()
    return answer


class Answer:
    """An answer, of which the body is still to be read. ``headers`` have lower-case names, in the order received."""

    def __init__(self, reader: Reader, where: str, *, has_body: bool, may_switch: bool) -> None:
        self.status = 0
        self.headers: tuple[tuple[str, str], ...] = ()
        self._heard = _Heard(has_body=has_body, may_switch=may_switch)
        self._reader = reader
        self._where = where
        self._start = b""
        self._received = self._of_body = 0

    async def begin(self) -> None:
        """Read the status and the headers. Raises `StreamRefused` where there are none."""
        heard = self._heard
        while True:
            try:
                received = await self._reader.read(READ_AT_ONCE)
            except OSError as error:
                raise StreamRefused(from_os_error(error, self._where)) from None
            self._look_at(received)
            heard.feed(received)
            if heard.status:
                break
            if heard.head_bytes > HEAD_MAX_BYTES:
                heard.wrong = f"more than {size(HEAD_MAX_BYTES)} of headers"
            if heard.wrong:
                raise self._not_http(f"{self._first_line}: {heard.wrong}")
        self.status = heard.status
        self.headers = tuple(
            (name.decode("ascii").lower(), value.decode("utf-8", "surrogateescape")) for name, value in heard.headers
        )

    async def read(self) -> bytes:
        """The next piece of the body; nothing where it has ended.

        Raises:
            StreamRefused: the answer has ended, and the body has not.
        """
        heard = self._heard
        while not (heard.pieces or heard.is_complete):
            if heard.wrong:
                raise broken(heard.wrong)
            try:
                received = await self._reader.read(READ_AT_ONCE)
            except OSError as error:
                raise broken(error.strerror or str(error) or type(error).__name__) from None
            self._received += len(received)
            if received:
                heard.feed(received)
            else:
                heard.end(self._of_body)
            if self._received > FRAMING_MAX_BYTES + FRAMING_MAX_TIMES * (self._of_body + heard.waiting):
                raise broken("what comes is hardly anything but framing")
        piece = heard.taken()
        self._of_body += len(piece)
        return piece

    def header(self, name: str) -> str:
        """The first header of this name; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def _look_at(self, received: bytes) -> None:
        """Find out early what is no answer, for who speaks something else may wait for us to go on."""
        if len(self._start) < LONGEST_EXCERPT:
            self._start += received[:LONGEST_EXCERPT]
            if not self._start:
                closed = f"{self._where} closed the connection without an answer"
                raise StreamRefused(Attempt("reset", "network", closed))
            if not self._start.startswith(PROTOCOL[: len(self._start)]):
                raise self._not_http(self._first_line)
        if not received:
            closed = f"{self._where} closed the connection in the midst of its headers"
            raise StreamRefused(Attempt("cut off", "unreadable", closed))

    def _not_http(self, said: str) -> StreamRefused:
        said = printable(said, LONGEST_REASON)
        return StreamRefused(Attempt("not HTTP", "unreadable", f"{self._where} answered: {said}"))

    @property
    def _first_line(self) -> str:
        line = self._start.lstrip().partition(b"\n")[0]
        return printable(line.decode("utf-8", "backslashreplace").strip(), LONGEST_EXCERPT) or "an empty line"


class _Heard:
    """What a server has said so far, as the parser calls it out; ``wrong`` is why it says nothing more that counts.

    ``status`` is 0 until the headers of the answer are here, and ``head_bytes`` is how long they are by now.
    ``pieces`` are of the body, until they are taken.
    """

    def __init__(self, *, has_body: bool, may_switch: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.is_complete = False
        self.wrong = ""
        self.head_bytes = 0
        self._has_body = has_body
        self._may_switch = may_switch
        self._interim = 0
        self._parser = parser = HttpResponseParser(self)
        # As browsers take it: any bytes in a header, a lone line feed at its end, chunks in spite of a length.
        parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_chunked_length=True
        )

    @property
    def waiting(self) -> int:
        """How many bytes of the body wait to be taken."""
        return sum(map(len, self.pieces))

    def feed(self, received: bytes) -> None:
        if not self.status:
            self.head_bytes += len(received)
        try:
            self._parser.feed_data(received)
        except (HttpParserError, HttpParserUpgrade) as error:
            # Whatever stands behind the answer is not its fault.
            if not self.is_complete:
                self.wrong = self.wrong or str(error)
        if self.is_complete or self.wrong:
            # It knows this object, and this object it: that would wait for the garbage collector.
            del self._parser

    def end(self, of_body: int) -> None:
        """The connection has ended, after so many bytes of the body."""
        length = self._header(b"content-length")
        if self._header(b"transfer-encoding"):
            self.wrong = "the connection ended before the last chunk"
        elif length:
            self.wrong = f"received {of_body} bytes, expected {int(length)}"
        else:
            self.is_complete = True

    def taken(self) -> bytes:
        """Take what has come of the body."""
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:  # a trailer, or what stands behind the answer
            return
        if _NO_VALUE.search(value):
            self.wrong = f"the header {name.decode('ascii')} holds an end of a line, or NUL"
        self.headers.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        if self.status:  # what stands behind the answer
            return
        status = self._parser.get_status_code()
        coding = self._header(b"transfer-encoding").lower()
        if status < 100:
            self.wrong = "no status is below 100"
        elif status == SWITCHING and not self._may_switch:
            self.wrong = "it was not asked for another protocol"
        elif status < 200 and status != SWITCHING:
            self._interim += 1
            self.headers.clear()
            self.head_bytes = 0
            if self._interim > INTERIM_MAX:
                self.wrong = f"more than {INTERIM_MAX} answers of 1xx, and no other"
        elif coding not in (b"", b"chunked"):
            self.wrong = "no Transfer-Encoding but chunked is understood"
        elif not self.wrong:
            self.status = status
            self.is_complete = not self._has_body or status == SWITCHING

    def on_body(self, piece: bytes) -> None:
        if not self.is_complete:
            self.pieces.append(piece)

    def on_message_complete(self) -> None:
        if self.status:
            self.is_complete = True

    def _header(self, name: bytes) -> bytes:
        return b", ".join(value for key, value in self.headers if key.lower() == name)


def broken(why: str) -> StreamRefused:
    """The failure of an answer whose body is broken in this way."""
    return StreamRefused(Attempt("cut off", "unreadable", f"the body is broken: {printable(why, LONGEST_REASON)}"))


def _packed(method: str, target: str, headers: Headers, body: bytes) -> bytes:
    """A request as it is sent. Raises ValueError, which does not show what may be secret, where it is none."""
    if not _TOKEN.fullmatch(method):
        raise ValueError("there is no such method")
    if not _TARGET.fullmatch(target):
        raise ValueError("there is no such path")
    lines = [f"{method} {target} HTTP/1.1".encode()]
    for name, text in headers:
        value = text.strip().encode()
        if not _TOKEN.fullmatch(name):
            raise ValueError("there is no header of such a name")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"there is no such value of {name}")
        if name.lower() == "content-length" and value != str(len(body)).encode():
            raise ValueError("its Content-Length is not that of its body")
        if name.lower() == "transfer-encoding":
            raise ValueError("its body is sent whole, without Transfer-Encoding")
        lines.append(name.encode() + b": " + value)
    return b"\r\n".join((*lines, b"", body))
