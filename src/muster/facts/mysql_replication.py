"""How a MySQL or MariaDB replica follows its primary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from muster.databases import Mysql
from muster.facts import sql
from muster.facts.reading import some
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.servers import Rows
from muster.text import amount, printable

#: MariaDB from 10.5 on, MySQL from 8.0.22 on; of each source that is followed, one row.
STATUS = "SHOW /*M! ALL REPLICAS */ /*!80022 REPLICA */ STATUS"

LONGEST_ERROR = 200


class MysqlFollowed(Struct, frozen=True):
    """A source that is followed: whether its changes are received (``receives``) and applied (``applies``).

    ``lag_seconds`` is how far what is applied is behind, None where that is not known because one of the two does
    not run. ``error`` is what stopped them.
    """

    source: str
    receives: str
    applies: str
    lag_seconds: float | None
    error: str

    @property
    def runs(self) -> bool:
        return self.receives == "Yes" and self.applies == "Yes"

    def __str__(self) -> str:
        lag = "" if self.lag_seconds is None else f", {amount(self.lag_seconds, 's')} behind"
        error = f": {self.error}" if self.error else ""
        return f"replica of {self.source}, receives: {self.receives}, applies: {self.applies}{lag}{error}"


class MysqlReplication(Struct, frozen=True):
    """The sources that a replica follows; at least one."""

    followed: tuple[MysqlFollowed, ...]

    @property
    def broken(self) -> tuple[MysqlFollowed, ...]:
        return tuple(each for each in self.followed if not each.runs)

    def __str__(self) -> str:
        return some(map(str, self.followed), between="; ")


def sources(answer: Rows) -> list[dict[str, Any]]:
    """The rows of `STATUS`, by MySQL's words since 8.0.22: replica and source, for slave and master.

    Raises:
        Unobserved: the server answers something else, since it is too old.
    """
    columns = [column.replace("Slave", "Replica").replace("Master", "Source") for column in answer.columns]
    if "Replica_IO_Running" not in columns:
        raise Unobserved("wrong", "the server is too old: this is known of MySQL 8.0.22, MariaDB 10.5 and later")
    return [dict(zip(columns, row, strict=True)) for row in answer.rows]


def parse(answer: Rows) -> MysqlReplication:
    """Make the fact of ``SHOW REPLICA STATUS``. It does not apply to a server that follows nobody."""
    followed = tuple(_followed(row) for row in sources(answer))
    if not followed:
        raise DoesNotApply("the server is a primary, it follows nobody")
    return MysqlReplication(followed)


def _followed(row: Mapping[str, Any]) -> MysqlFollowed:
    errors = [str(row[name]) for name in ("Last_IO_Error", "Last_SQL_Error") if row.get(name)]
    lag = row["Seconds_Behind_Source"]
    return MysqlFollowed(
        source=printable(f"{row['Source_Host']}:{row['Source_Port']}", 80),
        receives=str(row["Replica_IO_Running"]),
        applies=str(row["Replica_SQL_Running"]),
        lag_seconds=None if lag is None else float(lag),
        error=printable("; ".join(errors), LONGEST_ERROR),
    )


@need(Mysql)
def mysql_replication(database: Mysql) -> Probe[MysqlReplication]:
    """How the server follows its primary, where it is a replica."""
    return sql.probe(database, STATUS, parse)
