"""What sessions with a MySQL or MariaDB database are at, and since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from muster.databases import Mysql
from muster.facts import mysql, sql
from muster.facts.reading import some
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows
from muster.text import amount, printable

# Those of this database, without the server's own and those that send its log to replicas.
_SELECT = f"""
SELECT p.id, p.user, p.command, p.time, LEFT(p.info, 200) AS query,
    TIMESTAMPDIFF(SECOND, t.trx_started, {mysql.NOW}) AS open_for
FROM information_schema.processlist AS p
LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
WHERE p.id <> CONNECTION_ID() AND p.user NOT IN ('system user', 'event_scheduler')
    AND p.command NOT IN ('Binlog Dump', 'Binlog Dump GTID', 'Daemon')
    AND (p.command <> 'Sleep' OR t.trx_started IS NOT NULL)
    AND (DATABASE() IS NULL OR p.db IS NULL OR p.db = DATABASE())
ORDER BY t.trx_started IS NULL, t.trx_started, p.time DESC LIMIT 900"""  # noqa: S608


class MysqlSession(Struct, frozen=True):
    """A session that runs a query or is within a transaction: who, since when, in seconds, and what it runs.

    ``state_seconds`` is how long it has been at its ``command`` (``Query``, ``Sleep``, ...), ``transaction_seconds``
    how long its transaction is open; None where it is within none that has read or written anything.
    """

    id: int
    user: str
    command: str
    state_seconds: float
    transaction_seconds: float | None
    query: str

    @property
    def idle(self) -> bool:
        """Whether its client has left a transaction open and does nothing."""
        return self.command == "Sleep"

    def told(self, seconds: float) -> str:
        """Who it is and what it runs, with the number of seconds that matters."""
        who = printable(f"{self.user}, {self.command}", 80)
        return f"id {self.id} ({who}) for {amount(seconds, 's')}: {self.query or 'no query'}"


class MysqlSessions(Struct, frozen=True):
    """The sessions with this database that run a query or are within a transaction; without our own."""

    every: tuple[MysqlSession, ...]

    @property
    def running(self) -> tuple[MysqlSession, ...]:
        """Those that run a query, the longest first."""
        return tuple(sorted((each for each in self.every if not each.idle), key=lambda each: -each.state_seconds))

    @property
    def oldest(self) -> tuple[MysqlSession, ...]:
        """Those within a transaction, the longest first."""
        within = [each for each in self.every if each.transaction_seconds is not None]
        return tuple(sorted(within, key=lambda each: -(each.transaction_seconds or 0)))

    @property
    def idle(self) -> tuple[MysqlSession, ...]:
        """Those whose client has left a transaction open and does nothing, the longest first."""
        return tuple(sorted((each for each in self.every if each.idle), key=lambda each: -each.state_seconds))

    @property
    def told_running(self) -> str:
        """The longest queries, for a message."""
        return _named(self.running, lambda each: each.state_seconds)

    @property
    def told_oldest(self) -> str:
        """The longest transactions, for a message."""
        return _named(self.oldest, lambda each: each.transaction_seconds or 0.0)

    @property
    def told_idle(self) -> str:
        """The transactions that were left open for the longest time, for a message."""
        return _named(self.idle, lambda each: each.state_seconds)

    def __str__(self) -> str:
        return (
            f"{len(self.running)} running a query, {len(self.oldest)} in a transaction, {len(self.idle)} of them idle"
        )


def _named(sessions: Sequence[MysqlSession], seconds: Callable[[MysqlSession], float]) -> str:
    return some((each.told(seconds(each)) for each in sessions), sql.NAMED, "; ")


def parse(answer: Rows) -> MysqlSessions:
    """Make the fact of rows of ``information_schema.processlist``."""
    return MysqlSessions(
        tuple(
            MysqlSession(
                int(number),
                str(user),
                str(command),
                max(0.0, float(time or 0)),
                None if open_for is None else max(0.0, float(open_for)),
                sql.beginning(query),
            )
            for number, user, command, time, query, open_for in answer.rows
        )
    )


@need(Mysql)
def mysql_sessions(database: Mysql) -> Probe[MysqlSessions]:
    """The sessions with the database that run a query or are within a transaction."""
    return sql.probe(database, _SELECT, parse)
