"""Commands of one host: run as one batch, each with its own deadline, over a link's shell."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from muster.probes import Command, Output, Sample, Samples, Unobserved
from muster.transports.batch import Frames, build, new_nonce
from muster.transports.link import Link, NoRoom, Shell

COMPLAINT_MAX_BYTES = 16 * 1_048_576
"""A command that prints more than this on standard error is ended, however little of it is wanted."""

KILL_TIMEOUT = 1.0

START_TIMEOUT = 10.0
"""Seconds that a login shell may take until the batch's first mark."""

ROOM_AGAIN = 0.2
"""Seconds between two tries to get a shell of a host that allows no more than it has (sshd's ``MaxSessions``)."""

SAMPLED_APART = 1.0
"""Seconds between the two looks of a sample: the clock of /proc/stat ticks a hundred times in it (proc(5))."""

Landed = Callable[[Command, "Output | Unobserved"], None]


async def ask(link: Link, commands: Sequence[Command], landed: Landed) -> None:
    """Run the commands in order and call ``landed`` once for each, with its output or why there is none.

    A command that stalls, prints too much or ends the shell costs itself only: the rest runs in another batch,
    which kills the first one.
    """
    left: Sequence[Command] = commands
    kill: int | None = None
    while left or kill:
        batch = _Batch(link, left, landed)
        try:
            end = await batch.run(kill)
        except asyncio.CancelledError:
            await _kill(link, batch.group)
            raise
        left, kill = left[batch.done :], None
        if end is None or not left:
            return
        if not end.others_may_run:
            for command in left:
                landed(command, end.instead)
            return
        landed(left[0], end.instead)
        left, kill = left[1:], batch.group


async def sample(
    link: Link, samples: Sequence[Sample], landed: Callable[[Sample, Samples | Unobserved], None]
) -> None:
    """Run all samples, wait `SAMPLED_APART` seconds, and run them once more; call ``landed`` once for each."""
    places = [
        [Command(f": {turn} {at}\n{each.script}", each.timeout, each.max_bytes) for at, each in enumerate(samples)]
        for turn in (1, 2)
    ]
    wait = Command(f"sleep {SAMPLED_APART:g}", timeout=SAMPLED_APART + 5)
    first = dict(zip(places[0], samples, strict=True))
    second = dict(zip(places[1], samples, strict=True))
    seen: dict[Sample, Output] = {}

    def on_landed(command: Command, answer: Output | Unobserved) -> None:
        if (sample := first.get(command)) is not None:
            if isinstance(answer, Unobserved):
                landed(sample, answer)
            else:
                seen[sample] = answer
        elif (sample := second.get(command)) is not None and sample in seen:
            landed(sample, answer if isinstance(answer, Unobserved) else Samples(seen[sample], answer))

    await ask(link, [*places[0], wait, *places[1]], on_landed)


async def _kill(link: Link, group: int | None) -> None:
    """Leave nothing running on a host that nobody waits for: a closed connection alone ends no program there."""
    if group is not None and (link.sudo or not link.direct):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_TIMEOUT):
                await _Batch(link, [], lambda *_: None).run(group)


class _End:
    """How a batch ended early: the answer of its current command, and whether the ones after it may still run."""

    def __init__(self, instead: Output | Unobserved, *, others_may_run: bool) -> None:
        self.instead = instead
        self.others_may_run = others_may_run


