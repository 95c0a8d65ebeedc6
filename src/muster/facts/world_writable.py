"""What everyone may write to under a host's closed folders."""

from __future__ import annotations

import re
import shlex
from functools import partial

from msgspec import Struct

from muster.facts.reading import complained, some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural

#: So many paths are told of each folder; the rest is counted.
TOLD = 10

# A line end in a name becomes a question mark, so that each path is one line. -H: a folder may be a link to where it
# really is. A folder with the sticky bit is made to be written to by everyone, as /tmp; what is in it is not.
_FOLDER = """\
if [ -e {folder} ]; then
    {{ find -H {folder} -xdev \\( -type f -o -type d ! -perm -1000 \\) -perm -0002 -print0; echo $?; }} |
    tr '\\n\\000' '?\\n' | awk '/^\\// {{ if (++n <= {told}) print; next }} {{ s = $0 }} END {{ print s + 0, n + 0 }}'
else
    printf 'absent %s\\n' "$(ls -d {folder} 2>&1)"
fi
"""
_TOTAL = re.compile(r"(\d{1,3}) (\d{1,15})|absent (.+)")


class WorldWritable(Struct, frozen=True):
    """Files, and folders without the sticky bit, below the closed folders of a host, that everyone may write to.

    ``paths`` are the first `TOLD` of each folder, of ``count`` in all. ``unseen`` is what could not be looked at.
    Access control lists (acl(5)) are not looked at. Source: find(1), chmod(1).
    """

    paths: tuple[str, ...]
    count: int
    unseen: str = ""

    def __str__(self) -> str:
        beside = f"; not all could be looked at: {self.unseen}" if self.unseen else ""
        if not self.count:
            return f"nothing is writable by everyone{beside}"
        shown = self.paths[:5]
        more = f" and {self.count - len(shown):,} more" if self.count > len(shown) else ""
        return f"{plural(self.count, 'path')} writable by everyone: {', '.join(shown)}{more}{beside}"


def script(folders: tuple[str, ...]) -> str:
    """What asks for them: of each folder the first paths, then find's exit status and how many there are."""
    needed = "command -v awk >/dev/null || { echo 'awk: not found' >&2; exit 127; }\n"
    return needed + "".join(_FOLDER.format(folder=shlex.quote(name), told=TOLD) for name in folders) + "echo end"


def parse(output: Output, folders: tuple[str, ...]) -> WorldWritable:
    """Make the fact of what the script printed.

    Raises:
        Unobserved: nothing was found, and one of the folders is not there or may not be read.
        DoesNotApply: there are no closed folders.
    """
    if not folders:
        raise DoesNotApply("no folders of this host are to be closed")
    *lines, last = whole(output, "find")[:-1].split("\n")  # a name may hold what else ends a line
    paths: list[str] = []
    count, unseen, at = 0, "", 0
    for folder in folders:
        start = at
        while at < len(lines) and lines[at].startswith("/"):
            at += 1
        total = _TOTAL.fullmatch(lines[at]) if at < len(lines) else None
        if not total or at - start != min(int(total[2] or 0), TOLD):
            raise Unobserved("unreadable", f"find does not tell how many paths there are in {folder}")
        paths += lines[start:at]
        count += int(total[2] or 0)
        if total[3] or total[1] != "0":
            unseen = unseen or total[3] or output.complaint or f"find in {folder} ended with status {total[1]}"
        at += 1
    if last != "end" or at != len(lines):
        raise Unobserved("unreadable", "the list of what everyone may write to is not whole")
    if unseen and not count:
        raise complained(unseen, output.stderr)
    return WorldWritable(tuple(paths), count, unseen)


@need(Host)
def world_writable(host: Host) -> Probe[WorldWritable]:
    """What everyone may write to under the folders of the host that the inventory wants closed."""
    folders = host.closed_folders
    question = Command(
        script(folders),
        timeout=host.timeout,
        max_bytes=1_048_576,
        told=f"find … -xdev -perm -0002, in {some(folders)}",
        slow=True,
    )
    return Probe(question, partial(parse, folders=folders))
