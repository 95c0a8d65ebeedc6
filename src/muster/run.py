"""The hooks of one run: collect over the inventory, plan, gather, judge, report, exit.

A judged check takes the quick path: its facts are in memory, so it is called directly, and pytest gets the same
reports that its ordinary protocol would have made. Live checks, and judged ones that ask for a fixture or
carry a mark that is not ours, run in pytest's ordinary way.
"""

from __future__ import annotations

import gc
import inspect
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import pytest

from muster.declaration import CheckError, described, is_check, is_live, kind_of, read_case, read_check
from muster.judge import Case, Measure, broken, judged, unjudged
from muster.need import Need
from muster.observations import Observation
from muster.probes import Cause, DoesNotApply, Unobserved
from muster.report import terminal
from muster.report.folder import FolderError, claim
from muster.report.junit import MANY, explanation, properties
from muster.report.listing import Listing
from muster.report.results import Results
from muster.suite import Suite
from muster.targets import Target
from muster.text import printable_lines
from muster.verdict import (
    EXIT_BAD,
    EXIT_BROKEN,
    EXIT_CONFIGURATION,
    EXIT_INTERRUPTED,
    Check,
    Tally,
    Verdict,
)

_OUR_MARKS = {"check", "parametrize"}
_VERDICT = pytest.StashKey[Verdict]()
_MEASURE = pytest.StashKey[Measure]()


