"""Text for people and reports: what a target said is made harmless, and secrets are taken out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

#: What stands in place of a secret.
REDACTED = "***"

#: The longest text that a verdict carries, in characters.
LONGEST = 2_000

_STEPS = (("PiB", 1 << 50), ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_SPANS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def printable(text: str, longest: int = LONGEST) -> str:
    """``text`` in one line without control characters, bounded to ``longest`` characters.

    Line ends become spaces; every other character that is not printable (terminal escapes, NUL,
    bidirectional overrides, lone surrogates) stands as its escape, such as ``\\x1b``.
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    folded = " ".join(text.split())
    if folded.isprintable():
        return folded
    return _escaped(folded)


def printable_lines(text: str) -> str:
    """``text`` in its own lines, tabs kept; every other character that is not printable stands as its escape."""
    return "\n".join(map(_escaped, text.split("\n")))


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode("ascii") for c in line)


class Redactor:
    """Replaces secrets by `REDACTED`: as they are, percent-encoded, and as Python and JSON write them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text


def _forms(secret: str) -> tuple[str, ...]:
    escaped = (repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    return (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), *escaped)


def amount(value: float, unit: str = "") -> str:
    """A measured value with its unit, as a person reads it: ``41.5 %``, ``1.2 GiB``, ``0.35 s``.

    Bytes (``B``) are given in powers of 1024.
    """
    if unit == "B":
        return size(value)
    number = f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
    return f"{number} {unit}" if unit else number


def size(count: float) -> str:
    """A number of bytes as a person reads it, in powers of 1024: ``4.2 MiB``."""
    for name, step in _STEPS:
        if abs(count) >= step:
            return f"{count / step:.1f} {name}"
    return f"{count:.0f} B"


def span(seconds: float) -> str:
    """A length of time in its largest whole unit, as ``docker ps`` does: ``3 hours``."""
    for name, length in _SPANS:
        if abs(seconds) >= length:
            count = int(abs(seconds) // length)
            return f"{count} {name}{'s' if count != 1 else ''}"
    return "less than a second"


def plural(count: int, noun: str) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
