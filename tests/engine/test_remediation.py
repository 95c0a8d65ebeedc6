"""Remediations are ready to be copied."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from muster.databases import Postgres, Server, Sqlite
from muster.remediation import filled
from muster.targets import Connection, Container, Host, HttpEndpoint, Target


@dataclass
class Named:
    name: str


@pytest.mark.parametrize(
    ("remediation", "target", "expected"),
    [
        (
            "curl -v URL; ss -tlnp",
            HttpEndpoint(name="e", url="http://ops:pw@web/a?b=1&c=2"),
            "'http://web/a?b=1&c=2'",
        ),
        (
            "see URL; ls FILE",
            Postgres(name="d", url="postgresql://me:pw@db/probe", server=Server(engine="postgresql")),
            "see postgresql://db/probe; ls FILE",
        ),
        ("ls -la FOLDER", Sqlite(name="d", url="sqlite:////srv/my data/q.db"), "ls -la '/srv/my data'"),
        ("sqlite3 FILE .recover", Sqlite(name="d", url="sqlite:////srv/q.db"), "sqlite3 /srv/q.db .recover"),
        ("ssh -v HOST true", Host(name="web", connection=Connection(address="10.0.0.9")), "ssh -v 10.0.0.9 true"),
        ("ssh -v HOST true", Host(name="web"), "ssh -v web true"),
        ("docker logs NAME", Container(name="c", match="c*"), "docker logs NAME"),
        ("systemctl status UNIT, HOSTNAME", Host(name="web"), "systemctl status UNIT, HOSTNAME"),
    ],
)
def test_the_words_that_are_known_are_put_in_and_quoted(remediation: str, target: Target, expected: str) -> None:
    assert expected in filled(remediation, target)


def test_a_container_is_called_as_it_was_found() -> None:
    facts = [Named(""), Named("quota-proxy-1")]
    assert filled("docker logs NAME", Container(name="c", match="q*"), facts) == "docker logs quota-proxy-1"


def test_a_mount_is_the_part_that_is_beyond_its_limit() -> None:
    assert filled("du -x MOUNT", Host(name="web"), part="/var/my logs") == "du -x '/var/my logs'"
