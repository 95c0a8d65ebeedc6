"""Variables of compose files: ``${NAME:-default}`` in their text, and the ``.env`` in which they are set.

As the Compose specification has them, section "Interpolation"; but a variable that is not set, for which compose
takes nothing and warns, is refused here: a port or a name would be wrong. No value stands in what is raised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from muster.inventory.problems import Problem
from muster.targets import Position

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_ASSIGNED = re.compile(r"(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*(?:[=:][ \t]*|(?=\n|\Z))")
_QUOTED = {'"': re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#[^\n]*)?(?=\n|\Z)', re.DOTALL)}
_QUOTED["'"] = re.compile(r"'((?:[^'\\]|\\.)*)'[ \t]*(?:#[^\n]*)?(?=\n|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r", "t": "\t"}

#: Bounds: a ``.env`` in bytes, variables within variables, and what a text may grow to, in characters.
MOST_BYTES = 1_048_576
MOST_DEPTH = 20
LONGEST = 65_536


class VariableError(ValueError):
    """A text cannot be filled in. Says why, without any variable's value."""


def filled(text: str, variables: Mapping[str, str], depth: int = 0) -> str:
    """``text`` with its variables filled in; ``$$`` stands for ``$``.

    Raises:
        VariableError: a variable is not set and has no default, or is not written as compose has it.
    """
    if depth > MOST_DEPTH:
        raise VariableError(f"has variables within variables, more than {MOST_DEPTH} deep")
    parts: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        after = text[dollar + 1 : dollar + 2]
        if after == "$":
            parts.append("$")
            at = dollar + 2
        elif after == "{":
            at = _closing(text, dollar + 2)
            parts.append(_braced(text[dollar + 2 : at - 1], variables, depth))
        elif name := _NAME.match(text, dollar + 1):
            parts.append(_value(name[0], variables))
            at = name.end()
        else:
            raise VariableError('has a "$" that begins no variable; write $$ for the character itself')
    done = "".join((*parts, text[at:]))
    if len(done) > LONGEST:
        raise VariableError(f"becomes longer than {LONGEST:,} characters")
    return done


def _closing(text: str, start: int) -> int:
    """The place after the brace that closes what opened before ``start``."""
    depth = 1
    for brace in re.finditer(r"\$\$|\$\{|\}", text[start:]):
        depth += {"${": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return start + brace.end()
    raise VariableError('has a "${" that is not closed')


def _braced(inner: str, variables: Mapping[str, str], depth: int) -> str:
    name = _NAME.match(inner)
    rest = inner[name.end() :] if name else inner
    operator = _OPERATOR.match(rest)
    if name is None or (rest and operator is None):
        raise VariableError("has a variable that is not written as compose has it: ${NAME} or ${NAME:-default}")
    if operator is None:
        return _value(name[0], variables)
    value = variables.get(name[0])
    there = value is not None and (value != "" or ":" not in operator[0])
    word = rest[operator.end() :]
    match operator[0][-1]:
        case "+":
            return filled(word, variables, depth + 1) if there else ""
        case "-" if not there:
            return filled(word, variables, depth + 1)
        case "?" if not there:
            raise VariableError(f"needs the variable {name[0]}, which is {_lack(value)}{f': {word}' if word else ''}")
    return value or ""


def _lack(value: str | None) -> str:
    return "not set" if value is None else "empty"


def _value(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise VariableError(
            f"needs the variable {name}, which is not set; set it in the environment or in .env, or write a default: "
            f"${{{name}:-...}}"
        )
    return variables[name]


def read_variables(path: Path, environment: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """What a ``.env`` sets, and what is wrong with it; values may use the environment, and what was set before.

    ``KEY=value``, with ``export`` or without; of a value without quotes, what follows `` #`` is a comment; within
    single quotes all stands for itself; a key alone is taken from the environment.
    """
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            return {}, [Problem(Position(str(path), 1, 1), "is larger than 1 MiB")]
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        return {}, [Problem(Position(str(path), 1, 1), f"cannot be read: {error.strerror or error}")]
    except UnicodeDecodeError:
        return {}, [Problem(Position(str(path), 1, 1), "is not UTF-8 text; save it as UTF-8")]
    found: dict[str, str] = {}
    problems: list[Problem] = []
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        start = end - len(text[at:end].lstrip())
        if start == end or text[start] == "#":
            at = end + 1
            continue
        try:
            at = _assign(text, start, end, found, environment)
        except VariableError as error:
            line = text.count("\n", 0, start) + 1
            problems.append(Problem(Position(str(path), line, 1), f"this line {error}"))
            at = end + 1
    return found, problems


def _assign(text: str, start: int, end: int, found: dict[str, str], environment: Mapping[str, str]) -> int:
    """Read one assignment, and return where the next line begins."""
    assigned = _ASSIGNED.match(text, start)
    if assigned is None:
        raise VariableError("sets no variable; write NAME=value")
    name, at = assigned[1], assigned.end()
    if at >= end and text[at - 1 : at] not in ("=", ":", " ", "\t"):
        if name in environment:
            found[name] = environment[name]
        return end + 1
    quote = text[at : at + 1] if at < end else ""
    if quote in _QUOTED:
        quoted = _QUOTED[quote].match(text, at)
        if quoted is None:
            raise VariableError(f"has a {quote} that is not closed, or text after it")
        value, end = quoted[1], quoted.end()
        if quote == '"':
            # What stands behind a backslash is no variable.
            value = filled(value.replace("\\$", "$$"), {**found, **environment})
            value = _ESCAPED.sub(lambda escape: _MEANT.get(escape[1], escape[1]), value)
    else:
        value = re.split(r"(?:^|[ \t])#", text[at:end], maxsplit=1)[0].rstrip()
        value = filled(value, {**found, **environment})
    found[name] = value
    return end + 1
