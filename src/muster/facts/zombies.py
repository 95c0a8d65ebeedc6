"""Zombies: processes that have ended and that nobody has waited for, from /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass

from muster.facts.reading import some, whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host

# A process may end between the listing and the look at it: what cat could not read is no longer there. Where /proc
# is mounted with hidepid, the processes of others are not to be seen, nor is the first of all.
_SCRIPT = """\
[ -r /proc/1/stat ] || { echo "/proc/1/stat: permission denied" >&2; exit 1; }
cat /proc/[0-9]*/stat 2>/dev/null
echo end"""

#: A process tells about 200 B of itself. A host with more of them than this holds is not looked at.
MAX_BYTES = 8 * 1_048_576

# A name is up to 15 characters, or 63 of a thread of the kernel's, and any characters: brackets, blanks and line ends
# too. It cannot hold the numbers that come after it.
_PROCESS = re.compile(r"(\d{1,10}) \((.{0,63}?)\) ([A-Za-z]) (\d{1,10})((?: -?\d{1,20}){30,60})\n", re.DOTALL)
_THREADS = 15


@dataclass(frozen=True, slots=True)
class Zombie:
    """A process that has ended, and the one that should have waited for it; ``parent`` is empty where it is gone."""

    pid: int
    name: str
    parent_pid: int
    parent: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.pid}) of {self.parent or '?'} ({self.parent_pid})"


@dataclass(frozen=True, slots=True)
class Zombies:
    """The zombies among all ``processes`` of a host. Source: proc(5), /proc/PID/stat, state Z."""

    every: tuple[Zombie, ...]
    processes: int

    def __len__(self) -> int:
        return len(self.every)

    def __str__(self) -> str:
        if not self.every:
            return f"no zombie among {self.processes:,} processes"
        return f"{len(self.every):,} of {self.processes:,} processes a zombie: {some(map(str, self.every))}"


def parse(output: Output) -> Zombies:
    text = whole(output, "/proc")
    names: dict[int, str] = {}
    ended: list[tuple[int, int]] = []
    at = 0
    while found := _PROCESS.match(text, at):
        at = found.end()
        pid, state, parent = int(found[1]), found[3], int(found[4])
        names[pid] = found[2]
        # A process whose first thread has ended is in that state too, for as long as others of its threads run.
        if state == "Z" and int(found[5].split()[_THREADS]) <= 1:
            ended.append((pid, parent))
    if text[at:] != "end\n" or not names:
        raise Unobserved("unreadable", f"/proc has what is no process, {at:,} B in: {text[at : at + 80]!r}")
    return Zombies(tuple(Zombie(pid, names[pid], parent, names.get(parent, "")) for pid, parent in ended), len(names))


@need(Host)
def zombies(host: Host) -> Probe[Zombies]:
    """Which processes of the host have ended and were not waited for."""
    return Probe(Command(_SCRIPT, timeout=host.timeout, max_bytes=MAX_BYTES, told="cat /proc/[0-9]*/stat"), parse)
