"""Paths into JSON, and the comparison of JSON with what it must contain."""

from __future__ import annotations

from typing import Any

import pytest

from muster.jsonpath import (
    LONGEST,
    Every,
    bad_parts,
    breach,
    difference,
    look_up,
    parse_parts,
    parse_path,
    path_of,
)
from muster.targets import JsonRule


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$", ()),
        ("$.a.b[0].c", ("a", "b", 0, "c")),
        ("$['a b']", ("a b",)),
        ('$["a.b"][-1]', ("a.b", -1)),
        (r"$['it\'s']", ("it's",)),
        ("$.goroutines", ("goroutines",)),
        ("$.x-rate_2", ("x-rate_2",)),
        ("$.配额", ("配额",)),
    ],
)
def test_a_path_is_read_and_written(text: str, steps: tuple[str | int, ...]) -> None:
    assert parse_path(text) == steps
    assert parse_path(path_of(steps)) == steps


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("$.", 2),
        ("$.a[", 4),
        ("$..a", 2),
        ("$[*]", 2),
        ("$.a b", 4),
        ("$[01]", 2),
        ("$[1:2]", 2),
        ("$.1a", 2),
        ("$a", 2),
    ],
)
def test_what_is_no_path_is_refused_with_the_place(text: str, at: int) -> None:
    with pytest.raises(ValueError, match=f"at character {at}$"):
        parse_path(text)


@pytest.mark.parametrize("text", ["", "a.b", " $.a"])
def test_a_path_starts_with_a_dollar(text: str) -> None:
    with pytest.raises(ValueError, match=r"it starts with \$"):
        parse_path(text)


def test_a_value_is_found_at_its_path() -> None:
    document = {"a": {"b": [{"c": 7}]}, "a b": None}
    assert look_up(document, "$.a.b[0].c") == 7
    assert look_up(document, "$.a.b[-1]") == {"c": 7}
    assert look_up(document, "$['a b']") is None
    assert look_up(document, "$") is document


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("$.b", '$.b is missing: $ is {"a": [1]}'),
        ("$.a[1]", "$.a[1] is missing: $.a is [1]"),
        ("$.a[-2]", "$.a[-2] is missing: $.a is [1]"),
        ("$.a.length", "$.a.length is missing: $.a is [1]"),
        ("$.a[0].x", "$.a[0].x is missing: $.a[0] is 1"),
        ("$[0]", '$[0] is missing: $ is {"a": [1]}'),
    ],
)
def test_a_path_that_leads_nowhere_says_how_far_it_went(path: str, message: str) -> None:
    with pytest.raises(LookupError) as raised:
        look_up({"a": [1]}, path)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"ok": True, "more": 1}, {"ok": True}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}),
        ([{"a": 1, "b": 2}], [{"a": 1}]),
        (1, 1.0),
        (None, None),
        ({}, {}),
    ],
)
def test_json_may_have_more_members_than_expected(found: Any, expected: Any) -> None:
    assert difference(found, expected) == ""


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        ({"ok": False}, {"ok": True}, "$.ok is false, expected true"),
        ({}, {"ok": True}, "$.ok is missing, expected true"),
        ({"ok": 1}, {"ok": True}, "$.ok is 1, expected true"),
        ({"n": True}, {"n": 1}, "$.n is true, expected 1"),
        ({"a b": ["x"]}, {"a b": ["y"]}, '$[\'a b\'][0] is "x", expected "y"'),
        ([1, 2], [1], "$ has 2 elements, expected 1: [1]"),
        ([1], {"a": 1}, '$ is [1], expected {"a": 1}'),
        ({"a": None}, {"a": {}}, "$.a is null, expected {}"),
        ("7", 7, '$ is "7", expected 7'),
    ],
)
def test_the_first_difference_is_named_with_its_place(found: Any, expected: Any, message: str) -> None:
    assert difference(found, expected) == message


def test_a_huge_value_does_not_make_a_huge_message() -> None:
    assert len(difference("x" * 1_000_000, "y")) < LONGEST + 50


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$.services.*", ("services", Every.PART)),
        ("$.checks.*.status", ("checks", Every.PART, "status")),
        ("$.queues[*].state", ("queues", Every.PART, "state")),
        ("$.*", (Every.PART,)),
        ("$['a b'][*]", ("a b", Every.PART)),
    ],
)
def test_a_path_to_parts_is_read(text: str, steps: tuple[object, ...]) -> None:
    assert parse_parts(text) == steps


@pytest.mark.parametrize("text", ["$.services", "$", "services.*", "$.*x", "$..*", "$.a[*", "$.a*"])
def test_what_leads_to_no_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no path|names one place"):
        parse_parts(text)


