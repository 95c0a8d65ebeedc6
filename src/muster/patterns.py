"""Regular expressions that stand in an inventory, on what a target says: bounded in time."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from muster.probes import Unobserved

#: So long may one search take, in seconds.
PATIENCE = 1.0


class _TimeIsUp(Exception):
    pass


def search(pattern: str, text: str, *, seconds: float = PATIENCE) -> bool:
    """Whether a regular expression is found in a text.

    Raises:
        Unobserved: the search takes longer than ``seconds``, as one with ``(a+)+`` may on a hostile text.
    """
    try:
        with _bounded(seconds):
            return re.search(pattern, text) is not None
    except _TimeIsUp:
        told = (
            f"the search for {pattern!r} did not end in {seconds:g} s: the pattern needs too many steps on this text"
        )
        raise Unobserved("timeout", told) from None


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer, which Python's engine allows: it looks for signals as it goes.

    Only the main thread gets signals; there the suite judges. In another one, nothing is bounded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGALRM, _time_is_up)
    left, again = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, again)
        signal.signal(signal.SIGALRM, usual)


def _time_is_up(number: int, frame: FrameType | None) -> NoReturn:
    raise _TimeIsUp
