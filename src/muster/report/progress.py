"""The progress bar: how far the gathering is. It is shown on a terminal only, and leaves no trace."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from muster.targets import Host

#: Seconds before the bar appears: a short gathering needs none, and does not pay for its import.
PATIENCE = 0.5

#: Columns that stay empty behind the bar: a terminal shows "^C" there, and where that wraps, the bar is not erased.
MARGIN = len("^C^C")


@contextmanager
def bar(wanted: Mapping[Host, int], *, colour: bool) -> Iterator[Callable[[Host, int], None]]:
    """Show a bar until the block ends: facts, hosts that are done, and the time that it takes.

    ``wanted`` is how many facts are asked of each host. What is yielded may be called from any thread, with a host
    and how many more of its facts have landed.
    """
    shown = _Bar(wanted, colour)
    timer = threading.Timer(PATIENCE, shown.start)
    timer.daemon = True
    timer.start()
    try:
        yield shown.advance
    finally:
        timer.cancel()
        shown.stop()


class _Bar:
    def __init__(self, wanted: Mapping[Host, int], colour: bool) -> None:
        self._left = dict(wanted)
        self._facts = sum(wanted.values())
        self._colour = colour
        self._landed = 0
        self._done = 0
        self._progress: Any = None
        self._over = False
        self._lock = threading.Lock()

    def advance(self, host: Host, number: int) -> None:
        with self._lock:
            self._landed += number
            if host in self._left:
                self._left[host] -= number
                if self._left[host] <= 0:
                    del self._left[host]
                    self._done += 1
            if self._progress is not None and not self._over:
                self._update()

    def start(self) -> None:
        """Draw the bar, unless the gathering is over by then."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(file=sys.stdout, no_color=not self._colour, highlight=False)
        console.width -= MARGIN
        said = TextColumn("gathering {task.description}")
        columns = (said, BarColumn(bar_width=None), TimeElapsedColumn()) if console.width >= 60 else (said,)
        with self._lock:
            if self._over or console.is_dumb_terminal:
                return
            self._progress = Progress(
                *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._progress.add_task("", total=self._facts)
            self._update()
            self._progress.start()

    def stop(self) -> None:
        with self._lock:
            self._over = True
            if self._progress is not None:
                self._progress.stop()

    @property
    def said(self) -> str:
        hosts = len(self._left) + self._done
        return f"{self._landed:,}/{self._facts:,} facts, {self._done:,}/{hosts:,} hosts"

    def _update(self) -> None:
        self._progress.update(self._progress.task_ids[0], completed=self._landed, description=self.said)
