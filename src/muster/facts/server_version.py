"""The version of a database server."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.databases import ServerDatabase
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.servers import AskServer, ServerAnswer
from muster.text import printable

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


class ServerVersion(Struct, frozen=True):
    """What a server calls its version: ``15.18 (Debian 15.18-0+deb12u1)``."""

    text: str

    @property
    def numbers(self) -> tuple[int, ...]:
        return numbers(self.text)

    def at_least(self, oldest: str) -> bool:
        """Whether it is that version or a later one: 15.4 is older than 15.18, and ``15`` means any 15."""
        return self.numbers >= numbers(oldest)

    def __str__(self) -> str:
        return printable(self.text, 80)


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: ``10.11.6-MariaDB`` gives 10, 11 and 6."""
    found = _NUMBERS.search(version[:200])
    return tuple(int(each[:9]) for each in found[0].split(".")) if found else ()


def parse(answer: ServerAnswer) -> ServerVersion:
    """Make the fact of what the server said when it was logged in to.

    Raises:
        Unobserved: it could not be logged in to, or named no version.
    """
    if not answer.attempt.connected:
        raise Unobserved(answer.attempt.cause or "network", str(answer.attempt))
    if not answer.version:
        raise Unobserved("permission", "the server does not tell its version to this user (Redis: allow it +info)")
    if not numbers(answer.version):
        raise Unobserved("unreadable", f"{printable(answer.version, 80)!r} is no version")
    return ServerVersion(answer.version)


@need(ServerDatabase)
def server_version(database: ServerDatabase) -> Probe[ServerVersion]:
    """The version of the database server."""
    return Probe(AskServer(database.server, database.timeout), parse)
