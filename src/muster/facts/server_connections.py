"""How many of its connections a database server has given away."""

from __future__ import annotations

from msgspec import Struct

from muster.databases import Mysql, Postgres, Redis, ServerDatabase
from muster.facts import mysql, postgres, sql
from muster.facts.redis_info import Info, ask_info
from muster.need import need
from muster.probes import Probe
from muster.questions.servers import Rows

# What is kept for superusers is for nobody's service; PostgreSQL 16 keeps some for members of a role too.
_POSTGRES = """
SELECT count(*), current_setting('max_connections')::int,
    current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int
FROM pg_stat_activity WHERE backend_type = 'client backend'"""


class ServerConnections(Struct, frozen=True):
    """Connections ``used``, of ``most`` that a server accepts, of which some are ``reserved`` for its owners."""

    used: int
    most: int
    reserved: int = 0

    @property
    def used_percent(self) -> float:
        """Of those that a service can have; over 100 where what is reserved is in use too."""
        return 100 * self.used / max(1, self.most - self.reserved)

    def __str__(self) -> str:
        kept = f", of which {self.reserved} are reserved" if self.reserved else ""
        return f"{self.used} of {self.most} connections in use{kept}"


def of_postgres(answer: Rows) -> ServerConnections:
    """Make the fact of what PostgreSQL counts."""
    used, most, reserved = postgres.one(answer)
    return ServerConnections(int(used), int(most), int(reserved))


def of_mysql(answer: Rows) -> ServerConnections:
    """Make the fact of the server's counters; the one connection that it keeps for its owner is not among them."""
    counted = mysql.status(answer)
    return ServerConnections(counted["threads_connected"], counted["max_connections"])


def of_redis(info: Info) -> ServerConnections:
    """Make the fact of ``INFO``, which tells ``maxclients`` from Redis 6.2 on."""
    return ServerConnections(info.number("connected_clients"), info.number("maxclients"))


@need(ServerDatabase)
def server_connections(database: ServerDatabase) -> Probe[ServerConnections]:
    """How many connections of the database server are in use."""
    match database:
        case Postgres():
            return postgres.probe_all(database, _POSTGRES, of_postgres)
        case Mysql():
            return sql.probe(database, mysql.STATUS, of_mysql)
        case Redis():
            return ask_info(database, of_redis)
    raise TypeError(f"nobody counts the connections of a {type(database).__name__}")
