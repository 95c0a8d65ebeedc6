"""The process that controls the workers of xdist: it deals the hosts, and tells what a worker that died could not."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Hashable, Sequence
from typing import TYPE_CHECKING

import pytest

from muster.exits import EXIT_BROKEN
from muster.judge import unjudged
from muster.outcomes import WHOLE, ending, from_plain, is_whole, lose
from muster.probes import Unobserved
from muster.report import terminal
from muster.scheduling import HostScheduling
from muster.shares import LIVE, NONE, Roster, deal
from muster.targets import RUNNER, Host
from muster.worker import CHANNEL, INTERRUPT, LEFT

if TYPE_CHECKING:
    from execnet import Channel
    from xdist.scheduler.protocol import Scheduling
    from xdist.workermanage import WorkerController

    from muster.run import Run

#: What ``-n`` stands for: our own scheduler takes its place. Any other ``--dist`` is the user's choice.
USUAL = "load"

_WHY = "see whether a test ends its own process, or the kernel killed it for want of memory (dmesg)"


class Controller:
    """The part of a run that controls workers, as a pytest plugin."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._session: pytest.Session | None = None
        self._channels: dict[WorkerController, Channel] = {}
        self._roster: Roster | None = None
        self._ids: Sequence[str] = ()
        self._has_verdict = self._has_ended = bytearray()
        self._died: list[str] = []
        self._not_collected = 0
        self._refused = False
        self._stopping = False
        self._asking = 0
        self._is_amid_line = False
        self._listening: set[WorkerController] = set()
        self._asked: list[tuple[list[str], int, float]] = []

    # What xdist tells

    def pytest_configure_node(self, node: WorkerController) -> None:
        self._channels[node] = node.workerinput[CHANNEL] = node.gateway.newchannel()

    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> Scheduling | None:
        from xdist.workermanage import parse_tx_spec_config

        return HostScheduling(len(parse_tx_spec_config(config)), self) if config.option.dist == USUAL else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_node_collection_finished(self, node: WorkerController, ids: Sequence[str]) -> None:
        roster = self._channels[node].receive()
        if self._roster is None:
            self._roster = Roster.from_json(roster)
            self._ids = ids
            self._has_verdict, self._has_ended = bytearray(len(ids)), bytearray(len(ids))
            about_targets = sum(place != NONE for place in self._roster.targets)
            self._run.expect(len(ids), about_targets, self._roster.without_target)

    def pytest_testnodedown(self, node: WorkerController, error: object | None) -> None:
        if left := getattr(node, "workeroutput", {}).get(LEFT):
            pytest.exit(*left)
        if error == "keyboard-interrupt":
            raise KeyboardInterrupt
        if error is not None:
            self._died.append(node.gateway.id)

    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Make what xdist says of the item that a worker died of an unknown verdict, or a broken teardown."""
        place = list(self._ids).index(crashitem)
        name = self._died[-1]
        if self._has_verdict[place]:
            report.when, report.longrepr = "teardown", f"worker {name} died in the teardown of this; {_WHY}"
            report.location = (report.location[0], None, crashitem.partition("::")[2])
        else:
            self._lose(place, report, f"worker {name} died while it ran this or asked its hosts; {_WHY}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_from_serializable(self, data: dict[str, object]) -> pytest.TestReport | None:
        """Called on a thread of execnet."""
        return from_plain(data, brief=self._run.many) if data.get("$report_type") == WHOLE else None

    # What pytest tells

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._not_collected += report.failed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        place = getattr(report, "item_index", None)
        whole = is_whole(report)
        if place is not None:
            self._has_ended[place] = whole or report.when == "teardown"
            self._has_verdict[place] |= whole or report.when == "call" or not report.passed
        if self._asking and len(self._asked) >= self._asking:
            self._tell_asked()
        yield
        # Pytest shows such a report by a letter, and does not end the line.
        self._is_amid_line = self._is_amid_line or not (place is None or hasattr(report, "muster"))
        if whole:
            self._run.hook_of(getattr(report, "muster", None))(report=ending(report))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        self._session = session
        try:
            result = yield
        except pytest.exit.Exception:
            self._tell_all(INTERRUPT)
            raise
        except KeyboardInterrupt as interrupt:
            if type(interrupt) is KeyboardInterrupt:
                self._tell_all(INTERRUPT)
            self._run.leave_if_interrupted(interrupt)
            raise
        if self._is_broken:
            count = self._not_collected
            raise session.Interrupted(f"{count} error{'s' if count != 1 else ''} during collection")
        if self._died and not self.stopped:
            self._tell_what_was_lost()
        return result

    # What the scheduler asks for: `muster.scheduling.Dealer`

    @property
    def stopped(self) -> bool:
        session = self._session
        return self._is_broken or bool(session and (session.shouldfail or session.shouldstop))

    def refuse(self, worker: WorkerController, ids: Sequence[str], others: Sequence[str]) -> None:
        self._refused = True
        name = worker.gateway.id
        apart = sorted(set(ids) ^ set(others))[:1]
        how = f"; only one of the two has {apart[0]}" if apart else ", in another order"
        said = f"worker {name} collected other tests than the first worker{how}: make all of them collect the same"
        self._run.config.hook.pytest_collectreport(report=pytest.CollectReport(name, "failed", said, []))

    def deal(self, workers: int) -> list[list[int]]:
        roster, suite = self._roster, self._run.suite
        assert roster is not None
        owners: list[Hashable] = []
        for item, place in zip(self._ids, roster.targets, strict=True):
            if place == NONE:
                owners.append(item.partition("::")[0])  # what is about no target stays together as in its file
            else:
                target = suite.targets[place]
                host = suite.host_of(target)
                owners.append(target if host is RUNNER else host)
        weights = [1 if roster.is_quick(place) else LIVE for place in range(len(owners))]
        shares = deal(owners, weights, workers, _door)
        for share in shares:
            # What takes the quick path comes first, so that pytest sets up and tears down what is left in one go.
            share.sort(key=lambda place: (not roster.is_quick(place), place))
        self._asking = sum(map(bool, shares))
        asked = {owner for place, owner in enumerate(owners) if roster.is_quick(place)}
        hosts = sum(isinstance(owner, Host) for owner in asked)
        terminal.asking(self._run.terminal, self._asking, hosts, len(asked) - hosts)
        return shares

    def hand_over(self, worker: WorkerController, share: list[int]) -> None:
        channel = self._channels[worker]
        channel.send(share)
        if worker not in self._listening:
            self._listening.add(worker)
            channel.setcallback(self._asked.append)

    def is_told(self, item: int) -> bool:
        return bool(self._has_ended[item])

    @property
    def restarts(self) -> float:
        from xdist.dsession import get_default_max_worker_restart

        most = get_default_max_worker_restart(self._run.config)
        return math.inf if most is None else most - len(self._died)

    def stop(self) -> None:
        session = self._session
        if session is not None and not self._stopping:
            self._stopping = True
            self._tell_all(str(session.shouldfail or session.shouldstop))

    # What it does

    @property
    def _is_broken(self) -> bool:
        goes_on = self._run.config.option.continue_on_collection_errors and not self._refused
        return bool(self._not_collected) and not goes_on

    def _tell_all(self, what: str) -> None:
        for channel in self._channels.values():
            with contextlib.suppress(OSError):  # of a worker that has ended
                channel.send(what)

    def _tell_asked(self) -> None:
        hosts = {host for asked, _, _ in self._asked for host in asked}
        facts = sum(number for _, number, _ in self._asked)
        if self._is_amid_line:
            self._run.terminal.write_line("")
        terminal.asked(self._run.terminal, len(hosts), facts, max(seconds for _, _, seconds in self._asked))
        self._asking = 0

    def _tell_what_was_lost(self) -> None:
        """Give every item that no worker is left for the verdict unknown."""
        if not self._ids:
            said = f"every worker died before it had collected the checks: {', '.join(self._died)}"
            pytest.exit(f"{said}; see what they say with -n 0", EXIT_BROKEN)
        why = f"not judged: its worker died ({', '.join(self._died)} did), and no other took its place; {_WHY}"
        for place, has_ended in enumerate(self._has_ended):
            if not has_ended and not self._has_verdict[place]:
                report = pytest.TestReport(self._ids[place], ("", None, ""), {}, "failed", None, "setup")
                self._lose(place, report, why)
                self._run.config.hook.pytest_runtest_logreport(report=report)

    def _lose(self, place: int, report: pytest.TestReport, why: str) -> None:
        """Make ``report`` that of an item that was not judged, and say why."""
        roster, suite = self._roster, self._run.suite
        assert roster is not None
        self._has_verdict[place] = self._has_ended[place] = True
        verdict = None
        if roster.targets[place] != NONE:
            check, target = roster.checks[roster.functions[place]], suite.targets[roster.targets[place]]
            verdict = unjudged(check, target, Unobserved("internal", why), suite.redact, [])
        lose(report, verdict, why)


def _door(owner: Hashable) -> Hashable:
    """What a worker logs in to first for an owner of items: the gateway of a host, if it has one."""
    return owner.connection.via or owner.name if isinstance(owner, Host) else owner
