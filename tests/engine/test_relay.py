"""Streams out of containers: what a relay sends is held back until somebody reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from muster.probes import Attempt
from muster.targets import Connection, Host
from muster.transports.container import CONNECTED, ContainerLink
from muster.transports.link import Listener


class Flooding(ContainerLink):
    """A container whose relay is connected at once; this is its process and its transport too."""

    reads = True

    def __init__(self) -> None:
        host = Host(name="box", connection=Connection(kind="docker", address="box"))
        super().__init__(Attempt("connected"), cast(Any, None), host)
        self.transport = self

    async def _exec(self, argv: Sequence[str], listener: Listener) -> Any:
        self.relayed = listener
        listener.stdout(CONNECTED)
        return self

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


def test_a_flood_out_of_a_container_is_held_back_until_it_is_read() -> None:
    async def flood() -> None:
        link = Flooding()
        reader, _ = await link.stream("127.0.0.1", 9001)
        link.relayed.stdout(bytes(1_048_576))
        assert not link.reads, "more is taken while nobody reads"
        assert len(await reader.read(1_048_576)) == 1_048_576
        assert link.reads

    asyncio.run(flood())
