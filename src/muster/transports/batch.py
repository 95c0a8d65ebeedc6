"""One sh script for all commands of a host, and the parser of what it prints. Pure: no I/O.

Each command is a section between two marks, on standard output and on standard error alike:

    <newline>NONCE begin 3<newline> … <newline>NONCE end 3<newline>

On standard error the second mark also has the exit status. The nonce is new for every batch, so nothing
that a host prints can pass for a mark, and whatever a login shell says before the first one is noise.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Sequence

from muster.probes import Command, Output

NOISE_KEPT = 2_048
MARK_MAX = 64

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"

# The batch is one function, so that sh has read it to its end before anything runs: what a broken connection
# cuts off does nothing. `read` finds the process group without a process; under sudo it is not $$.
SCRIPT = """\
LC_ALL=C
PATH=${{PATH:-/usr/bin:/bin}}:{path}
export LC_ALL PATH
read -r pid name state parent group rest 2>/dev/null </proc/$$/stat || group=$$
{kill}printf '\\n{nonce} hello %s\\n' "$group"
printf '\\n{nonce} hello %s\\n' "$group" >&2
section() {{
printf '\\n{nonce} begin %s\\n' "$1"
printf '\\n{nonce} begin %s\\n' "$1" >&2
{{ ( text=$3; set --; eval "$text" ) </dev/null
printf '\\n{nonce} end %s %s\\n' "$1" "$?" >&2; }} | head -c "$2"
printf '\\n{nonce} end %s\\n' "$1"
}}
batch() {{
{sections}
}}
batch
exit 0
"""


def new_nonce() -> str:
    """128 random bits, as text."""
    return secrets.token_hex(16)


def added_path(path: str) -> str:
    """What a batch adds at the end of ``PATH``, where ``path`` is a link's."""
    return f"{SYSTEM_PATH}:{path}" if path else SYSTEM_PATH


def build(commands: Sequence[Command], nonce: str, *, path: str = "", kill: int | None = None) -> bytes:
    """The script that runs the commands one after the other, each in a subshell of its own.

    ``path`` are directories, with colons between them, to look for programs in after all others. ``kill`` is
    the process group of an earlier batch, which is killed first.
    """
    sections = "\n".join(
        f"section {number} {command.max_bytes + 1} {shlex.quote(command.script)}"
        for number, command in enumerate(commands)
    )
    text = SCRIPT.format(
        nonce=nonce,
        path=shlex.quote(added_path(path)),
        kill=f"kill -9 -- -{kill} 2>/dev/null\n" if kill and kill > 1 else "",
        sections=sections or ":",
    )
    return text.encode()


class Frames:
    """Takes the two streams of a batch apart, as they come.

    ``clock`` measures how long commands take, ``wall`` says when they began. ``group`` is the batch's process
    group once its first mark has come. ``began`` and ``finished`` are called with a command's number.
    ``noise`` is the end of what came on either stream before the first mark.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        nonce: str,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        began: Callable[[int], None],
        finished: Callable[[int, Output], None],
    ) -> None:
        self.group: int | None = None
        self.noise = b""
        self._commands = commands
        self._clock = clock
        self._wall = wall
        self._began = began
        self._finished = finished
        self._out = _Stream(nonce, self._out_mark)
        self._err = _Stream(nonce, self._err_mark)
        self._out.keep(0)
        self._err.keep(NOISE_KEPT, last=True)
        self._stdout: dict[int, tuple[bytes, float]] = {}
        self._stderr: dict[int, tuple[bytes, int]] = {}
        self._started: dict[int, tuple[float, float]] = {}

    def stdout(self, data: bytes) -> None:
        if self.group is None:
            self.noise = (self.noise + data)[-NOISE_KEPT:]
        self._out.feed(data)

    def stderr(self, data: bytes) -> None:
        if self.group is None:
            self.noise = (self.noise + data)[-NOISE_KEPT:]
        self._err.feed(data)

    def _out_mark(self, words: list[bytes]) -> None:
        match words:
            case [b"hello", group] if group.isdigit():
                self.group = int(group)
            case [b"begin", number] if (n := self._number(number)) is not None:
                self._out.keep(self._commands[n].max_bytes + 1)
                self._started[n] = self._clock(), self._wall()
                self._began(n)
            case [b"end", number] if (n := self._number(number)) is not None and n in self._started:
                self._stdout[n] = self._out.taken(), self._clock() - self._started[n][0]
                self._finish(n)

    def _err_mark(self, words: list[bytes]) -> None:
        match words:
            case [b"begin", number] if (n := self._number(number)) is not None:
                self._err.keep(self._commands[n].stderr_bytes, last=True)
            case [b"end", number, status] if (n := self._number(number)) is not None and status.isdigit():
                self._stderr[n] = self._err.taken(), int(status)
                self._finish(n)

    def _number(self, word: bytes) -> int | None:
        return int(word) if word.isdigit() and int(word) < len(self._commands) else None

    def _finish(self, number: int) -> None:
        if number not in self._stdout or number not in self._stderr:
            return
        stdout, seconds = self._stdout.pop(number)
        stderr, status = self._stderr.pop(number)
        _, started_at = self._started.pop(number)
        kept = self._commands[number].max_bytes
        self._finished(number, Output(stdout[:kept], stderr, status, len(stdout) > kept, seconds, started_at))


class _Stream:
    """One of the two streams: finds the marks, and keeps so much of what stands between them."""

    def __init__(self, nonce: str, mark: Callable[[list[bytes]], None]) -> None:
        self._prefix = f"\n{nonce} ".encode()
        self._mark = mark
        self._buffer = b""
        self._kept = bytearray()
        self._limit = 0
        self._last = False

    def keep(self, limit: int, *, last: bool = False) -> None:
        """From here on keep the first ``limit`` bytes, or the last ones."""
        self._kept = bytearray()
        self._limit, self._last = limit, last

    def taken(self) -> bytes:
        """What was kept since."""
        kept = bytes(self._kept[-self._limit :] if self._last else self._kept)
        self.keep(0)
        return kept

    def feed(self, data: bytes) -> None:
        buffer = self._buffer + data
        start = 0
        while (at := buffer.find(self._prefix, start)) >= 0:
            end = buffer.find(b"\n", at + 1)
            if end < 0 and len(buffer) - at <= MARK_MAX:
                break
            self._take(buffer[start:at])
            start = at + len(self._prefix) if end < 0 else end + 1
            if end >= 0:
                self._mark(buffer[at + len(self._prefix) : end][:MARK_MAX].split(b" "))
        else:
            at = self._possible_prefix(buffer, start)
        self._take(buffer[start:at])
        self._buffer = buffer[at:]

    def _possible_prefix(self, buffer: bytes, start: int) -> int:
        """Where a mark may have begun whose rest has not come yet; the end where none has."""
        at = buffer.rfind(b"\n", max(start, len(buffer) - len(self._prefix) + 1))
        return at if at >= 0 and self._prefix.startswith(buffer[at:]) else len(buffer)

    def _take(self, data: bytes) -> None:
        if self._last:
            self._kept += data[-self._limit :] if self._limit else b""
            if len(self._kept) > 2 * self._limit:
                del self._kept[: -self._limit]
        elif len(self._kept) < self._limit:
            self._kept += data[: self._limit - len(self._kept)]
