"""A process found by its command line. All such targets of a host share one look at all processes."""

from __future__ import annotations

import re
import time

from muster.facts.process_found import HIDDEN, Found, of_processes
from muster.facts.process_listing import Listing, Seen
from muster.probes import Unobserved

# $$ is the shell that looks, whose processes do not count.
SCRIPT = "echo $$\nP='/proc/[0-9]*'\n"

#: So long may a regular expression take over all command lines of a host, in seconds: Python's goes back and forth,
#: and command lines are for everybody to choose.
PATIENCE = 2.0

#: What may stand between the shell that looks and what started it.
_BETWEEN = frozenset({"sudo", "sh", "ash", "bash", "busybox", "dash", "ksh", "zsh", "fish"})

# The session of a login over SSH: "sshd: ops [priv]", "sshd: ops@notty", "sshd-session: ops@pts/0".
_SESSION = re.compile(r"sshd(?:-session)?: \S+(?: \[\w+\]|@\S+)")


def find(pattern: str, listing: Listing) -> Found:
    """The state of the processes in whose command line ``pattern`` is found.

    A zombie has no command line any more: it counts where the pattern is found in its name.
    """
    own = _own(listing)
    matches = re.compile(pattern).search
    until = time.monotonic() + PATIENCE
    found: list[Seen] = []
    for process in listing.processes.values():
        line = process.name if process.ended else listing.commands.get(process.pid, "")
        if line and process.pid not in own and matches(line):
            found.append(process)
        if time.monotonic() > until:
            raise Unobserved("timeout", f"{pattern!r} takes longer than {PATIENCE:g} s over the host's command lines")
    if found:
        return of_processes(found, listing)
    if listing.hidden:
        raise Unobserved("permission", HIDDEN)
    return Found("stopped", listing, f"no process has {pattern!r} in its command line")


def _own(listing: Listing) -> set[int]:
    """The processes that look: everything below what started the shell, and the SSH session that it runs in.

    Other shells of the same run are among them, in whose commands the words of an inventory stand.
    """
    shell = int(listing.before)
    every = listing.processes
    top = shell
    while (parent := every.get(every[top].parent if top in every else 0)) and parent.pid != 1:
        top = parent.pid
        if parent.name not in _BETWEEN:
            break
    own = {top}
    if top == shell:
        # Inside a container they are nobody's children, like all that its engine starts there.
        own |= {each.pid for each in every.values() if not each.parent and each.pid != 1}
    below: dict[int, list[int]] = {}
    for each in every.values():
        below.setdefault(each.parent, []).append(each.pid)
    left = [*own]
    while left:
        children = below.get(left.pop(), ())
        own.update(children)
        left += children
    above = every.get(top)
    while above and above.pid != 1 and (above.pid == top or _SESSION.match(listing.commands.get(above.pid, ""))):
        own.add(above.pid)
        above = every.get(above.parent)
    return own
