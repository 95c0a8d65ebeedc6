"""What the parsers of several answers of one database have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from muster.databases import Database, Postgres, Sqlite
from muster.facts.database_attempt import opening
from muster.facts.postgres import user
from muster.facts.sqlite import Look, read
from muster.probes import Cause, Output, Unobserved
from muster.text import printable

_DENIED = re.compile(r"permission denied for (schema|table|view|materialized view|relation) (\S{1,130})")

#: What SQLite says of what is not there.
_MISSING = ("no such table", "no such column", "no such function")


def of_all(names: Iterable[str], answers: Sequence[Any]) -> tuple[dict[str, Any], tuple[Unobserved, ...]]:
    """The answers by name, and the failures of the others, which say of what they are.

    Raises:
        Unobserved: all failed for one reason, which is the database's and not of one of them.
    """
    failures = {name: each for name, each in zip(names, answers, strict=True) if isinstance(each, Unobserved)}
    first = next(iter(failures.values()), None)
    if first is not None and len(failures) == len(answers):
        alike = len(failures) > 1 and len({each.message for each in failures.values()}) == 1
        if alike or first.host_down:
            raise first
    told = (Unobserved(each.cause, f"{name}: {each.message}") for name, each in failures.items())
    found = {name: each for name, each in zip(names, answers, strict=True) if name not in failures}
    return found, tuple(told)


def granted(database: Database, answer: Any) -> Any:
    """The answer; a failure with what to do about a right that PostgreSQL names. Sessions with MySQL say it."""
    if not (isinstance(answer, Unobserved) and isinstance(database, Postgres)):
        return answer
    found = _DENIED.search(answer.message)
    if found is None:
        return answer
    right = "USAGE ON SCHEMA" if found[1] == "schema" else "SELECT ON"
    return Unobserved(answer.cause, f"{answer.message}; GRANT {right} {found[2]} TO {user(database)}")


def complete(failures: Sequence[Unobserved]) -> None:
    """Raises `Unobserved` where something failed: the first of them, and how many more."""
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise Unobserved(failures[0].cause, failures[0].message + more)


def lines(database: Sqlite, output: Output, pattern: re.Pattern[str], count: int) -> Iterator[Any]:
    """What SQLite answered to ``count`` statements: the match of a line, `Unobserved` from the one on that failed.

    Raises:
        Unobserved: the file could not be opened.
    """
    look = read(database, output)
    attempt = opening(look)
    if not attempt.connected:
        raise Unobserved(attempt.cause or "wrong", str(attempt))
    said = iter(look.further)
    failure: Unobserved | None = None
    for _ in range(count):
        if failure is not None:
            yield Unobserved(failure.cause, f"it was not asked, after one that failed: {failure.message}")
            continue
        line = next(said, "")
        found = pattern.fullmatch(line)
        if found is None:
            failure = Unobserved(*_failed(look, (line, *said)))
        yield found or failure


def _failed(look: Look, rest: tuple[str, ...]) -> tuple[Cause, str]:
    """Why a statement was not answered, by the ``rest`` of what was said.

    The sqlite3 program complains before it prints what was answered, python3 afterwards; the first line says it.
    """
    first = look.said[0] if look.said and not look.said[0].isdigit() else ""
    complaint = first or " ".join(rest).strip() or look.error or "it gave no answer"
    cause: Cause = "missing" if any(words in complaint for words in _MISSING) else "wrong"
    return "timeout" if look.locked else cause, f"{look.tool}: {printable(complaint, 300)}"
