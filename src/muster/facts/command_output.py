"""What a command prints on a host: ``fact.command("uname -r")``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import Struct

from muster.facts.reading import CANNOT_RUN, NOT_FOUND, unanswered
from muster.need import Need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import printable

#: So many characters of the first line stand in a message.
LONGEST_LINE = 200


class CommandOutput(Struct, frozen=True):
    """What a command printed, and its exit status. Bytes that are not UTF-8 stand as ``\\xNN``.

    ``complaint`` is the last line of its standard error.
    """

    stdout: str
    status: int
    complaint: str = ""

    def __str__(self) -> str:
        lines = self.stdout.strip().splitlines()
        first = printable(lines[0] if lines else self.complaint or "nothing printed", LONGEST_LINE)
        more = f" and {len(lines) - 1} more lines" if len(lines) > 1 else ""
        return f"{first}{more} (exit status {self.status})" if self.status else f"{first}{more}"


def parse(output: Output) -> CommandOutput:
    if output.status in (CANNOT_RUN, NOT_FOUND):
        raise unanswered(output, "the command cannot be run")
    if output.truncated:
        raise Unobserved("unreadable", f"the command prints more than the {len(output.stdout):,} B that are read")
    return CommandOutput(output.text, output.status, output.complaint)


def command(text: str | Sequence[str]) -> Need[CommandOutput]:
    """What a command prints on a host, as a need that a check can take as an argument.

    ``text`` is POSIX sh, or the program and its arguments. The command must change nothing: it runs in
    every check run, and it may run twice.

    Raises:
        ValueError: the text is empty.
    """
    script = text if isinstance(text, str) else shlex.join(text)
    if not script.strip() or "\0" in script:
        raise ValueError(f"{text!r} is no command, such as 'uname -r'")

    def probe(host: Host) -> Probe[CommandOutput]:
        return Probe(Command(script, timeout=host.timeout), parse)

    return Need(f"command {script}", Host, probe, f"What {script} prints.")
