"""How a PostgreSQL replica follows its primary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from muster.facts import postgres
from muster.need import need
from muster.probes import DoesNotApply, Probe, Rows
from muster.targets import Postgres
from muster.text import amount, printable

# Where all that was received is replayed, the last transaction is old because nothing happened since.
_SELECT = f"""
SELECT pg_is_in_recovery() AS replica, {postgres.SEES_ALL} AS sees, coalesce(w.status, '') AS status,
    coalesce(w.sender_host || ':' || w.sender_port, '') AS sender,
    CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
         ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS lag,
    CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused
FROM (SELECT) AS nothing LEFT JOIN pg_stat_wal_receiver AS w ON true"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class PostgresReplica:
    """A replica: the state of what receives from ``sender`` (``streaming``; empty where nothing does), and how many
    seconds what it shows is behind what it received. None where it has replayed no transaction yet."""

    status: str
    sender: str
    lag_seconds: float | None
    paused: bool

    @property
    def streams(self) -> bool:
        return self.status == "streaming"

    def __str__(self) -> str:
        what = f"{self.status} from {printable(self.sender, 80)}" if self.status else "receives from no primary"
        lag = "" if self.lag_seconds is None else f", {amount(self.lag_seconds, 's')} behind"
        return what + lag + (", replay is paused" if self.paused else "")


def parse(database: Postgres, answer: Rows) -> PostgresReplica:
    """Make the fact of what a replica knows of itself.

    Raises:
        DoesNotApply: the server is no replica.
        Unobserved: who asks may not see from whom it receives.
    """
    replica, sees, status, sender, lag, paused = postgres.one(answer)
    if not replica:
        raise DoesNotApply("the server is a primary, it follows nobody")
    if not sees:
        raise postgres.hidden(database)
    return PostgresReplica(str(status), str(sender), None if lag is None else max(0.0, float(lag)), bool(paused))


@need(Postgres)
def postgres_replica(database: Postgres) -> Probe[PostgresReplica]:
    """How the server follows its primary, where it is a replica."""
    return postgres.probe(database, _SELECT, partial(parse, database))
