"""Whether an SQLite database is sound, by its own integrity check."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.databases import Sqlite
from muster.facts.database_attempt import opening
from muster.facts.sqlite import ask, read
from muster.need import need
from muster.probes import Output, Probe, Unobserved
from muster.text import printable

#: So many faults are looked for (https://sqlite.org/pragma.html#pragma_integrity_check).
FAULTS = 10
LONGEST_FAULT = 200


class SqliteIntegrity(Struct, frozen=True):
    """What ``PRAGMA integrity_check`` found: its first faults, none where all is well."""

    faults: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        if self.ok:
            return "integrity_check: ok"
        more = f" (and {len(self.faults) - 3} more)" if len(self.faults) > 3 else ""
        return f"integrity_check: {'; '.join(self.faults[:3])}{more}"


def parse(database: Sqlite, output: Output) -> SqliteIntegrity:
    """Make the fact of what the script found.

    Raises:
        Unobserved: the database could not be opened, or the check did not end.
    """
    look = read(database, output)
    attempt = opening(look)
    if not attempt.connected:
        raise Unobserved(attempt.cause or "wrong", str(attempt))
    if look.further == ("ok",) and not look.status:
        return SqliteIntegrity()
    if look.locked:
        raise Unobserved("timeout", f"the database was locked amid the check: {look.error}")
    # "*** in database main ***" stands above the faults.
    faults = tuple(printable(line, LONGEST_FAULT) for line in look.further if line != "ok" and line[:3] != "***")
    if not faults:
        raise Unobserved("unreadable", f"{look.tool}: {look.error or 'the integrity check gave no result'}")
    return SqliteIntegrity(faults)


@need(Sqlite)
def sqlite_integrity(database: Sqlite) -> Probe[SqliteIntegrity]:
    """What ``PRAGMA integrity_check`` finds. Of a large database that takes its time: see its timeout."""
    return Probe(ask(database, f"PRAGMA integrity_check({FAULTS})"), partial(parse, database))
