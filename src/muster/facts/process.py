"""The state of a process: whether it runs, how many of it, since when, and how it ended."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.process_finding import command, found
from muster.facts.process_found import State
from muster.facts.reading import some
from muster.need import need
from muster.probes import Cause, Output, Probe
from muster.targets import Process
from muster.text import plural, span


class ProcessState(Struct, frozen=True):
    """The state of a process that the inventory names, which may be several processes of the host.

    ``state`` is ``running``, ``stopped`` (it ended as it should, or was never started), ``crashed`` (it ended by
    itself, and nothing starts it again), ``restarting`` (it is being started), or ``unknown`` where there is no such
    unit, for which ``cause`` is set. ``detail`` says how it came to that. ``pids`` are its process ids, the oldest
    first, which has been there for ``up_seconds``. ``restarts`` is how often systemd started it again by itself; None
    where nobody counts. Source: systemctl(1), proc(5).
    """

    state: State
    detail: str = ""
    pids: tuple[int, ...] = ()
    up_seconds: float | None = None
    restarts: int | None = None
    cause: Cause | None = None

    def __str__(self) -> str:
        words = [f"{self.state}: {self.detail}" if self.detail else self.state]
        if self.pids:
            noun = "process" if len(self.pids) == 1 else plural(len(self.pids), "process")
            words.append(f"{noun} {some(map(str, self.pids), 3)}")
        if self.up_seconds is not None:
            words.append(f"up {span(self.up_seconds)}")
        if self.restarts is not None:
            words.append(plural(self.restarts, "restart"))
        return ", ".join(words)


def parse(output: Output, target: Process) -> ProcessState:
    seen = found(target, output)
    age = seen.listing.age(seen.processes[0]) if seen.processes else None
    pids = tuple(each.pid for each in seen.processes)
    return ProcessState(seen.state, seen.detail, pids, age, seen.restarts, seen.cause)


@need(Process)
def process(target: Process) -> Probe[ProcessState]:
    """Whether the process runs, how many of it, since when, and how it ended."""
    return Probe(command(target), partial(parse, target=target))
