"""``database`` of a server: a session that a test asks in SQL, and that cannot change anything.

It is the session that the declared facts are asked over, in a read-only transaction for each statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.databases import Postgres
from muster.live.access import Access
from muster.live.database import Cursor, see_that_it_opens
from muster.questions.servers import Execute, Rows


class PostgresDatabase:
    """A PostgreSQL database: ``database.execute("SELECT count(*) FROM task_results").fetchone()``."""

    def __init__(self, access: Access, database: Postgres) -> None:
        self._access = access
        self._database = database

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Cursor:
        """Ask one statement that reads, with values for its ``%s`` or ``%(name)s`` in ``parameters``.

        Values come as psycopg makes them of PostgreSQL's: ``numeric`` as `decimal.Decimal`, and so on.

        Raises:
            Unobserved: the server refused the statement, it took too long, or its answer is too long.
        """
        rows = self._access.run(self._asked(sql, parameters))
        return Cursor(rows.columns, rows.rows)

    async def _asked(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> Rows:
        servers = await self._access.suite.gatherer.pool.servers(self._access.host)
        question = Execute(self._database.server, sql, parameters, timeout=self._access.seconds)
        rows: Rows = await servers.ask(question)
        return rows


def postgres_database(access: Access, database: Postgres) -> PostgresDatabase:
    """The database, where it can be asked.

    Raises:
        Unobserved: it cannot, for the reason that ``database_accepts_connections`` names.
    """
    see_that_it_opens(access, database)
    return PostgresDatabase(access, database)
