"""Paths into JSON: ``$.a.b[0].c`` and ``$['a b']``.

The part of JSONPath (RFC 9535) that names one place: members by name or in quotes, elements by index
(from the end where negative). And the comparison of a JSON value with what it must contain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

Step = str | int

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d][\w-]*)
      | \[\s*(?P<index>0|-?[1-9]\d{0,8})\s*\]
      | \[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[^\W\d][\w-]*")

#: So many characters of a value stand in a message.
LONGEST = 100


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path: member names, and indexes of elements.

    Raises:
        ValueError: it is no path that names one place; the message gives the position, counted from 1.
    """
    if not text.startswith("$"):
        raise ValueError(f"{text!r} is no path: it starts with $, as in $.memory.alloc_mb")
    steps: list[Step] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(f"{text!r} is no path: expected .name, [0] or ['name'] at character {at + 1}")
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["name"] is not None:
            steps.append(found["name"])
        else:
            quoted = found["single"] if found["single"] is not None else found["double"]
            steps.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        at = found.end()
    return tuple(steps)


def path_of(steps: Sequence[Step]) -> str:
    """The path of these steps, as `parse_path` reads it."""
    return "$" + "".join(_written(step) for step in steps)


def look_up(document: Any, path: str) -> Any:
    """What stands at ``path`` in a JSON document.

    Raises:
        LookupError: nothing does; the message says how far the path went.
        ValueError: ``path`` is no path.
    """
    found, steps = document, parse_path(path)
    for depth, step in enumerate(steps):
        if not _has(found, step):
            raise LookupError(f"{path} is missing: {path_of(steps[:depth])} is {excerpt(found)}")
        found = found[step]
    return found


def difference(found: Any, expected: Any, steps: tuple[Step, ...] = ()) -> str:
    """The first place where ``found`` is not as ``expected``, in words; empty where it is.

    An object may have further members, a list is equal in length and order, and a number equals
    one of the same value (``1`` and ``1.0``), but never ``true`` or ``false``.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, wanted in expected.items():
            place = (*steps, str(name))
            if name not in found:
                return f"{path_of(place)} is missing, expected {excerpt(wanted)}"
            if said := difference(found[name], wanted, place):
                return said
        return ""
    if isinstance(expected, list) and isinstance(found, list):
        if len(found) != len(expected):
            return f"{path_of(steps)} has {len(found)} elements, expected {len(expected)}: {excerpt(expected)}"
        pairs = enumerate(zip(found, expected, strict=True))
        return next((said for at, (one, wanted) in pairs if (said := difference(one, wanted, (*steps, at)))), "")
    if isinstance(found, bool) is isinstance(expected, bool) and found == expected:
        return ""
    return f"{path_of(steps)} is {excerpt(found)}, expected {excerpt(expected)}"


def excerpt(value: Any) -> str:
    """A JSON value as text, bounded to `LONGEST` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _has(value: Any, step: Step) -> bool:
    if isinstance(step, str):
        return isinstance(value, dict) and step in value
    return isinstance(value, list) and -len(value) <= step < len(value)


def _written(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN.fullmatch(step):
        return f".{step}"
    return "['" + step.replace("\\", "\\\\").replace("'", "\\'") + "']"
