"""Whether a database server is a primary or a replica."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from muster.facts import postgres
from muster.need import need
from muster.probes import Probe, Rows
from muster.targets import Postgres, ServerDatabase


@dataclass(frozen=True, slots=True)
class ServerRole:
    """A ``primary`` takes writes, a ``replica`` follows another server."""

    role: Literal["primary", "replica"]

    def __str__(self) -> str:
        return self.role


def of_postgres(answer: Rows) -> ServerRole:
    """Make the fact of ``pg_is_in_recovery()``."""
    return ServerRole("replica" if postgres.one(answer)[0] else "primary")


@need(ServerDatabase)
def server_role(database: ServerDatabase) -> Probe[ServerRole]:
    """Whether the database server is a primary or a replica."""
    match database:
        case Postgres():
            return postgres.probe(database, "SELECT pg_is_in_recovery()", of_postgres)
    raise TypeError(f"nobody knows the role of a {type(database).__name__}")
