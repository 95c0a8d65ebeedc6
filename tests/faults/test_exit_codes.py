"""What a run says to its caller: each exit code, through the real command."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.faults.cases import UNPRIVILEGED, run
from tests.servers import sqlite_files
from tests.servers.http import HttpServer


def over(url: object, **more: object) -> dict[str, object]:
    """An inventory of one endpoint, which is asked from here."""
    return {"endpoints": {"service": {"url": str(url), **more}}}


def test_0_where_all_is_well(tmp_path: Path, web: HttpServer) -> None:
    ran = run(tmp_path, over(f"{web.url}/healthz", expect={"json": {"ok": True}}))
    assert ran.code == 0, ran.terminal
    assert {record["verdict"] for record in ran.results} == {"ok"}


def test_1_where_a_check_is_critical(tmp_path: Path, web: HttpServer) -> None:
    ran = run(tmp_path, over(f"{web.url}/wrong-status"))
    assert ran.code == 1
    assert "503 Service Unavailable" in ran.terminal


@pytest.mark.needs("root")
def test_1_where_something_could_not_be_looked_at_for_want_of_a_right(tmp_path: Path) -> None:
    database = sqlite_files.unreadable(tmp_path)
    hosts = {"here": {"connection": "local", "databases": {"quota": {"url": f"sqlite:///{database}"}}}}
    ran = run(tmp_path, {"hosts": hosts}, "-k", "database_accepts", before=UNPRIVILEGED)
    assert ran.code == 1, ran.terminal
    assert [(record["verdict"], record["cause"]) for record in ran.results] == [("unknown", "permission")]
    assert "cannot be read by root; give it the right, or connect with sudo" in ran.terminal


@pytest.mark.needs("root")
@pytest.mark.parametrize("closed", ["socket", "folder"])
def test_1_where_the_docker_engine_may_not_be_asked(tmp_path: Path, closed: str) -> None:
    path = tmp_path / "engine" / "docker.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        shut = path if closed == "socket" else path.parent
        os.chown(shut, 65534, 65534)
        shut.chmod(0o660)
        hosts = {"here": {"connection": "local", "docker": {"url": f"unix://{path}"}}}
        ran = run(tmp_path, {"hosts": hosts}, "-k", "docker", before=UNPRIVILEGED)
    assert ran.code == 1, ran.terminal
    assert {(record["verdict"], record["cause"]) for record in ran.results} == {("unknown", "permission")}
    assert f"{path}: permission denied; add root to the group docker" in ran.results[0]["message"]


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--fail-on=warning",), 1)], ids=["critical", "warning"])
def test_a_warning_fails_the_run_where_it_is_asked_to(
    tmp_path: Path, web: HttpServer, options: tuple[str, ...], code: int
) -> None:
    ran = run(tmp_path, over(f"{web.url}/healthz", limits={"response_seconds": {"warning": 0}}), *options)
    assert ran.code == code, ran.terminal
    assert "1 warning" in ran.terminal


def test_2_where_the_inventory_is_wrong(tmp_path: Path, web: HttpServer) -> None:
    assert run(tmp_path, over(f"{web.url}/healthz", expects={})).code == 2


def test_3_where_nothing_is_bad_but_for_want_of_an_answer(tmp_path: Path, web: HttpServer, refused_port: int) -> None:
    inventory = {
        "endpoints": {
            "good": {"url": f"{web.url}/healthz"},
            "refused": {"url": f"http://127.0.0.1:{refused_port}/"},
        }
    }
    assert run(tmp_path, inventory).code == 3
    inventory["endpoints"]["wrong"] = {"url": f"{web.url}/wrong-status"}
    assert run(tmp_path, inventory).code == 1


def test_4_where_the_suite_itself_breaks(tmp_path: Path, web: HttpServer) -> None:
    (tmp_path / "broken_plugin.py").write_text(
        "def pytest_collection_modifyitems():\n    raise ValueError('broken')\n"
    )
    broken = {"PYTHONPATH": str(tmp_path)}
    ran = run(tmp_path, over(f"{web.url}/healthz"), "-p", "broken_plugin", environment=broken)
    assert ran.code == 4
    assert "INTERNALERROR> ValueError: broken" in ran.terminal


def test_4_where_pytest_does_not_know_an_option(tmp_path: Path) -> None:
    ran = run(tmp_path, over("http://127.0.0.1/"), "--limits=web")
    assert ran.code == 4
    assert "unrecognized arguments: --limits=web" in ran.terminal


@pytest.mark.parametrize("full", ["results.jsonl", "junit.xml", "report.html"])
def test_4_where_a_report_cannot_be_written_and_what_was_judged_is_shown(
    tmp_path: Path, web: HttpServer, full: str
) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / full).symlink_to("/dev/full")
    ran = run(tmp_path, over(f"{web.url}/wrong-status"))
    assert ran.code == 4, ran.terminal
    assert "critical  service: endpoint status is expected" in ran.terminal
    assert f"the reports are not whole: {tmp_path}/reports: No space left on device" in ran.terminal
    assert "Traceback" not in ran.terminal


def test_5_where_no_check_is_selected(tmp_path: Path, web: HttpServer) -> None:
    with HttpServer() as server:
        ran = run(tmp_path, over(f"{server.url}/healthz"), "-k", "nothing_of_this_name")
        assert (ran.code, server.connections) == (5, 0), ran.terminal


def test_5_where_no_target_is_selected_with_the_nearest_name(tmp_path: Path) -> None:
    with HttpServer() as server:
        ran = run(tmp_path, over(f"{server.url}/healthz"), "--limit=servise")
        assert (ran.code, server.connections) == (5, 0), ran.terminal
    assert '--limit "servise" matches no target; did you mean "service"?' in ran.terminal


def test_5_where_the_selection_is_an_empty_word(tmp_path: Path) -> None:
    ran = run(tmp_path, over("http://127.0.0.1/"), "--limit=")
    assert ran.code == 5, ran.terminal
    assert '--limit "" names nothing' in ran.terminal


def test_2_where_the_inventory_names_no_target(tmp_path: Path) -> None:
    ran = run(tmp_path, "hosts: {}\n")
    assert ran.code == 2, ran.terminal
    assert "inventory.yaml" in ran.terminal
    assert "no targets" in ran.terminal
