"""Patterns of an inventory on what a target says."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from muster.inventory import texts
from muster.patterns import search
from muster.probes import Unobserved


def test_a_pattern_is_found_or_not() -> None:
    assert search("h.l+o", "well, hello")
    assert not search("^hello", "well, hello")


def test_a_search_without_end_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(Unobserved, match=r"'\(a\+\)\+\$' did not end in 0.2 s") as raised:
        search("(a+)+$", "a" * 50 + "b", seconds=0.2)
    assert raised.value.cause == "timeout"
    assert time.monotonic() - began < 5


def test_alarms_of_others_stay_as_they_were() -> None:
    def theirs(number: int, frame: object) -> None:
        raise AssertionError("too early")

    before = signal.signal(signal.SIGALRM, theirs)
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        search("a", "a")
        left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
        assert signal.getsignal(signal.SIGALRM) is theirs
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 50 < left <= 60


def test_another_thread_may_search_too() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(search("b", "abc")))
    thread.start()
    thread.join()
    assert found == [True]


@pytest.mark.parametrize(
    "text",
    ["(abc)+", "(a+)b+", r"\(a+\)+", "[(a+)]+", "[]+)]+", "(?i)error.*x", "(?:error|warn): +x", "(a+)?", "a{2,3}"],
)
def test_expressions_for_lines_may_repeat_what_holds_no_repeat(text: str) -> None:
    assert texts.line_pattern_fault(text) is None


@pytest.mark.parametrize("text", ["(a|a)+", "(?:x*)*", "((a+)b)+", "((a)+)+", "(a?){30}", "(?P<n>a+)+", r"(\w+ ?)+$"])
def test_expressions_for_lines_repeat_nothing_that_repeats(text: str) -> None:
    assert "takes forever" in (texts.line_pattern_fault(text) or "")