class _Batch:
    def __init__(self, link: Link, commands: Sequence[Command], landed: Landed) -> None:
        self._link = link
        self._commands = commands
        self._landed = landed
        self._loop = asyncio.get_running_loop()
        self._nonce = new_nonce()
        self._ended: asyncio.Future[_End | None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._complained = 0
        self._frames = Frames(
            commands,
            self._nonce,
            clock=self._loop.time,
            wall=time.time,
            began=self._on_begin,
            finished=self._on_finish,
            overflowed=self._on_overflow,
        )

    @property
    def group(self) -> int | None:
        """The process group that it runs in, once it runs."""
        return self._frames.group

    @property
    def done(self) -> int:
        """How many of its commands have landed."""
        return self._frames.current

    async def run(self, kill: int | None) -> _End | None:
        """Run the batch to its end; None means that every command has landed."""
        try:
            script = build(self._commands, self._nonce, path=self._link.path, kill=kill)
            shell = await self._started()
        except Unobserved as failure:
            return _End(failure, others_may_run=False)
        except TimeoutError:
            late = Unobserved("timeout", f"the host started no shell in {START_TIMEOUT:g} s")
            return _End(late, others_may_run=False)
        else:
            try:
                self._frames.sent_at = time.time()
                shell.send(script)
                return await self._ended
            finally:
                await shell.stop()
        finally:
            self._wait(None)

    async def _started(self) -> Shell:
        """A shell. Where the host allows no more of them, wait for others of ours to end."""
        patience = self._loop.time() + START_TIMEOUT
        while True:
            self._wait(START_TIMEOUT)
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    return await self._link.shell(self)
            except NoRoom as full:
                self._wait(None)
                if full.others:
                    patience = self._loop.time() + START_TIMEOUT
                elif self._loop.time() > patience:
                    raise Unobserved("network", str(full)) from None
            await asyncio.sleep(ROOM_AGAIN)

    def stdout(self, data: bytes) -> None:
        if not self._ended.done():
            self._frames.stdout(data)

    def stderr(self, data: bytes) -> None:
        if self._ended.done():
            return
        self._complained += len(data)
        if self._complained > COMPLAINT_MAX_BYTES:
            size = f"{COMPLAINT_MAX_BYTES // 1_048_576} MiB"
            failure = Unobserved("unreadable", f"more than {size} on standard error: {self._at()}")
            self._end(failure, others_may_run=self.group is not None)
        else:
            self._frames.stderr(data)

    def ended(self, status: int | None, error: str) -> None:
        if self.group is None:
            self._end(self._not_started(status, error), others_may_run=False)
        elif status is None:
            self._end(Unobserved("network", f"the connection was lost: {error}"), others_may_run=False)
        else:
            how = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
            self._end(Unobserved("unreadable", f"the shell {how} during {self._at()}"), others_may_run=True)

    def _on_begin(self, number: int) -> None:
        self._complained = 0
        self._wait(self._commands[number].timeout)

    def _on_finish(self, number: int, output: Output) -> None:
        self._landed(self._commands[number], output)
        if number + 1 == len(self._commands):
            self._end(None)

    def _on_overflow(self) -> None:
        self._end(self._frames.cut(), others_may_run=True)

    def _wait(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._loop.call_later(seconds, self._on_timeout, seconds)

    def _on_timeout(self, seconds: float) -> None:
        if self.group is None:
            self._end(
                Unobserved("timeout", f"the login shell ran nothing in {seconds:g} s{self._said()}"),
                others_may_run=False,
            )
        else:
            self._end(Unobserved("timeout", f"no answer in {seconds:g} s: {self._at()}"), others_may_run=True)

    def _at(self) -> str:
        if self.done == len(self._commands):
            return "the end of the batch"
        return shortened(self._commands[self.done].describe())

    def _said(self) -> str:
        lines = self._frames.noise.decode("utf-8", "backslashreplace").strip().splitlines()
        return f"; it said: {shortened(lines[-1].strip())}" if lines else ""

    def _not_started(self, status: int | None, error: str) -> Unobserved:
        noise = self._frames.noise.decode("utf-8", "backslashreplace")
        if status is None:
            return Unobserved("network", f"the connection was lost: {error}")
        if self._link.sudo and status == 127:
            return Unobserved("missing", "sudo: true, but there is no sudo on this host")
        if self._link.sudo and "sudo:" in noise:
            said = next(line.strip() for line in noise.splitlines() if "sudo:" in line)
            said = said.removeprefix("sudo:").strip()
            return Unobserved(
                "permission",
                f"sudo -n: {shortened(said)}; allow {self._link.user} to run sh as root without a password "
                "(NOPASSWD) or drop sudo: true",
            )
        if status == 127:
            return Unobserved("missing", f"there is no sh on this host{self._said()}")
        return Unobserved("permission", f"the login shell ended with status {status}{self._said()}")

    def _end(self, instead: Output | Unobserved | None, *, others_may_run: bool = False) -> None:
        if not self._ended.done():
            self._ended.set_result(None if instead is None else _End(instead, others_may_run=others_may_run))


def shortened(text: str, length: int = 160) -> str:
    """At most so many characters of a text, in one line, for messages."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"
