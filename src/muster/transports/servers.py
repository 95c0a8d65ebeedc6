"""Database servers: one connection to each, over the link of its host."""

from __future__ import annotations

from typing import Any

from muster.probes import AskRedis, AskServer, CountKeys, Select, Unobserved
from muster.transports.link import Link


class Servers:
    """The database servers that a host reaches. Each is logged in to once, and asked one question at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ask(self, question: AskServer | Select | AskRedis | CountKeys) -> Any:
        """The answer to a question.

        Raises:
            Unobserved: there is none; a failure to log in is the answer to `AskServer` only.
        """
        raise Unobserved("internal", f"nobody asks {question.server.engine} yet")

    async def close(self) -> None:
        """Close every connection."""
