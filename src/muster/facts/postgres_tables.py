"""The larger tables of a PostgreSQL database: their size, their dead rows, when they were vacuumed and analyzed."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.servers import Rows
from muster.text import plural, printable, size

#: Tables with fewer rows cost nothing, whatever state they are in.
ROWS = 10_000

# Sizes are of the last vacuum or analyze: pg_relation_size would wait for whoever holds the table. What was never
# vacuumed was not since the statistics began, or the server started.
_SELECT = f"""
SELECT pg_is_in_recovery() AS replica, current_setting('track_counts') = 'on' AS counted, t.*
FROM (SELECT) AS always LEFT JOIN (
SELECT s.schemaname || '.' || s.relname AS name,
    (c.relpages + coalesce(t.relpages, 0)
        + coalesce((SELECT sum(x.relpages) FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
                    WHERE i.indrelid = c.oid), 0))::float8 * current_setting('block_size')::int AS bytes,
    s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze,
    extract(epoch FROM clock_timestamp() - coalesce(greatest(s.last_vacuum, s.last_autovacuum), d.since))::float8
        AS vacuumed,
    extract(epoch FROM clock_timestamp() - coalesce(greatest(s.last_analyze, s.last_autoanalyze), d.since))::float8
        AS analyzed
FROM pg_stat_user_tables AS s
JOIN pg_class AS c ON c.oid = s.relid
LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
CROSS JOIN (SELECT coalesce(stats_reset, pg_postmaster_start_time()) AS since FROM pg_stat_database
            WHERE datname = current_database()) AS d
WHERE s.n_live_tup + s.n_dead_tup >= {ROWS}
ORDER BY s.n_dead_tup DESC, 1 LIMIT 900) AS t ON true"""  # noqa: S608

# When the server vacuums and analyzes by itself, by its own defaults (autovacuum_vacuum_scale_factor and its like).
_VACUUM_SHARE, _ANALYZE_SHARE = 0.2, 0.1


class TableState(Struct, frozen=True):
    """A table: about its size, its rows that live and that are dead, and how long ago it was taken care of.

    ``changed_rows`` were changed since it was last analyzed.
    """

    name: str
    size_bytes: float
    live_rows: int
    dead_rows: int
    changed_rows: int
    vacuumed_seconds: float
    analyzed_seconds: float

    @property
    def dead_percent(self) -> float:
        return 100 * self.dead_rows / max(1, self.live_rows + self.dead_rows)

    @property
    def due_for_vacuum(self) -> bool:
        """Whether so many rows are dead that the server should have vacuumed it by itself."""
        return self.dead_rows > 50 + _VACUUM_SHARE * self.live_rows

    @property
    def due_for_analyze(self) -> bool:
        """Whether so many rows were changed that the server should have analyzed it by itself."""
        return self.changed_rows > 50 + _ANALYZE_SHARE * self.live_rows

    @property
    def told_dead(self) -> str:
        """How many of its rows are dead, for a message."""
        return f"{self.dead_rows:,} of {plural(self.live_rows + self.dead_rows, 'row')} dead"

    def __str__(self) -> str:
        return f"{self.name}: {self.told_dead}, about {size(self.size_bytes)}"


class PostgresTables(Struct, frozen=True):
    """The tables of this database with at least `ROWS` rows, dead ones counted, the most dead rows first."""

    every: tuple[TableState, ...]

    def __str__(self) -> str:
        largest = max(self.every, key=lambda table: table.size_bytes, default=None)
        found = f"{plural(len(self.every), 'table')} of {ROWS:,} rows or more"
        return f"{found}, the largest {largest}" if largest else found


def parse(answer: Rows) -> PostgresTables:
    """Make the fact of rows of ``pg_stat_user_tables``.

    Raises:
        DoesNotApply: the server is a replica, where vacuum is the primary's and nothing is counted.
        Unobserved: the server does not count.
    """
    replica, counted = postgres.one(answer)[:2]
    if replica:
        raise DoesNotApply("a replica is vacuumed with its primary, and counts no dead rows")
    if not counted:
        raise Unobserved("missing", "the server does not count rows: set track_counts = on")
    found = []
    for name, size_bytes, live, dead, changed, vacuumed, analyzed in (row[2:] for row in answer.rows if row[2]):
        table = printable(name, 140)
        found.append(
            TableState(table, float(size_bytes), int(live), int(dead), int(changed), float(vacuumed), float(analyzed))
        )
    return PostgresTables(tuple(found))


@need(Postgres)
def postgres_tables(database: Postgres) -> Probe[PostgresTables]:
    """The larger tables of the database, with their dead rows."""
    return sql.probe(database, _SELECT, parse)
