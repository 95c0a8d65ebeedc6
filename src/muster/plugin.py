"""The pytest plugin: its options, and the start of a run where an inventory is given.

Without an inventory, by ``--inventory`` or the ini option ``muster_inventory``, nothing here does anything.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from muster.exits import EXIT_BROKEN, EXIT_CONFIGURATION, EXIT_NOTHING

if TYPE_CHECKING:
    from muster.scale.shards import Shard
    from muster.suite import Suite


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("muster", "muster: operational checks over an inventory")
    group.addoption(
        "--inventory",
        action="append",
        default=[],
        metavar="FILE",
        help="YAML that says what should be true of which targets; several files merge "
        "(default: the ini option muster_inventory)",
    )
    group.addoption(
        "--set",
        action="append",
        default=[],
        dest="muster_set",
        metavar="NAME=VALUE",
        help="set a variable of the inventory, such as --set port=9000; beats every vars: in it",
    )
    group.addoption(
        "--limit",
        metavar="PATTERN",
        help="only these targets: name glob, range, group or label, as in 'web-*,db-[01:03],role=proxy,!web-003' "
        "(! leaves out)",
    )
    group.addoption(
        "--shard",
        metavar="N/COUNT",
        help="only this shard of the hosts, such as 3/8 for the third of eight: a host's name alone decides which "
        "it is in, and its targets go with it; `muster merge` joins the reports",
    )
    group.addoption(
        "--reports",
        metavar="DIR",
        help="folder for junit.xml, report.html and results.jsonl (default: reports)",
    )
    group.addoption(
        "--dry-run",
        action="store_true",
        dest="muster_dry_run",
        help="print what would be asked of whom, in plan order, and contact nothing",
    )
    group.addoption(
        "--fail-on",
        choices=("critical", "warning"),
        default="critical",
        help="the mildest verdict that fails the run (default: critical)",
    )
    group.addoption(
        "--deadline",
        metavar="TIME",
        help="give up what is not observed after this long, such as 90s or 5m: unknown, with cause timeout "
        "(default: only the timeouts of the inventory)",
    )
    group.addoption(
        "--no-quick-path",
        action="store_true",
        help="run judged checks through pytest's ordinary protocol, for plugins that need its fixtures and hooks",
    )
    parser.addini("muster_inventory", "inventories to use where --inventory is not given", "linelist", default=[])


def inventory_paths(config: pytest.Config) -> list[Path]:
    """The inventories of this run, as the user named them."""
    named = config.getoption("--inventory")
    if named:
        return [Path(name) for name in named]
    folder = config.inipath.parent if config.inipath else config.rootpath
    paths = (folder / name for name in config.getini("muster_inventory"))
    here = config.invocation_params.dir
    return [path.relative_to(here) if path.is_relative_to(here) else path for path in paths]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | pytest.ExitCode | None:
    """Start anew where pytest took the folder of an inventory or of the reports for that of the tests.

    Before it knows the options of plugins, pytest looks for its ini file beside every argument that is a path,
    such as the FILE of ``--inventory FILE``; in ``--inventory=FILE`` it sees none. Where ``-c`` names the ini file,
    it looks for none.
    """
    if config.option.inifilename:
        return None
    here = config.invocation_params.dir
    arguments = [str(argument) for argument in config.invocation_params.args]
    apart = [place for place, word in enumerate(arguments[:-1]) if word in ("--inventory", "--reports", "--html")]
    named = (Path(os.path.normpath(here / arguments[place + 1])) for place in apart)
    astray = any(not path.is_relative_to(here) for path in named)
    if not apart or (here.is_relative_to(config.rootpath) and not astray):
        return None
    for place in reversed(apart):
        arguments[place : place + 2] = [f"{arguments[place]}={arguments[place + 1]}"]
    return pytest.main(arguments, list(config.invocation_params.plugins or ()))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "check(severity, remediation, runbook, applies): an operational check")
    paths = inventory_paths(config)
    shard = _shard(config, paths)
    if not paths or _only_tells(config):
        return
    gc.disable()  # what is imported and read from here on is no garbage; the run enables it again
    try:
        _start(config, paths, shard)
    except BaseException:
        gc.enable()
        raise


def _start(config: pytest.Config, paths: list[Path], shard: Shard | None) -> None:
    """Read the inventory, and register what makes a run of it."""
    from muster.report.folder import Folder, FolderError
    from muster.run import Run

    if config.getoption("muster_dry_run"):
        config.option.dist, config.option.tx = "no", []  # a plan is one, and no worker is needed to print it
    if config.getoption("dist", "no") == "each":
        pytest.exit("--dist each would judge everything once per worker; leave it out", EXIT_CONFIGURATION)
    if config.getoption("tx", None) and config.option.maxworkerrestart is None:
        # As many as with -n; with --tx alone, xdist would start workers that die at once for ever.
        config.option.maxworkerrestart = str(4 * len(config.option.tx))
    folder = None
    if not (hasattr(config, "workerinput") or config.option.collectonly or config.getoption("muster_dry_run")):
        try:
            folder = Folder(_reports(config))
            folder.clear()
        except FolderError as error:
            pytest.exit(str(error), EXIT_CONFIGURATION)
    run = Run(config, _suite(config, paths), folder)
    run.prepare_reports()
    config.pluginmanager.register(run, "muster-run")
    config.pluginmanager.register(run.collection, "muster-collection")
    if shard:
        from muster.scale.session import ShardSession

        session = ShardSession(run, shard, folder.path if folder else None)
        try:
            session.begin()
        except OSError as error:
            pytest.exit(f"cannot write reports to {_reports(config)}: {error.strerror}", EXIT_BROKEN)
        config.pluginmanager.register(session, "muster-shard")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say what is missing where checks were collected and there is no inventory to run them over."""
    if config.option.collectonly or config.pluginmanager.hasplugin("muster-run"):
        return
    if any(mark.name == "check" and "remediation" in mark.kwargs for item in items for mark in item.own_markers):
        pytest.exit("these are checks over an inventory: name one with --inventory FILE", EXIT_CONFIGURATION)


