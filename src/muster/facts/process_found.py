"""What comes of looking for a process, however it is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from muster.facts.process_listing import Listing, Seen
from muster.facts.reading import AS_ROOT
from muster.probes import Cause, Unobserved

#: Why a process that may be there is not found.
HIDDEN = f"the processes of other users are not to be seen, /proc is mounted with hidepid: {AS_ROOT}"

State = Literal["running", "stopped", "crashed", "restarting", "unknown"]


class Found(Struct, frozen=True):
    """The state of what was looked for, its live ``processes``, oldest first, and the ``listing`` that they are from.

    ``detail`` says how it came to that state. ``restarts`` is how often systemd started it again by itself, None
    where nobody counts. ``cause`` is set where the state is ``unknown``.
    """

    state: State
    listing: Listing
    detail: str = ""
    processes: tuple[Seen, ...] = ()
    restarts: int | None = None
    cause: Cause | None = None

    def __str__(self) -> str:
        return f"{self.state}: {self.detail}" if self.detail else self.state

    @property
    def running(self) -> tuple[Seen, ...]:
        """The live processes, at least one.

        Raises:
            Unobserved: there is none, or none to be seen, so there is nothing to be known of it.
        """
        if self.state == "running" and not self.processes and self.listing.hidden:
            raise Unobserved("permission", HIDDEN)
        if not self.processes:
            raise Unobserved(self.cause or "missing", f"there is no process to look at, it is {self}")
        return self.processes


def of_processes(
    seen: Sequence[Seen], listing: Listing, restarts: int | None = None, *, main: int | None = None
) -> Found:
    """The state that processes, at least one, tell by themselves: running, paused, or crashed and not waited for.

    ``main`` is the process id of the one that matters, None where all do alike.
    """
    live = tuple(sorted((each for each in seen if not each.ended), key=lambda each: each.started))
    if live and all(each.state == "T" for each in live if main is None or each.pid == main):
        return Found("stopped", listing, "paused by a signal, kill -CONT lets it go on", live, restarts)
    if live:
        return Found("running", listing, "", live, restarts)
    detail = f"process {seen[0].pid} has ended, and its parent {seen[0].parent} has not waited for it"
    return Found("crashed", listing, detail, restarts=restarts)