class Run:
    """One run over an inventory, as a pytest plugin."""

    def __init__(self, config: pytest.Config, suite: Suite) -> None:
        self.config = config
        self.suite = suite
        self.id = uuid.uuid4().hex
        self.tally = Tally()
        self.listing = Listing(config.get_verbosity())
        self.is_worker = hasattr(config, "workerinput")
        self.dry = bool(config.getoption("muster_dry_run"))
        self._cases: dict[Callable[..., Any], Case] = {}
        self._without_target: dict[str, int] = {}
        self._quick: dict[Callable[..., Any], bool] = {}
        self._places: dict[Callable[..., Any], tuple[str, int | None]] = {}
        self._all_quick = False
        self._many = False
        self._folder: Path | None = None
        self._results: Results | None = None
        self._lock: IO[str] | None = None
        self._interrupted = False
        self._collection_failed = False

    # Reports

    def prepare_reports(self) -> None:
        """Claim the folder of the reports, and tell pytest's own writers to write there.

        Nothing is written where nothing will be judged: a dry run, a collection, a worker of xdist.
        """
        option = self.config.option
        if self.dry or option.collectonly or self.is_worker or getattr(option, "version", 0):
            return
        folder = Path(self.config.getoption("--reports") or self.config.invocation_params.dir / "reports")
        try:
            self._lock = claim(folder)
            self._folder = folder
        except FolderError as error:
            pytest.exit(str(error), EXIT_CONFIGURATION)
        if getattr(option, "xmlpath", "") is None:
            option.xmlpath = str(folder / "junit.xml")
        if getattr(option, "htmlpath", "") is None:
            option.htmlpath = str(folder / "report.html")
            option.self_contained_html = True
        if self.config.pluginmanager.hasplugin("html"):
            from muster.report.html import HtmlReport

            page = HtmlReport(self.id, [str(name) for name in self.suite.inventory.files], self.tally)
            self.config.pluginmanager.register(page, "muster-html")

    # Collection

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        def target(request: pytest.FixtureRequest) -> Target:
            """What is watched: its name, labels, and what is expected of it."""
            chosen: Target = request.param
            return chosen

        def measure(request: pytest.FixtureRequest, target: Target) -> Measure:
            """Records a measurement and compares it with its limit: measure(name, value, of=part)."""
            made = Measure(target.limits)
            request.node.stash[_MEASURE] = made
            return made

        # Module scope, so that module-scoped fixtures of a live check may depend on it.
        pytest.register_fixture(name="target", func=target, node=session, scope="module")
        pytest.register_fixture(name="measure", func=measure, node=session)
        for each in self.suite.needs.values():
            pytest.register_fixture(name=each.name, func=self._reader(each), node=session)
        from muster import live

        live.register(session, self.suite)

    def _reader(self, need: Need[Any]) -> Callable[[Target], Any]:
        def read(target: Target) -> Any:
            observation = self.suite.observation(target, need)
            if isinstance(observation.failure, DoesNotApply):
                pytest.skip(self.suite.redact(observation.failure.reason))
            if observation.failure is not None:
                raise observation.failure
            return observation.value

        read.__doc__ = need.doc
        return read

    def pytest_report_header(self) -> str:
        return terminal.header(self.suite.inventory.files, self.suite.targets)

    def pytest_pycollect_makeitem(
        self, collector: pytest.Module | pytest.Class, name: str, obj: object
    ) -> list[pytest.Item] | None:
        if isinstance(obj, Need):
            pytest.register_fixture(name=name, func=self._reader(obj), node=collector)
            return None
        if not (inspect.isfunction(obj) and is_check(obj)):
            return None
        if isinstance(collector, pytest.Class):
            raise collector.CollectError(f"{collector.nodeid}::{name}: a check is a function of a module, no method")
        try:
            case = self._case(obj)
            kind = case.of if case else self._kind(obj)
        except CheckError as error:
            raise collector.CollectError(str(error)) from None
        if case:
            self._cases[obj] = case
        if self.suite.targets_of(kind, case.applies if case else None):
            return None
        if not self.suite.targets_of(kind):
            self._without_target[kind.kind] = self._without_target.get(kind.kind, 0) + 1
        return []

    def _case(self, function: Callable[..., Any]) -> Case | None:
        """The check as a judged one, or None where it asks for a live fixture or one of its own."""
        if is_live(inspect.signature(function).parameters):
            read_check(function)
            return None
        return read_case(function, self.suite.needs)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "target" not in metafunc.fixturenames:
            return
        case = self._cases.get(metafunc.function)
        targets = self.suite.targets_of(case.of, case.applies) if case else self._live_targets(metafunc)
        metafunc.parametrize(
            "target",
            targets,
            ids=[each.id for each in targets],
            indirect=True,
            scope="function" if case else "module",
        )

    def _live_targets(self, metafunc: pytest.Metafunc) -> list[Target]:
        """The targets of a test that is no judged check: of its kind, at the hosts that its module chooses."""
        try:
            targets = self.suite.targets_of(self._kind(metafunc.function, metafunc.fixturenames))
        except CheckError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        from muster import live

        hosts = live.chosen_hosts(metafunc.module, self.suite)
        return targets if hosts is None else [each for each in targets if self.suite.host_of(each) in hosts]

    def _kind(self, function: Callable[..., Any], arguments: Sequence[str] = ()) -> type[Target]:
        """The kind of target that a test is about which is no judged check."""
        taken = {*arguments, *inspect.signature(function).parameters}
        module = inspect.getmodule(function)
        declared = (self.suite.needs.get(name) or getattr(module, name, None) for name in taken)
        return kind_of(function, [each for each in declared if isinstance(each, Need)], taken)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Judged checks first, host by host; live ones after them, as pytest ordered them.

        What has no target here is left out: pytest would count it as skipped.
        """
        idle = [item for item in items if _asks_for_target(item) and not isinstance(_target(item), Target)]
        if idle:
            for item in idle:
                kind = self._kind(item.function, item.fixturenames).kind  # type: ignore[attr-defined]
                self._without_target[kind] = self._without_target.get(kind, 0) + 1
            items[:] = [item for item in items if item not in set(idle)]
            self.config.hook.pytest_deselected(items=idle)
        places = {target: place for place, target in enumerate(self.suite.targets)}
        last = len(places)
        items.sort(key=lambda item: places.get(_target(item), last) if self._case_of(item) else last + 1)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._collection_failed = self._collection_failed or report.failed

    # Plan and gather

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        # Items, verdicts and reports live until the end: looking through them for garbage again and again took
        # a third of a run of 30,000. Only gathering makes garbage that matters.
        gc.disable()
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        failed = session.testsfailed and not self.config.option.continue_on_collection_errors
        if failed or self.config.option.collectonly:
            return None
        if self._folder:
            self._results = Results(self._folder / "results.jsonl", self.id)
        if self.config.pluginmanager.hasplugin("dsession"):
            return None
        for item in session.items:
            if case := self._case_of(item):
                self.suite.want(case, _target(item))
        if self.dry:
            terminal.dry_run(self._terminal, self.suite.plan().describe(), self.suite.redact)
            return True
        if self.is_worker:
            # A worker is told its items one by one: each host is gathered on the first use of its facts.
            self._all_quick = all(map(self._is_quick, session.items))
            return None
        if session.items:
            gc.freeze()
            gc.enable()
            plan = self.suite.plan()
            with terminal.gathering(self._terminal, plan.wanted) as progress:
                self.suite.gather(plan, progress)
            gc.disable()
        self._judge(session)
        return True

    # Judge

    def _judge(self, session: pytest.Session) -> None:
        """Pytest's own loop, with the quick path for the items that can take it."""
        self._many = len(session.items) > MANY
        ordinary = [item for item in session.items if not self._is_quick(item)]
        upcoming = iter([*ordinary[1:], None])
        for item in session.items:
            if self._is_quick(item):
                self._judge_quickly(item)
                if self._many:
                    # Nothing asks for it again, and 30,000 items hold 90 MB that the reports can use.
                    vars(item).clear()
            else:
                # Pytest's set-up must not be told of an item that it will never see.
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=next(upcoming))
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """The quick path in a worker of xdist, which runs items by a loop of its own."""
        if not (self.is_worker and self._all_quick):
            return None
        self._judge_quickly(item)
        return True

    def _judge_quickly(self, item: pytest.Item) -> None:
        start = time.time()
        clock = time.perf_counter()
        case = self._cases[item.function]  # type: ignore[attr-defined]
        verdict = self.suite.judge(case, _target(item))
        seconds = time.perf_counter() - clock
        said = properties(verdict, brief=self._many)
        # An item's own location asks the file system, for each of the items of one function.
        if (place := self._places.get(case.function)) is None:
            place = self._places[case.function] = item.location[:2]
        names: dict[str, Literal[1]] = {item.name: 1}
        where = (getattr(item, "id", item.nodeid), (*place, item.name), names)
        call = pytest.TestReport(
            *where,
            "passed",
            None,
            "call",
            duration=seconds,
            start=start,
            stop=start + seconds,
            user_properties=said,
            muster=verdict.to_plain() if self.is_worker else verdict,
        )
        teardown = pytest.TestReport(
            *where, "passed", None, "teardown", start=start, stop=start, user_properties=said
        )
        log = item.ihook.pytest_runtest_logreport
        log(report=_shaped(call, verdict, item))
        log(report=teardown)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._make_harmless(report)
        if call.when == "teardown" or (call.when == "setup" and call.excinfo is None):
            return report
        function = getattr(item, "function", None)
        if function is None or not isinstance(_target(item), Target):
            return report
        verdict = self._verdict_of(item, described(function), call, report)
        item.user_properties.extend(properties(verdict))
        report.user_properties = list(item.user_properties)
        vars(report)["muster"] = verdict.to_plain() if self.is_worker else verdict
        if self._case_of(item):
            return _shaped(report, verdict, item)
        if verdict.verdict == "warning":
            report.outcome, report.longrepr = "passed", None
        elif isinstance(call.excinfo and call.excinfo.value, Unobserved):
            report.longrepr = explanation(verdict)
        if report.failed:
            # An error in JUnit is what is not known, a failure is what is wrong.
            report.when = "setup" if verdict.verdict == "unknown" else "call"
        return report

    def _make_harmless(self, report: pytest.TestReport) -> None:
        """Take secrets and control characters out of what pytest has of a test: traceback, reason, output."""

        def harmless(text: str) -> str:
            return printable_lines(self.suite.redact(text))

        if isinstance(report.longrepr, tuple):
            path, line, reason = report.longrepr
            report.longrepr = (path, line, harmless(reason))
        elif report.longrepr is not None and (said := harmless(report.longreprtext)) != report.longreprtext:
            report.longrepr = said
        report.sections = [(title, harmless(text)) for title, text in report.sections]

    def _verdict_of(
        self, item: pytest.Item, check: Check, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> Verdict:
        target, case, redact = _target(item), self._case_of(item), self.suite.redact
        needs = case.needs if case else ()
        seen: list[Observation] = [self.suite.observation(target, need) for need in needs]
        if not seen:
            seen = [Observation("", observed_at=call.start, seconds=call.duration)]
        error = call.excinfo.value if call.excinfo else None
        if report.skipped:
            said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reason = getattr(report, "wasxfail", said)
            return unjudged(check, target, DoesNotApply(reason.removeprefix("Skipped: ")), redact, seen)
        if error is None and report.failed:
            error = AssertionError(report.longreprtext)  # a strict xfail that passed
        if isinstance(error, pytest.fail.Exception) or (case is None and _is_answer(error)):
            error = AssertionError(str(error))
        if error is None or isinstance(error, AssertionError):
            return judged(check, target, seen, item.stash.get(_MEASURE, Measure()), error, redact)
        if not isinstance(error, Unobserved):
            cause = "internal" if case else _cause(error)
            error = broken(error) if cause == "internal" else Unobserved(cause, f"{type(error).__name__}: {error}")
        return unjudged(check, target, error, redact, seen)

    def _case_of(self, item: pytest.Item) -> Case | None:
        return self._cases.get(getattr(item, "function", None))  # type: ignore[arg-type]

    def _is_quick(self, item: pytest.Item) -> bool:
        """Whether nothing but facts, ``target`` and ``measure`` goes into the check of this item."""
        case = self._case_of(item)
        if case is None or self.config.getoption("--no-quick-path") or self.config.option.usepdb:
            return False
        quick = self._quick.get(case.function)
        if quick is None:
            ours = {"target", "request", *(name for name, _ in case.arguments)}
            names = set(getattr(item, "fixturenames", ()))
            quick = names <= ours and all(mark.name in _OUR_MARKS for mark in item.iter_markers())
            self._quick[case.function] = quick
        return quick

    # Results

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = getattr(report, "muster", None)
        if said is None or self.is_worker:
            return
        verdict = Verdict.from_plain(said) if isinstance(said, dict) else said
        vars(report)["muster"] = verdict
        self.tally.add(verdict)
        self.listing.add(verdict)
        if self._results:
            self._results.add(verdict)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Our own listing stands for pytest's letters; its counts stay."""
        verdict = getattr(report, "muster", None)
        if verdict is None or self.is_worker:
            return None
        return terminal.CATEGORIES[verdict.verdict], "", ""

    @property
    def _terminal(self) -> Any:
        return self.config.pluginmanager.getplugin("terminalreporter")

    def pytest_terminal_summary(self) -> None:
        terminal.no_target(self._terminal, self._without_target)
        self.listing.write(self._terminal)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._interrupted = self._interrupted or type(excinfo.value) is KeyboardInterrupt

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.suite.close()
        if self.is_worker:
            return
        if self._many:
            self._make_room(session)
        session.exitstatus = self._exit_code(session.exitstatus)
        terminal.leave_to_listing(self.config)
        if self._results:
            self._results.close()

    def _make_room(self, session: pytest.Session) -> None:
        """Let go of the items and of what pytest's terminal keeps: the writers of reports need the room."""
        self._cases.clear()
        session.items.clear()
        kept = self._terminal.stats
        kept.pop("", None)
        if self.config.option.reportchars == terminal.USUAL_REPORTCHARS and kept.get("passed"):
            kept["passed"] = [kept["passed"][0]] * len(kept["passed"])
        gc.unfreeze()
        gc.collect()

    def _exit_code(self, status: int) -> int:
        """Pytest's exit code in the words of docs/design.md, 3."""
        if self._interrupted:
            return EXIT_INTERRUPTED
        if status == pytest.ExitCode.INTERNAL_ERROR:
            return EXIT_BROKEN
        stopped = status == pytest.ExitCode.INTERRUPTED and not self._collection_failed
        if status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or stopped:
            ours = self.tally.exit_code(fail_on_warning=self.config.getoption("--fail-on") == "warning")
            return ours or (EXIT_BAD if status != pytest.ExitCode.OK else ours)
        return status

    def pytest_unconfigure(self) -> None:
        gc.enable()
        self.suite.close()
        if self.is_worker or self.dry or not self.tally.counts:
            return
        terminal.last_line(self._terminal, self.tally)
        if self._lock:
            self._lock.close()


def _target(item: pytest.Item) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("target") if callspec else None


def _asks_for_target(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "target" in callspec.params


def _shaped(report: pytest.TestReport, verdict: Verdict, item: pytest.Item) -> pytest.TestReport:
    """Give the report of a judged check the outcome of its verdict (docs/design.md, 3)."""
    name = verdict.verdict
    report.when = "call"
    report.outcome, report.longrepr = "passed", None
    if name in ("critical", "unknown"):
        report.outcome, report.longrepr = "failed", explanation(verdict)
        report.when = "setup" if name == "unknown" else "call"
    elif name == "skipped":
        path, line, _ = item.reportinfo()
        report.outcome, report.longrepr = "skipped", (str(path), (line or 0) + 1, f"Skipped: {verdict.message}")
        report.when = "setup"
    return report


def _is_answer(error: BaseException | None) -> bool:
    """Whether an error is an answer that is wrong, as ``raise_for_status`` and the Docker SDK raise it."""
    return isinstance(error, OSError) and getattr(error, "response", None) is not None


def _cause(error: BaseException) -> Cause:
    """Why a live test could not look. Its libraries raise `OSError` for whatever the network did."""
    if isinstance(error, PermissionError):
        return "permission"
    if isinstance(error, TimeoutError):
        return "timeout"
    of_files = FileNotFoundError | FileExistsError | IsADirectoryError | NotADirectoryError
    return "network" if isinstance(error, OSError) and not isinstance(error, of_files) else "internal"
