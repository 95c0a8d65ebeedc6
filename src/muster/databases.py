"""Databases: the targets that are a file, or that are logged in to, and what must be true of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from msgspec import Struct

from muster.limits import Limit
from muster.targets import NOTHING, Target


class Server(Struct, frozen=True, kw_only=True):
    """How a database server is logged in to: at ``socket``, the path of a unix socket, else ``address`` and ``port``.

    With ``tls`` the connection is encrypted, and the server's certificate verified unless ``verify`` is False,
    against ``ca_file`` or what this machine trusts. The password appears in no text about it.
    """

    engine: Literal["postgresql", "mysql", "redis"]
    address: str = "127.0.0.1"
    port: int = 0
    socket: str | None = None
    user: str | None = None
    password: str | None = None
    database: str = ""
    tls: bool = False
    verify: bool = True
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"<Server {self.engine} {self}>"

    def __str__(self) -> str:
        """Where it is, without who asks."""
        return self.socket or (f"[{self.address}]" if ":" in self.address else self.address) + f":{self.port}"


class Table(Struct, frozen=True, kw_only=True):
    """What must be true of a table's rows. ``time`` is the column that says when a row was written.

    ``newest`` bounds the age of the newest row, in seconds; ``keep``, in seconds, is how old a row may become before
    it has to be deleted; ``rows`` bounds how many there are. None: not looked at.
    """

    time: str | None = None
    newest: Limit | None = None
    keep: float | None = None
    rows: Limit | None = None


class Query(Struct, frozen=True, kw_only=True):
    """A ``SELECT`` of one number: its text, the number's unit and its limit."""

    select: str
    unit: str = ""
    limit: Limit = Limit()


class Database(Target, frozen=True, kw_only=True, eq=False):
    """A database. ``url`` says of which kind: see the classes below. ``engine`` is that kind's name.

    ``tables`` are by name (``schema.table``), ``queries`` by a name of their own; only where it speaks SQL.
    """

    kind: ClassVar[str] = "database"
    plural: ClassVar[str] = "databases"
    engine: ClassVar[str] = ""

    url: str
    tables: Mapping[str, Table] = NOTHING
    queries: Mapping[str, Query] = NOTHING


class Sqlite(Database, frozen=True, kw_only=True, eq=False):
    """An SQLite file, ``sqlite:////absolute/path``."""

    plural: ClassVar[str] = "SQLite databases"
    engine: ClassVar[str] = "sqlite"


class ServerDatabase(Database, frozen=True, kw_only=True, eq=False):
    """A database that is logged in to.

    ``min_version`` is the oldest version of the server that will do (``15.4``), ``role`` what it must be.
    """

    plural: ClassVar[str] = "database servers"

    server: Server
    min_version: str | None = None
    role: Literal["primary", "replica"] | None = None


class Postgres(ServerDatabase, frozen=True, kw_only=True, eq=False):
    """A database of a PostgreSQL server, ``postgresql://user@address:5432/name``."""

    plural: ClassVar[str] = "PostgreSQL databases"
    engine: ClassVar[str] = "postgresql"


class Mysql(ServerDatabase, frozen=True, kw_only=True, eq=False):
    """A database of a MySQL or MariaDB server, ``mysql://user@address:3306/name``."""

    plural: ClassVar[str] = "MySQL databases"
    engine: ClassVar[str] = "mysql"


class Redis(ServerDatabase, frozen=True, kw_only=True, eq=False):
    """A Redis server, ``redis://address:6379/0``.

    ``keys`` bounds, by pattern (``session:*``), how many keys match.
    """

    plural: ClassVar[str] = "Redis servers"
    engine: ClassVar[str] = "redis"

    keys: Mapping[str, Limit] = NOTHING
