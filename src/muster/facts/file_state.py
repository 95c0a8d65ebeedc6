"""A file of a host: ``fact.file("/etc/shadow")``."""

from __future__ import annotations

import re
import shlex
import stat
from functools import partial

from msgspec import Struct

from muster.facts.reading import NOT_FOUND, unanswered, whole
from muster.need import Need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import size

_ANSWER = re.compile(r"([0-9a-f]{1,8}):([^:\n]*):([^:\n]*):(\d+):(-?\d+)\n(.*)\nend\n", re.DOTALL)
#: How stat says that a file is not there.
ABSENT = ("no such file or directory", "not a directory")
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "pipe",
    stat.S_IFBLK: "block device",
    stat.S_IFCHR: "character device",
}


class FileState(Struct, frozen=True):
    """A file, directory or the like; where ``path`` is a symbolic link, what it leads to.

    ``kind`` is ``file``, ``directory``, ``socket``, ``pipe``, ``block device`` or ``character device``. ``owner`` and
    ``group`` are names (``UNKNOWN`` where the host has none for the number). ``mode`` holds the permission bits
    (``0o640``), ``size`` is in bytes, ``modified`` in seconds since the epoch. ``link_target`` is what a link
    says, else empty. Where ``exists`` is False, all else is empty. Source: stat(1), inode(7).
    """

    path: str
    exists: bool
    kind: str = ""
    owner: str = ""
    group: str = ""
    mode: int = 0
    size: int = 0
    modified: int = 0
    link_target: str = ""

    def __str__(self) -> str:
        if not self.exists:
            return f"{self.path} is not there"
        link = f" -> {self.link_target}" if self.link_target else ""
        return f"{self.path}{link}: {self.kind}, {self.owner}:{self.group}, mode {self.mode:04o}, {size(self.size)}"


def parse(output: Output, path: str) -> FileState:
    complaint = output.complaint.lower()
    if output.status != 0 and output.status != NOT_FOUND and complaint.endswith(ABSENT):
        return FileState(path, False)
    if output.status != 0:
        raise unanswered(output, path)
    found = _ANSWER.fullmatch(whole(output, path))
    if not found:
        raise Unobserved("unreadable", f"{path}: stat gives no owner, mode, size and time")
    mode = int(found[1], 16)
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is None:
        raise Unobserved("unreadable", f"{path}: stat gives mode {found[1]}, which is of no kind of file")
    return FileState(path, True, kind, found[2], found[3], stat.S_IMODE(mode), int(found[4]), int(found[5]), found[6])


def file(path: str) -> Need[FileState]:
    """The state of the file at ``path`` on a host, as a need that a check can take as an argument.

    Raises:
        ValueError: the path is not absolute.
    """
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{path!r} is no absolute path, such as '/etc/hosts'")
    quoted = shlex.quote(path)
    # The raw mode in hexadecimal (%f) reads the same from GNU, busybox and in every language.
    script = (
        f"stat -L -c %f:%U:%G:%s:%Y {quoted} || exit\n"
        f"if [ -L {quoted} ]; then readlink {quoted}; else echo; fi && echo end"
    )

    def probe(host: Host) -> Probe[FileState]:
        return Probe(Command(script, timeout=host.timeout), partial(parse, path=path))

    return Need(f"file {path}", Host, probe, f"The state of {path}.")
