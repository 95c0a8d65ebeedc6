"""Counting the lines of a log while it comes, in pieces of any length."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from muster.probes import Unobserved
from muster.questions.docker import Counted, LineCount, Matches
from muster.transports.container_log import LINE_MAX_BYTES, LogCount

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
NOBODY = Matches((), None)


def line(text: str, stream: int = 1, time: str = "2026-11-20T11:59:00.000000000Z") -> bytes:
    """One line as an engine frames it; without a line end where ``text`` goes on in another frame."""
    data = f"{time} {text}".encode()
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def counted(
    *pieces: bytes, found: tuple[str, ...] = ("error",), window: float = 3600, framed: bool = True
) -> Counted:
    counting = LogCount([LineCount(window, found)], NOW, framed=framed)
    for piece in pieces:
        counting.take(piece)
    (count,) = counting.logged(NOBODY).counts or ()
    return count


LOG = line("error one\n") + line("well\n", 2) + line("two: error\n", 2) + line("last error\n")


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 50, 1000])
def test_pieces_may_be_of_any_length(size: int) -> None:
    pieces = [LOG[at : at + size] for at in range(0, len(LOG), size)]
    assert counted(*pieces) == Counted(3, "2026-11-20T11:59:00 last error")


def test_all_expressions_have_to_be_found_and_none_is_all_lines() -> None:
    assert counted(LOG, found=("error", "^two")).lines == 1
    assert counted(LOG, found=()).lines == 4
    assert counted(LOG, found=("none",)) == Counted(0)


def test_the_time_of_a_line_is_not_searched() -> None:
    assert counted(LOG, found=("2026",)) == Counted(0)
    assert counted(LOG, found=("^well$",)).lines == 1


def test_lines_before_the_window_are_left_out() -> None:
    old = line("error\n", time="2026-11-20T10:59:59.999999999Z")
    edge = line("error\n", time="2026-11-20T11:00:00.000000000Z")
    assert counted(old + edge + LOG).lines == 4
    assert counted(old + edge + LOG, window=7200).lines == 5
    assert counted(old + edge + LOG, window=30) == Counted(0)
    assert counted(LOG, window=1e12).lines == 3


def test_each_count_has_a_window_of_its_own() -> None:
    counting = LogCount([LineCount(30, ()), LineCount(3600, ())], NOW, framed=True)
    counting.take(LOG + line("x\n", time="2026-11-20T11:59:50Z"))
    assert [each.lines for each in counting.logged(NOBODY).counts or ()] == [1, 5]


def test_a_line_is_looked_at_up_to_a_bound_and_counts_once() -> None:
    """An engine sends a long line in several frames, each with the time."""
    parts = line("x" * 16_384) + line("y" * 16_384) + line("error\n")
    assert counted(parts, found=("x",)).lines == 1
    assert counted(parts, found=("error",)).lines == 0
    assert counted(parts, found=("2026",)).lines == 0
    assert counted(line("x" * LINE_MAX_BYTES + "error\n")).lines == 0
    assert counted(line("x" * (LINE_MAX_BYTES - 40) + "error\n")).lines == 1


def test_what_comes_on_the_other_stream_between_does_not_belong_to_a_line() -> None:
    assert counted(line("x" * 16_384) + line("error\n", 2) + line("y\n")).lines == 1


def test_a_last_line_without_an_end_counts() -> None:
    assert counted(line("error at the end")) == Counted(1, "2026-11-20T11:59:00 error at the end")


def test_the_log_of_a_terminal_has_no_frames() -> None:
    text = b"2026-11-20T11:59:00.5Z error\r\n2026-11-20T11:59:01Z well\r\n"
    assert counted(text[:10], text[10:40], text[40:], framed=False) == Counted(1, "2026-11-20T11:59:00 error")


@pytest.mark.parametrize(
    "log", [b"no frames at all", b"<html>error</html>", b"\3\0\0\0\0\0\0\5error", b"\1\0\1\0" * 2]
)
def test_a_log_without_frames_is_not_one_in_which_nothing_is_found(log: bytes) -> None:
    with pytest.raises(Unobserved, match="in no frames") as raised:
        counted(log)
    assert raised.value.cause == "unreadable"


@pytest.mark.parametrize("length", [len(LOG) - 1, len(LOG) - 20, 5])
def test_a_log_that_is_cut_off_says_so(length: int) -> None:
    with pytest.raises(Unobserved, match="in the midst of a line"):
        counted(LOG[:length])


def test_bytes_that_are_no_text_and_no_time_harm_nothing() -> None:
    frame = b"\x01\0\0\0\0\0\0\x0b\xff\xfe error\n\0\n"
    assert counted(frame).last == "\\xff\\xfe error"
    assert counted(b"\x01\0\0\0\0\x01\x86\xa0" + b"z" * 100_000, found=("z",)).lines == 1
