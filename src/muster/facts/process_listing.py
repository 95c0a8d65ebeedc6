"""Processes as /proc shows them: the part of a script that looks at some or all of them, and its parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from msgspec import Struct, field

from muster.facts.listening_ports import SCRIPT as PORTS
from muster.facts.reading import whole
from muster.probes import Output, Unobserved

#: A second has so many ticks of /proc/PID/stat: USER_HZ of every Linux but that of the Alpha (time(7)).
TICKS = 100

#: A process tells about 300 B of itself, and its command line. A host with more than this holds is not looked at.
MAX_BYTES = 16 * 1_048_576

#: So much of a command line is looked at, in bytes: all that kernels before 4.2 had of it (proc(5)).
COMMAND_LINE = 4096

# $P are folders of processes, or a glob for them. What ends between the listing and the look at it is no longer
# there. Where /proc is mounted with hidepid, the processes of others are not to be seen, nor is the first of all.
# cat itself, which starts now, tells the time in the same ticks as its like.
_LOOK = """\
under() { for each in $P; do printf '%s/%s\\n' "$each" "$1"; done; }
echo look
if [ -r /proc/1/stat ]; then echo open; else echo hidden; fi
cat /proc/self/stat && grep -m 1 KernelPageSize /proc/self/smaps || exit
cat $(under stat) 2>/dev/null
"""

# A line "l" for each open file, and its number in brackets where that is a socket. ls shows what is not printable
# as "?", that of busybox always: no name of a file can pass for another line.
_FILES = f"""\
echo files
grep 'Max open files' $(under limits) /dev/null 2>/dev/null
if ls -q / >/dev/null 2>&1; then q=q; else q=; fi
[ -z "$P" ] || ls -lR$q $(under fd) 2>&1 | sed -n \
-e 's/^ls: .*\\(\\/proc\\/[0-9]*\\/\\)fd.: .*denied$/\\1 denied/p;t' -e '/^ls:/d' -e '/^\\/proc\\/[0-9]*\\/fd:$/p' \
-e 's/^l.* -> socket:\\(\\[[0-9]*\\]\\)$/\\1/p;t' -e 's/^l.*/l/p' | uniq -c
( {PORTS} ) || exit
"""

_COMMANDS = f"""\
echo commands
head -v -c {COMMAND_LINE} $(under cmdline) 2>/dev/null
echo
"""

# proc(5), /proc/PID/stat. A name is up to 15 characters, or 63 of a thread of the kernel's, and any characters:
# brackets, blanks and line ends too. It cannot hold the numbers that come after it.
_PROCESS = re.compile(r"(\d{1,10}) \((.{0,63}?)\) ([A-Za-z]) (\d{1,10})((?: -?\d{1,20}){30,60})\n", re.DOTALL)
_USER, _SYSTEM, _THREADS, _STARTED, _RESIDENT = 9, 10, 15, 17, 19
_HEAD = re.compile(r"look\n(open|hidden)\n")
_PAGE = re.compile(r"KernelPageSize: +(\d{1,6}) kB\n")
_COMMAND = re.compile(r"(?:\A|\n)==> /proc/(\d{1,10})/cmdline <==\n")


class Seen(Struct, frozen=True):
    """A process. ``state`` is the letter of proc(5), ``started`` and ``spent`` (processor time) are in ticks,
    ``resident`` is its memory in bytes, which it may share with others."""

    pid: int
    name: str
    state: str
    parent: int
    threads: int
    started: int
    spent: int
    resident: int

    @property
    def ended(self) -> bool:
        """Whether it is a zombie. One whose first thread has ended is in that state too while others run."""
        return self.state in "ZX" and self.threads <= 1


class Listing(Struct, frozen=True):
    """The processes that were looked at, by process id. Source: proc(5).

    ``now`` is when, in ticks since the host started; ``hidden`` says that those of other users cannot be seen.
    ``before`` is what the script printed first, ``files`` what was asked about open files. ``commands`` are command
    lines by process id, with a space between arguments.
    """

    before: str
    now: int
    hidden: bool
    processes: Mapping[int, Seen]
    files: str = ""
    commands: Mapping[int, str] = field(default_factory=dict)

    def age(self, process: Seen) -> float:
        """How long a process has been there, in seconds."""
        return max(0, self.now - process.started) / TICKS


def look(*, files: bool, commands: bool) -> str:
    """The end of a script that has put folders of processes, or a glob for them, into ``P``."""
    return _LOOK + _FILES * files + _COMMANDS * commands + "echo end"


@lru_cache(maxsize=2)
def parse(output: Output) -> Listing:
    """Read the answer of a script that ends with `look`. All that ask the same question share what was read."""
    text = whole(output, "/proc")
    head = _HEAD.search(text)
    clock = head and _PROCESS.match(text, head.end())
    page = clock and _PAGE.match(text, clock.end())
    if not (head and clock and page) or not text.endswith("\nend\n"):
        raise Unobserved("unreadable", "the list of processes in /proc is not whole")
    size = int(page[1]) * 1024
    every: dict[int, Seen] = {}
    at = page.end()
    for process, end in processes(text, at, size):
        every[process.pid], at = process, end
    files, commands = "", ""
    rest = text[at:].removesuffix("end\n")
    if rest.startswith("files\n"):
        files, rest = _split(rest, "\nend\n")
    if rest.startswith("commands\n"):
        commands, rest = rest.removeprefix("commands\n").removesuffix("\n"), ""
    if rest:
        raise Unobserved("unreadable", f"/proc has what is no process, {at:,} B in: {rest[:80]!r}")
    return Listing(
        text[: head.start()], int(clock[5].split()[_STARTED]), head[1] == "hidden", every, files, _lines(commands)
    )


def processes(text: str, at: int, page: int = 0) -> Iterator[tuple[Seen, int]]:
    """The processes of which ``/proc/PID/stat`` stands in ``text`` from ``at`` on, and where each ends.

    ``page`` is the size of a page of memory in bytes; with 0, ``resident`` is not known, and 0.
    """
    while found := _PROCESS.match(text, at):
        at = found.end()
        yield _seen(found, page), at


def _split(text: str, mark: str) -> tuple[str, str]:
    first, found, rest = text.partition(mark)
    if not found:
        raise Unobserved("unreadable", "the list of open files in /proc is not whole")
    return first + mark, rest


def _seen(found: re.Match[str], page: int) -> Seen:
    numbers = found[5].split()
    return Seen(
        pid=int(found[1]),
        name=found[2],
        state=found[3],
        parent=int(found[4]),
        threads=int(numbers[_THREADS]),
        started=int(numbers[_STARTED]),
        spent=int(numbers[_USER]) + int(numbers[_SYSTEM]),
        resident=int(numbers[_RESIDENT]) * page,
    )


def _lines(text: str) -> dict[int, str]:
    """Command lines by process id, of what ``head -v`` prints. One of them can hold what looks like a heading, so
    that a process seems to be there twice."""
    pieces = _COMMAND.split(text)
    if pieces[0]:
        raise Unobserved("unreadable", f"the list of command lines begins with {pieces[0][:80]!r}")
    lines: dict[int, str] = {}
    for number, line in zip(pieces[1::2], pieces[2::2], strict=True):
        if int(number) in lines:
            raise Unobserved("unreadable", f"process {number} has two command lines, one within that of another")
        lines[int(number)] = line.rstrip("\0").replace("\0", " ")
    return lines
