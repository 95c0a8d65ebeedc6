"""What processes have open: files, and the ports that they listen on. Pure: reads what the listing has of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from muster.facts import listening_ports
from muster.facts.listening_ports import ListeningPorts
from muster.facts.process_found import Found
from muster.facts.reading import AS_ROOT
from muster.probes import Output, Unobserved

_LIMIT = re.compile(r"/proc/(\d{1,10})/limits:Max open files +(\d{1,20}|unlimited)\b.*")
_ENTRY = re.compile(r" *(\d{1,20}) (?:/proc/(\d{1,10})/(fd:| denied)|\[(\d{1,20})\]|l)")

#: The column of /proc/net/tcp with the number of the socket.
_INODE = 9


class Open(Struct, frozen=True):
    """What one process has open: so many files, of at most ``most`` (its soft limit, None where there is none), and
    among them the sockets with these numbers."""

    files: int
    most: int | None
    sockets: frozenset[str]


def opened(found: Found) -> dict[int, Open]:
    """What each live process of a target has open, by process id.

    Raises:
        Unobserved: no process runs, or we may not see what one of them has open.
    """
    most: dict[int, int] = {}
    files: Counter[int] = Counter()
    sockets: dict[int, set[str]] = {}
    denied: set[int] = set()
    pid: int | None = None
    for line in _lines(found)[0]:
        if limit := _LIMIT.fullmatch(line):
            if limit[2] != "unlimited":
                most[int(limit[1])] = int(limit[2])
        elif not (entry := _ENTRY.fullmatch(line)):
            raise Unobserved("unreadable", f"/proc has what is no open file: {line[:80]!r}")
        elif entry[3] == " denied":
            denied.add(int(entry[2]))
        elif entry[2]:
            pid = int(entry[2])
            files[pid] = 0
        elif pid is None:
            raise Unobserved("unreadable", "/proc has an open file of no process")
        else:
            files[pid] += int(entry[1])
            if entry[4]:
                sockets.setdefault(pid, set()).add(entry[4])
    for each in found.running:
        if each.pid in denied:
            what = f"what process {each.pid} ({each.name}) has open"
            raise Unobserved(
                "permission", f"only its owner and root may see {what}: log in as that user, or {AS_ROOT}"
            )
    # A process may end between the look at it and that at its files.
    left = [each.pid for each in found.running if each.pid in files]
    if not left:
        raise Unobserved("unreadable", "/proc does not tell what files the process has open")
    return {pid: Open(files[pid], most.get(pid), frozenset(sockets.get(pid, ()))) for pid in left}


def ports(found: Found) -> tuple[ListeningPorts, ListeningPorts]:
    """The ports that the processes of a target listen on, and those that anybody does.

    Raises:
        Unobserved: as of `opened`.
    """
    own = {number for each in opened(found).values() for number in each.sockets}
    lines = _lines(found)[1]
    kept = [line for line in lines if len(columns := line.split()) <= _INODE or columns[_INODE] in own]
    return _ports(kept), _ports(lines)


def _ports(lines: Sequence[str]) -> ListeningPorts:
    return listening_ports.parse(Output("\n".join((*lines, "")).encode()))


def _lines(found: Found) -> tuple[list[str], list[str]]:
    """The lines about open files, and those about the sockets that listen."""
    lines = found.listing.files.splitlines()[1:]
    at = next((at for at, line in enumerate(lines) if line in ("L", "B")), len(lines))
    return lines[:at], lines[at:]
