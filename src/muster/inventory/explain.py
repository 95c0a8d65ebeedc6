"""What pydantic finds wrong with a level of the file, in words for people, with the way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from muster.inventory.problems import nearest, suggest
from muster.inventory.texts import MISMATCH

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: What is expected, by the beginning of the error's type.
_EXPECTED = {
    "string": "text (put it in quotes)",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "list": "a list, such as [first, second]",
    "dict": "a mapping (key: value)",
}


def explain(error: ErrorDetails, written: str | None, meaning: str | None = None) -> tuple[str, bool]:
    """The message, and whether it is about the key rather than the value.

    ``written`` is the text of the value in the file, if it is a scalar, and ``meaning`` what its variables
    make of it, which is never a secret.
    """
    path = error["loc"]
    kind = error["type"]
    name = next((str(step) for step in reversed(path) if isinstance(step, str) and step != "[key]"), "")
    if kind == "extra_forbidden":
        return f'unknown key "{name}"{_instead(name, path)}', True
    if kind == "typed_dict_type":
        kind = "dict"
    if written is not None and len(written) > 100:
        written = written[:100] + "..."
    shown = f'{name}: "{written}"' if written is not None else name
    if meaning is not None:
        shown += f' (here "{meaning}")'
    if kind in ("value_error", "string_pattern_mismatch"):
        fault = str(error["ctx"]["error"]) if kind == "value_error" else MISMATCH[error["ctx"]["pattern"]]
        if path[-1] == "[key]":
            return f'"{name}": {fault}', True
        return f"{shown} {fault}", False
    if kind == "literal_error":
        allowed = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        meant = nearest(written or "", allowed)
        return f"{shown} is none of {', '.join(allowed)}" + (f'; did you mean "{meant}"?' if meant else ""), False
    if kind.startswith(("greater_than", "less_than")):
        return f"{shown} is out of range; it should be {error['msg'].removeprefix('Input should be ')}", False
    expected = _EXPECTED.get(kind.partition("_")[0])
    if expected and not written and written is not None:
        return f"{name} has no value; it should be {expected}", False
    return f"{shown} is not {expected}" if expected else f"{shown}: {error['msg']}", False


def _instead(name: str, path: Sequence[int | str]) -> str:
    """What could have been meant by an unknown key: a key that is known there, or the place where it is one."""
    known = list(_keys_at(path[:-1]))
    if nearest(name, known):
        return suggest(name, known)
    if name == "vars":
        return "; vars: stand at the top level, in groups and in hosts"
    return suggest(name, known)


def _keys_at(path: Sequence[int | str]) -> Iterator[str]:
    """The keys that are known at a place of the file."""
    from muster.inventory.schema import json_schema

    schema = json_schema()
    place: Mapping[str, Any] = schema
    for step in path:
        options = [place, *place.get("anyOf", ())]
        options = [schema["$defs"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in options]
        for each in options:
            inner = each.get("properties", {}).get(step) or each.get("additionalProperties") or each.get("items")
            inner = inner or next(iter(each.get("patternProperties", {}).values()), None)
            if isinstance(inner, Mapping):
                place = inner
                break
    for each in [place, *place.get("anyOf", ())]:
        resolved = schema["$defs"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        yield from resolved.get("properties", ())
