"""Filesystems that can no longer be written to although they should, from /proc/self/mountinfo and /etc/fstab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from muster.facts.filesystems import MAX_BYTES, unescaped
from muster.facts.reading import some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural

_SCRIPT = """\
grep ' /dev/' /proc/self/mountinfo || [ $? = 1 ] || exit
echo =
if [ -e /etc/fstab ]; then cat /etc/fstab || exit; fi
echo; echo end"""

#: What nobody can write to by its nature.
_IMAGES = frozenset({"cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"})

# proc(5), /proc/pid/mountinfo: id, parent, device, root, mount point, its options, fields that may be there or not up
# to a "-", kind, source, options of the whole filesystem.
_MOUNT = re.compile(r"\d+ \d+ (\d+:\d+) \S+ (\S+) (\S+)(?: [^ -]\S*)* - (\S+) (\S+) (\S+)")
_ANSWER = re.compile(r"((?:\d+ .*\n)*)=\n((?:.*\n)*)end\n")


class ReadonlyFilesystem(Struct, frozen=True):
    """A filesystem that is read-only against its declaration: where, of what kind, on what, and what tells so."""

    mount: str
    kind: str
    source: str
    sign: str

    def __str__(self) -> str:
        return f"{self.mount} ({self.kind} on {self.source}: {self.sign})"


class ReadonlyFilesystems(Struct, frozen=True):
    """The filesystems on disks that became read-only, of ``looked_at`` that are mounted.

    The kernel makes one read-only when it finds an error in it (ext4(5), errors=remount-ro); then the mount is still
    marked ``rw`` and the filesystem ``ro``, or ``emergency_ro`` since Linux 6.15. Else it is told from /etc/fstab.
    What is declared ``ro``, or is an image, is none.
    """

    every: tuple[ReadonlyFilesystem, ...]
    looked_at: int

    def __iter__(self) -> Iterator[ReadonlyFilesystem]:
        return iter(self.every)

    def __len__(self) -> int:
        return len(self.every)

    def __str__(self) -> str:
        if not self.every:
            return f"{plural(self.looked_at, 'filesystem')} on disks, none became read-only"
        return f"read-only: {some(map(str, self.every))}"


def parse(output: Output) -> ReadonlyFilesystems:
    found = _ANSWER.fullmatch(whole(output, "/proc/self/mountinfo"))
    if not found:
        raise Unobserved("unreadable", "the tables of mounts are not whole")
    declared = _declared(found[2])
    mounted: dict[str, _Mount] = {}
    for line in found[1].splitlines():
        if (mount := _mount(line)) and mount.source.startswith("/dev/") and mount.kind not in _IMAGES:
            mounted[mount.point] = mount  # what is mounted last at a place is what is seen there
    if not mounted:
        raise DoesNotApply("no filesystem of this host is on a disk of its own")
    bad: dict[str, ReadonlyFilesystem] = {}
    for mount in sorted(mounted.values(), key=lambda each: len(each.point)):
        if sign := _sign(mount, declared.get(mount.point)):
            bad.setdefault(mount.device, ReadonlyFilesystem(mount.point, mount.kind, mount.source, sign))
    return ReadonlyFilesystems(tuple(bad.values()), len({each.device for each in mounted.values()}))


class _Mount(NamedTuple):
    """A mount: of which device, where, its own options, and kind, source and options of the filesystem."""

    device: str
    point: str
    options: frozenset[str]
    kind: str
    source: str
    of_filesystem: frozenset[str]


def _mount(line: str) -> _Mount:
    found = _MOUNT.fullmatch(line)
    if not found:
        raise Unobserved("unreadable", f"/proc/self/mountinfo has a line that is no mount: {line[:80]}")
    device, point, options, kind, source, of_filesystem = found.groups()
    return _Mount(device, unescaped(point), _words(options), kind, unescaped(source), _words(of_filesystem))


def _declared(fstab: str) -> dict[str, frozenset[str]]:
    """The options of each mount point in /etc/fstab (fstab(5))."""
    lines = [line.split() for line in fstab.splitlines() if not line.lstrip().startswith("#")]
    return {unescaped(fields[1]): _words(fields[3]) for fields in lines if len(fields) >= 4}


def _words(options: str) -> frozenset[str]:
    return frozenset(options.split(","))


def _sign(mount: _Mount, declared: frozenset[str] | None) -> str:
    """What tells that a mount became read-only; empty where it did not."""
    for word in ("emergency_ro", "shutdown"):
        if word in mount.of_filesystem:
            return f"the kernel found an error, {word}"
    if "ro" in mount.of_filesystem and "rw" in mount.options:
        return "mounted rw, and the kernel made it ro"
    if declared is not None and "ro" not in declared and "ro" in mount.options | mount.of_filesystem:
        return "rw in /etc/fstab"
    return ""


@need(Host)
def readonly_filesystems(host: Host) -> Probe[ReadonlyFilesystems]:
    """Which filesystems of the host became read-only."""
    return Probe(Command(_SCRIPT, timeout=host.timeout, max_bytes=MAX_BYTES), parse)
