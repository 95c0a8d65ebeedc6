"""Zombies: processes that have ended and that nobody has waited for, from /proc."""

from __future__ import annotations

from msgspec import Struct

from muster.facts.process_listing import Seen, processes
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


class Zombie(Struct, frozen=True):
    """A process that has ended, and the one that should have waited for it; ``parent`` is empty where it is gone."""

    pid: int
    name: str
    parent_pid: int
    parent: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.pid}) of {self.parent or '?'} ({self.parent_pid})"


class Zombies(Struct, frozen=True):
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
    ended: list[Seen] = []
    at = 0
    for process, end in processes(text, at):
        names[process.pid], at = process.name, end
        if process.ended:
            ended.append(process)
    if text[at:] != "end\n" or not names:
        raise Unobserved("unreadable", f"/proc has what is no process, {at:,} B in: {text[at : at + 80]!r}")
    every = (Zombie(each.pid, each.name, each.parent, names.get(each.parent, "")) for each in ended)
    return Zombies(tuple(every), len(names))


@need(Host)
def zombies(host: Host) -> Probe[Zombies]:
    """Which processes of the host have ended and were not waited for."""
    return Probe(Command(_SCRIPT, timeout=host.timeout, max_bytes=MAX_BYTES, told="cat /proc/[0-9]*/stat"), parse)
