"""One run of the suite on the demo's service, and whether its verdicts are the expected ones."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: The label by which the inventory says which verdicts a target's checks give, all in all: ``critical ok``.
SHOWS = "shows"
#: The verdicts that the demo shows, in the order in which it counts them.
SHOWN = ("ok", "warning", "critical", "unknown", "skipped")
#: What this very machine's systemd and packages say is no part of the demo.
SELECTION = "not no_unit_has_failed and not no_reboot_is_pending"


def run(inventory: Path, reports: Path, arguments: Iterable[str] = ()) -> int:
    """Start the service, run pytest on it, stop it, and compare.

    Returns 0 where each target shows what its label says and each verdict is there; 1 where not; 2 where the
    reports cannot be written, as while another demo writes there; 130 when interrupted; else what pytest returned.
    """
    try:
        reports.mkdir(parents=True, exist_ok=True)
        held = os.open(reports, os.O_RDONLY)
    except OSError as error:
        return _no_reports(reports, error.strerror or str(error))
    try:
        # Pytest holds the folder only until it ends, and its results are read after that.
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return _no_reports(reports, "another demo writes its reports there")
    try:
        return _run(inventory, reports, arguments)
    finally:
        os.close(held)


def _no_reports(reports: Path, why: str) -> int:
    print(f"demo: {reports}: {why}; name another: make demo ARGS='--reports DIR'", file=sys.stderr)
    return 2


def _run(inventory: Path, reports: Path, arguments: Iterable[str]) -> int:
    service = subprocess.Popen(
        [sys.executable, "-m", "muster.demo", "serve"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for pytest first
    )
    try:
        assert service.stdout is not None
        settings = shlex.split(service.stdout.readline())
        if not settings:
            print(f"demo: the service did not start (status {service.wait()})", file=sys.stderr)
            return 4
        folder = next(each for each in settings if each.startswith("folder=")).removeprefix("folder=")
        command = [sys.executable, "-m", "pytest", "--inventory", str(inventory), "--reports", str(reports)]
        status = _call([*command, "-k", SELECTION, *settings, *arguments], Path(folder))
    finally:
        service.terminate()
        service.wait()
    if status != 1:
        print(f"demo: pytest ended with {status}, expected 1, for checks that fail", file=sys.stderr)
        return status or 1
    lines = (reports / "results.jsonl").read_text(encoding="utf-8").splitlines()
    results = [json.loads(line) for line in lines]
    faults = differences(results)
    for fault in faults:
        print(f"demo: {fault}", file=sys.stderr)
    counts = Counter(each["verdict"] for each in results)
    counted = ", ".join(f"{name} {counts[name]}" for name in SHOWN)
    print(f"demo: {counted}: {'not ' if faults else ''}as {inventory} is built to show; reports in {reports}/")
    return 1 if faults else 0


def differences(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """In what the results are not the ones that the inventory's labels announce, in words."""
    expected: dict[str, set[str]] = {}
    found: dict[str, dict[str, list[str]]] = {}
    for result in results:
        target = result["target"] if result["target"] == result["host"] else f"{result['host']}/{result['target']}"
        expected[target] = set(result["labels"].get(SHOWS, "").split())
        said = f"{result['check']}: {result['message']}"
        found.setdefault(target, {}).setdefault(result["verdict"], []).append(said)
    faults = []
    for target, verdicts in found.items():
        announced = " and ".join(sorted(expected[target]))
        faults += [
            f"{target} is {verdict} ({'; '.join(verdicts[verdict])}), expected only {announced}"
            for verdict in sorted(verdicts.keys() - expected[target])
        ]
        faults += [
            f"{target} is never {verdict}, expected {announced}"
            for verdict in sorted(expected[target] - verdicts.keys())
        ]
    seen = {verdict for verdicts in found.values() for verdict in verdicts}
    return faults + [f"nothing is {verdict}" for verdict in SHOWN if verdict not in seen]


def _call(command: list[str], folder: Path) -> int:
    """Run pytest, without the machine's own Docker engine: that there is none is what the demo shows as skipped."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{folder}/no-docker.sock"}
    environment.pop("PYTEST_ADDOPTS", None)
    with subprocess.Popen(command, env=environment) as pytest:
        try:
            return pytest.wait()
        except KeyboardInterrupt:  # pytest has it too, and closes its reports
            pytest.wait()
            return 130
        except SystemExit:
            pytest.terminate()
            raise
