"""Four observations: a container, how long it has been up, an endpoint and an SQLite file, beside a shell script.

The script does what `monitor-quota-proxy.sh` does by its guide: ``docker``, ``curl`` and ``stat``. Muster makes the
same observations with four checks of one's own, without other plugins of pytest, which leaves out the HTML report;
then with the checks that ship and read the same, and all plugins; then it runs all checks that ship, over the same
targets. What starts before it (Python, pytest, plugins) stands beside.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, ROOT, Bar, Contender, Contest, ContestError, versions
from tests.needs import unmet
from tests.servers.docker import Engine
from tests.servers.quota_proxy import NAME, QuotaProxy, quota_proxy

SCRIPT = """\
#!/bin/bash
# Usage: CONTAINER PORT DATABASE. Ends with 1 where one of the four is not as it should be.
failed=0

listed=$(docker ps --filter "name=$1" --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}')
if [[ $listed == *"Up "*"(healthy)"*"127.0.0.1:$2->8787/tcp"* ]]; then
  echo "container: $listed"
else
  echo 'container: not running' >&2
  failed=1
fi

answer=$(curl --silent --show-error --max-time 5 --write-out ' %{http_code}' "http://127.0.0.1:$2/healthz")
if [[ ${answer// /} == '{"ok":true}200' ]]; then
  echo 'endpoint: ok'
else
  echo "endpoint: $answer" >&2
  failed=1
fi

if size=$(stat --format %s "$3"); then
  echo "database: $size B"
else
  failed=1
fi

if started=$(docker inspect --format '{{.State.StartedAt}}' "$1"); then
  echo "up for $(($(date +%s) - $(date --date "$started" +%s))) s"
else
  failed=1
fi
exit $failed
"""

CHECKS = '''\
from muster import Container, ContainerState, Measure, Response, SqliteFile, check

must = check(severity="critical", remediation="look at it by hand")


@must
def test_container(container_state: ContainerState, target: Container) -> None:
    """It runs, is healthy, and has its port."""
    assert (container_state.status, container_state.health) == ("running", "healthy"), container_state.summary
    assert container_state.ports == target.ports, f"{container_state.ports}, expected {target.ports}"


@must
def test_up(container_state: ContainerState, measure: Measure) -> None:
    """It tells how long it has been up."""
    assert container_state.up_seconds is not None, container_state.summary
    measure("up_seconds", container_state.up_seconds)


@must
def test_endpoint(response: Response) -> None:
    """It answers as it should."""
    assert response.status == 200, response.outcome
    assert not (wrong := response.json_difference({"ok": True})), wrong


@must
def test_database(sqlite_file: SqliteFile, measure: Measure) -> None:
    """It tells how large it is."""
    measure("database_size_bytes", sqlite_file.total_bytes)
'''

#: The checks that ship and read what the script looks at.
SAME = (
    *("test_container_is_running", "test_container_is_healthy", "test_container_ports_are_mapped"),
    *("test_container_uptime_is_within_limits", "test_endpoint_status_is_expected"),
    *("test_endpoint_json_is_expected", "test_database_size_is_within_limits"),
)


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    if reason := unmet("docker"):
        raise ContestError(f"{reason}: make provision")
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        engine = running.enter_context(Engine())
        service = running.enter_context(quota_proxy(engine, folder / "quota-proxy"))
        (folder / "script.sh").write_text(SCRIPT)
        (folder / "inventory.yaml").write_text(json.dumps(inventory(service)))
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_one.py").write_text("def test_one():\n    pass\n")
        (folder / "own").mkdir()
        (folder / "own" / "test_four.py").write_text(CHECKS)
        there = {"DOCKER_HOST": engine.url}
        over = ("--inventory", "inventory.yaml", "--reports", "reports")
        own = (*PYTEST, "-p", "muster.plugin", *over, "own")
        shipped = (
            *(*PYTEST, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(ROOT / "checks")),
            *over,
        )
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        script = ("bash", "script.sh", NAME, str(service.outside), str(service.database))
        yield Contest(
            [
                Contender("script", script, folder, there),
                Contender("muster", own, folder, there | alone),
                Contender("muster, checks that ship", (*shipped, "-k", " or ".join(SAME)), folder, there),
                Contender("muster, all checks", shipped, folder, there),
                Contender("Python", (sys.executable, "-c", "pass"), folder),
                Contender("Python with pytest imported", (sys.executable, "-c", "import pytest"), folder),
                Contender("pytest without plugins", (*PYTEST, "test_one.py"), folder, alone),
                Contender("pytest with all plugins", (*PYTEST, "test_one.py"), folder),
            ],
            [
                Bar("muster", "script", at_most=5),
                Bar("muster, checks that ship", "script"),
                Bar("muster, all checks", "script"),
                Bar("Python", "script"),
                Bar("Python with pytest imported", "script"),
                Bar("pytest without plugins", "script"),
                Bar("pytest with all plugins", "script"),
            ],
            servers=[engine.pid],
            on=[*versions("pytest-html", "pytest-xdist", "pytest-testinfra"), *_tools()],
        )


def inventory(service: QuotaProxy) -> dict[str, object]:
    """One host with a container, an endpoint and a database."""
    expected = {"status": 200, "json": {"ok": True}}
    host = {
        "connection": "local",
        "containers": {"quota-proxy": {"match": NAME, "ports": [f"127.0.0.1:{service.outside}->8787/tcp"]}},
        "endpoints": {"healthz": {"url": f"http://127.0.0.1:{service.outside}/healthz", "expect": expected}},
        "databases": {"quota": {"url": f"sqlite:///{service.database}"}},
    }
    return {"hosts": {"quota-proxy": host}}


def _tools() -> Iterator[str]:
    for program in ("bash", "curl", "docker"):
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        version = re.search(r"\d+(\.\d+)+", told)
        yield f"{program} {version[0] if version else 'of some version'}"
