"""A process found by its pid file, with all that it has started."""

from __future__ import annotations

import re
import shlex

from muster.facts.file_state import ABSENT
from muster.facts.process_found import HIDDEN, Found, of_processes
from muster.facts.process_listing import Listing
from muster.probes import Output, Unobserved
from muster.text import span

# What a process has started is in /proc/PID/task/TID/children, unless the kernel was built without it.
_SCRIPT = """
stat -L -c %Y "$file" || exit
[ -f "$file" ] || { echo "$file: not a file" >&2; exit 1; }
[ -r "$file" ] || { echo "$file: permission denied" >&2; exit 1; }
date +%s
pid=$(head -c 64 "$file" | sed -n '1s/^[[:blank:]]*\\([1-9][0-9]\\{0,9\\}\\)[[:blank:]]*$/\\1/p')
echo "$pid"
P= next=$pid
while [ "$next" ]; do
    set --
    for each in $next; do P="$P /proc/$each"; set -- "$@" /proc/$each/task/*/children; done
    next=$(cat "$@" 2>/dev/null)
done
"""

_BEFORE = re.compile(r"(-?\d{1,20})\n(\d{1,20})\n(\d{0,10})\n")

#: A process that started so many seconds after its pid file was written is another one, which got the same number.
#: Clocks that were set in between are off by less.
LATER = 60


def script(path: str) -> str:
    return f"file={shlex.quote(path)}{_SCRIPT}"


def absent(output: Output) -> bool:
    """Whether the output tells that there is no pid file: what ends as it should takes its own away."""
    return output.status == 1 and output.complaint.lower().endswith(ABSENT)


def find(path: str, listing: Listing) -> Found:
    """The state of the process that a pid file names. Source: systemd.service(5), PIDFile; proc(5)."""
    head = _BEFORE.fullmatch(listing.before)
    if not head:
        raise Unobserved("unreadable", f"{path}: neither a time nor a process id comes of it")
    written, now = int(head[1]), int(head[2])
    if not head[3]:
        raise Unobserved("unreadable", f"{path} holds no process id")
    pid = int(head[3])
    first = listing.processes.get(pid)
    if first is None and listing.hidden:
        raise Unobserved("permission", HIDDEN)
    if first is None:
        return Found("crashed", listing, f"{path} names process {pid}, which is not there")
    later = now - listing.age(first) - written
    if later > LATER:
        other = f"which is {first.name} and started {span(later)} after the file was written"
        return Found("crashed", listing, f"{path} names process {pid}, {other}")
    return of_processes(tuple(listing.processes.values()), listing, main=pid)
