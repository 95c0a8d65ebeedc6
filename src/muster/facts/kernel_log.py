"""Errors that a host's kernel logged, from the journal or the kernel's own buffer."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct

from muster.facts.reading import AS_ROOT, some, whole, why
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import span

#: Of more messages than this, the last are read.
MOST = 1_000

#: How much of a message is kept, and how much of it is shown, in characters.
_LONGEST, _SHOWN = 1_000, 200

# The journal knows the time for certain, and what was before a restart. Who may read its files sees all of it; to
# anybody else journalctl shows what is their own. Of the kernel's buffer <0> to <3> are the kernel's own errors: what
# programs write into it has higher numbers.
_SCRIPT = """\
journal=
if [ -d /run/systemd/system ]; then
    for file in /var/log/journal/*/system.journal /run/log/journal/*/system.journal; do
        if [ -r "$file" ]; then journal=$file; fi
    done
fi
if [ "$journal" ] && command -v journalctl >/dev/null; then
    echo journal
    LC_ALL=C journalctl -q _TRANSPORT=kernel -p 3 --since=-{window}s -n {most} -o short-iso --no-pager || exit
else
    said=$(dmesg -r) || exit
    echo "buffer $(date +%s) $(cat /proc/uptime)"
    printf '%s\\n' "$said" | grep '^<[0-3]>' | tail -n {most}
fi
echo end"""

_BUFFER = re.compile(r"buffer (\d{9,11}) (\d{1,10}\.\d\d) \d+\.\d\d")
_IN_BUFFER = re.compile(r"<[0-3]>\[ *(\d{1,10}\.\d{6})\] ?(.*)")
_IN_JOURNAL = re.compile(r"(\d{4}-\S{15,30}) (?:\S+ )?kernel: ?(.*)")

#: What an error is about, by words that the kernel uses for it: what is wrong with the machine itself comes first.
_KINDS = (
    ("hardware", re.compile(r"Hardware Error|[Mm]achine [Cc]heck|\bmce: |EDAC|\bAER: |thermal|NMI: ", re.ASCII)),
    (
        "disk",
        re.compile(
            r"I/O error|Medium Error|critical (target|medium) error|\bata\d+|\bnvme\d*[: ]|DID_|\bmd/?\w*: ", re.ASCII
        ),
    ),
    (
        "filesystem",
        re.compile(r"EXT[234]-fs|\bJBD2|Aborting journal|XFS|BTRFS|FAT-fs|[Rr]emounting filesystem", re.ASCII),
    ),
    ("memory", re.compile(r"[Oo]ut of memory|Killed process|oom[-_]|page allocation failure", re.ASCII)),
    (
        "lockup",
        re.compile(
            r"lockup|blocked for more than|rcu.{0,40}stall|BUG: |Oops|Kernel panic|general protection", re.ASCII
        ),
    ),
)


class KernelError(Struct, frozen=True):
    """A message of the kernel of priority ``err`` or worse: when, in seconds since the epoch, and what it says."""

    at: float
    text: str

    @property
    def kind(self) -> str:
        """What it is about: ``hardware``, ``disk``, ``filesystem``, ``memory``, ``lockup``, or ``other``."""
        return next((kind for kind, words in _KINDS if words.search(self.text)), "other")

    def __str__(self) -> str:
        text = self.text if len(self.text) <= _SHOWN else f"{self.text[: _SHOWN - 1]}…"
        return f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M:%S} UTC {text}"


class KernelLog(Struct, frozen=True):
    """The errors that the kernel logged in the last ``window`` seconds, the last `MOST` of them, oldest first.

    Priorities are those of syslog(3): 0 (``emerg``) to 3 (``err``). From the journal where its files may be
    read (journalctl(1)), else from the kernel's own buffer, which holds what fits into it (dmesg(1)).
    """

    window: float
    errors: tuple[KernelError, ...] = ()

    def __len__(self) -> int:
        return len(self.errors)

    @property
    def worst(self) -> list[str]:
        """All of them, those of a kind that is known before others."""
        order = [kind for kind, _ in _KINDS]
        ranked = sorted(self.errors, key=lambda each: order.index(each.kind) if each.kind in order else len(order))
        return [f"{each.kind}: {each}" for each in ranked]

    def __str__(self) -> str:
        if not self.errors:
            return f"no error of the kernel in {span(self.window)}"
        count = f"at least {MOST:,}" if len(self.errors) == MOST else f"{len(self.errors):,}"
        return f"{count} in {span(self.window)}: {some(self.worst, 3, '; ')}"


def parse(output: Output, window: float | None) -> KernelLog:
    if window is None:
        raise DoesNotApply("the inventory does not say how far back to look in the kernel's log")
    if output.status != 0 and why(output) == "permission":
        raise Unobserved(
            "permission",
            f"{output.complaint}: only some may read the kernel's log; add the user to the group systemd-journal or "
            f"adm where there is a journal, or {AS_ROOT}",
        )
    first, *lines = whole(output, "the kernel's log").splitlines() or [""]
    if not lines or lines.pop() != "end":
        raise Unobserved("unreadable", "the kernel's log is not whole")
    if first == "journal":
        return KernelLog(window, tuple(filter(None, map(_in_journal, lines))))
    if not (found := _BUFFER.fullmatch(first)):
        raise Unobserved("unreadable", f"neither the journal nor the kernel's buffer: {first[:80]}")
    now, up = int(found[1]), float(found[2])
    errors = tuple(each for line in lines if now - (each := _in_buffer(line, now - up)).at <= window)
    if errors and errors[-1].at > now + 60:
        raise Unobserved(
            "unreadable", "the kernel's messages are older than /proc/uptime, as in a container: look at its host"
        )
    return KernelLog(window, errors)


def _in_journal(line: str) -> KernelError | None:
    """A line of the journal; None for one that goes on with a message."""
    if line.startswith((" ", "-- ")):
        return None
    found = _IN_JOURNAL.fullmatch(line)
    if not found:
        raise Unobserved("unreadable", f"the journal has a line that is no message of the kernel: {line[:80]}")
    return KernelError(datetime.fromisoformat(found[1]).timestamp(), found[2][:_LONGEST])


def _in_buffer(line: str, started: float) -> KernelError:
    found = _IN_BUFFER.fullmatch(line)
    if not found:
        raise Unobserved("unreadable", f"the kernel's buffer has a line without a time (printk.time=1): {line[:80]}")
    return KernelError(started + float(found[1]), found[2][:_LONGEST])


@need(Host)
def kernel_log(host: Host) -> Probe[KernelLog]:
    """Which errors the host's kernel logged, as far back as the inventory says."""
    window = math.ceil(host.kernel_log or 0)
    told = f"journalctl -k -p 3 --since=-{window}s, or dmesg -r"
    script = _SCRIPT.format(window=window, most=MOST)
    question = Command(script, timeout=host.timeout, max_bytes=1_048_576, told=told, slow=True)
    return Probe(question, partial(parse, window=host.kernel_log))
