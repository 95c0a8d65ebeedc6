"""The words of the schema of an inventory: texts, durations, bounds, and how each is checked."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, with_config
from typing_extensions import TypedDict

from muster.inventory import texts
from muster.inventory.ranges import name_fault
from muster.inventory.units import seconds, span

CLOSED = with_config({"extra": "forbid", "allow_inf_nan": False})


def checked(rule: Callable[[str], str | None]) -> AfterValidator:
    """A validator of text: ``rule`` gives what is wrong with it, never with the text itself in the words."""

    def check(text: str) -> str:
        if fault := rule(text):
            raise ValueError(fault)
        return text

    return AfterValidator(check)


def number_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def or_empty(value: object) -> object:
    return {} if value is None else value


def _bound(value: object) -> object:
    if value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
        return value
    raise ValueError("is not a number")


Empty = BeforeValidator(or_empty)
Text = Annotated[str, BeforeValidator(number_text)]
Line = Annotated[Text, Field(pattern=texts.LINE)]
Filled = Annotated[Text, Field(pattern=texts.FILLED)]
Name = Annotated[str, checked(name_fault)]
Duration = Annotated[str, Field(pattern=texts.DURATION)]
Seconds = Annotated[float, BeforeValidator(seconds, json_schema_input_type=float | Duration)]
Span = Annotated[float, BeforeValidator(span, json_schema_input_type=float | Duration)]
Bound = Annotated[Any, BeforeValidator(_bound, json_schema_input_type=float | str | None)]
Labels = Annotated[
    dict[Annotated[str, Field(pattern=texts.LABEL)], Annotated[str, Field(pattern=texts.LINE)]],
    Empty,
    Field(description="Labels to select by (`--limit role=proxy`) and to see in reports."),
]
Path = Annotated[Filled, Field(description="A file on this machine; a relative one is beside the inventory.")]

ListeningPort = Annotated[
    str,
    BeforeValidator(number_text, json_schema_input_type=int | Annotated[str, Field(pattern=texts.LISTENING)]),
    Field(pattern=texts.LISTENING),
    checked(texts.ports_fault),
]
AbsolutePath = Annotated[str, Field(pattern=texts.ABSOLUTE)]

AboveWarns = Annotated[Bound, Field(description="Above this the verdict is warning.")]
AboveCritical = Annotated[Bound, Field(description="Above this the verdict is critical.")]
BelowWarns = Annotated[Bound, Field(description="Below this the verdict is warning.")]
BelowCritical = Annotated[Bound, Field(description="Below this the verdict is critical.")]


@CLOSED
class LimitEntry(TypedDict, total=False):
    """Bounds on one measurement, in its unit; text may have a unit of its own, such as 500ms or 4GiB."""

    warning: AboveWarns
    critical: AboveCritical
    warning_below: BelowWarns
    critical_below: BelowCritical


Limits = Annotated[
    dict[Filled, Annotated[LimitEntry, Empty]],
    Empty,
    Field(description="Bounds by name of measurement, such as filesystem_used_percent."),
]
Timeout = Annotated[Seconds, Field(description="How long one observation may take: 500ms, 5s, 2m, or seconds.")]
