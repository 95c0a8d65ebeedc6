"""Text for people and reports: what a target said is made harmless, and secrets are taken out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus

#: What stands in place of a secret.
REDACTED = "***"

#: What stands where a text was cut off, and how much of a secret before it is one still, in characters.
CUT = "…"
SHORTEST = 4

#: The longest text that a verdict carries, in characters.
LONGEST = 2_000

#: What may stand in a path or a query beside letters, digits and ``_.-~``. Servers take brackets too.
UNQUOTED = "!$&'()*+,/:;=?@[]~%"

_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_AS_IT_IS = re.compile(r"[\w.~/?=&-]*", re.ASCII)

_STEPS = (("PiB", 1 << 50), ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_SPANS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def printable(text: str, longest: int = LONGEST) -> str:
    """``text`` in one line without control characters, bounded to ``longest`` characters.

    Line ends become spaces; every other character that is not printable (terminal escapes, NUL,
    bidirectional overrides, lone surrogates) stands as its escape, such as ``\\x1b``.
    """
    if len(text) > longest:
        text = text[: longest - 1] + CUT
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


def in_url(target: str) -> str:
    """A path, or a query, as HTTP sends it: what may not stand there is encoded, what is encoded stays."""
    if _AS_IT_IS.fullmatch(target):
        return target
    return quote(_NO_ESCAPE.sub("%25", target), safe=UNQUOTED, errors="surrogateescape")


class Redactor:
    """Replaces secrets by `REDACTED`: as they are, as URLs, HTML, JSON, Python and base64 write them, and the
    beginning of one that was cut off there (``…``)."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._longest = len(longest_first[0]) if forms else 0
        self._by_head: dict[str, list[str]] = {}
        for form in longest_first:
            self._by_head.setdefault(form[:SHORTEST], []).append(form)
        self._heads = re.compile(f"(?=({'|'.join(map(re.escape, self._by_head))}))")

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        text = self._pattern.sub(REDACTED, text)
        return self._without_beginnings(text) if CUT in text else text

    def _without_beginnings(self, text: str) -> str:
        kept: list[str] = []
        end = 0
        for found in self._heads.finditer(text):
            start = found.start()
            cut = text.find(CUT, start, start + self._longest)
            if cut > start >= end and any(form.startswith(text[start:cut]) for form in self._by_head[found[1]]):
                kept += text[end:start], REDACTED
                end = cut
        return "".join((*kept, text[end:]))


def _forms(secret: str) -> set[str]:
    """How a secret may stand in a text. One from the environment may hold bytes that are not UTF-8."""
    raw = secret.encode("utf-8", "surrogateescape")
    as_json = json.dumps(secret)[1:-1]
    in_urls = [quote(raw, safe=""), quote(raw), quote_plus(raw), in_url(secret)]
    forms = {
        " ".join(secret.split()),
        repr(secret)[1:-1],
        as_json,
        as_json.replace("/", "\\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        escape(secret),
        escape(secret, quote=False),
        *in_urls,
        *(re.sub("%..", lambda code: code[0].lower(), each) for each in in_urls),
        *(form for shift in range(3) for form in _in_base64(raw, shift)),
    }
    return {secret, *(form for form in forms if len(form) >= SHORTEST)}


def _in_base64(raw: bytes, shift: int) -> tuple[str, str]:
    """What base64, in both its alphabets, makes of a secret, whatever stands around it (``user:`` before a password).

    ``shift`` is how many bytes of its first group of three belong to what stands before.
    """
    sure = slice(-(-shift * 8 // 6), (shift + len(raw)) * 8 // 6)
    return (
        base64.b64encode(bytes(shift) + raw).decode()[sure],
        base64.urlsafe_b64encode(bytes(shift) + raw).decode()[sure],
    )


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
    """``1 host``, ``2 hosts``, ``2 processes``."""
    many = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"
