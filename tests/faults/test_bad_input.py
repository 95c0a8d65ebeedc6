"""Bad input: a clear error with its place, exit code 2, and nothing contacted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cases import UNPRIVILEGED, Ran, run
from tests.servers.http import HttpServer

GOOD = """\
vars: {port: PORT}
hosts:
  here:
    connection: {kind: ssh, address: 127.0.0.1, port: PORT}
    endpoints:
      healthz: {url: "http://127.0.0.1:${port}/healthz"}
"""

#: What is put in place of what; where the error is then, and what it says.
WRONG = {
    "unknown key": ("endpoints:", "endpoint:", "5:5", 'unknown key "endpoint"; did you mean "endpoints"?'),
    "unknown kind": ("kind: ssh", "kind: sssh", "4:24", '"ssh"'),
    "duplicate key": ("  here:", "  here: {}\n  here:", "4:3", '"here"'),
    "unset variable": ("${port}", "${prt}", "6:22", 'the variable "prt" is not set anywhere; did you mean "port"?'),
    "unset secret": (
        "${port}/",
        "${port}/?key=${env:QUOTA_API_KEY}",
        "6:22",
        "the environment variable QUOTA_API_KEY is not set; set it",
    ),
    "missing secret": (
        "${port}/",
        "${port}/?key=${file:/nowhere/key}",
        "6:22",
        "/nowhere/key cannot be read: No such file",
    ),
    "bad unit": ("port: PORT}\n    e", "port: PORT, connect_timeout: 5 parsecs}\n    e", "4:", "parsecs"),
    "million hosts": ("  here:", "  web-[0000001:1000000]:", "3:3", "1,000,000"),
    "no host at all": ("127.0.0.1:${port}/healthz", "", "6:22", "names no host"),
    "broken YAML": ("vars: {", "vars: [{", "", "inventory.yaml:"),
    "unknown group": ("    connection", "    groups: [proxys]\n    connection", "4:14", '"proxys"'),
}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


def refused(ran: Ran, server: HttpServer, *says: str) -> None:
    """Assert that the run ended before it began, and said why."""
    assert ran.code == 2, ran.terminal
    assert [piece for piece in says if piece not in ran.terminal] == [], ran.terminal
    assert "nothing was contacted" in ran.terminal
    assert "Traceback" not in ran.terminal
    assert server.connections == 0
    left = [each.name for each in ran.folder.iterdir()] if ran.folder.exists() else []
    assert set(left) <= {".lock"}, "no report is left"


def written(server: HttpServer) -> str:
    return GOOD.replace("PORT", str(server.port))


def test_a_good_inventory_contacts_the_server(tmp_path: Path, server: HttpServer) -> None:
    """Else the tests below prove nothing."""
    text = written(server).replace("kind: ssh", "kind: ssh, connect_timeout: 500ms")
    assert run(tmp_path, text, "-k", "endpoint_answers or reachable").code == 3
    assert server.connections > 0


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_inventory_is_refused_with_the_place_of_the_error(
    tmp_path: Path, server: HttpServer, wrong: str
) -> None:
    good, bad, place, says = WRONG[wrong]
    text = written(server).replace(*(each.replace("PORT", str(server.port)) for each in (good, bad)), 1)
    assert text != written(server)
    refused(run(tmp_path, text), server, f"inventory.yaml:{place}", says)


def test_all_errors_are_told_at_once(tmp_path: Path, server: HttpServer) -> None:
    text = written(server).replace("url:", "uri:").replace("kind: ssh", "kind: sssh")
    ran = run(tmp_path, text)
    refused(ran, server)
    assert re.findall(r"inventory\.yaml:(\d+):\d+", ran.terminal) == ["4", "6"]


def test_a_missing_inventory_is_refused(tmp_path: Path, server: HttpServer) -> None:
    refused(run(tmp_path, None), server, f"{tmp_path}/inventory.yaml", "No such file or directory")


def test_an_empty_inventory_is_refused(tmp_path: Path, server: HttpServer) -> None:
    refused(run(tmp_path, ""), server, "inventory.yaml:1:1", "empty")


@pytest.mark.needs("root")
def test_an_inventory_that_may_not_be_read_is_refused(tmp_path: Path, server: HttpServer) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(written(server))
    file.chmod(0o000)
    refused(run(tmp_path, None, before=UNPRIVILEGED), server, "inventory.yaml", "Permission denied")


def test_an_inventory_that_is_not_utf_8_is_refused(tmp_path: Path, server: HttpServer) -> None:
    (tmp_path / "inventory.yaml").write_bytes(written(server).encode() + b"# caf\xe9\n")
    refused(run(tmp_path, None), server, "inventory.yaml:7:6", "UTF-8")


@pytest.mark.parametrize(
    ("setting", "says"), [("prt=1", 'did you mean "port"?'), ("port", "write it as NAME=VALUE")], ids=["name", "form"]
)
def test_a_setting_of_what_is_no_variable_is_refused(
    tmp_path: Path, server: HttpServer, setting: str, says: str
) -> None:
    ran = run(tmp_path, written(server), f"--set={setting}")
    assert (ran.code, server.connections) == (2, 0), ran.terminal
    assert f"--set {setting.partition('=')[0]}" in ran.terminal
    assert says in ran.terminal


def test_a_secret_is_in_nothing_that_a_run_leaves_behind(tmp_path: Path, server: HttpServer) -> None:
    text = written(server).replace('healthz"}', 'not-found?key=${env:QUOTA_KEY}"}').replace("kind: ssh", "kind: none")
    text = re.sub(r"\{kind: none.*\}", "none", text)
    ran = run(tmp_path, text, environment={"QUOTA_KEY": "open-sesame/42"})
    assert ran.code == 1, ran.terminal
    for left in [ran.terminal, *(file.read_text("utf-8", "replace") for file in ran.folder.iterdir())]:
        assert "open-sesame" not in left


@pytest.mark.needs("root")
def test_a_reports_folder_that_may_not_be_written_is_refused_with_the_way_out(
    tmp_path: Path, server: HttpServer
) -> None:
    (tmp_path / "reports").mkdir(0o555)
    ran = run(tmp_path, written(server), before=UNPRIVILEGED)
    assert (ran.code, server.connections) == (2, 0), ran.terminal
    assert f"cannot write reports to {tmp_path}/reports: Permission denied; name another" in ran.terminal


def test_a_dry_run_prints_every_question_and_contacts_nothing(tmp_path: Path, server: HttpServer) -> None:
    text = written(server) + (
        "    containers: {quota-proxy: {}}\n"
        '    databases: {quota: {url: "sqlite:////srv/quota.db"}}\n'
        f'endpoints: {{website: {{url: "{server.url}/page?key=${{env:QUOTA_KEY}}"}}}}\n'
    )
    ran = run(tmp_path, text, "--dry-run", environment={"QUOTA_KEY": "open-sesame"})
    assert (ran.code, server.connections) == (0, 0), ran.terminal
    for said in (
        f"here (ssh 127.0.0.1:{server.port})",
        f"GET http://127.0.0.1:{server.port}/healthz",
        f"GET {server.url}/page?key=***",
        "Docker: GET /version",
        "Docker: GET /containers/quota-proxy/json",
        "sh: cat /proc/meminfo",
        "sqlite3 -readonly (else python3) /srv/quota.db",
    ):
        assert said in ran.terminal
    assert not ran.folder.exists()


def test_a_dry_run_of_a_wrong_inventory_is_refused(tmp_path: Path, server: HttpServer) -> None:
    refused(run(tmp_path, written(server).replace("url:", "uri:"), "--dry-run"), server, "inventory.yaml:6:17")
