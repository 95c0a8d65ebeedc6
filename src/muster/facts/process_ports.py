"""The ports that a process listens on."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.facts.listening_ports import ListeningPorts
from muster.facts.process_finding import command, found, of_running
from muster.facts.process_open import ports
from muster.need import need
from muster.probes import Output, Probe
from muster.targets import Process


class ProcessPorts(Struct, frozen=True):
    """The ports that the processes of a target listen on, and all that anybody does, in the host's own network.
    Source: proc(5), /proc/PID/fd and /proc/net/tcp."""

    own: ListeningPorts
    every: ListeningPorts

    def missing(self, expected: tuple[str, ...]) -> list[str]:
        """Which of the ``expected`` ports it does not listen on, and what is to be seen in its place.

        They are written as those of a host: see `ListeningPorts.missing`.
        """
        found = []
        for each in expected:
            if lacks := self.own.missing((each,)):
                taken = not self.every.missing((each,))
                found.append(f"{each} listens, but for another process" if taken else lacks[0])
        return found

    def __str__(self) -> str:
        return str(self.own)


def parse(output: Output, target: Process) -> ProcessPorts:
    own, every = ports(found(target, output))
    return ProcessPorts(own, every)


@need(Process)
def process_ports(target: Process) -> Probe[ProcessPorts]:
    """Which ports the process listens on; unknown where none runs, or we may not look."""
    return Probe(command(of_running(target), files=True), partial(parse, target=target))
