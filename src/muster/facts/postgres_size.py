"""The size of a PostgreSQL database."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows
from muster.text import size


class PostgresSize(Struct, frozen=True):
    """The size of a database: its tables and indexes, without the write-ahead log, which all databases share."""

    size_bytes: int

    def __str__(self) -> str:
        return size(self.size_bytes)


def parse(answer: Rows) -> PostgresSize:
    """Make the fact of ``pg_database_size``."""
    return PostgresSize(int(postgres.one(answer)[0]))


@need(Postgres)
def postgres_size(database: Postgres) -> Probe[PostgresSize]:
    """The size of the database."""
    return sql.probe(database, "SELECT pg_database_size(current_database())", parse)
