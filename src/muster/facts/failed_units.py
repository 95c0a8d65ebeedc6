"""Units of a host's systemd that have failed."""

from __future__ import annotations

from msgspec import Struct

from muster.facts.reading import some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural

#: What a script prints, in place of its answer, where systemd does not run (sd_booted(3)).
ABSENT = "no systemd\n"

#: The beginning of a script that asks systemd.
IF_SYSTEMD_RUNS = 'if [ ! -d /run/systemd/system ]; then echo "no systemd"; exit; fi\n'

_SCRIPT = IF_SYSTEMD_RUNS + "systemctl list-units --failed --all --plain --full --no-legend --no-pager && echo end"


class FailedUnits(Struct, frozen=True):
    """The names of the systemd units that are in the state ``failed``. Source: systemctl(1), list-units."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{plural(len(self.names), 'unit')} failed: {some(self.names)}" if self.names else "no unit has failed"


def parse(output: Output) -> FailedUnits:
    text = whole(output, "systemctl")
    if text == ABSENT:
        raise DoesNotApply("systemd does not run here")
    *lines, last = text.splitlines()
    names = []
    for line in lines:
        # Older versions mark a failed unit with a dot even where they are asked for plain text.
        columns = line.lstrip(" ●*").split(None, 4)
        if len(columns) < 4 or columns[2] != "failed":
            raise Unobserved("unreadable", f"systemctl has a line that is no failed unit: {line[:80]}")
        names.append(columns[0])
    if last != "end":
        raise Unobserved("unreadable", "the list of failed units is not whole")
    return FailedUnits(tuple(names))


@need(Host)
def failed_units(host: Host) -> Probe[FailedUnits]:
    """Which systemd units of the host have failed."""
    return Probe(Command(_SCRIPT, timeout=host.timeout), parse)
