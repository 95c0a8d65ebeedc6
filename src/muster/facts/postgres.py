"""PostgreSQL: how its views are asked, and what they hide from a user who may not see all of them.

To a user who is not in ``pg_read_all_stats`` (which ``pg_monitor`` includes) ``pg_stat_activity`` and its like show
only what is its own, and nothing tells that rows are empty for that reason:
https://www.postgresql.org/docs/current/predefined-roles.html. So who asks is asked for too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from muster.databases import Postgres
from muster.facts import sql
from muster.probes import Probe, Unobserved
from muster.questions.servers import Rows

T = TypeVar("T")

#: Whether who asks sees all, in SQL.
SEES_ALL = "pg_has_role('pg_read_all_stats', 'USAGE')"


def probe_all(database: Postgres, statement: str, parse: Callable[[Rows], T]) -> Probe[T]:
    """Ask a ``SELECT`` of what only members of ``pg_monitor`` see. Its first column is never NULL."""
    whole = f"SELECT r.sees, s.* FROM (SELECT {SEES_ALL} AS sees) AS r LEFT JOIN ({statement}) AS s ON true"  # noqa: S608
    return sql.probe(database, whole, partial(_seen, database, parse))


def _seen(database: Postgres, parse: Callable[[Rows], T], answer: Rows) -> T:
    """Parse an answer without the column that tells whether all of it was to be seen.

    Raises:
        Unobserved: it was not.
    """
    if not answer.rows[0][0]:
        raise hidden(database)
    rows = tuple(row[1:] for row in answer.rows if row[1] is not None)
    return parse(Rows(answer.columns[1:], rows, answer.truncated))


def user(database: Postgres) -> str:
    """Who logs in."""
    return database.server.user or "postgres"


def hidden(database: Postgres) -> Unobserved:
    """Who logs in may not see it, and how to change that."""
    name = user(database)
    return Unobserved("permission", f"{name} sees only what is its own: GRANT pg_monitor TO {quoted(name)}")


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'


def one(answer: Rows) -> tuple[Any, ...]:
    """The one row that there must be.

    Raises:
        Unobserved: there is none.
    """
    if not answer.rows:
        raise Unobserved("unreadable", "PostgreSQL gave no row, where there is always one")
    return answer.rows[0]
