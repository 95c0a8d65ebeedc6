"""Turns: who holds one of a few may lend it while there is nothing but to wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Self


class Turn:
    """One of ``among``, from when it is entered, or taken, until it is left, or given back."""

    def __init__(self, among: asyncio.Semaphore) -> None:
        self._among = among
        self._is_held = False

    async def __aenter__(self) -> Self:
        await self.take()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.give_back()

    async def take(self) -> None:
        """Wait for one, unless it is held."""
        if not self._is_held:
            await self._among.acquire()
            self._is_held = True

    def give_back(self) -> None:
        if self._is_held:
            self._among.release()
            self._is_held = False

    @contextlib.contextmanager
    def lent_after(self, seconds: float, unless: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Give it back where what is done meanwhile takes longer than that, ``unless`` there is news by then."""

        def lend() -> None:
            if not unless():
                self.give_back()

        loop = asyncio.get_running_loop()
        # What came while the loop was busy is read before a timer's second turn.
        timer = loop.call_later(seconds, lambda: loop.call_soon(lend))
        try:
            yield
        finally:
            timer.cancel()
