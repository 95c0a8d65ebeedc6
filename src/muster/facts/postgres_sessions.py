"""What sessions with a PostgreSQL database are at, and since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.facts.reading import some
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.servers import Rows
from muster.text import amount, printable

IDLE = ("idle in transaction", "idle in transaction (aborted)")

# Those of this database: those of others keep nothing of it. With the oldest transactions first, no longest one is
# left out: a query is never older than its transaction.
_SELECT = """
SELECT pid, coalesce(usename, '') AS usename, coalesce(application_name, '') AS application_name, state,
    extract(epoch FROM clock_timestamp() - query_start)::float8 AS query_age,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_age,
    extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_age,
    left(query, 200) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND (xact_start IS NOT NULL OR state IN ('active', 'disabled'))
ORDER BY xact_start LIMIT 900"""


class Session(Struct, frozen=True):
    """A session with a transaction: who, what it runs or ran last, and for how many seconds."""

    pid: int
    user: str
    application: str
    state: str
    query_seconds: float
    transaction_seconds: float
    state_seconds: float
    query: str

    def told(self, seconds: float) -> str:
        """Who it is and what it runs, with the number of seconds that matters."""
        who = printable(", ".join(part for part in (self.user, self.application, self.state) if part), 80)
        return f"pid {self.pid} ({who}) for {amount(seconds, 's')}: {self.query or 'no query'}"


class PostgresSessions(Struct, frozen=True):
    """The sessions with this database that are within a transaction or run a query; without our own."""

    every: tuple[Session, ...]

    @property
    def running(self) -> tuple[Session, ...]:
        """Those that run a query, the longest first."""
        active = [each for each in self.every if each.state not in IDLE]
        return tuple(sorted(active, key=lambda each: -each.query_seconds))

    @property
    def oldest(self) -> tuple[Session, ...]:
        """All, the longest transaction first."""
        return tuple(sorted(self.every, key=lambda each: -each.transaction_seconds))

    @property
    def idle(self) -> tuple[Session, ...]:
        """Those whose client has left a transaction open and does nothing, the longest first."""
        idle = [each for each in self.every if each.state in IDLE]
        return tuple(sorted(idle, key=lambda each: -each.state_seconds))

    @property
    def told_running(self) -> str:
        """The longest queries."""
        return _named(self.running, lambda each: each.query_seconds)

    @property
    def told_oldest(self) -> str:
        """The longest transactions."""
        return _named(self.oldest, lambda each: each.transaction_seconds)

    @property
    def told_idle(self) -> str:
        """Those that were idle for the longest time."""
        return _named(self.idle, lambda each: each.state_seconds)

    def __str__(self) -> str:
        return f"{len(self.every)} in a transaction: {len(self.running)} active, {len(self.idle)} idle"


def _named(sessions: Sequence[Session], seconds: Callable[[Session], float]) -> str:
    return some((each.told(seconds(each)) for each in sessions), sql.NAMED, "; ")


def parse(answer: Rows) -> PostgresSessions:
    """Make the fact of rows of ``pg_stat_activity``.

    Raises:
        Unobserved: sessions do not say what they are at.
    """
    found = []
    for pid, user, application, state, query_age, transaction_age, state_age, query in answer.rows:
        if state == "disabled":
            raise Unobserved("missing", f"pid {pid} does not say what it is at: set track_activities = on")
        in_query, in_transaction, in_state = (
            max(0.0, float(age or 0)) for age in (query_age, transaction_age, state_age)
        )
        said = sql.beginning(query)
        found.append(
            Session(int(pid), user, application, state or "", in_query, in_transaction, in_state, said),
        )
    return PostgresSessions(tuple(found))


@need(Postgres)
def postgres_sessions(database: Postgres) -> Probe[PostgresSessions]:
    """The sessions with the database that are within a transaction."""
    return postgres.probe_all(database, _SELECT, parse)
