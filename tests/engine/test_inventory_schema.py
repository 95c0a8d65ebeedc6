"""The JSON Schema for editors says what the loader says, as far as a schema can."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster.inventory.editors import json_schema

SCHEMA = json_schema()
INVENTORIES = Path(__file__).parents[2] / "inventories"
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults(schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """Where a value does not keep to a schema, by the keywords of JSON Schema that ours uses and no others."""
    for keyword, rule in schema.items():
        match keyword:
            case "$schema" | "$defs" | "title" | "description" | "default":
                pass
            case "$ref":
                yield from faults(SCHEMA["$defs"][rule.removeprefix("#/$defs/")], value, path)
            case "type":
                if not isinstance(value, TYPES[rule]) or (isinstance(value, bool) and rule in ("integer", "number")):
                    yield f"{path}: not {rule}"
            case "enum":
                if value not in rule:
                    yield f"{path}: not in {rule}"
            case "pattern":
                if isinstance(value, str) and not re.search(rule, value):
                    yield f"{path}: not like {rule}"
            case "minimum":
                if isinstance(value, int | float) and value < rule:
                    yield f"{path}: below {rule}"
            case "maximum":
                if isinstance(value, int | float) and value > rule:
                    yield f"{path}: above {rule}"
            case "anyOf":
                if all(any(True for _ in faults(each, value, path)) for each in rule):
                    yield f"{path}: none of {len(rule)}"
            case "items":
                for index, each in enumerate(value if isinstance(value, list) else ()):
                    yield from faults(rule, each, f"{path}[{index}]")
            case "properties" | "patternProperties" | "additionalProperties":
                if keyword == "properties":
                    yield from members(schema, value, path)
                elif "properties" not in schema and isinstance(value, dict) and isinstance(rule, dict):
                    inner = next(iter(rule.values())) if keyword == "patternProperties" else rule
                    for key, each in value.items():
                        yield from faults(inner, each, f"{path}/{key}")
            case _:
                raise AssertionError(f"the keyword {keyword} is new here: teach this test")


def members(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    """Where an object has an unknown member, or one that does not keep to its schema."""
    for key, each in value.items() if isinstance(value, dict) else ():
        if key in schema["properties"]:
            yield from faults(schema["properties"][key], each, f"{path}/{key}")
        elif schema["additionalProperties"] is False:
            yield f"{path}/{key}: unknown"


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """All mappings in a schema that have properties."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for each in schema.values():
            yield from parts(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from parts(each)


def test_every_field_says_what_it_means() -> None:
    fields = [(name, field) for part in parts(SCHEMA) for name, field in part["properties"].items()]
    assert len(fields) > 60
    assert [name for name, field in fields if not field.get("description")] == []


def test_every_mapping_of_the_schema_is_closed_and_says_what_it_is() -> None:
    found = list(parts(SCHEMA))
    assert len(found) > 10
    assert all(part["additionalProperties"] is False and part["description"] for part in found)


def test_the_schema_is_of_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", sorted(INVENTORIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_inventories_that_ship_keep_to_the_schema(path: Path) -> None:
    assert list(faults(SCHEMA, yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize(
    "text",
    [
        'hosts: {a: {connection: {port: "${port}", kind: "${kind}"}, timeout: "${t}", listening: ["${port}"]}}',
        'hosts: {a: {connection: local, limits: {x: {warning: 1, critical: null}, y: {warning: "4GiB"}}}}',
        'endpoints: {e: {url: "http://a/", method: "${m}", verify: "${v}", expect: {status: 200, json: [1, {}]}}}',
    ],
)
def test_a_right_inventory_keeps_to_the_schema(text: str) -> None:
    assert list(faults(SCHEMA, yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hots: {}", "/hots: unknown"),
        ("hosts: {a: {conection: local}}", "/hosts/a/conection: unknown"),
        ("hosts: {a: {connection: loacl}}", "/hosts/a/connection: none of 2"),
        ("hosts: {a: {connection: {port: 70000}}}", "/hosts/a/connection: none of 2"),
        ("hosts: {a: {units: nginx}}", "/hosts/a/units: not array"),
        ("hosts: {a: {listening: [http]}}", "/hosts/a/listening[0]: none of 2"),
        ("hosts: {a: {timeout: 5sec}}", "/hosts/a/timeout: none of 2"),
        ("endpoints: {e: {expect: {stauts: 200}}}", "/endpoints/e/expect/stauts: unknown"),
    ],
)
def test_a_wrong_inventory_does_not_keep_to_the_schema(text: str, fault: str) -> None:
    assert fault in list(faults(SCHEMA, yaml.safe_load(text)))
