"""Live fixtures as a test gets them, over an inventory that is given as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from muster.databases import Database
from muster.inventory import load
from muster.live.access import Access
from muster.suite import Suite
from muster.targets import Host

LOCAL = {"connection": {"kind": "local"}}


def inventory(**hosts: Mapping[str, Any]) -> str:
    """An inventory of these hosts. JSON is YAML."""
    return json.dumps({"hosts": hosts})


@contextmanager
def suite(folder: Path, **hosts: Mapping[str, Any]) -> Iterator[Suite]:
    """A suite over these hosts, whose connections are closed in the end."""
    file = folder / "hosts.yaml"
    file.write_text(inventory(**hosts), encoding="utf-8")
    loaded = load([file])
    made = Suite(loaded, loaded.targets)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def access(folder: Path, host: Mapping[str, Any]) -> Iterator[Access]:
    """One host, as live fixtures reach it."""
    with suite(folder, it=host) as made:
        yield Access(made, next(each for each in made.targets if isinstance(each, Host)))


@contextmanager
def reached_by(kind: str, request: pytest.FixtureRequest, folder: Path, **more: Any) -> Iterator[Access]:
    """One host by this kind of connection: ``local``, or ``ssh`` with a shell that prints when it starts."""
    host: dict[str, Any] = dict(LOCAL)
    if kind == "ssh":
        noisy = request.getfixturevalue("start_sshd")(noise="echo welcome; echo to you >&2")
        host = {"connection": noisy.connection()}
    with access(folder, {**host, **more}) as reached:
        yield reached


def database(access: Access) -> Database:
    """The one database of that host."""
    return next(each for each in access.suite.targets if isinstance(each, Database))
