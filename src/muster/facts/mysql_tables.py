"""The size of a MySQL or MariaDB database, and of its largest tables."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Mysql
from muster.facts import sql
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.servers import Rows
from muster.text import plural, printable, size

LARGEST = 20

# Without the privilege to read a table it is not listed.
_OURS = """table_type = 'BASE TABLE' AND IF(DATABASE() IS NULL, table_schema NOT IN
    ('mysql', 'sys', 'information_schema', 'performance_schema'), table_schema = DATABASE())"""
_SELECT = f"""
SELECT NULL AS name, COALESCE(SUM(data_length + index_length), 0) AS bytes, COUNT(*) AS tables
FROM information_schema.tables WHERE {_OURS}
UNION ALL
(SELECT CONCAT(table_schema, '.', table_name), data_length + index_length, table_rows
 FROM information_schema.tables WHERE {_OURS} ORDER BY 2 DESC LIMIT {LARGEST})"""  # noqa: S608


class MysqlTable(Struct, frozen=True):
    """A table with its indexes: its size, and about how many rows it has."""

    name: str
    size_bytes: int
    rows: int

    def __str__(self) -> str:
        return f"{self.name}: {size(self.size_bytes)}, about {plural(self.rows, 'row')}"


class MysqlTables(Struct, frozen=True):
    """The tables of a database that its user may read: how many, their size together, and the largest of them."""

    count: int
    size_bytes: int
    largest: tuple[MysqlTable, ...]

    def __str__(self) -> str:
        largest = f", the largest {self.largest[0]}" if self.largest else ""
        return f"{size(self.size_bytes)} in {plural(self.count, 'table')}{largest}"


def parse(database: Mysql, answer: Rows) -> MysqlTables:
    """Make the fact of rows of ``information_schema.tables``.

    Raises:
        Unobserved: there is no table to be seen.
    """
    total, count, largest = 0, 0, []
    for name, size_bytes, number in answer.rows:
        if name is None:
            total, count = int(size_bytes), int(number)
        else:
            largest.append(MysqlTable(printable(str(name), 140), int(size_bytes or 0), int(number or 0)))
    if not count:
        where = database.server.database or "*"
        user = database.server.user or "root"
        none = f"no table is to be seen in {where}: there is none, or GRANT SELECT ON {where}.* TO {user}"
        raise Unobserved("permission", none)
    return MysqlTables(count, total, tuple(largest))


@need(Mysql)
def mysql_tables(database: Mysql) -> Probe[MysqlTables]:
    """The size of the database and of its largest tables."""
    return sql.probe(database, _SELECT, lambda answer: parse(database, answer))
