"""The loop in the background."""

from __future__ import annotations

import _thread
import asyncio
import threading
import time

import pytest

from muster.loop import BackgroundLoop


def test_work_runs_elsewhere_and_its_result_or_failure_comes_back() -> None:
    loop = BackgroundLoop()

    async def where() -> str:
        return threading.current_thread().name

    async def fails() -> None:
        raise TimeoutError("its own")

    assert not loop.runs
    assert loop.run(where()) == "muster"
    with pytest.raises(TimeoutError, match="its own"):
        loop.run(fails())
    loop.close()
    assert "muster" not in {thread.name for thread in threading.enumerate()}


def test_ctrl_c_cancels_and_waits_until_all_is_cleaned_up() -> None:
    loop = BackgroundLoop()
    cleaned: list[str] = []

    async def works(name: str) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.1)
            cleaned.append(name)

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(works("one"))
            group.create_task(works("two"))

    threading.Thread(target=lambda: (time.sleep(0.2), _thread.interrupt_main())).start()
    with pytest.raises(KeyboardInterrupt):
        loop.run(both())
    assert sorted(cleaned) == ["one", "two"]
    loop.close()
