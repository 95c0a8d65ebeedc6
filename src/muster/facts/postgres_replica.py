"""How a PostgreSQL replica follows its primary."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.servers import Rows
from muster.text import amount, printable

PRIMARY = DoesNotApply("the server is a primary, it follows nobody")

# Where all that was received is replayed, the last transaction is old because nothing happened since.
_SELECT = f"""
SELECT pg_is_in_recovery() AS replica, {postgres.SEES_ALL} AS sees, coalesce(w.status, '') AS status,
    coalesce(w.sender_host || ':' || w.sender_port, '') AS sender,
    CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
         ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS lag,
    CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused
FROM (SELECT) AS nothing LEFT JOIN pg_stat_wal_receiver AS w ON true"""  # noqa: S608


class PostgresReplica(Struct, frozen=True):
    """A replica: the state of what receives from ``sender``: ``streaming``; empty where nothing receives."""

    status: str
    sender: str

    @property
    def streams(self) -> bool:
        return self.status == "streaming"

    def __str__(self) -> str:
        return f"{self.status} from {printable(self.sender, 80)}" if self.status else "receives from no primary"


class PostgresReplicaLag(Struct, frozen=True):
    """How many seconds what a replica shows is behind what it received, and whether somebody paused it."""

    seconds: float
    paused: bool

    def __str__(self) -> str:
        return f"{amount(self.seconds, 's')} behind" + (", replay is paused" if self.paused else "")


def parse(database: Postgres, answer: Rows) -> PostgresReplica:
    """Make the fact of what a replica knows of itself.

    Raises:
        DoesNotApply: the server is no replica.
        Unobserved: who asks may not see from whom it receives.
    """
    replica, sees, status, sender, _, _ = postgres.one(answer)
    if not replica:
        raise PRIMARY
    if not sees:
        raise postgres.hidden(database)
    return PostgresReplica(str(status), str(sender))


def parse_lag(answer: Rows) -> PostgresReplicaLag:
    """Make the fact of what a replica knows of itself.

    Raises:
        DoesNotApply: the server is no replica.
        Unobserved: it has replayed no transaction since it started, and not all that it received.
    """
    replica, _, _, _, lag, paused = postgres.one(answer)
    if not replica:
        raise PRIMARY
    if lag is None:
        raise Unobserved(
            "missing", "it has replayed no transaction since it started: nobody knows how far behind it is"
        )
    return PostgresReplicaLag(max(0.0, float(lag)), bool(paused))


@need(Postgres)
def postgres_replica(database: Postgres) -> Probe[PostgresReplica]:
    """Whether the server receives from its primary, where it is a replica."""
    return sql.probe(database, _SELECT, partial(parse, database))


@need(Postgres)
def postgres_replica_lag(database: Postgres) -> Probe[PostgresReplicaLag]:
    """How far the server is behind what it received, where it is a replica."""
    return sql.probe(database, _SELECT, parse_lag)
