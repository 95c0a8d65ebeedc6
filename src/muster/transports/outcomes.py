"""What an error of the operating system or of a connection means: the two words and the cause of an `Attempt`."""

from __future__ import annotations

import errno
import socket

from muster.probes import Attempt, Cause

RETRY_AFTER = 0.5
"""Seconds between an attempt that is `worth_another_try` and the second one."""

_BY_ERRNO: dict[int, tuple[str, Cause]] = {
    errno.ECONNREFUSED: ("refused", "network"),
    errno.ECONNRESET: ("reset", "network"),
    errno.EPIPE: ("reset", "network"),
    errno.ECONNABORTED: ("reset", "network"),
    errno.ETIMEDOUT: ("timed out", "network"),
    errno.EHOSTUNREACH: ("unreachable", "network"),
    errno.ENETUNREACH: ("unreachable", "network"),
    errno.EHOSTDOWN: ("unreachable", "network"),
    errno.EADDRNOTAVAIL: ("unreachable", "network"),
    errno.EACCES: ("denied", "permission"),
    errno.EPERM: ("denied", "permission"),
    errno.ENOENT: ("missing", "missing"),
    errno.EMFILE: ("no file descriptor left", "internal"),
    errno.ENFILE: ("no file descriptor left", "internal"),
}

_BY_TEXT: tuple[tuple[str, tuple[str, Cause]], ...] = (
    ("refused", ("refused", "network")),
    ("reset", ("reset", "network")),
    ("timed out", ("timed out", "network")),
    ("no route", ("unreachable", "network")),
    ("unreachable", ("unreachable", "network")),
    ("name or service", ("no such name", "network")),
    ("unknown host", ("no such name", "network")),
    ("resolution", ("no such name", "network")),
    ("permission denied", ("denied", "permission")),
    ("no such file", ("missing", "missing")),
)


def from_os_error(error: OSError, detail: str = "") -> Attempt:
    """The attempt that ended in this error."""
    if isinstance(error, socket.gaierror):
        return Attempt("no such name", "network", detail)
    if isinstance(error, TimeoutError) and error.errno is None:
        return Attempt("timed out", "network", detail)
    if error.errno in _BY_ERRNO:
        outcome, cause = _BY_ERRNO[error.errno]
        return Attempt(outcome, cause, detail)
    # asyncio joins the errors of several addresses into one without a number.
    return from_text(str(error), detail)


def from_text(text: str, detail: str = "") -> Attempt:
    """The attempt that ended in an error of which only the text is known, as sshd reports it."""
    low = text.lower()
    for part, (outcome, cause) in _BY_TEXT:
        if part in low:
            return Attempt(outcome, cause, detail)
    return Attempt("not connected", "network", ": ".join(part for part in (detail, text) if part))


def worth_another_try(attempt: Attempt) -> bool:
    """Whether an attempt may go better `RETRY_AFTER` seconds later: it was refused or reset."""
    return attempt.outcome in ("refused", "reset")
