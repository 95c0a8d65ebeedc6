"""Who follows a PostgreSQL server: replicas, and replication slots that keep the write-ahead log for one."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres
from muster.need import need
from muster.probes import DoesNotApply, Probe
from muster.questions.servers import Rows
from muster.text import printable, size

# A replica may be followed too. wal_status is of PostgreSQL 13 and later.
_SELECT = """
WITH here AS (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn)
SELECT 'replica' AS kind, r.application_name || coalesce(' at ' || host(r.client_addr), '') AS name,
    coalesce(r.state, '') AS state, pg_wal_lsn_diff(here.lsn, r.replay_lsn)::float8 AS bytes
FROM pg_stat_replication AS r CROSS JOIN here
UNION ALL
SELECT 'slot', s.slot_name::text,
    CASE WHEN to_jsonb(s) ->> 'wal_status' = 'lost' THEN 'lost' WHEN s.active THEN 'active' ELSE 'inactive' END,
    pg_wal_lsn_diff(here.lsn, s.restart_lsn)::float8
FROM pg_replication_slots AS s CROSS JOIN here
LIMIT 900"""


class Follower(Struct, frozen=True):
    """A replica (or a backup) that receives: its ``state``, and how much of the log it has not replayed."""

    name: str
    state: str
    behind_bytes: float | None

    def __str__(self) -> str:
        behind = "" if self.behind_bytes is None else f", {size(self.behind_bytes)} behind"
        return f"{self.name}: {self.state}{behind}"


class Slot(Struct, frozen=True):
    """A replication slot: ``active``, ``inactive``, or ``lost`` (what it needs is gone), and what it retains."""

    name: str
    state: str
    retained_bytes: float

    def __str__(self) -> str:
        return f"slot {self.name}: {self.state}, retains {size(self.retained_bytes)}"


class PostgresFollowers(Struct, frozen=True):
    """All that follow a server; at least one."""

    replicas: tuple[Follower, ...]
    slots: tuple[Slot, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, (*self.replicas, *self.slots)))


def parse(answer: Rows) -> PostgresFollowers:
    """Make the fact of rows of ``pg_stat_replication`` and ``pg_replication_slots``.

    Raises:
        DoesNotApply: nobody follows the server.
    """
    rows = [(kind, printable(name, 120), state, count) for kind, name, state, count in answer.rows]
    replicas = tuple(
        Follower(name, state, None if count is None else max(0.0, float(count)))
        for kind, name, state, count in rows
        if kind == "replica"
    )
    slots = tuple(
        Slot(name, state, max(0.0, float(count or 0))) for kind, name, state, count in rows if kind == "slot"
    )
    if not replicas and not slots:
        raise DoesNotApply("nobody follows the server: it has no replicas and no replication slots")
    return PostgresFollowers(replicas, slots)


@need(Postgres)
def postgres_followers(database: Postgres) -> Probe[PostgresFollowers]:
    """The replicas and replication slots of the server, where there are any."""
    return postgres.probe_all(database, _SELECT, parse)
