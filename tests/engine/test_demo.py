"""The demo: its service, and what it makes of the verdicts."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from muster.demo.run import differences
from tests.servers.http import HttpServer
from tests.servers.processes import Background, accepts, children, runs

CLONE = Path(__file__).parents[2]


def test_the_demo_shows_every_verdict_as_it_says(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "muster.demo", "run", "--reports", str(tmp_path)]
    done = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(f"as inventories/demo.yaml is built to show; reports in {tmp_path}/")
    verdicts = {json.loads(line)["verdict"] for line in (tmp_path / "results.jsonl").open()}
    assert verdicts == {"ok", "warning", "critical", "unknown", "skipped"}


def test_a_second_demo_is_told_how_to_have_a_folder_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "muster.demo", "run", "--reports", str(tmp_path)]
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        done = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, timeout=60)
    finally:
        os.close(folder)
    told = f"demo: {tmp_path}: another demo writes its reports there; name another: make demo ARGS='--reports DIR'\n"
    assert (done.returncode, done.stderr) == (2, told)
    assert not list(tmp_path.iterdir())


def test_make_demo_takes_a_folder_for_its_reports() -> None:
    command = ["make", "-n", "demo", "ARGS=--reports elsewhere"]
    done = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, timeout=60, check=True)
    assert "-m muster.demo run --reports elsewhere" in done.stdout


def test_the_service_serves_until_it_is_told_to_stop() -> None:
    with _service() as (process, settings):
        folder = Path(settings["folder"])
        trusting = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
        for url in (f"http://127.0.0.1:{settings['port']}", f"https://127.0.0.1:{settings['tls_port']}"):
            tls = trusting if url.startswith("https") else None
            with urllib.request.urlopen(url + "/healthz", timeout=5, context=tls) as answer:
                assert json.load(answer) == {"ok": True}
        assert not accepts("127.0.0.1", int(settings["closed_port"]))
        assert (folder / "orders.db").stat().st_size > 0
        assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
        process.terminate()
        process.wait(10)
        assert not folder.exists()


def test_ctrl_c_stops_the_service_too(tmp_path: Path) -> None:
    inventory = tmp_path / "slow.yaml"
    command = [sys.executable, "-m", "muster.demo", "run", "--inventory", str(inventory), "--reports", str(tmp_path)]
    with HttpServer() as web:
        inventory.write_text(
            "vars: {folder: '', port: 1, tls_port: 1, closed_port: 1}\n"
            f"endpoints: {{slow: {{url: '{web.url}/slow-headers?${{folder}}${{port}}${{tls_port}}${{closed_port}}',"
            " timeout: 1m}}\n"
        )
        running = Background(command, tmp_path / "log")
        running.wait_for(lambda: web.asked("/slow-headers") == 1)
        started = children(running.process.pid)
        assert len(started) == 2, "service and pytest"
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(30) == 130, running.printed()
    assert not any(map(runs, started))


def test_a_verdict_that_nobody_announced_is_told() -> None:
    results = [*_every_verdict(), _result("ok", "critical", shows="ok")]
    assert differences(results) == ["shop/ok is critical (answers: why), expected only ok"]


def test_a_verdict_that_was_announced_and_is_not_there_is_told() -> None:
    results = [*_every_verdict(), _result("status", "ok", shows="ok warning")]
    assert differences(results) == ["shop/status is never warning, expected ok and warning"]


def test_a_verdict_that_is_nowhere_is_told() -> None:
    assert differences(_every_verdict()) == []
    assert differences(_every_verdict()[1:]) == ["nothing is ok"]


def _result(target: str, verdict: str, shows: str) -> dict[str, Any]:
    labels = {"shows": shows}
    return {
        "host": "shop",
        "target": target,
        "check": "answers",
        "verdict": verdict,
        "message": "why",
        "labels": labels,
    }


def _every_verdict() -> list[dict[str, Any]]:
    return [_result(each, each, shows=each) for each in ("ok", "warning", "critical", "unknown", "skipped")]


@contextmanager
def _service() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [sys.executable, "-m", "muster.demo", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = shlex.split(process.stdout.readline())
            yield process, dict(word.split("=", 1) for word in words if word != "--set")
        finally:
            process.kill()
