"""The numbers that the queries of the inventory give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from muster.databases import Database, ServerDatabase, Sqlite
from muster.facts.rows_answer import complete, granted, lines, of_all
from muster.facts.sqlite import ask
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.servers import AskEach, Rows, Select
from muster.text import printable

#: What a number looks like in text, as all engines write it.
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,4})?")

#: What SQLite answers: the type and the text of at most two values of the one column, or that there is no row.
_LINE = re.compile(
    r"norow|(?:integer|real|text|blob|null):[^\t]{0,64}(?:\t(?:integer|real|text|blob|null):[^\t]{0,64})?"
)


class QueryValues(Struct, frozen=True):
    """The number that each query gives, by the query's name; why others give none: ``failures``."""

    values: Mapping[str, float]
    failures: tuple[Unobserved, ...] = ()

    def complete(self) -> None:
        """Raises `Unobserved` where a query gave no number."""
        complete(self.failures)

    def __str__(self) -> str:
        return ", ".join(f"{name}: {value:g}" for name, value in self.values.items())


def parse(database: Database, answer: Any) -> QueryValues:
    """Make the fact of what was answered to each query.

    Raises:
        Unobserved: all failed for one reason.
    """
    if isinstance(database, Sqlite):
        answers = [_number(each) for each in _of_sqlite(database, answer)]
    else:
        answers = [_number([row[0] for row in each.rows] if isinstance(each, Rows) else each) for each in answer]
    values, failures = of_all(database.queries, [granted(database, each) for each in answers])
    return QueryValues(values, failures)


def _number(values: Any) -> float | Unobserved:
    """The number of the only row."""
    if isinstance(values, Unobserved):
        return values
    if len(values) != 1:
        return Unobserved("wrong", f"the query gives {'more than one row' if values else 'no row'}, not one number")
    (value,) = values
    if value is None:
        return Unobserved("wrong", "the query gives NULL, not a number")
    if not _NUMBER.fullmatch(str(value)):
        return Unobserved("wrong", f"the query gives {printable(str(value), 64)!r}, not a number")
    return float(value)


def _of_sqlite(database: Sqlite, answer: Any) -> Iterator[Any]:
    for line in lines(database, answer, _LINE, len(database.queries)):
        if isinstance(line, Unobserved):
            yield line
            continue
        values = (part.split(":", 1) for part in line[0].split("\t") if line[0] != "norow")
        yield [None if kind == "null" else text for kind, text in values]


def _in_sqlite(select: str) -> str:
    """A statement that gives in one line what a query gives. A comment may end the query's last line."""
    one = select.rstrip().removesuffix(";")
    text = "replace(replace(replace(substr(v, 1, 64), char(9), ' '), char(10), ' '), char(13), ' ')"
    return (
        f"WITH q(v) AS (\n{one}\n) SELECT coalesce(group_concat(typeof(v) || ':' || coalesce({text}, ''), char(9)),"  # noqa: S608
        " 'norow') FROM (SELECT v FROM q LIMIT 2)"
    )


@need(Database)
def query_values(database: Database) -> Probe[QueryValues]:
    """The number that each query of the inventory gives."""
    selects = [query.select for query in database.queries.values()]
    if isinstance(database, Sqlite):
        return Probe(ask(database, *map(_in_sqlite, selects), slow=True), partial(parse, database))
    assert isinstance(database, ServerDatabase)
    questions = (Select(database.server, each, timeout=database.timeout, expression=True) for each in selects)
    return Probe(AskEach(tuple(questions)), partial(parse, database))
