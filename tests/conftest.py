"""What all tests share: the needs that a machine must meet, and the real servers as fixtures.

``tests`` is a package (``pythonpath = ..`` in pytest.ini), so a test writes
``from tests.servers.http import HttpServer`` wherever it is; or it takes a fixture from below:

========================  ========  =====================================================================
fixture                   lives     what it is
========================  ========  =====================================================================
``engine``                session   `tests.servers.docker.Engine`; ``engine.container("unhealthy")``
``ssh_host``              session   a plain `tests.servers.sshd.Sshd`
``start_sshd``            test      ``start_sshd(banner="hello")`` starts one with the options of `Sshd`
``cut_off``               test      a running `tests.servers.sshd.CutOffHost`
``ops``, ``sudo_ops``     session   an `Account` without rights, and one that may ``sudo``
``web``                   session   `tests.servers.http.HttpServer`; one of your own where you count requests
``tls``                   session   `tests.servers.http.Certificates`
``refused_port``          test      a port that refuses
``silent_port``           test      a port that accepts and never says a word
========================  ========  =====================================================================

``@pytest.mark.needs("docker", "sshd")`` leaves a test out where `tests.needs` says that these are not
there; a fixture that needs something leaves its tests out by itself. The summary says what was left out and
why. With ``CI=true`` leaving one out fails the run.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.needs import NEEDS, unmet
from tests.servers.http import Certificates, HttpServer, certificates
from tests.servers.processes import refusing_port
from tests.servers.processes import silent_port as open_silent_port
from tests.servers.sshd import Account, CutOffHost, Sshd, account, cut_off_host

if TYPE_CHECKING:
    from tests.servers.docker import Engine

pytest_plugins = ["pytester"]

#: What of the caller's surroundings must not reach a test: it would change what the suite does or prints.
SURROUNDINGS = (
    *("BUILD_NUMBER", "CI", "COLUMNS", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY"),
    *("FORCE_COLOR", "NO_COLOR", "PYTEST_ADDOPTS", "PY_COLORS", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME"),
)
FIXTURES_NEED = {
    "cut_off": ("netns",),
    "engine": ("docker",),
    "ops": ("sudo",),
    "ssh_host": ("sshd",),
    "start_sshd": ("sshd",),
    "sudo_ops": ("sudo",),
}
LEFT_OUT = "left out, needs "
left_out: Counter[str] = Counter()
IN_CI = os.environ.get("CI") == "true"


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it runs in the background with Ctrl-C ignored, and every child inherits that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", f"needs(*names): leave the test out without: {', '.join(NEEDS)}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what this machine cannot run."""
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    for fixture in getattr(item, "fixturenames", ()):
        names.extend(FIXTURES_NEED.get(fixture, ()))
    for name in names:
        if why := unmet(name):
            pytest.skip(f"{LEFT_OUT}{name}: {why}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple) and LEFT_OUT in report.longrepr[2]:
        left_out[report.longrepr[2].partition(LEFT_OUT)[2]] += 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if left_out and IN_CI and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for reason, count in sorted(left_out.items()):
        what = "1 test was" if count == 1 else f"{count} tests were"
        consequence = "; with CI=true that fails the run" if IN_CI else ""
        terminalreporter.write_line(f"{what} left out: needs {reason}{consequence}", yellow=not IN_CI, red=IN_CI)


@pytest.fixture(autouse=True)
def calm_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the caller's HOME (with its ``~/.ssh/config``), agent, Docker context or colours."""
    for name in SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    from tests.servers.docker import Engine

    with Engine() as running:
        yield running


@pytest.fixture(scope="session")
def ssh_host() -> Iterator[Sshd]:
    with Sshd() as running:
        yield running


@pytest.fixture
def start_sshd() -> Iterator[Callable[..., Sshd]]:
    with ExitStack() as running:
        yield lambda **options: running.enter_context(Sshd(**options))


@pytest.fixture
def cut_off() -> Iterator[CutOffHost]:
    with cut_off_host() as running:
        yield running


@pytest.fixture(scope="session")
def ops() -> Iterator[Account]:
    with account() as made:
        yield made


@pytest.fixture(scope="session")
def sudo_ops() -> Iterator[Account]:
    with account(sudo=True) as made:
        yield made


@pytest.fixture(scope="session")
def web() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder: Path = tmp_path_factory.mktemp("tls")
    return certificates(folder)


@pytest.fixture
def refused_port() -> Iterator[int]:
    with refusing_port() as port:
        yield port


@pytest.fixture
def silent_port() -> Iterator[int]:
    with open_silent_port() as port:
        yield port
