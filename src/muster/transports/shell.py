"""Commands of one host: run as one batch, each with its own deadline, over a link's shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from muster.probes import Command, Output, Unobserved
from muster.transports.batch import Frames, build, new_nonce
from muster.transports.link import Link

BATCH_MAX_BYTES = 16 * 1_048_576
"""A batch that prints more than this is ended, whatever its commands were allowed."""

START_TIMEOUT = 10.0
"""Seconds that a login shell may take until the batch's first mark."""

Landed = Callable[[Command, "Output | Unobserved"], None]


async def ask(link: Link, commands: Sequence[Command], landed: Landed) -> None:
    """Run the commands in order and call ``landed`` once for each, with its output or why there is none.

    A command that stalls, floods or ends the shell costs itself only: the rest runs in another batch, which
    kills the first one.
    """
    left: Sequence[Command] = commands
    kill: int | None = None
    while left:
        batch = _Batch(left, landed)
        end = await batch.run(link, kill)
        kill = batch.group or kill
        left = batch.left
        if not left or end is None:
            return
        if not end.others_may_run:
            for command in left:
                landed(command, end.failure)
            return
        landed(left[0], end.failure)
        left = left[1:]


class _End:
    """Why a batch ended early, and whether that says anything about the commands that are left."""

    def __init__(self, failure: Unobserved, *, others_may_run: bool) -> None:
        self.failure = failure
        self.others_may_run = others_may_run


class _Batch:
    def __init__(self, commands: Sequence[Command], landed: Landed) -> None:
        self._commands = commands
        self._landed = landed
        self._loop = asyncio.get_running_loop()
        self._nonce = new_nonce()
        self._done: asyncio.Future[_End | None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._finished = [False] * len(commands)
        self._link: Link | None = None
        self._frames = Frames(
            commands,
            self._nonce,
            clock=self._loop.time,
            wall=time.time,
            began=self._on_begin,
            finished=self._on_finish,
        )

    @property
    def group(self) -> int | None:
        return self._frames.group

    @property
    def left(self) -> list[Command]:
        return [each for each, finished in zip(self._commands, self._finished, strict=True) if not finished]

    async def run(self, link: Link, kill: int | None) -> _End | None:
        """Run the batch to its end; None means that every command has landed."""
        self._link = link
        self._wait(START_TIMEOUT)
        try:
            script = build(self._commands, self._nonce, path=link.path, kill=kill)
            shell = await link.shell(script, self)
        except Unobserved as failure:
            return _End(failure, others_may_run=False)
        else:
            try:
                return await self._done
            finally:
                await shell.stop()
        finally:
            self._wait(None)

    def stdout(self, data: bytes) -> None:
        self._count(data)
        self._frames.stdout(data)

    def stderr(self, data: bytes) -> None:
        self._count(data)
        self._frames.stderr(data)

    def ended(self, status: int | None, error: str) -> None:
        assert self._link is not None
        if self.group is None:
            self._end(self._not_started(self._link, status, error), others_may_run=False)
        elif status is None:
            self._end(Unobserved("network", f"the connection was lost: {error}"), others_may_run=False)
        else:
            how = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
            self._end(Unobserved("wrong", f"the shell {how} during {self._at()}"), others_may_run=True)

    def _on_begin(self, number: int) -> None:
        self._wait(self._commands[number].timeout)

    def _on_finish(self, number: int, output: Output) -> None:
        if self._finished[number]:
            return
        self._finished[number] = True
        self._landed(self._commands[number], output)
        if all(self._finished):
            self._end(None)
        else:
            self._wait(START_TIMEOUT)

    def _count(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > BATCH_MAX_BYTES:
            size = f"{BATCH_MAX_BYTES // 1_048_576} MiB"
            self._end(Unobserved("unreadable", f"more than {size} of output: {self._at()}"), others_may_run=True)

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
        return shortened(self.left[0].describe()) if self.left else "the end of the batch"

    def _said(self) -> str:
        lines = self._frames.noise.decode("utf-8", "backslashreplace").strip().splitlines()
        return f"; it said: {shortened(lines[-1].strip())}" if lines else ""

    def _not_started(self, link: Link, status: int | None, error: str) -> Unobserved:
        noise = self._frames.noise.decode("utf-8", "backslashreplace")
        if status is None:
            return Unobserved("network", f"the connection was lost: {error}")
        if link.sudo and status == 127:
            return Unobserved("missing", "sudo: true, but there is no sudo on this host")
        if link.sudo and "sudo:" in noise:
            said = next(line.strip() for line in noise.splitlines() if "sudo:" in line)
            said = said.removeprefix("sudo:").strip()
            return Unobserved(
                "permission",
                f"sudo -n: {shortened(said)}; allow {link.user} to run sh as root without a password (NOPASSWD) "
                "or drop sudo: true",
            )
        if status == 127:
            return Unobserved("missing", f"there is no sh on this host{self._said()}")
        return Unobserved("permission", f"the login shell ended with status {status}{self._said()}")

    def _end(self, failure: Unobserved | None, *, others_may_run: bool = False) -> None:
        if not self._done.done():
            self._done.set_result(None if failure is None else _End(failure, others_may_run=others_may_run))


def shortened(text: str, length: int = 160) -> str:
    """At most so many characters of a text, for messages."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
