"""Whether a database server is a primary or a replica."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from muster.databases import Mysql, Postgres, Redis, ServerDatabase
from muster.facts import postgres, sql
from muster.facts.mysql_replication import STATUS, sources
from muster.facts.redis_info import Info, ask_info
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows


class ServerRole(Struct, frozen=True):
    """A ``primary`` takes writes, a ``replica`` follows another server."""

    role: Literal["primary", "replica"]

    def __str__(self) -> str:
        return self.role


def of_postgres(answer: Rows) -> ServerRole:
    """Make the fact of ``pg_is_in_recovery()``."""
    return ServerRole("replica" if postgres.one(answer)[0] else "primary")


def of_mysql(answer: Rows) -> ServerRole:
    """Make the fact of ``SHOW REPLICA STATUS``: a replica is who has a source, even if it does not follow it."""
    return ServerRole("replica" if sources(answer) else "primary")


def of_redis(info: Info) -> ServerRole:
    """Make the fact of ``INFO``."""
    return ServerRole("replica" if info.text("role") == "slave" else "primary")


@need(ServerDatabase)
def server_role(database: ServerDatabase) -> Probe[ServerRole]:
    """Whether the database server is a primary or a replica."""
    match database:
        case Postgres():
            return sql.probe(database, "SELECT pg_is_in_recovery()", of_postgres)
        case Mysql():
            return sql.probe(database, STATUS, of_mysql)
        case Redis():
            return ask_info(database, of_redis)
    raise TypeError(f"nobody knows the role of a {type(database).__name__}")
