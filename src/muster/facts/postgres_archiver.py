"""Whether a PostgreSQL server archives its write-ahead log."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.need import need
from muster.probes import DoesNotApply, Probe
from muster.questions.servers import Rows
from muster.text import printable, span

_SELECT = """
SELECT current_setting('archive_mode'), pg_is_in_recovery(), archived_count, failed_count,
    extract(epoch FROM clock_timestamp() - last_archived_time)::float8 AS archived,
    extract(epoch FROM clock_timestamp() - last_failed_time)::float8 AS failed, last_failed_wal
FROM pg_stat_archiver"""


class PostgresArchiver(Struct, frozen=True):
    """How archiving goes: how many segments were archived and how many attempts failed, and how many seconds ago the
    last was. None: never."""

    archived: int
    failed: int
    archived_seconds: float | None
    failed_seconds: float | None
    failed_segment: str

    @property
    def fails(self) -> bool:
        """Whether the last attempt failed."""
        if self.failed_seconds is None:
            return False
        return self.archived_seconds is None or self.failed_seconds < self.archived_seconds

    def __str__(self) -> str:
        last = "none ever" if self.archived_seconds is None else f"the last {span(self.archived_seconds)} ago"
        if not self.fails:
            return f"{self.archived:,} archived, {last}"
        failed = f"{self.failed_segment} could not be archived {span(self.failed_seconds or 0)} ago"
        return f"{failed} ({self.failed:,} failures in all); {self.archived:,} archived, {last}"


def parse(answer: Rows) -> PostgresArchiver:
    """Make the fact of ``pg_stat_archiver``.

    Raises:
        DoesNotApply: the server does not archive, by its settings.
    """
    mode, replica, archived, failed, archived_age, failed_age, segment = postgres.one(answer)
    if mode == "off":
        raise DoesNotApply("archive_mode is off")
    if replica and mode != "always":
        raise DoesNotApply("a replica archives only with archive_mode = always")
    return PostgresArchiver(
        archived=int(archived),
        failed=int(failed),
        archived_seconds=None if archived_age is None else float(archived_age),
        failed_seconds=None if failed_age is None else float(failed_age),
        failed_segment=printable(segment or "", 80),
    )


@need(Postgres)
def postgres_archiver(database: Postgres) -> Probe[PostgresArchiver]:
    """How archiving of the write-ahead log goes, where it is on."""
    return sql.probe(database, _SELECT, parse)
