"""One host over its pooled connection, for code that waits: a test's."""

from __future__ import annotations

from collections.abc import Coroutine
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

from muster.probes import Command, Output, Unobserved
from muster.targets import Host
from muster.transports import shell
from muster.transports.batch import added_path
from muster.transports.link import Link, NotReached

if TYPE_CHECKING:
    from muster.suite import Suite

T = TypeVar("T")

#: Seconds that a live command or answer may take, where the inventory does not allow more.
PATIENCE = 60.0

#: How much of one a test is given, in bytes; a command's standard error may be as long again.
MOST = 6 * 1_048_576


class Access:
    """What live fixtures do at a host, from the thread of the test."""

    def __init__(self, suite: Suite, host: Host) -> None:
        self.suite = suite
        self.host = host

    @property
    def seconds(self) -> float:
        """How long something may take: the host's timeout, `PATIENCE` at least."""
        return max(PATIENCE, self.host.timeout)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop that the connections live on.

        Raises:
            Unobserved: the host cannot be reached; that is tried once in a run.
        """
        try:
            result: T = self.suite.gatherer.run(work)
        except NotReached as down:
            raise down.unobserved() from None
        return result

    def reach(self) -> None:
        """Log in, where nobody has yet.

        Raises:
            Unobserved: the host cannot be reached.
        """
        self.run(self._link())

    def ask(self, command: Command) -> Output:
        """Run one command in the suite's own surroundings: no locale, and more directories to find programs in.

        Raises:
            Unobserved: it could not be run to its end, or printed too much.
        """
        return self.run(self._asked(command))

    def command(self, text: str) -> Output:
        """Run one command as ``sh -c`` does after a login: its environment, and nothing on standard input.

        Raises:
            Unobserved: it could not be run to its end, or printed too much.
        """
        return self.run(self._commanded(text))

    async def _link(self) -> Link:
        return await self.suite.gatherer.pool.link(self.host)

    async def _asked(self, command: Command) -> Output:
        answers: list[Output | Unobserved] = []
        await shell.ask(await self._link(), [command], lambda _, answer: answers.append(answer))
        (answer,) = answers
        if isinstance(answer, Unobserved):
            raise answer
        if answer.truncated:
            size = f"{command.max_bytes / 1_048_576:g} MiB"
            raise Unobserved("unreadable", f"more than {size} of output: {shell.shortened(command.describe())}")
        return answer

    async def _commanded(self, text: str) -> Output:
        link = await self._link()
        return await self._asked(
            Command(_plain(text, link), timeout=self.seconds, max_bytes=MOST, stderr_bytes=MOST, told=text)
        )


def _plain(text: str, link: Link) -> str:
    """A command in a shell of its own, without what the batch set for its own commands.

    The text comes through a here-document, so that no process list shows more of it than it runs itself.
    """
    end = "END"
    while end in text:
        end += "_"
    suffix = quote(f":{added_path(link.path)}")
    return (
        f"unset LC_ALL; PATH=${{PATH%{suffix}}}\n"
        """exec sh -c 'eval "$(cat <&3)" 3<&-' 3<<'"""
        f"{end}'\n{text}\n{end}"
    )
