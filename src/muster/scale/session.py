"""One shard of a run, as a pytest plugin: what belongs to it, and its account of itself in ``run.json``.

Its targets are chosen before anything is collected, so a shard costs what its own part costs. Where nothing is in it,
that is a success if the others have something: it takes a second look, at all targets.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from muster.collection import target_of
from muster.exits import EXIT_BROKEN
from muster.report.folder import JUNIT, PAGE, RESULTS
from muster.report.terminal import not_whole
from muster.scale.run_file import RunFile, digest, fingerprint
from muster.scale.shards import Shard, home
from muster.targets import Target
from muster.text import printable
from muster.version import VERSION

if TYPE_CHECKING:
    from muster.run import Run

#: What of pytest's own options decides which tests are selected.
_SELECTING = {
    "-k": "keyword",
    "-m": "markexpr",
    "--deselect": "deselect",
    "--ignore": "ignore",
    "--ignore-glob": "ignore_glob",
    "--lf": "lf",
    "--fail-on": "fail_on",
}


class ShardSession:
    """The hooks of a run with ``--shard``.

    The suite of ``run`` has the targets of all shards, and is limited here to those of this one. ``folder`` is where
    its reports go, None where it writes none.
    """

    def __init__(self, run: Run, shard: Shard, folder: Path | None) -> None:
        self._run = run
        self._config = run.config
        self._shard = shard
        self._suite = run.suite
        self._whole = run.suite.targets
        self._folder = folder
        self._files: set[Path] = set()
        self._checks = ""
        self._found = False
        self._empty = False
        self._file = RunFile(
            run=run.id,
            shard=shard.number,
            shards=shard.count,
            selection={},
            inventories=list(map(printable, self._suite.inventory.files)),
            started=time.time(),
        )
        # A test that is named may be one that only other shards have a target for.
        if not any("::" in argument for argument in run.config.args):
            self._suite.limit(shard.of(self._whole))

    def begin(self) -> None:
        """Say in the folder of the reports that this shard is running. Raises OSError."""
        if self._folder:
            self._file.write(self._folder)

    def pytest_report_header(self) -> str:
        return f"shard {self._shard}: {len(self._shard.of(self._whole)):,} of {len(self._whole):,} targets"

    # Collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> None:
        self._files.add(collection_path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_file(self, file_path: Path) -> None:
        self._files.add(file_path)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, object, object]:
        done = yield
        self._checks = _digest_of(self._files)
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["muster_checks"] = self._checks
        elif not (self._found or session.testsfailed or self._config.pluginmanager.hasplugin("dsession")):
            self._look_again(session)
        self._suite.limit(self._shard.of(self._whole))
        return done

    def _look_again(self, session: pytest.Session) -> None:
        """Collect over the targets of all shards, and keep what belongs to this one: nothing."""
        self._suite.limit(self._whole)
        self._run.collection.look_again()
        session.perform_collect()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        yield
        self._found = bool(items)
        others = [item for item in items if not self._has(item)]
        if others:
            items[:] = [item for item in items if self._has(item)]
            self._config.hook.pytest_deselected(items=others)

    def _has(self, item: pytest.Item) -> bool:
        """Whether an item belongs to this shard. What is about no target does by its id."""
        target = target_of(item)
        return self._shard.has(home(target) if isinstance(target, Target) else item.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """With xdist only the workers collect."""
        self._checks = getattr(node, "workeroutput", {}).get("muster_checks", self._checks)

    # The end

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        status = session.exitstatus
        if status == pytest.ExitCode.NO_TESTS_COLLECTED and self._config.pluginmanager.hasplugin("dsession"):
            self._look_again(session)  # which workers cannot: they would tell twice what they collected
        if status == pytest.ExitCode.NO_TESTS_COLLECTED and self._found:
            self._empty = True
            session.exitstatus = pytest.ExitCode.OK
        stopped = bool(session.shouldfail or session.shouldstop or status == pytest.ExitCode.INTERRUPTED)
        yield
        if self._folder is None:
            return
        try:
            self._finish(self._folder, int(session.exitstatus), stopped)
        except OSError as error:
            session.exitstatus = EXIT_BROKEN
            if terminal := self._config.pluginmanager.getplugin("terminalreporter"):
                not_whole(terminal, error, self._folder)

    def _finish(self, folder: Path, exit_code: int, stopped: bool) -> None:
        written = {name: digest(folder / name) for name in (JUNIT, PAGE, RESULTS) if (folder / name).is_file()}
        replace(
            self._file,
            selection=self._selection(),
            finished=time.time(),
            exit_code=exit_code,
            stopped=stopped,
            verdicts=self._run.tally.counts.total(),
            reports=written,
        ).write(folder)

    def _selection(self) -> dict[str, str]:
        inventory = self._suite.inventory
        option: Callable[..., Any] = self._config.getoption
        said = {
            "muster": VERSION,
            "inventory": fingerprint(
                [inventory.digest.encode(), *(each.id.encode("utf-8", "surrogatepass") for each in self._whole)]
            ),
            "checks": self._checks,
            "arguments": " ".join(_relative(argument, self._config.rootpath) for argument in self._config.args),
            "--limit": option("--limit") or "",
            **{name: str(option(word, None) or "") for name, word in _SELECTING.items()},
        }
        return {name: printable(text) for name, text in said.items()}

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._empty:
            terminalreporter.write_line(f"muster: nothing of this run is in shard {self._shard}", bold=True)


def _digest_of(files: Iterable[Path]) -> str:
    """What tells one set of checks from another: the names and the content of their files."""
    checks = (path for path in files if path.suffix == ".py" and path.is_file())
    return hashlib.sha256(repr(sorted((path.name, digest(path)) for path in checks)).encode()).hexdigest()


def _relative(argument: str, folder: Path) -> str:
    """A test as it was named, without the folder of this machine."""
    path, colons, names = argument.partition("::")
    with suppress(ValueError):
        path = Path(path).relative_to(folder).as_posix()
    return path + colons + names
