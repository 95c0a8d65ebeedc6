"""Whether a PostgreSQL server checks what it reads, and what it found."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.need import need
from muster.probes import DoesNotApply, Probe
from muster.questions.servers import Rows
from muster.text import plural, span

# datid 0 stands for what all databases share.
_SELECT = """
SELECT current_setting('data_checksums') = 'on', coalesce(sum(checksum_failures), 0)::int8,
    extract(epoch FROM clock_timestamp() - max(checksum_last_failure))::float8
FROM pg_stat_database WHERE datname = current_database() OR datid = 0"""


class PostgresChecksums(Struct, frozen=True):
    """Whether the pages of a server have checksums."""

    on: bool

    def __str__(self) -> str:
        return f"checksums are {'on' if self.on else 'off'}"


class DamagedPages(Struct, frozen=True):
    """How many pages had a wrong checksum since the server's statistics began, and seconds since the last one."""

    count: int
    seconds: float | None = None

    def __str__(self) -> str:
        when = "" if self.seconds is None else f", the last {span(self.seconds)} ago"
        return f"{plural(self.count, 'page')} with a wrong checksum{when}"


def parse(answer: Rows) -> PostgresChecksums:
    """Make the fact of the server's setting."""
    return PostgresChecksums(bool(postgres.one(answer)[0]))


def parse_damaged(answer: Rows) -> DamagedPages:
    """Make the fact of ``pg_stat_database``.

    Raises:
        DoesNotApply: there are no checksums.
    """
    on, failures, age = postgres.one(answer)
    if not on:
        raise DoesNotApply("the server's pages have no checksums")
    return DamagedPages(int(failures), None if age is None else float(age))


@need(Postgres)
def postgres_checksums(database: Postgres) -> Probe[PostgresChecksums]:
    """Whether the server's pages have checksums."""
    return sql.probe(database, _SELECT, parse)


@need(Postgres)
def postgres_damaged_pages(database: Postgres) -> Probe[DamagedPages]:
    """How many pages of the server had a wrong checksum, where they have any."""
    return sql.probe(database, _SELECT, parse_damaged)
