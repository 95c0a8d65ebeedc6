"""The inventory as the rest of the suite sees it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from muster.targets import Host, Target


class Inventory(Struct, frozen=True):
    """What is watched, read and validated.

    ``targets`` are all targets: each host first, then what is under it, and those of the top level last.
    ``groups`` gives the hosts of each group. ``secrets`` are the values that no report may show. ``files``
    are the inventory's files as they were named, ``digest`` is a hash of what they and ``--set`` say: it is
    the same where two runs had the same inventory.
    """

    hosts: tuple[Host, ...]
    targets: tuple[Target, ...]
    groups: Mapping[str, tuple[str, ...]]
    files: tuple[str, ...]
    digest: str
    secrets: frozenset[str] = frozenset()
    _by_name: dict[str, Host] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({host.name: host for host in self.hosts})

    def __repr__(self) -> str:
        return f"<Inventory {', '.join(self.files)}: {len(self.hosts)} hosts, {len(self.targets)} targets>"

    def host(self, name: str) -> Host:
        """The host of that name. Raises KeyError where there is none."""
        return self._by_name[name]
