"""The statements about a table's rows, one for each table, as each engine has it.

Ages are by the server's own clock, of an SQLite file by its host's. A time without a zone is taken for UTC, as
sessions with servers are set to it; in SQLite it is a text that its date functions read
(https://sqlite.org/lang_datefunc.html), or seconds or milliseconds since the epoch.

A statement gives four columns: the age in seconds of the newest row, its time as a text, how many rows are older
than they may become, how many there are; NULL where nobody asked.
"""

# Names are quoted, and numbers are numbers: nothing of what is put together here comes from elsewhere.
# ruff: noqa: S608

from __future__ import annotations

from muster.databases import Table

#: Numbers above are milliseconds: as seconds they are in the year 5138.
_MILLISECONDS = "100000000000"
_NOW = "(julianday('now') - 2440587.5) * 86400.0"


def of_postgres(name: str, table: Table) -> str:
    """The statement for PostgreSQL."""
    rows, time = quoted(name), quoted(table.time or "", whole=True)
    expired = f"SELECT count(*) FROM {rows} WHERE {time} < now() - interval '{table.keep} seconds'"
    newest = f"SELECT max({time}) AS at FROM {rows}" if table.newest else "SELECT NULL::timestamptz AS at"
    return f"""
SELECT extract(epoch FROM now() - n.at)::float8 AS age, n.at::text AS newest,
    {_asked(expired, table.keep)} AS expired, {_asked(_count(rows), table.rows)} AS rows FROM ({newest}) AS n"""


def of_mysql(name: str, table: Table) -> str:
    """The statement for MySQL and MariaDB."""
    rows, time = quoted(name, "`"), quoted(table.time or "", "`", whole=True)
    expired = f"SELECT COUNT(*) FROM {rows} WHERE {time} < UTC_TIMESTAMP(6) - INTERVAL {table.keep} SECOND"
    newest = f"SELECT MAX({time}) AS newest FROM {rows}" if table.newest else "SELECT NULL AS newest"
    return f"""
SELECT TIMESTAMPDIFF(MICROSECOND, n.newest, UTC_TIMESTAMP(6)) / 1000000 AS age, CAST(n.newest AS CHAR) AS newest,
    {_asked(expired, table.keep)} AS expired, {_asked(_count(rows), table.rows)} AS number FROM ({newest}) AS n"""


def of_sqlite(name: str, table: Table) -> str:
    """The four columns in one, with ``|`` between them."""
    # SQLite takes a name in double quotes that it does not know for a text.
    rows, time = quoted(name, "`"), quoted(table.time or "", "`", whole=True)
    newest = f"SELECT max({time}) AS at FROM {rows}" if table.newest else "SELECT NULL AS at"
    expired = f"SELECT count(*) FROM {rows} WHERE {_age(time)} > {table.keep}"
    parts = (
        f"coalesce({_age('n.at')}, '-')",
        "coalesce(replace(replace(replace(substr(n.at, 1, 40), '|', ' '), char(10), ' '), char(13), ' '), '-')",
        f"coalesce({_asked(expired, table.keep)}, '-')",
        f"coalesce({_asked(_count(rows), table.rows)}, '-')",
    )
    columns = " || '|' || ".join(parts)
    return f"SELECT {columns} FROM ({newest}) AS n"


def quoted(name: str, mark: str = '"', *, whole: bool = False) -> str:
    """A name as SQL writes it; a dot divides a schema from a table unless the name is a ``whole`` one."""
    parts = [name] if whole else name.split(".")
    return ".".join(mark + part.replace(mark, mark * 2) + mark for part in parts)


def _asked(statement: str, wanted: object) -> str:
    return "NULL" if wanted is None else f"({statement})"


def _count(rows: str) -> str:
    return f"SELECT count(*) FROM {rows}"


def _age(time: str) -> str:
    """The age in seconds of a time in SQLite; NULL where it is none, or cannot be read."""
    return (
        f"CASE WHEN typeof({time}) = 'text' THEN (julianday('now') - julianday({time})) * 86400.0 "
        f"WHEN typeof({time}) IN ('integer', 'real') THEN "
        f"{_NOW} - CASE WHEN {time} > {_MILLISECONDS} THEN {time} / 1000.0 ELSE {time} END END"
    )
