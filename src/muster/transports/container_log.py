"""The log of a container: its lines counted while they are read, and the size of its file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from muster.probes import Cause, Command, Output, Unobserved
from muster.questions.docker import Counted, LineCount, Logged, Matches
from muster.text import printable
from muster.transports import shell
from muster.transports.link import Link

LINE_MAX_BYTES = 8_192
"""So much of a line is looked at: an expression may take its time with a longer one.

An engine sends a line in frames of 16 KiB, each with the time before it: what goes on after the first is cut off."""

HEADER_BYTES = 8
"""Before each piece: the stream, three zeros, and the length as a big-endian number (Docker API, attach)."""

STREAMS = (0, 1, 2)
"""Standard input, output and error, as the header names them."""

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


class LogCount:
    """Counts the lines of a log that comes in pieces of any length, and keeps no more of it than the last ones found.

    Each line begins with its time, as ``timestamps=1`` has it. ``now`` is the engine's time, in seconds since the
    epoch, from which windows count back. The log of a container with a terminal is not ``framed``.
    """

    def __init__(self, counts: Sequence[LineCount], now: float, *, framed: bool) -> None:
        self._wanted = [(_written(now - each.window), [re.compile(one) for one in each.found]) for each in counts]
        self._lines = [0] * len(counts)
        self._last = [""] * len(counts)
        self._framed = framed
        self._header = b""
        self._stream = 0
        self._left = 0
        # By stream: how the line that is being read begins.
        self._line: dict[int, bytearray] = {}

    def take(self, data: bytes) -> None:
        """Count what has come next. Raises `Unobserved` where it is not framed as it should be."""
        if not self._framed:
            self._piece(0, data)
            return
        at = 0
        while at < len(data):
            if not self._left:
                lacking = HEADER_BYTES - len(self._header)
                self._header += data[at : at + lacking]
                at += lacking
                if len(self._header) == HEADER_BYTES:
                    if self._header[0] not in STREAMS or any(self._header[1:4]):
                        raise Unobserved("unreadable", f"its log comes in no frames, but begins {self._header!r}")
                    self._stream, self._left = self._header[0], int.from_bytes(self._header[4:], "big")
                    self._header = b""
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            self._piece(self._stream, piece)

    def logged(self, matches: Matches) -> Logged:
        """What was counted, when all has come. Raises `Unobserved` where the log ends within a frame."""
        if self._left or self._header:
            raise Unobserved("unreadable", "the engine ended its log in the midst of a line")
        for stream in list(self._line):
            self._end(stream)
        counts = zip(self._lines, self._last, strict=True)
        return Logged(matches, tuple(Counted(lines, last) for lines, last in counts))

    def _piece(self, stream: int, piece: bytes) -> None:
        *ended, rest = piece.split(b"\n")
        for text in ended:
            self._add(stream, text)
            self._end(stream)
        if rest:
            self._add(stream, rest)

    def _add(self, stream: int, text: bytes) -> None:
        line = self._line.setdefault(stream, bytearray())
        line += text[: LINE_MAX_BYTES - len(line)]

    def _end(self, stream: int) -> None:
        raw = bytes(self._line.pop(stream, b""))
        time = _TIME.match(raw)
        written = time[0] if time else b""
        text = raw[len(written) :].strip().decode("utf-8", "backslashreplace")
        for number, (since, found) in enumerate(self._wanted):
            # A line without a time is within every window: the engine was asked for no older ones.
            if (not written or written[:26] >= since) and all(one.search(text) for one in found):
                self._lines[number] += 1
                self._last[number] = f"{written[:19].decode()} {text}".strip()


def _written(moment: float) -> bytes:
    """A time as an engine writes it, to compare with others as text."""
    return datetime.fromtimestamp(max(moment, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()


async def size_of(path: str, link: Link) -> int:
    """The size of a log file on the host of its engine, in bytes.

    Raises:
        Unobserved: it is not there, or may not be seen.
    """
    landed: list[Output | Unobserved] = []
    command = Command(f"LC_ALL=C stat -L -c %s -- {shlex.quote(path)}")
    await shell.ask(link, [command], lambda _, answer: landed.append(answer))
    (answer,) = landed
    if isinstance(answer, Unobserved):
        raise answer
    size = answer.text.strip()
    if answer.status == 0 and re.fullmatch(r"\d{1,18}", size, re.ASCII):
        return int(size)
    complaint = printable(answer.complaint, 300)
    if "ermission denied" in complaint:
        raise Unobserved(
            "permission",
            f"its log file {printable(path, 300)} may be seen by root only; give the host's connection `sudo: true`",
        )
    cause: Cause = "missing" if "o such file" in complaint else "unreadable"
    raise Unobserved(cause, f"its log file: {complaint or 'stat gave no size'}")
