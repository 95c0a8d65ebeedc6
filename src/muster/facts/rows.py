"""The rows of the tables that the inventory names: how old the newest is, how many there are, and are too old."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from muster.databases import Database, Mysql, Postgres, ServerDatabase, Sqlite, Table
from muster.facts import rows_statements
from muster.facts.rows_answer import complete, granted, lines, of_all
from muster.facts.sqlite import ask
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.servers import AskEach, Rows, Select
from muster.text import plural, printable, span

#: How far, in seconds, a time may be ahead of the server's clock: further, and it is not in UTC.
AHEAD = 60.0

_LINE = re.compile(r"(-|[-+0-9.e]{1,40})\|([^|]{0,40})\|([0-9]{1,20}|-)\|([0-9]{1,20}|-)")


class TableRows(Struct, frozen=True):
    """A table, as far as its numbers were asked for: how old its newest row is, in seconds, None where there is none;
    how many rows are older than they may become; how many there are."""

    newest_seconds: float | None = None
    expired: int = 0
    count: int = 0


class NewestRows(Struct, frozen=True):
    """The age of the newest row of each table, in seconds; which are ``empty``; why others are not known."""

    ages: Mapping[str, float]
    empty: tuple[str, ...] = ()
    failures: tuple[Unobserved, ...] = ()

    def complete(self) -> None:
        """Raises `Unobserved` where a table could not be looked at."""
        complete(self.failures)

    def __str__(self) -> str:
        told = [f"the newest row of {name} is {span(age)} old" for name, age in self.ages.items()]
        return ", ".join(told + [f"there is no row in {name}" for name in self.empty])


class RowCounts(Struct, frozen=True):
    """How many rows of each table there are, or are too old; why others could not be counted: ``failures``."""

    counts: Mapping[str, int]
    too_old: bool = False
    failures: tuple[Unobserved, ...] = ()

    def complete(self) -> None:
        """Raises `Unobserved` where a table could not be looked at."""
        complete(self.failures)

    def __str__(self) -> str:
        kind = " too old" if self.too_old else ""
        return ", ".join(f"{plural(count, 'row')}{kind} in {name}" for name, count in self.counts.items())


def parse_newest(database: Database, answer: Any) -> NewestRows:
    """Make the fact of what was answered for every table."""
    found, failures = _answers(database, answer, "newest")
    ages = {name: each.newest_seconds for name, each in found.items() if each.newest_seconds is not None}
    return NewestRows(ages, tuple(name for name in found if name not in ages), failures)


def parse_expired(database: Database, answer: Any) -> RowCounts:
    """Make the fact of what was answered for every table."""
    found, failures = _answers(database, answer, "keep")
    return RowCounts({name: each.expired for name, each in found.items()}, True, failures)


def parse_counts(database: Database, answer: Any) -> RowCounts:
    """Make the fact of what was answered for every table."""
    found, failures = _answers(database, answer, "rows")
    return RowCounts({name: each.count for name, each in found.items()}, failures=failures)


def _answers(database: Database, answer: Any, field: str) -> tuple[dict[str, TableRows], tuple[Unobserved, ...]]:
    """What is known of each table of which the inventory says something in ``field``."""
    names = [name for name, table in database.tables.items() if getattr(table, field) is not None]
    if not names:
        raise DoesNotApply(f"the inventory says `{field}` of no table")
    if isinstance(database, Sqlite):
        answers = [_or_failure(each) for each in _of_sqlite(database, answer)]
    else:
        answers = [_or_failure(each.rows[0] if isinstance(each, Rows) and each.rows else each) for each in answer]
    by_name = {name: granted(database, each) for name, each in zip(database.tables, answers, strict=True)}
    return of_all(names, [by_name[name] for name in names])


def _of_sqlite(database: Sqlite, answer: Any) -> Iterator[Any]:
    for line in lines(database, answer, _LINE, len(database.tables)):
        if isinstance(line, Unobserved):
            yield line
        else:
            yield tuple(None if part == "-" else part for part in line.groups())


def _or_failure(row: Any) -> TableRows | Unobserved:
    if isinstance(row, Unobserved):
        return row
    try:
        age, newest, expired, count = row
        seconds = None if age is None else float(age)
        table = TableRows(seconds, int(expired or 0), int(count or 0))
    except (TypeError, ValueError):
        return Unobserved("unreadable", f"this is no answer about a table: {str(row)[:80]}")
    if seconds is None and newest is not None:
        return Unobserved("wrong", f"its newest time cannot be read: {printable(str(newest), 40)}")
    if seconds is not None and seconds < -AHEAD:
        return Unobserved(
            "wrong", f"its newest row, {newest}, is {span(-seconds)} ahead of the clock: are its times not in UTC?"
        )
    return table


def _probe(database: Database, parse: Any) -> Probe[Any]:
    """Ask one statement for each table, the same ones for all facts about rows."""
    if isinstance(database, Sqlite):
        statements = (rows_statements.of_sqlite(name, table) for name, table in database.tables.items())
        return Probe(ask(database, *statements, slow=True), partial(parse, database))
    assert isinstance(database, ServerDatabase)
    selects = (
        Select(database.server, _statement(database, name, table), timeout=database.timeout)
        for name, table in database.tables.items()
    )
    return Probe(AskEach(tuple(selects)), partial(parse, database))


def _statement(database: ServerDatabase, name: str, table: Table) -> str:
    match database:
        case Postgres():
            return rows_statements.of_postgres(name, table)
        case Mysql():
            return rows_statements.of_mysql(name, table)
    raise TypeError(f"a {type(database).__name__} has no tables")


@need(Database)
def newest_rows(database: Database) -> Probe[NewestRows]:
    """How old the newest row is of each table of which the inventory says ``newest``."""
    return _probe(database, parse_newest)


@need(Database)
def expired_rows(database: Database) -> Probe[RowCounts]:
    """How many rows are older than each table of which the inventory says so may ``keep`` them."""
    return _probe(database, parse_expired)


@need(Database)
def row_counts(database: Database) -> Probe[RowCounts]:
    """How many rows there are in each table of which the inventory bounds the ``rows``."""
    return _probe(database, parse_counts)
