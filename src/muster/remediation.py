"""Remediations, ready to be copied: what a check writes as URL, FILE or NAME becomes this target's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from muster.databases import Database, ServerDatabase
from muster.questions.http import without_credentials
from muster.targets import Container, Endpoint, Host, Process, Target

_WORDS = re.compile(r"\b(FILE|FOLDER|HOST|MOUNT|NAME|UNIT|URL)\b")


def filled(remediation: str, target: Target, facts: Iterable[Any] = (), part: str = "") -> str:
    """``remediation`` with the words that are known put in, quoted for a shell.

    HOST is a host's address, URL an endpoint's or database's, FILE and FOLDER a database's, NAME a container's (as
    the facts found it), UNIT and FILE a process's unit and pid file, MOUNT the ``part`` that a measurement is beyond
    its limit of. A word that is not known stays.
    """
    known = _known(target, facts)
    if part:
        known["MOUNT"] = part

    def word(found: re.Match[str]) -> str:
        value = known.get(found[0])
        return shlex.quote(value) if value else found[0]

    return _WORDS.sub(word, remediation)


def _known(target: Target, facts: Iterable[Any]) -> dict[str, str]:
    match target:
        case Host():
            return {"HOST": target.connection.address or target.name}
        case Endpoint() | ServerDatabase():
            return {"URL": without_credentials(target.url)}
        case Database():
            path = PurePosixPath(target.url.partition("://")[2].removeprefix("/"))
            return {"URL": target.url, "FILE": str(path), "FOLDER": str(path.parent)}
        case Container():
            return {"NAME": next((name for fact in facts if (name := getattr(fact, "name", None))), "")}
        case Process():
            return {"UNIT": target.unit or "", "FILE": target.pid_file or ""}
    return {}
