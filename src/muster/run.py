"""The hooks of one run once its items are there: plan, gather, judge, report, exit.

A judged check takes the quick path: its facts are in memory, so it is called directly, and pytest gets the same
reports that its ordinary protocol would have made. Live checks, and judged ones that ask for a fixture or
carry a mark that is not ours, run in pytest's ordinary way.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from muster.collection import Collection, measure_of, target_of
from muster.declaration import described
from muster.exits import EXIT_BAD, EXIT_BROKEN, EXIT_INTERRUPTED, EXIT_NOTHING, EXIT_OK
from muster.judge import host_name
from muster.outcomes import Place, make_harmless, quick_reports, shape, verdict_of, worst_of
from muster.probes import DoesNotApply, Unobserved
from muster.report import terminal
from muster.report.folder import JUNIT, PAGE, RESULTS, Folder
from muster.report.junit import MANY, explanation, properties
from muster.report.listing import Listing
from muster.report.results import Results
from muster.suite import Suite
from muster.targets import Host, Target
from muster.verdict import Tally, Verdict

if TYPE_CHECKING:
    from muster.report.html import HtmlReport
    from muster.worker import Worker

#: So many new objects are looked through for garbage at a time while a run gathers; Python's own 700 are for
#: programs that make less of it, and keep less.
GARBAGE = 50_000


class Run:
    """One run over an inventory, as a pytest plugin."""

    def __init__(self, config: pytest.Config, suite: Suite, folder: Folder | None) -> None:
        self.config = config
        self.suite = suite
        self.id = uuid.uuid4().hex
        self.tally = Tally()
        self.listing = Listing(config.get_verbosity(), map(host_name, suite.targets))
        self.is_worker = hasattr(config, "workerinput")
        self.many = False
        self.dry = bool(config.getoption("muster_dry_run"))
        self.collection = Collection(config, suite)
        self._origins: dict[tuple[Callable[..., Any], Path], tuple[tuple[str, int | None], Any]] = {}
        self._worker: Worker | None = None
        self._all_quick = False
        self._folder = folder
        self._page: HtmlReport | None = None
        self._results: Results | None = None
        self._interrupted = False
        self._on_interrupt: Any = None
        self._selected = 0
        self._failed_subtests: list[BaseException] | None = None
        self._judged = False
        self._nothing = False
        self._unwritten: OSError | None = None
        self._collection_failed = False
        self._failed_unjudged = False  # a test, or a teardown, that has no verdict
        self._thresholds = gc.get_threshold()

    # Reports

    def prepare_reports(self) -> None:
        """Tell pytest's own writers to write to the folder of the reports, unless its options say where."""
        option, folder = self.config.option, self._folder
        if folder is None:
            return
        if getattr(option, "xmlpath", "") is None:
            option.xmlpath = str(folder.path / JUNIT)
        if getattr(option, "htmlpath", "") is None:
            option.htmlpath = str(folder.path / PAGE)
            option.self_contained_html = True
        if self.config.pluginmanager.hasplugin("html"):
            from muster.report.html import HtmlReport

            self._page = HtmlReport(self.id, [str(name) for name in self.suite.inventory.files], self.tally)
            self.config.pluginmanager.register(self._page, "muster-html")

    def pytest_report_header(self) -> list[str]:
        said = [terminal.header(self.suite.inventory.files, self.suite.targets)]
        if (way := self.config.getoption("dist", "no")) not in ("no", "load"):
            said.append(f"muster: --dist {way} deals tests: several workers may ask one host; -n alone deals hosts")
        return said

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._collection_failed = self._collection_failed or report.failed

    def expect(self, count: int, about_targets: int, without_target: Mapping[str, int]) -> None:
        """Take over what the workers of xdist have collected: so many items, and checks without a target."""
        self.many = count > MANY
        if self._page:
            self._page.expect(count)
        self._selected = about_targets
        self.collection.without_target.update(without_target)

    # Plan and gather

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        # Items, verdicts and reports live until the end: looking through them for garbage again and again took
        # a third of a run of 30,000. Only gathering makes garbage that matters, and what it imports is none.
        gc.disable()
        gc.set_threshold(GARBAGE)
        if self.config.get_verbosity() <= 0:
            self.terminal.showfspath = False  # pytest's path is for its letters, and the listing stands for these
        if self.config.pluginmanager.hasplugin("dsession"):
            from muster.controller import Controller

            self.config.pluginmanager.register(Controller(self), "muster-controller")
        elif self.is_worker:
            from muster.worker import Worker

            self._worker = Worker(self)
            self.config.pluginmanager.register(self._worker, "muster-worker")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        failed = session.testsfailed and not self.config.option.continue_on_collection_errors
        if failed or self.config.option.collectonly:
            return None
        if self._folder:
            self._results = Results(self._folder.path / RESULTS, self.id)
        if self.config.pluginmanager.hasplugin("dsession"):
            return None
        if self._worker:
            return None  # it is told what to run
        if self.dry:
            self.want(session.items)
            live = sum(self.collection.case_of(item) is None for item in session.items)
            terminal.dry_run(self.terminal, self.suite.plan().describe(), self.suite.redact, live)
            return True
        try:
            self._selected = sum(isinstance(target_of(item), Target) for item in session.items)
            self.gather(session.items)
            self._judge(session)
        except KeyboardInterrupt as interrupt:
            self.leave_if_interrupted(interrupt)
            raise
        return True

    def want(self, items: Sequence[pytest.Item]) -> None:
        """Note what the checks among these items will read."""
        for item in items:
            if case := self.collection.case_of(item):
                self.suite.want(case, target_of(item))

    def gather(self, items: Sequence[pytest.Item]) -> Mapping[Host, int]:
        """Ask for all that the checks among these items need; returns how many facts that were of each host."""
        if not items:
            return {}
        self.want(items)
        gc.freeze()
        gc.enable()
        plan = self.suite.plan()
        wanted = plan.wanted
        with terminal.gathering(self.terminal, wanted) as progress:
            # What runs in pytest's ordinary way may ask a host for more, or ask again.
            self._all_quick = all(map(self.collection.is_quick, items))
            self.suite.gather(plan, progress, keep=not self._all_quick)
        gc.disable()
        return wanted

    # Judge

    def _judge(self, session: pytest.Session) -> None:
        """Pytest's own loop, with the quick path for the items that can take it."""
        self.many = len(session.items) > MANY
        quick = [self.collection.is_quick(item) for item in session.items]
        ordinary = [item for item, is_quick in zip(session.items, quick, strict=True) if not is_quick]
        upcoming = iter([*ordinary[1:], None])
        for number, (item, is_quick) in enumerate(zip(session.items, quick, strict=True)):
            if self.many and number % MANY == 0:
                self._let_go_of_reports()
            if is_quick:
                self.judge_quickly(item)
                if self._all_quick and (case := self.collection.case_of(item)):
                    self.suite.forget(case, target_of(item))
                if self.many:
                    # Nothing asks for it again, and 30,000 items hold 90 MB that the reports can use.
                    vars(item).clear()
            else:
                # Pytest's set-up must not be told of an item that it will never see.
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=next(upcoming))
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)

    def judge_quickly(self, item: pytest.Item) -> None:
        """Judge what `Collection.is_quick` says yes to."""
        clock = time.perf_counter()
        case = self.collection.case_of(item)
        assert case is not None
        verdict = self.suite.judge(case, target_of(item))
        seconds = time.perf_counter() - clock
        # An item's own location asks the file system, and its hooks the plugins, for each item of one function.
        origin = case.function, item.path
        if (found := self._origins.get(origin)) is None:
            found = self._origins[origin] = item.location[:2], item.ihook
        location, hooks = found
        place: Place = (getattr(item, "id", item.nodeid), (*location, item.name), {item.name: 1})
        said = properties(verdict, brief=self.many)
        call, teardown = quick_reports(place, item, verdict, said, seconds)
        self._attach(call, verdict)
        if self._worker:
            self._worker.tell(call)
            return
        log = self.hook_of(verdict, hooks)
        log(report=call)
        log(report=teardown)

    def hook_of(self, verdict: Verdict | None, hooks: Any = None) -> Callable[..., Any]:
        """The hook that tells of a report; pytest-html does not hear of it where its page has no row for it."""
        if verdict and self._page and self._page.has_no_row(verdict):
            return self._log_without_page
        log: Callable[..., Any] = (hooks or self.config.hook).pytest_runtest_logreport
        return log

    @cached_property
    def _log_without_page(self) -> Callable[..., Any]:
        """The hook that tells of a report, without pytest-html: for 30,000 that took a quarter of the run."""
        plugins = self.config.pluginmanager
        # Its writer is registered without a name.
        writers = [each for each in plugins.get_plugins() if type(each).__module__.startswith("pytest_html.")]
        return plugins.subset_hook_caller("pytest_runtest_logreport", writers)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Let a test fail whose subtests failed: its one verdict is for all of them."""
        failed: list[BaseException] = []
        self._failed_subtests = failed
        try:
            yield
        except pytest.skip.Exception:
            if not failed:
                raise
        finally:
            self._failed_subtests = None
        if failed:
            raise worst_of(failed)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        make_harmless(report, self.suite.redact)
        if call.when == "teardown" or (call.when == "setup" and call.excinfo is None):
            return report
        function = getattr(item, "function", None)
        if function is None or not isinstance(target_of(item), Target):
            return report
        if self._failed_subtests is not None:  # the test runs yet
            if report.failed and call.excinfo:
                self._failed_subtests.append(call.excinfo.value)
            report.when, report.outcome, report.longrepr = "setup", "passed", None
            return report
        target, case = target_of(item), self.collection.case_of(item)
        seen = [self.suite.observation(target, need) for need in (case.needs if case else ())]
        measure = measure_of(item)
        verdict = verdict_of(described(function), target, case, seen, measure, call, report, self.suite.redact)
        item.user_properties.extend(properties(verdict))
        report.user_properties = list(item.user_properties)
        self._attach(report, verdict)
        if case or isinstance(call.excinfo and call.excinfo.value, DoesNotApply):
            return shape(report, verdict, item)
        if verdict.verdict == "warning":
            report.outcome, report.longrepr = "passed", None
        elif isinstance(call.excinfo and call.excinfo.value, Unobserved):
            report.longrepr = explanation(verdict)
        if report.failed:
            # An error in JUnit is what is not known, a failure is what is wrong.
            report.when = "setup" if verdict.verdict == "unknown" else "call"
        return report

    def _attach(self, report: pytest.TestReport, verdict: Verdict) -> None:
        """Let the verdict travel with its report, in plain values where it crosses to xdist's controller."""
        vars(report)["muster"] = verdict.to_plain() if self.is_worker else verdict

    # Results

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if isinstance(report, pytest.SubtestReport):
            make_harmless(report, self.suite.redact)  # its output was added after `pytest_runtest_makereport`
        if self.is_worker:
            return
        said = getattr(report, "muster", None)
        if said is None:
            self._failed_unjudged = self._failed_unjudged or report.failed
            return
        verdict = said if isinstance(said, Verdict) else Verdict.from_plain(said)
        vars(report)["muster"] = verdict
        self.tally.add(verdict)
        self.listing.add(verdict)
        if self._results:
            self._results.add(verdict)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Our own listing stands for pytest's letters; its counts stay, and the words of its summary (``-rA``)."""
        verdict = getattr(report, "muster", None)
        if verdict is None or self.is_worker:
            return None
        return terminal.CATEGORIES[verdict.verdict], "", verdict.verdict if self._judged else ""

    @property
    def terminal(self) -> Any:
        return self.config.pluginmanager.getplugin("terminalreporter") or terminal.NoTerminal()

    def pytest_terminal_summary(self) -> None:
        terminal.no_target(self.terminal, self.collection.without_target)
        self.listing.write(self.terminal)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if type(excinfo.value) is KeyboardInterrupt:
            self._note_interrupt()

    def leave_if_interrupted(self, interrupt: KeyboardInterrupt) -> None:
        """Leave by `pytest.exit` after Ctrl-C: of that, pytest would tell where in Python's own library it came."""
        if type(interrupt) is KeyboardInterrupt and not self.config.option.fulltrace:
            self._note_interrupt()
            pytest.exit("interrupted")

    def _note_interrupt(self) -> None:
        self._interrupted = True
        if threading.current_thread() is threading.main_thread():
            # The reports of what was judged are written now: a second Ctrl-C would tear them.
            self._on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        self._finish(session)
        try:
            try:
                yield
            finally:
                if self._page:
                    self._page.write(self.config.option.htmlpath)
        except OSError as error:  # of a writer of reports: what was judged is to be shown all the same
            self._unwritten = self._unwritten or error
        if self._unwritten and not self._interrupted:
            session.exitstatus = EXIT_BROKEN

    def _finish(self, session: pytest.Session) -> None:
        self.suite.close()
        if self.is_worker:
            return
        if self.many:
            self._make_room(session)
        session.exitstatus = self._exit_code(session.exitstatus)
        self._nothing = session.exitstatus == EXIT_NOTHING
        terminal.leave_to_listing(self.terminal, self.config)
        self._judged = True
        if self._results:
            self._results.close()
            self._unwritten = self._results.failure

    def _make_room(self, session: pytest.Session) -> None:
        """Let go of the items and of what pytest's terminal keeps: the writers of reports need the room."""
        self.collection.forget()
        session.items.clear()
        self._let_go_of_reports()
        gc.unfreeze()
        gc.collect()

    def _let_go_of_reports(self) -> None:
        """Of what passed pytest's terminal wants to know how often that was, and keeps each report for it."""
        kept = self.terminal.stats
        kept.pop("", None)
        if kept.get("passed") and self.config.option.reportchars == terminal.USUAL_REPORTCHARS:
            kept["passed"] = [kept["passed"][0]] * len(kept["passed"])

    def _exit_code(self, status: int) -> int:
        """Pytest's exit code in the words of docs/design.md, 3."""
        if self._interrupted:
            return EXIT_INTERRUPTED
        if status == pytest.ExitCode.INTERNAL_ERROR:
            return EXIT_BROKEN
        stopped = status == pytest.ExitCode.INTERRUPTED and not self._collection_failed
        if status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or stopped:
            if self._failed_unjudged or self._collection_failed:
                return EXIT_BAD
            ours = self.tally.exit_code(fail_on_warning=self.config.getoption("--fail-on") == "warning")
            whole = status == pytest.ExitCode.OK and sum(self.tally.counts.values()) >= self._selected
            return ours or (EXIT_OK if whole else EXIT_BAD)
        return status

    def pytest_unconfigure(self) -> None:
        # The interpreter is about to end, and would look through everything once more, several times.
        gc.freeze()
        gc.set_threshold(*self._thresholds)
        gc.enable()
        self.suite.close()
        if self._on_interrupt is not None:
            signal.signal(signal.SIGINT, self._on_interrupt)
        if self._folder is None:
            return
        if self.tally.counts or self._interrupted or self._nothing:
            terminal.last_line(self.terminal, self.tally, self._selected)
        if self._unwritten:
            terminal.not_whole(self.terminal, self._unwritten, self._folder.path)
        self._folder.close()
