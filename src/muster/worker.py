"""A worker of xdist: it tells what it collected, and is told its share, which it runs and nothing else.

xdist starts it and passes on what it reports. What only Muster knows goes over a channel of our own
(https://execnet.readthedocs.io), from and to `muster.controller`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from muster.collection import target_of
from muster.declaration import described
from muster.outcomes import is_whole, to_plain, whole
from muster.report.junit import MANY
from muster.shares import NONE, Roster
from muster.verdict import Check

if TYPE_CHECKING:
    from execnet import Channel

    from muster.run import Run

#: Under this name the channel is among what xdist gives to a worker.
CHANNEL = "muster"

#: What ends a worker amid the test that it runs, as Ctrl-C does. Any other text ends it after that test: the reason.
INTERRUPT = "interrupt"

#: Under this name a worker that cannot go on leaves why, and the exit code, to its controller.
LEFT = "muster_left"


class Worker:
    """The part of a run that is a worker's alone, as a pytest plugin."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._channel: Channel = run.config.workerinput[CHANNEL]  # type: ignore[attr-defined]
        self._told: SimpleQueue[list[int]] = SimpleQueue()
        self._session: pytest.Session | None = None
        self._has_begun = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._session = session
        self._run.many = len(session.items) > MANY
        self._channel.send(self._roster(session.items).to_json())
        self._channel.setcallback(self._hear)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """The quick path, for items that xdist runs one by one."""
        self._begin(item.session)
        if self._run.collection.is_quick(item):
            self._run.judge_quickly(item)
            return True
        if nextitem is not None and self._run.collection.is_quick(nextitem):
            # Pytest's set-up must not be told of an item that it will never see.
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            return True
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        try:
            return (yield)
        except pytest.UsageError as wrong:
            self._leave("\n".join(map(str, wrong.args)), pytest.ExitCode.USAGE_ERROR)
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        try:
            return (yield)
        except pytest.exit.Exception as leaving:
            self._leave(leaving.msg, leaving.returncode)
            # xdist takes a worker that ends early with another code than Ctrl-C's for broken.
            leaving.returncode = None
            raise

    def tell(self, report: pytest.TestReport) -> None:
        """Tell of a check that was judged on the quick path: one report is enough."""
        self._log_without_terminal(report=whole(report))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_to_serializable(self, report: object) -> dict[str, Any] | None:
        if isinstance(report, pytest.CollectReport):
            report.longrepr = report.longreprtext  # by its text, xdist knows what another worker has told already
        return to_plain(report) if is_whole(report) else None

    def _leave(self, why: str, code: int | None) -> None:
        self._run.config.workeroutput[LEFT] = (why, None if code is None else int(code))  # type: ignore[attr-defined]

    def _begin(self, session: pytest.Session) -> None:
        """Ask the hosts of what this worker was told to run since; where xdist deals, each when it is first used."""
        if not self._told.empty():
            share = [session.items[place] for place in self._told.get()]
            start = time.monotonic()
            wanted = self._run.gather(share)
            seconds = time.monotonic() - start
            self._channel.send(([host.name for host in wanted], sum(wanted.values()), seconds))
        elif not self._has_begun:
            self._run.want(session.items)
        self._has_begun = True

    @cached_property
    def _log_without_terminal(self) -> Callable[..., Any]:
        """The hook that tells of a report, without the terminal: nobody sees that of a worker."""
        return self._run.config.pluginmanager.subset_hook_caller("pytest_runtest_logreport", [self._run.terminal])

    def _hear(self, message: list[int] | str) -> None:
        """Called on the thread of execnet, before it hands over what xdist said later."""
        if isinstance(message, list):
            self._told.put(message)
        elif message == INTERRUPT:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)  # it ends what that thread waits for, too
        elif self._session is not None:
            self._session.shouldstop = message

    def _roster(self, items: Sequence[pytest.Item]) -> Roster:
        places = {target: place for place, target in enumerate(self._run.suite.targets)}
        known: dict[Any, int] = {}
        checks: list[Check] = []
        quick: list[bool] = []
        functions: list[int] = []
        for item in items:
            function = getattr(item, "function", None)
            if function is not None and function not in known:
                known[function] = len(checks)
                checks.append(described(function))
                quick.append(self._run.collection.is_quick(item))
            functions.append(known.get(function, NONE))
        targets = [places.get(target_of(item), NONE) for item in items]
        return Roster(targets, functions, checks, quick, self._run.collection.without_target)
