"""Variables in compose files, and the file that sets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.composing import one, told, wrong


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("$SET", "value"),
        ("a${SET}b", "avalueb"),
        ("${EMPTY-default}x", "x"),
        ("${EMPTY:-default}", "default"),
        ("${UNSET-default}", "default"),
        ("${UNSET:-default}", "default"),
        ("${UNSET:-${SET}-${UNSET-in}}", "value-in"),
        ("${SET:+other}", "other"),
        ("${EMPTY+other}", "other"),
        ("x${EMPTY:+other}", "x"),
        ("x${UNSET+other}", "x"),
        ("${SET?why}", "value"),
        ("${EMPTY?why}x", "x"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("${UNSET:-a$${b}", "a${b"),
        ("${UNSET:-http://x:1/}", "http://x:1/"),
    ],
)
def test_variables_are_filled_in_as_compose_does(folder: Path, text: str, image: str) -> None:
    found = told(folder, f"services:\n  web:\n    image: '{text}'\n", environment={"SET": "value", "EMPTY": ""})
    assert found["web"]["image"] == image


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$UNSET", "needs the variable UNSET, which is not set; set it in the environment or in .env"),
        ("a:${UNSET}", "needs the variable UNSET, which is not set"),
        ("${UNSET:?give one}", "needs the variable UNSET, which is not set: give one"),
        ("${EMPTY:?give one}", "needs the variable EMPTY, which is empty: give one"),
        ("${UNSET?}", "needs the variable UNSET, which is not set"),
        ("${UNSET", 'has a "${" that is not closed'),
        ("${SET.x}", "not written as compose has it"),
        ("${}", "not written as compose has it"),
        ("5$", "begins no variable; write $$"),
        ("${UNSET:-" * 30 + "}" * 30, "more than 20 deep"),
    ],
)
def test_what_cannot_be_filled_in_is_named_by_file_line_and_column(folder: Path, text: str, says: str) -> None:
    (problem,) = wrong(
        folder, f"services:\n  web:\n    image: '{text}'\n", environment={"EMPTY": "", "SET": "hush-hush"}
    )
    assert problem.startswith("docker-compose.prod.yml:3:12: ")
    assert says in problem
    assert "hush-hush" not in problem


def test_a_variable_that_only_the_service_itself_needs_may_be_unset(folder: Path) -> None:
    assert one(folder, "environment: {PASSWORD: '${PASSWORD:?}'}\ncommand: run $SOMETHING") == {}


def test_an_env_file_is_read_as_compose_does(folder: Path) -> None:
    (folder / ".env").write_text(
        "# a comment\n\n"
        "A=plain # said of it\n"
        "export B = 'single $A # kept'  # said of it\n"
        'C="double ${A}\\n\\$A"\n'
        "D=${A}#${UNSET:-4}\n"
        'E="two\nlines"\n'
        "HOME_OF\n"
        "NOT_THERE\n"
        "F=\n"
        "G: colon\r\n"
        "H=last",
        "utf-8",
    )
    shown = "services:\n  web:\n    image: '[$A][$B][$C][$D][$E][$HOME_OF][${NOT_THERE-none}][$F][$G][$H]'\n"
    image = told(folder, shown, environment={"HOME_OF": "here"})["web"]["image"]
    shown = image.replace("[[]", "[")
    assert shown == ("[plain][single $A # kept][double plain\n$A][plain#4][two\nlines][here][none][][colon][last]")


def test_what_is_wrong_with_an_env_file_is_named_without_its_values(folder: Path) -> None:
    (folder / ".env").write_text("A=1\nhush hush\nB='hush\nC=${hush-\nD=$UNSET\n")
    problems = wrong(folder, "services: {web: {image: x}}")
    assert [each.partition(" ")[0] for each in problems] == [".env:2:1:", ".env:3:1:", ".env:4:1:", ".env:5:1:"]
    assert "hush" not in "".join(problems)
    missing = wrong(folder, "services: {web: {image: x}}", env_file=folder / "none.env")
    assert missing == ["none.env:1:1: cannot be read: No such file or directory"]
    (folder / ".env").write_bytes(b"A=\xff\n")
    assert wrong(folder, "services: {web: {image: x}}") == [".env:1:1: is not UTF-8 text; save it as UTF-8"]
