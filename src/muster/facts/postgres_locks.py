"""Who waits for whom in a PostgreSQL database."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.facts.reading import some
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows
from muster.text import amount, plural, printable

# PostgreSQL 14 knows since when a lock is waited for; before, the query has run for that long at most. A blocker
# with pid 0 is a prepared transaction.
_SELECT = """
SELECT w.pid, coalesce(w.usename, '') AS waiter,
    extract(epoch FROM clock_timestamp() - coalesce(
        (SELECT min((to_jsonb(l) ->> 'waitstart')::timestamptz) FROM pg_locks AS l
         WHERE l.pid = w.pid AND NOT l.granted), w.query_start))::float8 AS waited,
    left(w.query, 200) AS query,
    h.pid AS holder, coalesce(b.usename, '') AS holder_name, coalesce(b.state, '') AS holder_state
FROM pg_stat_activity AS w
CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(w.pid)) AS pid) AS h
LEFT JOIN pg_stat_activity AS b ON b.pid = h.pid
WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'
ORDER BY 3 DESC LIMIT 900"""


class Holder(Struct, frozen=True):
    """A session that others wait for; ``pid`` 0 is a prepared transaction, which has no session."""

    pid: int
    user: str
    state: str

    def __str__(self) -> str:
        if self.pid == 0:
            return "a prepared transaction"
        return f"pid {self.pid} ({printable(f'{self.user}, {self.state}', 80)})"


class LockWait(Struct, frozen=True):
    """A session that waits for a lock, and who keeps it from it."""

    pid: int
    user: str
    seconds: float
    query: str
    holders: tuple[Holder, ...]

    def __str__(self) -> str:
        holders = some(map(str, self.holders), sql.NAMED, " and ")
        who = f"pid {self.pid} ({printable(self.user, 80)})"
        return f"{who} waits {amount(self.seconds, 's')} for {holders}: {self.query}"


class PostgresLocks(Struct, frozen=True):
    """The sessions of this database that wait for a lock, the longest wait first."""

    waits: tuple[LockWait, ...]

    @property
    def told(self) -> str:
        """The longest waits, for a message."""
        return some(map(str, self.waits), sql.NAMED, "; ")

    def __str__(self) -> str:
        return f"{plural(len(self.waits), 'session')} waiting for a lock"


def parse(answer: Rows) -> PostgresLocks:
    """Make the fact of rows with a waiting session and one that it waits for."""
    waits: dict[int, LockWait] = {}
    for pid, waiter, waited, query, holder, name, state in answer.rows:
        before = waits[pid].holders if pid in waits else ()
        holders = (*before, Holder(int(holder), name, state))
        waits[pid] = LockWait(int(pid), waiter, max(0.0, float(waited or 0)), sql.beginning(query), holders)
    return PostgresLocks(tuple(sorted(waits.values(), key=lambda wait: -wait.seconds)))


@need(Postgres)
def postgres_locks(database: Postgres) -> Probe[PostgresLocks]:
    """The sessions of the database that wait for a lock, and who blocks them."""
    return postgres.probe_all(database, _SELECT, parse)
