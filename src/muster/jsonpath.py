"""Paths into JSON: ``$.a.b[0].c`` and ``$['a b']``.

The part of JSONPath (RFC 9535) that names one place: members by name or in quotes, elements by index
(from the end where negative). For the parts of a thing, ``*`` names every member or element: ``$.services.*``,
``$.queues[*].state``. And what a JSON value must be, and how it is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from muster.targets import JsonRule


class Every(Enum):
    """The step that leads to every member of an object, and to every element of an array."""

    PART = "*"


Step = str | int

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d][\w-]*)
      | (?P<every>\.\*|\[\s*\*\s*\])
      | \[\s*(?P<index>0|-?[1-9]\d{0,8})\s*\]
      | \[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]""",
    re.VERBOSE,
)
_ARTICLES = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
}
_PLAIN = re.compile(r"[^\W\d][\w-]*")

#: So many characters of a value stand in a message.
LONGEST = 100


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path: member names, and indexes of elements.

    Raises:
        ValueError: it is no path that names one place; the message gives the position, counted from 1.
    """
    steps: list[Step] = []
    for at, step in _steps(text):
        if isinstance(step, Every):
            raise ValueError(f"{text!r} is no path: expected .name, [0] or ['name'] at character {at + 1}")
        steps.append(step)
    return tuple(steps)


def parse_parts(text: str) -> tuple[Step | Every, ...]:
    """The steps of a path in which ``*`` stands for every part, once at least.

    Raises:
        ValueError: it is no such path.
    """
    steps = tuple(step for _, step in _steps(text))
    if Every.PART not in steps:
        raise ValueError(f"{text!r} names one place, and not parts: write * for all of them, as in $.services.*")
    return steps


def _steps(text: str) -> Iterator[tuple[int, Step | Every]]:
    """The steps of a path, each with where it begins."""
    if not text.startswith("$"):
        raise ValueError(f"{text!r} is no path: it starts with $, as in $.memory.alloc_mb")
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(f"{text!r} is no path: expected .name, [0] or ['name'] at character {at + 1}")
        if found["every"] is not None:
            yield at, Every.PART
        elif found["index"] is not None:
            yield at, int(found["index"])
        elif found["name"] is not None:
            yield at, found["name"]
        else:
            quoted = found["single"] if found["single"] is not None else found["double"]
            yield at, re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        at = found.end()


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


def bad_parts(document: Any, path: str, words: Sequence[str]) -> list[str]:
    """The parts at ``path`` that say none of these words, each as ``redis: unhealthy: timeout, expected healthy``.

    A thing without parts is wrong too, and so is a part that does not say anything.

    Raises:
        ValueError: ``path`` is no path to parts.
    """
    expected = " or ".join(words)
    return [
        f"{name}: {said}, expected {expected}" if name else f"{said}, expected parts that say {expected}"
        for name, said in _parts(document, parse_parts(path))
        if not name or said not in words
    ]


def _parts(
    found: Any, steps: Sequence[Step | Every], at: tuple[Step, ...] = (), name: str = ""
) -> Iterator[tuple[str, str]]:
    """The name of each part and what it says. Without a name: why there is none."""
    if not steps:
        yield name, found if isinstance(found, str) else excerpt(found)
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Every):
        within = dict(enumerate(found)) if isinstance(found, list) else found
        if not isinstance(within, dict) or not within:
            yield name, f"{path_of(at)} is {excerpt(found)}"
            return
        for each, value in within.items():
            called = f"{at[-1] if at else '$'}[{each}]" if isinstance(each, int) else each
            yield from _parts(value, rest, (*at, each), f"{name}.{called}" if name else called)
    elif _has(found, step):
        yield from _parts(found[step], rest, (*at, step), name)
    else:
        yield name, f"{path_of((*at, step))} is missing"


def breach(document: Any, path: str, rule: JsonRule) -> str:
    """How what stands at ``path`` breaks a rule, in words; empty where it does not.

    Raises:
        ValueError: ``path`` is no path.
    """
    try:
        found = look_up(document, path)
    except LookupError as missing:
        return f"{missing}" if rule.present else ""
    if not rule.present:
        return f"{path} is {excerpt(found)}, expected nothing there"
    if rule.type is not None and not _is_of(rule.type, found):
        return f"{path} is {excerpt(found)}, expected {_ARTICLES.get(rule.type, rule.type)}"
    return difference(found, rule.equals, parse_path(path)) if rule.compares else ""


def _is_of(kind: str, value: Any) -> bool:
    """Whether a value is of a type of JSON. A number without a fraction is an integer (JSON Schema, 6.1.1)."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "number": number,
        "integer": number and value == value // 1,
        "boolean": isinstance(value, bool),
        "null": value is None,
    }[kind]


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
