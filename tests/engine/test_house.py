"""The rules of the house that no linter knows (docs/design.md)."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import muster
from muster import facts
from muster.declaration import read_case, read_check
from muster.limits import MEASURABLE
from muster.need import Catalogue, Need

ROOT = Path(__file__).parents[2]
CHECK_FILES = sorted((ROOT / "checks").glob("test_*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for statement in ast.parse(path.read_text("utf-8")).body:
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
            yield statement


SHIPPED = [(path, function) for path in CHECK_FILES for function in functions(path)]
EACH_SHIPPED = pytest.mark.parametrize(("path", "function"), SHIPPED, ids=[function.name for _, function in SHIPPED])


def loaded(path: Path) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "loaded"}
    exec(compile(path.read_text("utf-8"), path, "exec"), names)
    return names


def test_every_public_name_can_be_imported_and_is_listed() -> None:
    for name in muster.__all__:
        assert getattr(muster, name) is not None
    source = (ROOT / "src/muster/__init__.py").read_text("utf-8")
    typed = set(re.findall(r"from muster[\w.]* import \w+ as (\w+)$", source, re.MULTILINE))
    assert typed == set(muster.__all__), "what type checkers see and what can be imported differ"
    with pytest.raises(AttributeError, match="no name 'Nothing'"):
        muster.Nothing  # noqa: B018


@pytest.mark.parametrize("path", CHECK_FILES, ids=lambda path: path.name)
def test_checks_import_only_muster(path: Path) -> None:
    imported = set()
    for statement in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(statement, ast.Import):
            imported |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            imported.add(statement.module or "")
    assert imported - {"__future__"} == {"muster"}


@EACH_SHIPPED
def test_a_check_is_short_and_each_assert_says_what_was_observed(path: Path, function: ast.FunctionDef) -> None:
    assert function.end_lineno is not None
    assert function.end_lineno - function.lineno < 20
    for part in ast.walk(function):
        if isinstance(part, ast.Assert):
            assert part.msg is not None, f"{path.name}:{part.lineno} asserts without a message"
        if isinstance(part, ast.For | ast.While):
            inside = [each for each in ast.walk(part) if isinstance(each, ast.Assert)]
            assert not inside, f"{path.name}:{part.lineno} asserts inside a loop, which may be empty"


@EACH_SHIPPED
def test_a_check_says_what_is_wanted_and_names_a_runbook_that_exists(path: Path, function: ast.FunctionDef) -> None:
    made = loaded(path)[function.name]
    assert inspect.isfunction(made)
    said = read_check(made)
    page, _, heading = said.runbook.partition("#")
    text = (ROOT / "docs/runbooks" / page).read_text("utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert heading in headings, f"{said.runbook}: {page} has no such heading"


@EACH_SHIPPED
def test_a_check_measures_only_what_has_a_unit_and_a_default_limit(path: Path, function: ast.FunctionDef) -> None:
    for call in ast.walk(function):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "measure"):
            continue
        if isinstance(call.args[0], ast.Constant):
            assert call.args[0].value in MEASURABLE
        else:
            assert any(word.arg == "limit" for word in call.keywords), "a name from the inventory brings its limit"


def test_every_measurement_with_a_default_limit_is_taken_by_a_check() -> None:
    text = "".join(path.read_text("utf-8") for path in CHECK_FILES)
    assert [name for name in MEASURABLE if f'"{name}"' not in text] == []


def test_every_fact_that_ships_is_read_by_a_check() -> None:
    needs = Catalogue()
    read = {
        need.name
        for path, function in SHIPPED
        for need in read_case(loaded(path)[function.name], needs).needs  # type: ignore[arg-type]
    }
    assert set(needs) == read


def test_the_catalogue_has_every_need_that_a_module_of_facts_declares() -> None:
    needs = Catalogue()
    modules = [
        importlib.import_module(f"muster.facts.{module.name}") for module in pkgutil.iter_modules(facts.__path__)
    ]
    declared = {each.name: each for module in modules for each in vars(module).values() if isinstance(each, Need)}
    assert dict(needs) == declared
    assert {name: needs.of(name) for name in needs} == {name: each.of for name, each in declared.items()}


@pytest.mark.parametrize("need", Catalogue().values(), ids=lambda need: need.name)
def test_every_fact_says_what_it_is_and_itself_in_one_line(need: muster.Need[object]) -> None:
    assert need.doc, f"{need.name} has no docstring"
    made = inspect.signature(need.probe, eval_str=True).return_annotation.__args__[0]
    assert made.__str__ is not object.__str__, f"{made.__name__} does not say itself"


def test_only_the_parts_that_may_import_pytest_do() -> None:
    may = {"collection.py", "declaration.py", "live", "outcomes.py", "plugin.py", "run.py", "scale"}
    may |= {"controller.py", "worker.py"}
    source = ROOT / "src/muster"
    importing = {
        path.relative_to(source).parts[0]
        for path in source.rglob("*.py")
        if re.search(r"^\s*(import|from) _?pytest\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert importing <= may
