"""How much of a PostgreSQL database's transaction ids is used up."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows

#: A server takes no more writes before an id is this old: ids are compared modulo 2^32
#: (https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND).
MOST = 2**31

_SELECT = """
SELECT age(datfrozenxid), mxid_age(datminmxid) FROM pg_database WHERE datname = current_database()"""


class PostgresTransactionIds(Struct, frozen=True):
    """The age of the oldest transaction id, and multixact id, that is not frozen yet: in ids given out since."""

    transactions: int
    multixacts: int

    @property
    def used_percent(self) -> float:
        return 100 * max(self.transactions, self.multixacts) / MOST

    def __str__(self) -> str:
        return f"the oldest is {self.transactions:,} transactions old, or {self.multixacts:,} multixacts"


def parse(answer: Rows) -> PostgresTransactionIds:
    """Make the fact of a row of ``pg_database``."""
    transactions, multixacts = postgres.one(answer)
    return PostgresTransactionIds(int(transactions), int(multixacts))


@need(Postgres)
def postgres_transaction_ids(database: Postgres) -> Probe[PostgresTransactionIds]:
    """How old the oldest transaction id of the database is."""
    return sql.probe(database, _SELECT, parse)
