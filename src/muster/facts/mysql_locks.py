"""Who waits for whom in a MySQL or MariaDB database."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Mysql
from muster.facts import mysql, sql
from muster.facts.reading import some
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows
from muster.text import amount, plural, printable

# Rows that are locked, by InnoDB; then tables that somebody alters or has in use, of which only the wait is told.
_SELECT = f"""
SELECT r.trx_mysql_thread_id AS id, p.user AS waiter,
    TIMESTAMPDIFF(SECOND, r.trx_wait_started, {mysql.NOW}) AS waited, LEFT(r.trx_query, 200) AS query,
    b.trx_mysql_thread_id AS holder, h.user AS holder_name, h.command AS holder_command
FROM information_schema.innodb_trx AS r
JOIN /*M! information_schema.innodb_lock_waits AS w ON w.requesting_trx_id = r.trx_id
     JOIN information_schema.innodb_trx AS b ON b.trx_id = w.blocking_trx_id */
     /*!80000 performance_schema.data_lock_waits AS w ON w.requesting_engine_transaction_id = r.trx_id
     JOIN information_schema.innodb_trx AS b ON b.trx_id = w.blocking_engine_transaction_id */
LEFT JOIN information_schema.processlist AS p ON p.id = r.trx_mysql_thread_id
LEFT JOIN information_schema.processlist AS h ON h.id = b.trx_mysql_thread_id
UNION ALL
SELECT id, user, time, LEFT(info, 200), NULL, NULL, NULL FROM information_schema.processlist
WHERE state LIKE 'Waiting for%lock'
ORDER BY 3 DESC LIMIT 900"""  # noqa: S608


class MysqlLockWait(Struct, frozen=True):
    """A session that waits for a lock for that many seconds, and the ``holders`` of it, in words; none where the
    server does not say who has it."""

    id: int
    user: str
    seconds: float
    query: str
    holders: tuple[str, ...]

    def __str__(self) -> str:
        holders = some(self.holders, sql.NAMED, " and ") or "a table that another session has in use"
        who = f"id {self.id} ({printable(self.user, 80)})"
        return f"{who} waits {amount(self.seconds, 's')} for {holders}: {self.query}"


class MysqlLocks(Struct, frozen=True):
    """The sessions of the server that wait for a lock, the longest wait first."""

    waits: tuple[MysqlLockWait, ...]

    @property
    def told(self) -> str:
        """The longest waits, for a message."""
        return some(map(str, self.waits), sql.NAMED, "; ")

    def __str__(self) -> str:
        return f"{plural(len(self.waits), 'session')} waiting for a lock"


def parse(answer: Rows) -> MysqlLocks:
    """Make the fact of rows with a waiting session and one that it waits for."""
    waits: dict[int, MysqlLockWait] = {}
    for number, waiter, waited, query, holder, name, command in answer.rows:
        holders = waits[number].holders if number in waits else ()
        if holder is not None:
            who = printable(", ".join(str(each) for each in (name, command) if each), 80)
            told = f"id {holder} ({who})" if who else f"id {holder}"
            holders = (*holders, *((told,) if told not in holders else ()))
        seconds, said = max(0.0, float(waited or 0)), sql.beginning(query)
        waits[number] = MysqlLockWait(int(number), str(waiter or ""), seconds, said, holders)
    return MysqlLocks(tuple(sorted(waits.values(), key=lambda wait: -wait.seconds)))


@need(Mysql)
def mysql_locks(database: Mysql) -> Probe[MysqlLocks]:
    """The sessions of the server that wait for a lock, and who blocks them."""
    return sql.probe(database, _SELECT, parse)
