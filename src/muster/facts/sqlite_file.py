"""The file of an SQLite database."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from msgspec import Struct

from muster.databases import Sqlite
from muster.facts.database_attempt import opening
from muster.facts.sqlite import ask, read
from muster.need import need
from muster.probes import Output, Probe, Unobserved
from muster.text import size


class SqliteFile(Struct, frozen=True):
    """The file of an SQLite database.

    ``size_bytes`` is without the ``wal_bytes`` in its ``-wal`` file; ``mode`` is as ls(1) prints it
    (``-rw-r-----``), ``owner`` is ``user:group``. ``wal_mode`` tells a write-ahead log from a rollback
    journal. ``modified_at`` is None where the host's tools do not tell.
    """

    path: str
    size_bytes: int
    wal_bytes: int = 0
    mode: str = ""
    owner: str = ""
    wal_mode: bool = False
    modified_at: datetime | None = None

    @property
    def total_bytes(self) -> int:
        """The size of the file and of its write-ahead log."""
        return self.size_bytes + self.wal_bytes

    def __str__(self) -> str:
        wal = f" + {size(self.wal_bytes)} in its -wal" if self.wal_bytes else ""
        when = f", modified {self.modified_at:%Y-%m-%d %H:%M:%S} UTC" if self.modified_at else ""
        return f"{size(self.size_bytes)}{wal}, {self.mode} {self.owner}{when}"


def parse(database: Sqlite, output: Output) -> SqliteFile:
    """Make the fact of what the script found.

    Raises:
        Unobserved: there is no such file, or it may not be looked at.
    """
    look = read(database, output)
    size_bytes, modified = look.number("size"), look.number("modified")
    if look.kind in ("missing", "folder", "special"):
        attempt = opening(look)
        raise Unobserved(attempt.cause or "wrong", str(attempt))
    if size_bytes is None:
        look.observable()
        raise Unobserved("unreadable", f"neither stat nor ls gave the size of {look.path}")
    return SqliteFile(
        path=look.path,
        size_bytes=size_bytes,
        wal_bytes=look.number("wal") or 0,
        mode=look.found.get("mode", ""),
        owner=look.found.get("owner", ""),
        wal_mode=look.found.get("journal") == "wal",
        modified_at=None if modified is None else datetime.fromtimestamp(modified, UTC),
    )


@need(Sqlite)
def sqlite_file(database: Sqlite) -> Probe[SqliteFile]:
    """Size, mode and owner of the database's file."""
    return Probe(ask(database), partial(parse, database))
