"""The words of the schema of an inventory: texts, durations, bounds, and how each is checked.

They are core schemas of pydantic-core, made here one by one: to work them out of annotated classes took pydantic more
time than all else that reading an inventory needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import core_schema as core
from pydantic_core.core_schema import CoreSchema

from muster.inventory import texts
from muster.inventory.ranges import name_fault
from muster.inventory.units import seconds, span

Fields = Mapping[str, core.TypedDictField]


def entry(name: str, meaning: str, fields: Fields) -> CoreSchema:
    """A mapping with these keys, of which none has to be there, and no others; `use` is how others refer to it."""
    return core.typed_dict_schema(
        dict(fields),
        total=False,
        extra_behavior="forbid",
        config={"allow_inf_nan": False},
        ref=name,
        metadata=_said(meaning),
    )


def field(schema: CoreSchema, meaning: str = "") -> core.TypedDictField:
    """A key of an entry."""
    return core.typed_dict_field(schema, required=False, metadata=_said(meaning))


def use(named: CoreSchema) -> CoreSchema:
    """An entry where it is used. It has to be among the definitions of the whole."""
    return core.definition_reference_schema(named["ref"])


def given(named: CoreSchema) -> CoreSchema:
    """An entry of which nothing has to be written."""
    return converted(or_empty, use(named))


def text(pattern: str | None = None, *, min_length: int | None = None) -> CoreSchema:
    return core.str_schema(pattern=pattern, min_length=min_length)


def number_or_text(pattern: str | None = None, *, min_length: int | None = None) -> CoreSchema:
    """A text, for which a number may stand that nobody has put in quotes."""
    return converted(number_text, text(pattern, min_length=min_length))


def one_of(*words: str) -> CoreSchema:
    return core.literal_schema(list(words))


def whole_number(at_least: int | None = None, at_most: int | None = None) -> CoreSchema:
    return core.int_schema(ge=at_least, le=at_most)


def or_null(schema: CoreSchema) -> CoreSchema:
    return core.nullable_schema(schema)


def many(schema: CoreSchema) -> CoreSchema:
    return core.list_schema(schema)


def mapping(keys: CoreSchema, values: CoreSchema) -> CoreSchema:
    """A mapping with keys of the user's own; nothing written is an empty one."""
    return converted(or_empty, core.dict_schema(keys, values))


def any_of(*schemas: CoreSchema) -> CoreSchema:
    return core.union_schema(list(schemas))


def converted(convert: Callable[[Any], Any], schema: CoreSchema, *, written: CoreSchema | None = None) -> CoreSchema:
    """What ``convert`` makes of a value, which raises ValueError where it cannot. ``written`` is the value's own
    schema, for editors, where it is another."""
    return core.no_info_before_validator_function(convert, schema, json_schema_input_schema=written)


def checked(rule: Callable[[str], str | None], schema: CoreSchema) -> CoreSchema:
    """A text for which ``rule`` finds nothing wrong. It says what is, never with the text itself in the words."""

    def check(text: str) -> str:
        if fault := rule(text):
            raise ValueError(fault)
        return text

    return core.no_info_after_validator_function(check, schema)


def number_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def or_empty(value: object) -> object:
    return {} if value is None else value


def _bound(value: object) -> object:
    if value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
        return value
    raise ValueError("is not a number")


def _said(meaning: str) -> dict[str, Any] | None:
    """What pydantic adds to the JSON Schema."""
    return {"pydantic_js_updates": {"description": meaning}} if meaning else None


ANYTHING = core.any_schema()
YES_OR_NO = core.bool_schema()
TEXT = number_or_text()
LINE = number_or_text(texts.LINE)
FILLED = number_or_text(texts.FILLED)
NAME = checked(name_fault, text())
_DURATION = any_of(core.float_schema(), text(texts.DURATION))
SECONDS = converted(seconds, core.float_schema(), written=_DURATION)
SPAN = converted(span, core.float_schema(), written=_DURATION)
BOUND = converted(_bound, ANYTHING, written=or_null(any_of(core.float_schema(), text())))
ABSOLUTE = text(texts.ABSOLUTE)
LISTENING = checked(
    texts.ports_fault,
    converted(number_text, text(texts.LISTENING), written=any_of(whole_number(), text(texts.LISTENING))),
)

BOUNDS: Fields = {
    "warning": field(BOUND, "Above this the verdict is warning."),
    "critical": field(BOUND, "Above this the verdict is critical."),
    "warning_below": field(BOUND, "Below this the verdict is warning."),
    "critical_below": field(BOUND, "Below this the verdict is critical."),
}
MEASURED: Fields = {"unit": field(LINE, "Its unit, for people."), **BOUNDS}
LIMIT = entry(
    "LimitEntry",
    "Bounds on one measurement, in its unit; text may have a unit of its own, such as 500ms or 4GiB.",
    BOUNDS,
)

TRUST: Fields = {
    "ca_file": field(or_null(FILLED), "Certificates to trust, on this machine."),
    "verify": field(YES_OR_NO, "false trusts any certificate."),
}

OF_ALL: Fields = {
    "labels": field(
        mapping(text(texts.LABEL), text(texts.LINE)),
        "Labels to select by (`--limit role=proxy`) and to see in reports.",
    ),
    "limits": field(mapping(FILLED, given(LIMIT)), "Bounds by name of measurement, such as filesystem_used_percent."),
    "timeout": field(SECONDS, "How long one observation may take: 500ms, 5s, 2m, or seconds."),
}
"""What can be said of every target."""
