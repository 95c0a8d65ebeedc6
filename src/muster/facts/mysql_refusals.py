"""Connections that a MySQL or MariaDB server did not let come about."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Mysql
from muster.facts import mysql, sql
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows


class MysqlRefusals(Struct, frozen=True):
    """Attempts to connect since the server started (``tried``).

    Some were ``aborted`` before anybody was logged in (a wrong password, no such right, a probe of the port), some
    ``refused`` because of ``max_connections``.
    """

    tried: int
    aborted: int
    refused: int

    @property
    def aborted_percent(self) -> float:
        return 100 * self.aborted / max(1, self.tried)

    def __str__(self) -> str:
        return f"{self.refused:,} refused and {self.aborted:,} aborted of {self.tried:,} connections since the start"


def parse(answer: Rows) -> MysqlRefusals:
    """Make the fact of the server's counters."""
    counted = mysql.status(answer)
    return MysqlRefusals(
        counted["connections"], counted["aborted_connects"], counted["connection_errors_max_connections"]
    )


@need(Mysql)
def mysql_refusals(database: Mysql) -> Probe[MysqlRefusals]:
    """Connections refused and aborted since the server started."""
    return sql.probe(database, mysql.STATUS, parse)
