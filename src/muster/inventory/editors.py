"""The JSON Schema of an inventory, as editors read it (draft 2020-12)."""

from __future__ import annotations

from typing import Any

from muster.inventory.texts import FILLED, LINE

_NOT_TEXT = {"integer", "number", "boolean"}


def json_schema() -> dict[str, Any]:
    """The schema, in which a variable may stand wherever a value may: ``port: ${port}`` is no number to an editor."""
    from muster.inventory import schema

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_with_variables(schema.json_schema()),
        "title": "Muster inventory",
    }


def _with_variables(schema: Any) -> Any:
    """The schema with ``${name}`` allowed wherever not every text is: for a number, a word of a few, a form."""
    if isinstance(schema, list):
        return [_with_variables(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    relaxed = {
        key: _relaxed(key, value)
        for key, value in schema.items()
        if key != "title"  # pydantic's, the name of the field again
    }
    if schema.get("type") not in _NOT_TEXT and "enum" not in schema and schema.get("pattern") in (None, LINE, FILLED):
        return relaxed
    outer = {key: relaxed.pop(key) for key in ("description", "default") if key in relaxed}
    return {**outer, "anyOf": [relaxed, {"type": "string", "pattern": r"\$\{"}]}


def _relaxed(keyword: str, value: Any) -> Any:
    """What stands behind a keyword of a schema; names of fields are no keywords, and a field may be called type."""
    if keyword in ("const", "enum", "required"):
        return value
    if keyword in ("properties", "$defs"):
        return {name: _with_variables(each) for name, each in value.items()}
    return _with_variables(value)
