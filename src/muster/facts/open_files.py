"""Open files of a host, from /proc/sys/fs/file-nr."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host

#: What systemd sets in place of no limit, on machines of 64 bits: the largest number there is.
NO_LIMIT = 2**63 - 1

_ANSWER = re.compile(r"(\d{1,20})\t(\d{1,20})\t([1-9]\d{0,19})\n")


class OpenFiles(Struct, frozen=True):
    """How many files all processes of a host hold open, and how many they can. Source: proc(5), file-nr."""

    count: int
    most: int

    @property
    def used_percent(self) -> float:
        return 100 * self.count / self.most

    def __str__(self) -> str:
        of = f" of at most {self.most:,}" if self.most < NO_LIMIT else ", without a limit"
        return f"{self.count:,} files open{of}"


def parse(output: Output) -> OpenFiles:
    found = _ANSWER.fullmatch(whole(output, "/proc/sys/fs/file-nr"))
    if not found:
        raise Unobserved("unreadable", "/proc/sys/fs/file-nr does not tell how many files are open")
    had, free, most = map(int, found.groups())
    return OpenFiles(max(0, had - free), most)


@need(Host)
def open_files(host: Host) -> Probe[OpenFiles]:
    """How many files are open on the host, of how many that can be."""
    return Probe(Command("cat /proc/sys/fs/file-nr", timeout=host.timeout), parse)
