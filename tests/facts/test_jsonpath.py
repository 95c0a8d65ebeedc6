"""Paths into JSON, and the comparison of JSON with what it must contain."""

from __future__ import annotations

from typing import Any

import pytest

from muster.jsonpath import LONGEST, difference, look_up, parse_path, path_of


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