def _only_tells(config: pytest.Config) -> bool:
    """Whether pytest was only asked for something about itself, such as its options or fixtures."""
    names = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")
    return any(getattr(config.option, name, None) for name in names)


def _reports(config: pytest.Config) -> Path:
    """Where the reports go: where ``--reports`` says, else beside the ini file that names the inventory."""
    if config.getoption("--reports"):
        return Path(config.getoption("--reports"))
    beside_ini = config.inipath and not config.getoption("--inventory")
    return (config.inipath.parent if config.inipath and beside_ini else config.invocation_params.dir) / "reports"


def _shard(config: pytest.Config, paths: list[Path]) -> Shard | None:
    """The shard that this run is; leaves by `pytest.exit` where ``--shard`` names none."""
    given = config.getoption("--shard")
    if given is None:
        return None
    from muster.scale.shards import Shard

    if not paths:
        pytest.exit("--shard is for a run over an inventory: name one with --inventory FILE", EXIT_CONFIGURATION)
    try:
        return Shard.parse(given)
    except ValueError as wrong:
        pytest.exit(f"--shard {wrong}", EXIT_CONFIGURATION)


def _suite(config: pytest.Config, paths: list[Path]) -> Suite:
    """The suite of this run; leaves by `pytest.exit` where the inventory or an option is wrong."""
    from muster.inventory import InventoryError, NothingSelected, load, select
    from muster.inventory.units import seconds
    from muster.suite import Suite

    settings = {}
    for setting in config.getoption("muster_set"):
        name, equals, value = setting.partition("=")
        if not equals or not name:
            pytest.exit(f"--set {setting}: write it as NAME=VALUE, such as --set port=9000", EXIT_CONFIGURATION)
        settings[name] = value
    try:
        deadline = seconds(given) if (given := config.getoption("--deadline")) else None
    except ValueError as wrong:
        pytest.exit(f"--deadline {given}: {wrong}", EXIT_CONFIGURATION)
    try:
        inventory = load(paths, settings)
        limit = config.getoption("--limit")
        targets = inventory.targets if limit is None else select(inventory, limit)
    except InventoryError as error:
        pytest.exit(f"the inventory is wrong, nothing was contacted\n{error}", EXIT_CONFIGURATION)
    except NothingSelected as error:
        pytest.exit(str(error), EXIT_NOTHING)
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    return Suite(inventory, targets, deadline=deadline, processes=workers)
