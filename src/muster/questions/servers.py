"""Database servers: logging in, statements that read, commands of Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct

from muster.databases import Server
from muster.probes import Asked, Attempt


class AskServer(Struct, frozen=True):
    """Question: can the database server be logged in to, and does it answer? Answer: a `ServerAnswer`."""

    asked: ClassVar[Asked] = "server"

    server: Server
    timeout: float = 10.0

    def describe(self) -> str:
        return f"{self.server.engine}: log in to {self.server}"


class ServerAnswer(Struct, frozen=True):
    """How the attempt to log in to a database server went, and the version that it then named."""

    attempt: Attempt
    version: str = ""


class Select(Struct, frozen=True):
    """Question: which rows does this one ``SELECT`` give? Answer: `Rows`.

    It runs in a read-only transaction that ends after ``timeout`` seconds at most, on the server's one connection.
    ``expression`` True: it is a user's, to be run within another that gives its first column only, as text of at most
    64 characters, and 2 rows at most.
    """

    asked: ClassVar[Asked] = "server"

    server: Server
    statement: str
    timeout: float = 10.0
    max_rows: int = 1_000
    expression: bool = False

    def describe(self) -> str:
        return f"{self.server.engine} at {self.server}: {' '.join(self.statement.split())}"


class Execute(Struct, frozen=True):
    """Question: what does this statement of a live check give, with values for its placeholders? Answer: `Rows`.

    It runs as it is, as a `Select` does, and all its rows come back.
    """

    asked: ClassVar[Asked] = "server"

    server: Server
    statement: str
    parameters: Sequence[Any] | Mapping[str, Any] = ()
    timeout: float = 10.0

    def describe(self) -> str:
        return f"{self.server.engine} at {self.server}: {' '.join(self.statement.split())}"


class Rows(Struct, frozen=True):
    """What a `Select` gave: the first rows, ``truncated`` where there are more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


class AskRedis(Struct, frozen=True):
    """Question: what does Redis answer to this command that reads? Answer: what redis-py makes of it, undecoded."""

    asked: ClassVar[Asked] = "server"

    server: Server
    words: tuple[str, ...]
    timeout: float = 10.0

    def describe(self) -> str:
        return f"redis at {self.server}: {' '.join(self.words)}"


class CountKeys(Struct, frozen=True):
    """Question: how many keys match this pattern? Answer: the number, by SCAN of at most ``most`` keys.

    Unobserved where there are more keys than that, or the time ends before they do.
    """

    asked: ClassVar[Asked] = "server"

    server: Server
    pattern: str
    most: int = 1_000_000
    timeout: float = 10.0

    def describe(self) -> str:
        return f"redis at {self.server}: SCAN 0 MATCH {self.pattern}"


class AskEach(Struct, frozen=True):
    """Question: what does a database server answer to each of these? All are of one server.

    Answer: a tuple, in the same order, of each answer, or of the `Unobserved` in its place: one that fails costs
    itself only. They are asked one after the other.
    """

    asked: ClassVar[Asked] = "server"

    questions: tuple[Select | CountKeys, ...]

    @property
    def server(self) -> Server:
        return self.questions[0].server

    @property
    def timeout(self) -> float:
        """How long all may take, in seconds."""
        return sum(question.timeout for question in self.questions)

    def describe(self) -> str:
        return "; ".join(question.describe() for question in self.questions)
