"""The scheduler of xdist's workers: each is given its share of the hosts once, and ends when that is done.

xdist's own ``loadscope`` and ``loadgroup``, which keep tests together too, take time that grows with the square of
the number of items.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class Dealer(Protocol):
    """Whom the scheduler asks: what knows the items."""

    @property
    def stopped(self) -> bool:
        """Whether the run is to end early: after enough failures, or because of what was collected."""

    def refuse(self, worker: WorkerController, ids: Sequence[str], others: Sequence[str]) -> None:
        """Say that a worker collected ``others``, and the first one ``ids``."""

    def deal(self, workers: int) -> list[list[int]]:
        """The share of each worker: places of items, in the order to run them."""

    def hand_over(self, worker: WorkerController, share: list[int]) -> None:
        """Tell a worker its share, before it is told to run it."""

    def is_told(self, item: int) -> bool:
        """Whether all was reported of an item that there is to report."""

    @property
    def restarts(self) -> float:
        """How many times more xdist starts a worker in place of one that died; below 0, the last was not replaced."""

    def stop(self) -> None:
        """Tell every worker to end after the item that it runs."""


class HostScheduling:
    """Implements `xdist.scheduler.protocol.Scheduling` for so many ``workers``.

    What a worker that died has left goes to the one that xdist starts in its place, or else to one that still runs.
    """

    def __init__(self, workers: int, dealer: Dealer) -> None:
        self._workers = workers
        self._dealer = dealer
        self._pending: dict[WorkerController, deque[int]] = {}
        self._fresh: list[WorkerController] = []
        self._ids: Sequence[str] | None = None
        self._shares: list[list[int]] | None = None

    @property
    def nodes(self) -> list[WorkerController]:
        return list(self._pending)

    @property
    def collection_is_completed(self) -> bool:
        return self._shares is not None or len(self._fresh) >= self._workers

    @property
    def tests_finished(self) -> bool:
        return self._dealer.stopped or (self._shares is not None and not self.has_pending)

    @property
    def has_pending(self) -> bool:
        return bool(self._shares) or any(self._pending.values())

    def add_node(self, worker: WorkerController) -> None:
        self._pending[worker] = deque()

    def add_node_collection(self, worker: WorkerController, ids: Sequence[str]) -> None:
        if self._ids is None:
            self._ids = ids
        if ids == self._ids:
            self._fresh.append(worker)
        else:
            self._dealer.refuse(worker, self._ids, ids)
            worker.shutdown()

    def schedule(self) -> None:
        """Deal, once; later, give what is left to the workers that came in place of others."""
        if self._dealer.stopped:
            return
        if self._shares is None:
            self._shares = self._dealer.deal(len(self._fresh))
        while self._fresh:
            self._give(self._fresh.pop(0))

    def mark_test_complete(self, worker: WorkerController, item: int, duration: float = 0) -> None:
        self._pending[worker].remove(item)  # it is the first
        self._let_end(worker)
        if self._dealer.stopped:
            self._dealer.stop()

    def mark_test_pending(self, item: str) -> None:
        """Run an item once more, for plugins that repeat the one that its worker died of."""
        assert self._ids is not None
        assert self._shares is not None
        self._shares.append([list(self._ids).index(item)])

    def remove_pending_tests_from_node(self, worker: WorkerController, items: Sequence[int]) -> None:
        raise NotImplementedError("nothing is ever taken back from a worker")

    def remove_node(self, worker: WorkerController) -> str | None:
        """Take over what a worker leaves; returns the item that it died of, if it died."""
        left = self._pending.pop(worker)
        if worker in self._fresh:
            self._fresh.remove(worker)
        if self._shares is None or self._dealer.stopped:
            return None
        assert self._ids is not None
        died_of = None
        if left:
            first = left.popleft()
            if not self._dealer.is_told(first):  # else it died between two
                died_of = self._ids[first]
        if left:
            self._shares.append(list(left))
        alive = [each for each in self._pending if not each.shutting_down]
        while alive and self._shares and self._dealer.restarts < 0:
            self._give(min(alive, key=lambda each: len(self._pending[each])))
        return died_of

    def _give(self, worker: WorkerController) -> None:
        share = self._shares.pop(0) if self._shares else []
        self._pending[worker].extend(share)
        if share:
            with contextlib.suppress(OSError):  # it died just now, and leaves them again
                self._dealer.hand_over(worker, share)
                worker.send_runtest_some(share)
        self._let_end(worker)

    def _let_end(self, worker: WorkerController) -> None:
        """Tell a worker that no more will come: before that, it does not begin with the last that it knows of.

        Where one that dies will not be replaced, none ends before all are as far, and what is left is given away.
        """
        alone = self._dealer.restarts > 0
        as_one = [worker] if alone else list(self._pending)
        if (alone or not self._shares) and all(len(self._pending[each]) <= 1 for each in as_one):
            for each in as_one:
                if not each.shutting_down:
                    each.shutdown()