FLASK = {"services": {"postgresql": "healthy", "redis": "unhealthy: timeout"}}


@pytest.mark.parametrize(
    ("document", "path", "words", "bad"),
    [
        (FLASK, "$.services.*", ("healthy",), ["redis: unhealthy: timeout, expected healthy"]),
        (FLASK, "$.services.*", ("healthy", "unhealthy: timeout"), []),
        ({"checks": {"db": {"status": "pass"}}}, "$.checks.*.status", ("pass",), []),
        (
            {"checks": {"db": {"status": "fail"}, "mail": {}, "disk": "pass"}},
            "$.checks.*.status",
            ("pass", "ok"),
            [
                "db: fail, expected pass or ok",
                "mail: $.checks.mail.status is missing, expected pass or ok",
                "disk: $.checks.disk.status is missing, expected pass or ok",
            ],
        ),
        (
            {"queues": [{"state": "running"}, {"state": "down"}]},
            "$.queues[*].state",
            ("running",),
            ["queues[1]: down, expected running"],
        ),
        ({"a": {"db": True, "mail": 1, "disk": None}}, "$.a.*", ("true", "1"), ["disk: null, expected true or 1"]),
        (
            {"nodes": {"a": {"checks": {"db": "up"}}, "b": {"checks": {"db": "down"}}}},
            "$.nodes.*.checks.*",
            ("up",),
            ["b.db: down, expected up"],
        ),
        ({"a": {"b": {"c": "up"}}}, "$.a.*", ("up",), ['b: {"c": "up"}, expected up']),
    ],
)
def test_each_part_that_is_not_well_is_named(
    document: Any, path: str, words: tuple[str, ...], bad: list[str]
) -> None:
    assert bad_parts(document, path, words) == bad


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"services": {}}, "$.services is {}"),
        ({"services": []}, "$.services is []"),
        ({"services": None}, "$.services is null"),
        ({"services": "healthy"}, '$.services is "healthy"'),
        ({}, "$.services is missing"),
        ([], "$.services is missing"),
    ],
)
def test_a_thing_without_parts_is_never_well(document: Any, said: str) -> None:
    assert bad_parts(document, "$.services.*", ("healthy",)) == [f"{said}, expected parts that say healthy"]


DOCUMENT = {"version": "1.4.2", "ready": True, "count": 3.0, "share": 0.5, "none": None, "list": [1], "map": {}}


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("$.version", JsonRule()),
        ("$.version", JsonRule(type="string", equals="1.4.2", compares=True)),
        ("$.ready", JsonRule(type="boolean", equals=True, compares=True)),
        ("$.count", JsonRule(type="integer")),
        ("$.share", JsonRule(type="number")),
        ("$.none", JsonRule(type="null", equals=None, compares=True)),
        ("$.list", JsonRule(type="array")),
        ("$.map", JsonRule(type="object")),
        ("$.gone", JsonRule(present=False)),
    ],
)
def test_a_rule_that_is_kept(path: str, rule: JsonRule) -> None:
    assert breach(DOCUMENT, path, rule) == ""


@pytest.mark.parametrize(
    ("path", "rule", "said"),
    [
        ("$.version", JsonRule(present=False), '$.version is "1.4.2", expected nothing there'),
        ("$.version", JsonRule(type="number"), '$.version is "1.4.2", expected a number'),
        ("$.ready", JsonRule(type="integer"), "$.ready is true, expected an integer"),
        ("$.share", JsonRule(type="integer"), "$.share is 0.5, expected an integer"),
        ("$.count", JsonRule(type="boolean"), "$.count is 3.0, expected true or false"),
        ("$.list", JsonRule(type="object"), "$.list is [1], expected an object"),
        ("$.version", JsonRule(type="null"), '$.version is "1.4.2", expected null'),
        ("$.ready", JsonRule(equals=False, compares=True), "$.ready is true, expected false"),
        ("$.ready", JsonRule(equals=None, compares=True), "$.ready is true, expected null"),
    ],
)
def test_a_rule_that_is_broken(path: str, rule: JsonRule, said: str) -> None:
    assert breach(DOCUMENT, path, rule) == said


@pytest.mark.parametrize("rule", [JsonRule(), JsonRule(type="null"), JsonRule(equals=None, compares=True)])
def test_what_is_missing_breaks_every_rule_that_wants_it(rule: JsonRule) -> None:
    assert breach(DOCUMENT, "$.gone", rule).startswith("$.gone is missing: $ is {")


@pytest.mark.parametrize("number", [float("inf"), 1e300, -0.0])
def test_a_strange_number_has_a_type(number: float) -> None:
    integer = breach({"a": number}, "$.a", JsonRule(type="integer")) == ""
    assert integer is (number != float("inf"))
