"""The event loop in the background, on which everything outside is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

SLICE = 0.1
"""Seconds that the calling thread waits at a time, so that Ctrl-C is seen."""

PATIENCE = 5.0
"""Seconds that what was cancelled may take to close its connections."""


class BackgroundLoop:
    """An asyncio event loop in a thread of its own; `run` is called from any other thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether anything was run on it yet."""
        return self._loop is not None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and return what it returns.

        Ctrl-C (KeyboardInterrupt) in the calling thread cancels it, waits until it has cleaned up and is then
        raised again.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            while True:
                try:
                    return future.result(timeout=SLICE)
                except TimeoutError:
                    if future.done():
                        raise
        except BaseException:
            if not future.done():
                self._cancel(future)
            raise

    def close(self) -> None:
        """End what still runs on the loop, then the loop and its thread."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(_ended(), self._loop).result(PATIENCE + 1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="muster", daemon=True)
            self._thread.start()
        return self._loop

    def _cancel(self, future: Future[Any]) -> None:
        """Cancel what runs, and wait until every task that it started has ended."""
        future.cancel()

        async def settled() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others, timeout=PATIENCE)

        asyncio.run_coroutine_threadsafe(settled(), self._started()).result(PATIENCE + 1)


async def _ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=PATIENCE)
