"""What the facts about PostgreSQL and MySQL servers have in common: how they ask, and what they show of a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from muster.databases import ServerDatabase
from muster.probes import Probe
from muster.questions.servers import Rows, Select
from muster.text import amount, plural, printable

T = TypeVar("T")

#: Characters of a query that are shown: its values may be personal data.
SHOWN = 80

#: How many sessions, waits, or holders of a lock a message names.
NAMED = 3

#: What was called less often is no habit yet: an index that was made, a migration.
CALLS = 5


class Statement(Struct, frozen=True):
    """A statement without its values, how often it was called, and how long it took on average."""

    query: str
    mean_seconds: float
    calls: int

    def __str__(self) -> str:
        seconds = self.mean_seconds
        took = amount(seconds, "s") if seconds >= 1 else amount(1000 * seconds, "ms")
        return f"{took} on average over {plural(self.calls, 'call')}: {self.query}"


class SlowStatements(Struct, frozen=True):
    """The slowest statements of a database among those that are called again and again, slowest first."""

    slowest: tuple[Statement, ...]

    @property
    def mean_seconds(self) -> float:
        """How long the slowest takes on average; 0 where none is called again and again."""
        return self.slowest[0].mean_seconds if self.slowest else 0.0

    @property
    def told(self) -> str:
        """The slowest few, for a message."""
        return "; ".join(map(str, self.slowest[:NAMED]))

    def __str__(self) -> str:
        return str(self.slowest[0]) if self.slowest else f"no statement was called {CALLS} times yet"


def ask(database: ServerDatabase, statement: str) -> Select:
    """The question: what does this ``SELECT`` of ours give?"""
    return Select(database.server, statement, timeout=database.timeout)


def probe(database: ServerDatabase, statement: str, parse: Callable[[Rows], T]) -> Probe[T]:
    """Ask a ``SELECT`` of ours, and parse what it gives."""
    return Probe(ask(database, statement), parse)


def beginning(query: object) -> str:
    """The beginning of a query, in one line; empty where there is none."""
    text = query.decode("utf-8", "backslashreplace") if isinstance(query, bytes) else str(query or "")
    return printable(" ".join(text.split()), SHOWN)
