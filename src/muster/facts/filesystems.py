"""Space of a host's filesystems, from /proc/mounts and df."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from muster.facts.reading import NOT_FOUND, some, uncut, why
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import size

# df exits with 1 where one of many filesystems cannot be read: its status is a line of the answer.
SCRIPT = """\
cat /proc/mounts || exit
echo =; df -P -k; echo "= $?"
df -P -i; echo "= $?\""""

#: A host with hundreds of containers has a long table of mounts.
MAX_BYTES = 1_048_576

# What holds no files of its own, and images that are full by their nature. The default choice of the
# Prometheus node exporter (collector/filesystem_linux.go), with what newer systems and desktops add to it.
_NO_FILES = """autofs binder binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl
    hugetlbfs mqueue nfsd nsfs proc procfs pstore ramfs rootfs rpc_pipefs securityfs selinuxfs smackfs sysfs sysv
    tracefs fuse.gvfsd-fuse fuse.lxcfs fuse.portal"""
_IMAGES = "cramfs erofs fuse.snapfuse fuse.squashfuse iso9660 romfs squashfs udf"
_LEFT_OUT = frozenset(f"{_NO_FILES} {_IMAGES}".split())
_ELSEWHERE = re.compile(r"/(dev|proc|sys|run/credentials/.+|var/lib/(docker|containers/storage|kubelet)/.+)(/|$)")
_ROW = re.compile(r"(.+?) +(\d+) +(\d+) +(-?\d+) +(?:\d+%|-) +(/.*)")
_STATUS = re.compile(r"^= (\d+)\n", re.MULTILINE)
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Filesystem(Struct, frozen=True):
    """A filesystem that is mounted at ``mount``, with its sizes in bytes. ``available_bytes`` is what is left
    for users who are not root."""

    mount: str
    total_bytes: int
    used_bytes: int
    available_bytes: int

    @property
    def used_percent(self) -> float:
        """Of the space that users other than root can have, as df counts it (POSIX, df, Capacity)."""
        return percent(self.used_bytes, self.available_bytes)

    def __str__(self) -> str:
        return f"{self.mount} {self.used_percent:.0f} % of {size(self.total_bytes)}"


class Filesystems(Struct, frozen=True):
    """The filesystems of a host that files are written to, network ones too; at least one, each once."""

    every: tuple[Filesystem, ...]

    def __iter__(self) -> Iterator[Filesystem]:
        return iter(self.every)

    def __str__(self) -> str:
        return some(map(str, sorted(self.every, key=lambda each: -each.used_percent)))


class Row(Struct, frozen=True):
    """A line of df for a filesystem that matters: its mount point and three counts, of blocks or inodes."""

    mount: str
    total: int
    used: int
    available: int


def percent(used: int, available: int) -> float:
    """How much of what can be had is used; what is free to root alone cannot be had."""
    reachable = used + max(available, 0)
    return 100 * used / reachable if reachable else 100.0


def rows(output: Output, table: int) -> list[Row]:
    """The rows of df for the filesystems that matter: of table 0 (blocks) or 1 (inodes).

    A filesystem that is mounted at several places is there once, at the shortest.

    Raises:
        Unobserved: the answer is cut off, df is not there, or could not read one of these filesystems, or passed
            over one that it may not look at.
    """
    mounts, tables = _parts(output)
    wanted, may_lack = _wanted(mounts)
    listed, status = tables[table]
    if status == NOT_FOUND:
        raise Unobserved("missing", "df is not there: it tells how full the filesystems are")
    found: dict[str, Row] = {}
    for line in listed.splitlines():
        if (match := _ROW.fullmatch(line)) and (identity := wanted.get(match[5])):
            row = Row(match[5], int(match[2]), int(match[3]), int(match[4]))
            if identity not in found or len(row.mount) < len(found[identity].mount):
                found[identity] = row
    unread = [mount for mount, identity in wanted.items() if identity not in found]
    if unread and status != 0:
        complaint = output.complaint or "df does not say why"
        raise Unobserved(why(output), f"df could not read {some(unread)} ({complaint}); sudo: true may help")
    # GNU df passes over what it may not look at, without a word and with status 0.
    if lacking := [mount for mount in unread if mount not in may_lack]:
        raise Unobserved(
            "permission", f"df passes over {some(lacking)}, as where one may not look; sudo: true may help"
        )
    if not found:
        raise Unobserved("unreadable", "df lists no filesystem that files are written to")
    return list(found.values())


def _parts(output: Output) -> tuple[str, list[tuple[str, int]]]:
    """The table of mounts, and what each df printed with its exit status."""
    mounts, mark, rest = uncut(output, "df").partition("\n=\n")
    pieces = _STATUS.split(rest)
    if not mark or len(pieces) != 5 or pieces[4]:
        raise Unobserved("unreadable", "the answer of df is not whole")
    return mounts, [(pieces[0], int(pieces[1])), (pieces[2], int(pieces[3]))]


def _wanted(mounts: str) -> tuple[dict[str, str], set[str]]:
    """The mount points that matter, each with what tells its filesystem from others; and those that df may leave out.

    These are the ones that another filesystem is mounted over, and what is private by its nature: a user's
    own FUSE, which not even root may enter, and memory.
    """
    wanted: dict[str, str] = {}
    private: set[str] = set()
    mounted: dict[str, int] = {}
    for number, line in enumerate(mounts.splitlines()):
        device, mount, kind, options = [unescaped(field) for field in line.split(" ")[:4]]
        memory = kind == "tmpfs"
        mounted[mount] = number
        wanted.pop(mount, None)
        if kind in _LEFT_OUT or _ELSEWHERE.match(mount):
            continue
        if (memory and "ro" in options.split(",")) or (kind == "overlay" and mount != "/"):
            continue
        wanted[mount] = mount if memory or kind == "overlay" else f"{kind} {device}"
        if memory or kind.startswith("fuse"):
            private.add(mount)

    def is_hidden(mount: str) -> bool:
        parents = [mount[:at] or "/" for at, each in enumerate(mount) if each == "/"]
        return any(mounted.get(parent, -1) > mounted[mount] for parent in parents)

    return wanted, private | set(filter(is_hidden, wanted))


def unescaped(field: str) -> str:
    """Blanks and backslashes stand as octal numbers in /proc/mounts (proc(5), fstab(5))."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)


def parse(output: Output) -> Filesystems:
    found = tuple(
        Filesystem(row.mount, row.total * 1024, row.used * 1024, row.available * 1024)
        for row in rows(output, 0)
        if row.total
    )
    if not found:
        raise Unobserved("unreadable", "df gives no filesystem a size")
    return Filesystems(found)


@need(Host)
def filesystems(host: Host) -> Probe[Filesystems]:
    """How full the host's filesystems are."""
    return Probe(Command(SCRIPT, timeout=host.timeout, max_bytes=MAX_BYTES), parse)
