"""Owner, group and mode of the files that the inventory has rules for."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from muster.facts.file_state import ABSENT
from muster.facts.reading import complained, some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import FileRule, Host

# Of each file one line, or what stat complains of; the raw mode in hexadecimal reads the same from every stat.
_FILE = "printf '%s %s\\n' {number} \"$(stat -L -c =%f:%U:%G {path} 2>&1)\"\n"
_LINE = re.compile(r"(\d+) (?:=([0-9a-f]{1,8}):([^:]*):([^:]*)|(.*))")


class RuledFile(Struct, frozen=True):
    """A file, folder or the like; where the path is a symbolic link, what it leads to.

    ``mode`` holds the permission bits; all is empty where ``exists`` is False. Source: stat(1), inode(7).
    """

    path: str
    exists: bool = True
    owner: str = ""
    group: str = ""
    mode: int = 0

    def against(self, rule: FileRule) -> list[str]:
        """How it differs from the rule: ``mode 0644, expected 0640``."""
        if not self.exists:
            return ["is not there, expected to be"]
        pairs = [("owner", self.owner, rule.owner), ("group", self.group, rule.group)]
        if rule.mode is not None:
            pairs.append(("mode", f"{self.mode:04o}", f"{rule.mode:04o}"))
        return [f"{what} {is_}, expected {wanted}" for what, is_, wanted in pairs if wanted not in (None, is_)]

    def __str__(self) -> str:
        return (
            f"{self.path} {self.owner}:{self.group} {self.mode:04o}" if self.exists else f"{self.path} is not there"
        )


class FileRules(Struct, frozen=True):
    """The files that have rules, as they are; ``wrong`` is what is not as it should be, one text for each file."""

    every: tuple[RuledFile, ...]
    wrong: tuple[str, ...] = ()

    def __str__(self) -> str:
        return some(map(str, self.every))


def script(paths: tuple[str, ...]) -> str:
    """What asks for the files, all at once."""
    return "".join(_FILE.format(number=at, path=shlex.quote(path)) for at, path in enumerate(paths)) + "echo end"


def parse(output: Output, rules: Mapping[str, FileRule]) -> FileRules:
    """Hold the files against their rules.

    Raises:
        Unobserved: a file could not be looked at, and no other is wrong.
        DoesNotApply: there are no rules.
    """
    if not rules:
        raise DoesNotApply("there are no rules for files of this host")
    *lines, last = whole(output, "stat")[:-1].split("\n")
    if last != "end" or len(lines) != len(rules):
        raise Unobserved("unreadable", f"stat tells of {len(lines)} files, {len(rules)} were asked for")
    files, wrong, unseen = [], [], ""
    for number, (line, (path, rule)) in enumerate(zip(lines, rules.items(), strict=True)):
        found = _LINE.fullmatch(line)
        if not found or found[1] != str(number):
            raise Unobserved("unreadable", f"{path}: stat gives no owner, group and mode")
        if found[2] is None and not found[5].lower().endswith(ABSENT):
            unseen = unseen or found[5] or f"{path}: stat says nothing"
            continue
        exists = found[2] is not None
        file = RuledFile(path, exists, found[3] or "", found[4] or "", stat.S_IMODE(int(found[2] or "0", 16)))
        files.append(file)
        if differences := file.against(rule):
            wrong.append(f"{path} {'; '.join(differences)}")
    if unseen and not wrong:
        raise complained(unseen)
    return FileRules(tuple(files), tuple(wrong))


@need(Host)
def file_rules(host: Host) -> Probe[FileRules]:
    """Owner, group and mode of the files of the host that the inventory has rules for."""
    question = Command(script(tuple(host.files)), timeout=host.timeout, max_bytes=1_048_576)
    return Probe(question, partial(parse, rules=host.files))
