"""A worker of xdist: it tells what it collected, and is told its share, which it runs and nothing else.

xdist starts it and passes on what it reports. What only Muster knows goes over a channel of our own
(https://execnet.readthedocs.io), from and to `muster.controller`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from muster.collection import Collection, target_of
from muster.declaration import described
from muster.outcomes import is_whole, to_plain
from muster.shares import NONE, Roster
from muster.suite import Suite
from muster.targets import Host
from muster.verdict import Check

if TYPE_CHECKING:
    from execnet import Channel

#: Under this name the channel is among what xdist gives to a worker.
CHANNEL = "muster"

#: What a worker is told beside its share: to end after the test that it runs, or amid it, as by Ctrl-C.
STOP, INTERRUPT = "stop", "interrupt"


class Worker:
    """The part of a run that is a worker's alone, as a pytest plugin."""

    def __init__(self, config: pytest.Config, suite: Suite, collection: Collection) -> None:
        self._suite = suite
        self._collection = collection
        self._channel: Channel = config.workerinput[CHANNEL]  # type: ignore[attr-defined]
        self._told: SimpleQueue[list[int]] = SimpleQueue()
        self._session: pytest.Session | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._session = session
        self._channel.send(self._roster(session.items).to_json())
        self._channel.setcallback(self._hear)

    def take_share(self) -> list[pytest.Item]:
        """The items that this worker was told to run and has not taken yet; where xdist itself deals, none."""
        try:
            share = self._told.get_nowait()
        except Empty:
            return []
        assert self._session is not None
        return [self._session.items[place] for place in share]

    def tell_asked(self, wanted: Mapping[Host, int], seconds: float) -> None:
        """Tell of the gathering that is over: how many facts were ``wanted`` of each host."""
        self._channel.send(([host.name for host in wanted], sum(wanted.values()), seconds))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_to_serializable(self, report: object) -> dict[str, Any] | None:
        if isinstance(report, pytest.CollectReport):
            report.longrepr = report.longreprtext  # by its text, xdist knows what another worker has told already
        return to_plain(report) if is_whole(report) else None

    def _hear(self, message: list[int] | str) -> None:
        """Called on the thread of execnet, before it hands over what xdist said later."""
        if isinstance(message, list):
            self._told.put(message)
        elif message == INTERRUPT:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)  # it ends what that thread waits for, too
        elif message == STOP and self._session is not None:
            self._session.shouldstop = "the run ends early"

    def _roster(self, items: Sequence[pytest.Item]) -> Roster:
        places = {target: place for place, target in enumerate(self._suite.targets)}
        known: dict[Any, int] = {}
        checks: list[Check] = []
        quick: list[bool] = []
        functions: list[int] = []
        for item in items:
            function = getattr(item, "function", None)
            if function is not None and function not in known:
                known[function] = len(checks)
                checks.append(described(function))
                quick.append(self._collection.is_quick(item))
            functions.append(known.get(function, NONE))
        targets = [places.get(target_of(item), NONE) for item in items]
        return Roster(targets, functions, checks, quick, self._collection.without_target)
