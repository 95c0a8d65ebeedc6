"""The systemd units that the inventory expects to be active on a host."""

from __future__ import annotations

import shlex
from functools import partial

from msgspec import Struct

from muster.facts.failed_units import ABSENT, IF_SYSTEMD_RUNS
from muster.facts.reading import some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host

#: States in which a unit does its work (systemctl(1), is-active).
ACTIVE = frozenset({"active", "reloading", "refreshing"})


class Unit(Struct, frozen=True):
    """A systemd unit and its state: ``active``, ``failed``, ``inactive``, ..., ``not found`` or ``no systemd``.

    ``detail`` is systemd's finer state, such as ``running`` or ``exited``.
    """

    name: str
    state: str
    detail: str = ""

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    def __str__(self) -> str:
        return f"{self.name} {self.state} ({self.detail})" if self.detail else f"{self.name} {self.state}"


class ExpectedUnits(Struct, frozen=True):
    """The units that the inventory expects of a host, in its order. Source: systemctl(1), show."""

    every: tuple[Unit, ...]

    @property
    def inactive(self) -> list[str]:
        return [str(each) for each in self.every if not each.active]

    def __str__(self) -> str:
        return some(map(str, self.every))


def parse(output: Output, names: tuple[str, ...]) -> ExpectedUnits:
    if not names:
        raise DoesNotApply("no units are expected of this host")
    text = whole(output, "systemctl")
    if text == ABSENT:
        return ExpectedUnits(tuple(Unit(name, "no systemd") for name in names))
    blocks = text.removesuffix("end\n").strip().split("\n\n")
    if len(blocks) != len(names) or not text.endswith("\nend\n"):
        raise Unobserved("unreadable", f"systemctl tells of {len(blocks)} units, {len(names)} were asked for")
    return ExpectedUnits(tuple(map(_unit, names, blocks)))


def _unit(name: str, block: str) -> Unit:
    said = dict(line.split("=", 1) for line in block.splitlines())
    if said["LoadState"] == "not-found":
        return Unit(name, "not found")
    return Unit(name, said["ActiveState"], said["SubState"])


@need(Host)
def expected_units(host: Host) -> Probe[ExpectedUnits]:
    """The state of the systemd units that the inventory expects of the host."""
    asked = f"systemctl show -p LoadState -p ActiveState -p SubState -- {shlex.join(host.units)}"
    script = f"{IF_SYSTEMD_RUNS}{asked} && echo end" if host.units else "echo end"
    return Probe(Command(script, timeout=host.timeout), partial(parse, names=host.units))
