"""What the parsers of command output have in common."""

from __future__ import annotations

from collections.abc import Iterable

from muster.probes import Cause, Output, Unobserved

#: What the shell exits with where a program cannot be run, or is not there (POSIX, XCU 2.8.2).
CANNOT_RUN, NOT_FOUND = 126, 127

#: The way out where only root may look, as a connection of the inventory says it.
AS_ROOT = "look as root, with sudo: true"

_DENIED = ("permission denied", "operation not permitted", "access denied", "interactive authentication required")


def whole(output: Output, asked: str) -> str:
    """All that a command printed, as text that ends with a line end.

    ``asked`` says what was asked for, for the message: ``/proc/meminfo``.

    Raises:
        Unobserved: the command failed, or its answer is cut off.
    """
    if output.status != 0:
        raise unanswered(output, asked)
    return uncut(output, asked)


def uncut(output: Output, asked: str) -> str:
    """What a command printed, whatever its exit status.

    Raises:
        Unobserved: its answer is cut off.
    """
    text = output.text
    if output.truncated:
        raise Unobserved(
            "unreadable", f"{asked}: the answer is longer than the {len(output.stdout):,} B that are read"
        )
    if not text.endswith("\n"):
        raise Unobserved("unreadable", f"{asked}: the answer breaks off, {len(output.stdout):,} B in")
    return text


def unanswered(output: Output, asked: str) -> Unobserved:
    """Why a command that failed did: by its exit status and its last complaint."""
    return Unobserved(why(output), f"{asked}: {output.complaint or 'no answer'} (exit status {output.status})")


def why(output: Output) -> Cause:
    """The cause that a command's complaint tells of."""
    complaint = output.stderr.decode("utf-8", "replace").lower()
    if output.status == CANNOT_RUN or any(words in complaint for words in _DENIED):
        return "permission"
    if output.status == NOT_FOUND or "no such file" in complaint or "not found" in complaint:
        return "missing"
    return "unreadable"


def complained(complaint: str, beside: bytes = b"") -> Unobserved:
    """What one of several commands complained of, with the way out where a right is missing.

    ``beside`` is what else it said, which may tell the cause.
    """
    cause = why(Output(b"", complaint.encode() + b"\n" + beside, 1))
    return Unobserved(cause, f"{complaint}; {AS_ROOT}" if cause == "permission" else complaint)


def some(items: Iterable[str], shown: int = 5, between: str = ", ") -> str:
    """The first few of ``items``, and how many more there are: ``a, b, c and 7 more``, ``a; b; c; and 7 more``."""
    every = list(items)
    listed = between.join(every[:shown])
    pause = ";" if between.startswith(";") else ""
    return f"{listed}{pause} and {len(every) - shown:,} more" if len(every) > shown else listed
