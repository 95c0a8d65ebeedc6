"""Every check that ships is proven on a real healthy target, and on a real broken one.

What was proven is read from the verdicts of the runs, what ships from the checks themselves: no list to keep.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.faults.cases import CLONE, Ran
from tests.faults.rabbitmq import alarmed

pytestmark = pytest.mark.needs(
    "dnsmasq",
    "docker",
    "faketime",
    "loop",
    "mariadb",
    "netns",
    "postgres",
    "rabbitmq",
    "redis",
    "smtp",
    "sqlite3",
    "sshd",
    "sudo",
    "swap",
    "systemd",
)


def shipped(folder: Path) -> set[str]:
    """The names of the checks in a folder: every function that is marked with ``@check``."""
    functions = [
        node
        for file in sorted(folder.rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    return {
        node.name.removeprefix("test_")
        for node in functions
        if any(ast.unparse(mark).startswith("check(") for mark in node.decorator_list)
    }


def lacking(checks: Iterable[str], records: Iterable[Mapping[str, str]]) -> list[str]:
    """Which checks lack a healthy or a broken target among these verdicts, and which of the two."""
    seen: dict[str, set[str]] = {}
    for record in records:
        seen.setdefault(record["check"], set()).add(record["verdict"])
    found = []
    for name in sorted(checks):
        verdicts = seen.get(name, set())
        if "ok" not in verdicts:
            found.append(f"{name} is ok on no target of tests/faults")
        if not verdicts & {"warning", "critical"}:
            found.append(f"{name} is warning or critical on no target of tests/faults")
    return found


@pytest.fixture
def records(
    container_run: Ran,
    database_run: Ran,
    endpoint_run: Ran,
    host_run: Ran,
    mysql_run: Ran,
    port_run: Ran,
    postgres_run: Ran,
    process_run: Ran,
    rabbitmq_run: Ran,
    redis_run: Ran,
    rows_run: Ran,
    security_run: Ran,
) -> list[dict[str, str]]:
    runs = (
        container_run,
        database_run,
        endpoint_run,
        host_run,
        mysql_run,
        port_run,
        postgres_run,
        process_run,
        rabbitmq_run,
        redis_run,
        rows_run,
        security_run,
        alarmed(rabbitmq_run),
    )
    return [record for ran in runs for record in ran.results]


def test_every_check_has_a_healthy_target_and_a_broken_one(records: list[dict[str, str]]) -> None:
    assert lacking(shipped(CLONE / "checks"), records) == []


def test_the_checks_that_ship_are_those_that_ran(records: list[dict[str, str]]) -> None:
    assert {record["check"] for record in records} == shipped(CLONE / "checks")


def test_a_check_that_has_neither_is_named(records: list[dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "test_site.py").write_text(
        "from muster import Host, check\n\n\n"
        '@check(severity="info", remediation="none")\n'
        "def test_nobody_proves_this(target: Host) -> None:\n"
        '    """It is proven."""\n'
    )
    assert lacking(shipped(CLONE / "checks") | shipped(tmp_path), records) == [
        "nobody_proves_this is ok on no target of tests/faults",
        "nobody_proves_this is warning or critical on no target of tests/faults",
    ]


@pytest.mark.parametrize("verdicts", [{"ok"}, {"warning", "critical"}], ids=["healthy", "broken"])
def test_a_check_whose_other_target_is_gone_is_named(records: list[dict[str, str]], verdicts: set[str]) -> None:
    """As if all cases of one kind were taken out of the tables: each check then lacks that one."""
    left = [record for record in records if record["check"] == "host_is_reachable"]
    without = [record for record in left if record["verdict"] not in verdicts]
    assert lacking(["host_is_reachable"], left) == []
    assert len(lacking(["host_is_reachable"], without)) == 1
