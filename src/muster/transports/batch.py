"""One sh script for all commands of a host, and the parser of what it prints. Pure: no I/O.

Each command is a section that ends with a mark, on standard output and on standard error alike; the next one
begins there. Before the first stands a mark that says hello:

    <newline>NONCE hello 4711<newline> … <newline>NONCE end 0 STATUS<newline> … <newline>NONCE end 1 STATUS<newline>

The nonce is new for every batch, so nothing that a host prints can pass for a mark, and whatever a login shell
says before the first one is noise.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence

from muster.probes import Command, Output

NOISE_KEPT = 2_048
MARK_MAX = 64

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"

# The batch is one function, so that sh has read it to its end before anything runs: what a broken connection
# cuts off does nothing. `read` finds the process group without a process; under sudo it is not $$. `kill` of
# dash takes no `--`. What a command prints is not bounded here: `head` behind each would take as long as two
# commands, so the batch is ended, and another begun, where one prints too much.
SCRIPT = """\
LC_ALL=C
PATH=${{PATH:-/usr/bin:/bin}}:{path}
export LC_ALL PATH
read -r pid name state parent group rest 2>/dev/null </proc/$$/stat || group=$$
{kill}printf '\\n{nonce} hello %s\\n' "$group"
printf '\\n{nonce} hello %s\\n' "$group" >&2
section() {{
( text=$2; set --; eval "$text" ) </dev/null
status=$?
printf '\\n{nonce} end %s %s\\n' "$1" "$status" >&2
printf '\\n{nonce} end %s %s\\n' "$1" "$status"
}}
batch() {{
{sections}
}}
batch
exit 0
"""


def new_nonce() -> str:
    """128 random bits, as text."""
    return os.urandom(16).hex()


def added_path(path: str) -> str:
    """What a batch adds at the end of ``PATH``, where ``path`` is a link's."""
    return f"{SYSTEM_PATH}:{path}" if path else SYSTEM_PATH


def build(commands: Sequence[Command], nonce: str, *, path: str = "", kill: int | None = None) -> bytes:
    """The script that runs the commands one after the other, each in a subshell of its own.

    ``path`` are directories, with colons between them, to look for programs in after all others. ``kill`` is
    the process group of an earlier batch, which is killed first.
    """
    sections = "\n".join(f"section {number} {shlex.quote(command.script)}" for number, command in enumerate(commands))
    text = SCRIPT.format(
        nonce=nonce,
        path=shlex.quote(added_path(path)),
        kill=f"kill -9 -{kill} 2>/dev/null\n" if kill and kill > 1 else "",
        sections=sections or ":",
    )
    return text.encode()


class Frames:
    """Takes the two streams of a batch apart, as they come.

    ``clock`` measures how long commands take, ``wall`` tells the time, and ``sent_at`` is to be set to the time
    when the script is sent. ``group`` is the batch's process group once it has said hello, and ``current`` the
    number of the command that runs from then on. ``began`` is called with a command's number, ``finished`` with
    its output too, ``overflowed`` when the current command has printed more than is wanted of it: its output
    is then ``cut()``. ``noise`` is the end of what came on either stream before the hello.
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
        overflowed: Callable[[], None],
    ) -> None:
        self.sent_at = 0.0
        self.group: int | None = None
        self.current = 0
        self.noise = b""
        self._commands = commands
        self._clock = clock
        self._wall = wall
        self._began = began
        self._finished = finished
        self._overflowed = overflowed
        self._out = _Stream(nonce, self._out_mark)
        self._err = _Stream(nonce, self._err_mark)
        # The two streams come independently: what one has told of the commands that the other has not yet.
        self._stdout: list[tuple[bytes, int, float]] = []
        self._stderr: list[bytes] = []
        self._began_at = 0.0

    def stdout(self, data: bytes) -> None:
        self._hear(self._out, data)

    def stderr(self, data: bytes) -> None:
        self._hear(self._err, data)

    def cut(self) -> Output:
        """The output of the current command so far, as far as it is wanted."""
        stderr = self._stderr[0] if self._stderr else self._err.taken()
        return self._output(self._out.taken(), stderr, 0, self._clock() - self._began_at)

    def _hear(self, stream: _Stream, data: bytes) -> None:
        if self.group is None:
            self.noise = (self.noise + data)[-NOISE_KEPT:]
        stream.feed(data)
        if self.group is None or self._stdout or self.current == len(self._commands):
            return
        if self._out.kept > self._commands[self.current].max_bytes:
            self._overflowed()

    def _out_mark(self, words: list[bytes]) -> None:
        match words:
            case [b"hello", group] if group.isdigit() and self.group is None:
                self.group = int(group)
                self._begin()
            case [b"end", number, status] if self._is(number, self._stdout) and status.isdigit():
                self._stdout.append((self._out.taken(), int(status), self._clock() - self._began_at))
                self._begin()
                self._finish()

    def _err_mark(self, words: list[bytes]) -> None:
        match words:
            case [b"hello", _]:
                self._keep_stderr()
            case [b"end", number, _] if self._is(number, self._stderr):
                self._stderr.append(self._err.taken())
                self._keep_stderr()
                self._finish()

    def _is(self, number: bytes, ahead: Sequence[object]) -> bool:
        """Whether a mark names the command that comes next on its stream, which is so many ahead."""
        expected = self.current + len(ahead)
        return number.isdigit() and int(number) == expected < len(self._commands)

    def _begin(self) -> None:
        number = self.current + len(self._stdout)
        if number < len(self._commands):
            self._out.keep(self._commands[number].max_bytes + 1)
            self._began_at = self._clock()
            self._began(number)

    def _keep_stderr(self) -> None:
        number = self.current + len(self._stderr)
        if number < len(self._commands):
            self._err.keep(self._commands[number].stderr_bytes, last=True)

    def _finish(self) -> None:
        """Done with the current command, once both streams have its mark."""
        if self.group is not None and self._stdout and self._stderr:
            stdout, status, seconds = self._stdout.pop(0)
            output = self._output(stdout, self._stderr.pop(0), status, seconds)
            self.current += 1
            self._finished(self.current - 1, output)

    def _output(self, stdout: bytes, stderr: bytes, status: int, seconds: float) -> Output:
        wanted = self._commands[self.current].max_bytes
        return Output(
            stdout[:wanted],
            stderr,
            status,
            truncated=len(stdout) > wanted,
            seconds=seconds,
            started_at=self.sent_at,
            answered_at=self._wall(),
        )


class _Stream:
    """One of the two streams: finds the marks, and keeps so much of what stands between them."""

    def __init__(self, nonce: str, mark: Callable[[list[bytes]], None]) -> None:
        self._prefix = f"\n{nonce} ".encode()
        self._mark = mark
        self._buffer = b""
        self._taken = bytearray()
        self._limit = 0
        self._last = False

    @property
    def kept(self) -> int:
        """How many bytes are kept now."""
        return len(self._taken)

    def keep(self, limit: int, *, last: bool = False) -> None:
        """From here on keep the first ``limit`` bytes, or the last ones."""
        self._taken = bytearray()
        self._limit, self._last = limit, last

    def taken(self) -> bytes:
        """What was kept since."""
        kept = bytes(self._taken[-self._limit :] if self._last and self._limit else self._taken)
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
            self._taken += data[-self._limit :] if self._limit else b""
            if len(self._taken) > 2 * self._limit:
                del self._taken[: -self._limit]
        elif len(self._taken) < self._limit:
            self._taken += data[: self._limit - len(self._taken)]
