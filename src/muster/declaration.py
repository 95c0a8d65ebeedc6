"""``@check``: what a check must say of itself, and how pytest learns of it.

The decorator is a pytest mark and wraps nothing: the function stays as it is written, and a test can call
it with facts made by hand.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from muster.inventory.problems import nearest
from muster.judge import Case, Given
from muster.need import Need
from muster.targets import Host, Target
from muster.verdict import SEVERITIES, Check, Severity

#: The fixtures that reach a host for what no declared fact can say, and the kind of target of each.
LIVE = ("host", "http", "docker_client", "database")

_RUNBOOK = re.compile(r"[\w.-]+\.md(#[\w-]+)?")


class CheckError(Exception):
    """A check is badly written. The message gives file and line, what is wrong and the way out."""


def check(
    *,
    severity: Severity,
    remediation: str,
    runbook: str = "",
    applies: Callable[[Any], bool] | None = None,
) -> pytest.MarkDecorator:
    """Make a test function a check.

    ``severity`` is how much it matters when it fails: ``critical`` fails the run, ``warning`` and ``info`` are
    shown. ``remediation`` is the command or the action that mends it. ``runbook`` is the page and heading
    under ``docs/runbooks`` (``containers.md#restarts``). ``applies`` tells whether the check is about a
    given target; without it, the check is about every target of its kind.
    """
    return pytest.mark.check(severity=severity, remediation=remediation, runbook=runbook, applies=applies)


def is_check(function: object) -> bool:
    return _mark(function) is not None


def is_live(arguments: Iterable[str]) -> bool:
    """Whether some of these arguments are live fixtures, which a judged check cannot have."""
    return any(name in LIVE for name in arguments)


def read_check(function: Callable[..., None]) -> Check:
    """What a check says of itself.

    Raises:
        CheckError: title, severity or remediation are missing or wrong.
    """
    mark = _mark(function)
    said: Mapping[str, Any] = mark.kwargs if mark else {}
    title = inspect.getdoc(function) or ""
    problems = []
    if not title.strip():
        problems.append("has no title: let line 1 of its docstring say the state that is wanted")
    if said.get("severity") not in SEVERITIES:
        problems.append(f"has severity {said.get('severity')!r}: choose one of {', '.join(SEVERITIES)}")
    if not str(said.get("remediation") or "").strip():
        problems.append("has no remediation: say which command or action mends it")
    runbook = said.get("runbook") or ""
    if runbook and not _RUNBOOK.fullmatch(runbook):
        problems.append(f"has runbook {runbook!r}: write it as page.md#heading")
    if problems:
        raise CheckError(_problem(function, *problems))
    return Check(_name(function), title.splitlines()[0].rstrip("."), said["severity"], said["remediation"], runbook)


def read_case(function: Callable[..., None], needs: Mapping[str, Need[Any]]) -> Case:
    """Make a judged check ready: its arguments are facts among ``needs``, ``target`` and ``measure``.

    Any other argument is a fixture of the site's own, or a parameter: pytest finds it, or says that there is none.

    Raises:
        CheckError: the check is badly written, or the name of an argument is nearly that of a fact.
    """
    spec = read_check(function)
    mark = _mark(function)
    arguments: list[tuple[str, Need[Any] | Given]] = []
    for name in inspect.signature(function).parameters:
        declared = needs.get(name) or getattr(inspect.getmodule(function), name, None)
        if isinstance(declared, Need):
            arguments.append((name, declared))
        elif name in (Given.TARGET.value, Given.MEASURE.value):
            arguments.append((name, Given(name)))
        elif near := nearest(name, [*needs, *LIVE, *(given.value for given in Given)], cutoff=0.8):
            raise CheckError(_problem(function, f"asks for {name!r}, which is no fact; did you mean {near}?"))
    kind = kind_of(function, [source for _, source in arguments if isinstance(source, Need)])
    return Case(spec, function, kind, tuple(arguments), mark.kwargs.get("applies") if mark else None)


def kind_of(function: Callable[..., Any], needs: Iterable[Need[Any]], arguments: Iterable[str] = ()) -> type[Target]:
    """The kind of target that a check is about.

    That is the kind of its facts; facts of the host may stand beside those of what is on it. A check that
    reads no fact says its kind by the type of its argument ``target``.

    Raises:
        CheckError: the facts are of two kinds, or nothing tells the kind.
    """
    kinds = {each.of for each in needs}
    hint = typing.get_type_hints(function).get(Given.TARGET.value) if _takes_target(function) else None
    if isinstance(hint, type) and issubclass(hint, Target) and hint is not Target:
        kinds.add(hint)
    if "database" in arguments:
        from muster.databases import Database

        kinds.add(Database)
    if is_live(arguments):
        kinds.add(Host)
    on_it = kinds - {Host}
    # A fact of every database may stand beside one of PostgreSQL: the check is about the narrower kind.
    specific = {kind for kind in on_it if not any(one is not kind and issubclass(one, kind) for one in on_it)}
    if len(specific) > 1:
        named = " and ".join(sorted(kind.kind for kind in specific))
        raise CheckError(_problem(function, f"reads facts of two kinds of target, {named}: make it two checks"))
    if specific:
        return specific.pop()
    if not kinds:
        raise CheckError(
            _problem(function, "reads no fact: take one as an argument, or annotate `target` with its kind")
        )
    return Host


def described(function: Callable[..., Any]) -> Check:
    """A check made of an ordinary test function, for tests that are not written for Muster."""
    if is_check(function):
        return read_check(function)
    title = (inspect.getdoc(function) or _name(function).replace("_", " ")).splitlines()[0].rstrip(".")
    return Check(_name(function), title, "critical")


def _takes_target(function: Callable[..., Any]) -> bool:
    return Given.TARGET.value in inspect.signature(function).parameters


def _mark(function: object) -> pytest.Mark | None:
    return next((mark for mark in getattr(function, "pytestmark", ()) if mark.name == "check"), None)


def _name(function: Callable[..., Any]) -> str:
    return function.__name__.removeprefix("test_")


def _problem(function: Callable[..., Any], *problems: str) -> str:
    code = function.__code__
    place = f"{code.co_filename}:{code.co_firstlineno}: {function.__name__}"
    return "\n".join(f"{place} {problem}" for problem in problems)
