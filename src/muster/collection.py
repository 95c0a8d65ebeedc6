"""Collection: checks times targets, and which of these items can take the quick path."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from muster import live
from muster.declaration import CheckError, is_check, is_live, kind_of, read_case, read_check
from muster.judge import Case, Measure
from muster.need import Need
from muster.probes import DoesNotApply
from muster.suite import Suite
from muster.targets import Target

_OUR_MARKS = {"check", "parametrize"}
_MEASURE = pytest.StashKey[Measure]()
_TEST = re.compile(r"^def test\w*\(([^)]*)\)", re.MULTILINE)
_CLASS = re.compile(r"^class Test", re.MULTILINE)
_ARGUMENT = re.compile(r"(?:^|,)\s*(\w+)")


class Collection:
    """The hooks that make items of checks and targets, and the fixtures that these take."""

    def __init__(self, config: pytest.Config, suite: Suite) -> None:
        self._suite = suite
        self._ordinary_only = bool(config.getoption("--no-quick-path") or config.option.usepdb)
        self._cases: dict[Callable[..., Any], Case] = {}
        self._quick: dict[Callable[..., Any], bool] = {}
        #: How many checks of a kind, by the plural of its name, have no target here.
        self.without_target: dict[str, int] = {}
        self._left_out: set[Path] = set()

    def case_of(self, item: pytest.Item) -> Case | None:
        """The judged check that an item is of, if it is of one."""
        # Pytest works out an item's `function` anew each time, which takes six times as long.
        return self._cases.get(getattr(item, "obj", None))  # type: ignore[arg-type]

    def is_quick(self, item: pytest.Item) -> bool:
        """Whether nothing but facts, ``target`` and ``measure`` goes into the check of this item."""
        case = self.case_of(item)
        if case is None or self._ordinary_only:
            return False
        quick = self._quick.get(case.function)
        if quick is None:
            ours = {"target", "request", *(name for name, _ in case.arguments)}
            names = set(getattr(item, "fixturenames", ()))
            quick = names <= ours and all(mark.name in _OUR_MARKS for mark in item.iter_markers())
            self._quick[case.function] = quick
        return quick

    def look_again(self) -> None:
        """Forget what was left out for want of a target: it is collected once more, over other targets."""
        self._left_out.clear()
        self.without_target.clear()

    def forget(self) -> None:
        """Let go of every item's check: nothing will be asked of them again."""
        self._cases.clear()

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
        for name in self._suite.needs:
            pytest.register_fixture(name=name, func=self._reader(name), node=session)
        live.register(session, self._suite)

    def _reader(self, need: Need[Any] | str) -> Callable[[Target], Any]:
        """A fixture that reads a fact; a need that ships is given by its name."""

        def read(target: Target) -> Any:
            asked = self._suite.needs[need] if isinstance(need, str) else need
            observation = self._suite.observation(target, asked)
            if isinstance(observation.failure, DoesNotApply):
                pytest.skip(self._suite.redact(observation.failure.reason))
            if observation.failure is not None:
                raise observation.failure
            return observation.value

        return read

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out a file whose every test reads a fact about a kind that has no target here.

        None of them would have an item, so what they read need not be imported.
        """
        if collection_path in self._left_out:
            return True
        if collection_path.suffix != ".py" or not collection_path.is_file():
            return None
        text = collection_path.read_text("utf-8", "replace")
        idle = [self._idle_kind(arguments) for arguments in _TEST.findall(text)]
        if not idle or None in idle or _CLASS.search(text):
            return None
        self._left_out.add(collection_path)
        for kind in idle:
            assert kind is not None
            self._count_idle(kind)
        return True

    def _count_idle(self, kind: type[Target]) -> None:
        """Count a check about a kind that has no target here: as of endpoints, where there are none of any kind."""
        wider = (each for each in kind.__mro__[1:] if issubclass(each, Target) and each is not Target)
        *_, widest = kind, *(each for each in wider if not self._suite.targets_of(each))
        self.without_target[widest.plural] = self.without_target.get(widest.plural, 0) + 1

    def _idle_kind(self, arguments: str) -> type[Target] | None:
        """The kind without a target that a test with these arguments reads a fact about, if there is one."""
        kinds = (self._suite.needs.of(name) for name in _ARGUMENT.findall(arguments))
        return next((kind for kind in kinds if kind and not self._suite.targets_of(kind)), None)

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
        if self._suite.targets_of(kind, case.applies if case else None):
            return None
        if not self._suite.targets_of(kind):
            self._count_idle(kind)
        return []

    def _case(self, function: Callable[..., Any]) -> Case | None:
        """The check as a judged one, or None where it asks for a live fixture or one of its own."""
        if is_live(inspect.signature(function).parameters):
            read_check(function)
            return None
        case = read_case(function, self._suite.needs)
        return replace(case, function=_in_our_words(function))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "target" not in metafunc.fixturenames:
            return
        case = self._cases.get(metafunc.function)
        targets = self._suite.targets_of(case.of, case.applies) if case else self._live_targets(metafunc)
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
            targets = self._suite.targets_of(self._kind(metafunc.function, metafunc.fixturenames))
        except CheckError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        hosts = live.chosen_hosts(metafunc.module, self._suite)
        return targets if hosts is None else [each for each in targets if self._suite.host_of(each) in hosts]

    def _kind(self, function: Callable[..., Any], arguments: Sequence[str] = ()) -> type[Target]:
        """The kind of target that a test is about which is no judged check."""
        taken = {*arguments, *inspect.signature(function).parameters}
        module = inspect.getmodule(function)
        declared = (self._suite.needs.get(name) or getattr(module, name, None) for name in taken)
        return kind_of(function, [each for each in declared if isinstance(each, Need)], taken)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Judged checks first, host by host; live ones after them, as pytest ordered them.

        What has no target here is left out: pytest would count it as skipped.
        """
        idle = [item for item in items if _asks_for_target(item) and not isinstance(target_of(item), Target)]
        if idle:
            for item in idle:
                self._count_idle(self._kind(item.function, item.fixturenames))  # type: ignore[attr-defined]
            items[:] = [item for item in items if item not in set(idle)]
            config.hook.pytest_deselected(items=idle)
        places = {target: place for place, target in enumerate(self._suite.targets)}
        last = len(places)
        items.sort(key=lambda item: places.get(target_of(item), last) if self.case_of(item) else last + 1)


def _in_our_words(function: Callable[..., Any]) -> Callable[..., None]:
    """The function of a check with what is known outside of pytest for pytest's own ways to end a test."""

    @wraps(function)
    def called(**arguments: Any) -> None:
        try:
            function(**arguments)
        except (pytest.skip.Exception, pytest.xfail.Exception) as reason:
            raise DoesNotApply(str(reason)) from None
        except pytest.fail.Exception as wrong:
            raise AssertionError(str(wrong)) from None

    return called


def target_of(item: pytest.Item) -> Any:
    """The target that an item is about, or None."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("target") if callspec else None


def measure_of(item: pytest.Item) -> Measure:
    """What the fixture ``measure`` recorded for an item."""
    return item.stash.get(_MEASURE, Measure())


def _asks_for_target(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "target" in callspec.params
