"""The gather: one concurrent look at every host of a plan, one connection and one batch a host."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from muster.loop import BackgroundLoop
from muster.observations import Observation, Observations
from muster.plan import Ask, Plan
from muster.probes import Attempt, Command, DoesNotApply, Output, Question, Sample, Samples, Unobserved
from muster.targets import RUNNER, Host
from muster.transports import shell
from muster.transports.link import NotReached, seen
from muster.transports.pool import FILES_PER_HOST, FILES_PER_SHELL_HOST, FILES_SPARED, Pool
from muster.transports.turns import Turn

HOSTS_AT_ONCE = 200
REACHED_AT_ONCE = 400
"""Hosts that are being reached, asked or waited for at once: one that never answers costs no other its turn."""
IN_FLIGHT = 8
"""Questions that one host is asked at once, beside its batch."""

HOST_DEADLINE = 60.0
RESPONSIVE = 0.0005
"""Seconds that the loop waits for Python's lock during an import. With Python's own 5 ms it could time nothing."""

Progress = Callable[[Host, int], None]


class Gatherer:
    """Asks hosts, and keeps the connection to each, in its ``pool``, until it is closed.

    ``hosts`` are all hosts of the inventory by name. ``concurrency`` bounds the hosts that are asked at once, by all
    ``processes`` that ask some of them.
    ``host_deadline`` and ``run_deadline`` bound the look at one host and the whole, in seconds; without the one, a
    host has `HOST_DEADLINE`, or twice what its slowest question may take; without the other, a run has no bound.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        *,
        concurrency: int = HOSTS_AT_ONCE,
        processes: int = 1,
        host_deadline: float | None = None,
        run_deadline: float | None = None,
    ) -> None:
        self.pool = Pool(hosts, processes=processes)
        self._host_deadline = host_deadline
        self._run_deadline = run_deadline
        self._concurrency = max(1, concurrency // processes)
        self._reached = max(1, REACHED_AT_ONCE // processes)
        self._loop = BackgroundLoop()

    # From any thread, through the loop in the background.

    def gather_now(
        self, plan: Plan, observations: Observations, progress: Progress | None = None, *, keep: bool = True
    ) -> None:
        """`gather`, from a thread without a loop. After Ctrl-C, what was observed stays in ``observations``."""
        self.run(self.gather(plan, observations, progress, keep=keep))

    def run(self, work: Any) -> Any:
        """Run a coroutine on the loop that the links live on, and return what it returns."""
        return self._loop.run(work)

    def close_now(self) -> None:
        """Close every connection, and end the loop."""
        if self._loop.runs:
            self.run(self.pool.close())
            self._loop.close()

    # On the loop.

    async def gather(
        self, plan: Plan, observations: Observations, progress: Progress | None = None, *, keep: bool = True
    ) -> None:
        """Ask what is planned, all hosts at once, and put every fact or failure into ``observations``.

        ``progress`` is called on the loop's thread with a host and how many of its facts have landed just now.
        Without ``keep`` the connection to a host is closed when it has answered: nobody will ask it again.
        When this is cancelled, what has landed stays.
        """
        now = time.time()
        for target, need, failure in plan.settled:
            observations.put(target, need, Observation(failure=failure, observed_at=now))
        imported = asyncio.create_task(asyncio.to_thread(_import, _transports(plan)))
        imported.add_done_callback(seen)
        third = (self.pool.files - FILES_SPARED) // 3
        at_once = max(1, min(self._concurrency, third // _files_per_host(plan)))
        slots = asyncio.Semaphore(at_once)
        turns = asyncio.Semaphore(max(at_once, min(self._reached, third)))
        visits = (
            _Visit(self.pool, host, asks, observations, progress, imported) for host, asks in plan.hosts.items()
        )
        underway: set[_Visit] = set()

        async def pay(each: _Visit, turn: Turn) -> None:
            try:
                await each.reach(turn)
                async with slots:
                    await each.make(None if each.host is RUNNER else self._host_deadline or each.patience)
                await self.pool.leave(each.host, keep=keep)
            finally:
                turn.give_back()
            underway.remove(each)

        try:
            async with asyncio.timeout(self._run_deadline), asyncio.TaskGroup() as group:
                for each in visits:
                    underway.add(each)
                    turn = Turn(turns)
                    await turn.take()
                    group.create_task(pay(each, turn))
        except asyncio.CancelledError:
            await self.pool.stop_opening()
            raise
        except TimeoutError:
            await self.pool.stop_opening()
            for each in (*underway, *visits):
                each.give_up(f"the run's deadline of {self._run_deadline:g} s passed")
            await asyncio.gather(*(self.pool.leave(each.host, keep=keep) for each in underway))


class _Visit:
    """All that one host is asked in one gather."""

    def __init__(
        self,
        pool: Pool,
        host: Host,
        asks: Sequence[Ask],
        observations: Observations,
        progress: Progress | None,
        imported: asyncio.Task[None],
    ) -> None:
        self.host = host
        self._pool = pool
        self._observations = observations
        self._progress = progress
        self._imported = imported
        self._left: dict[Question, Ask] = {ask.question: ask for ask in asks}
        # Where the suite runs there is no sshd to spare, and every endpoint of the top level is asked from here.
        self._in_flight = asyncio.Semaphore(pool.endpoints_at_once if host is RUNNER else IN_FLIGHT)

    @property
    def patience(self) -> float:
        """How long the host may take where nobody says, in seconds."""
        return max(HOST_DEADLINE, *(2 * getattr(question, "timeout", 0.0) for question in self._left))

    async def reach(self, turn: Turn) -> None:
        """Open the link to a host that is to be logged in to. Whether that went well is asked for later.

        ``turn`` may be lent meanwhile.
        """
        if self.host.connection.kind == "ssh":
            await asyncio.wait([self._imported])
            with contextlib.suppress(Exception):
                await self._pool.link(self.host, turn)

    async def make(self, deadline: float | None) -> None:
        """Ask everything, within ``deadline`` seconds."""
        try:
            async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
                commands = [question for question in self._left if isinstance(question, Command)]
                samples = [question for question in self._left if isinstance(question, Sample)]
                for batch in (
                    [each for each in commands if not each.slow],
                    [each for each in commands if each.slow],
                ):
                    if batch:
                        group.create_task(self._run(shell.ask, batch))
                if samples:
                    group.create_task(self._run(shell.sample, samples))
                if others := [question for question in self._left if not isinstance(question, Command | Sample)]:
                    await asyncio.wait([self._imported])
                    for question in others:
                        group.create_task(self._ask(question))
        except TimeoutError:
            self.give_up(f"the host's deadline of {deadline:g} s passed")

    def give_up(self, why: str) -> None:
        for question in list(self._left):
            self._fail(question, Unobserved("timeout", f"{why} before the answer to {_shown(question)}"))

    async def _run(self, run: Callable[..., Awaitable[None]], batch: Sequence[Command | Sample]) -> None:
        """Run commands, or samples, in one shell of the host."""
        try:
            if self.host.connection.kind != "local":
                await asyncio.wait([self._imported])
            await run(await self._pool.link(self.host), batch, self._landed)
        except NotReached as down:
            for question in batch:
                self._fail(question, down.unobserved(), tries=down.attempt.tries)
        except Unobserved as failure:
            for question in batch:
                self._fail(question, failure)
        except Exception as error:
            for question in batch:
                self._fail(question, _fault(question, error))

    async def _ask(self, question: Question) -> None:
        began = time.monotonic()
        try:
            # Engines and database servers bound by themselves what they are asked at once.
            bounded = question.asked in ("engine", "server")
            async with contextlib.nullcontext() if bounded else self._in_flight:
                async with self._pool.beginning:
                    await asyncio.sleep(0)
                began = time.monotonic()
                answer = await self._answer(question)
        except NotReached as down:
            self._fail(question, down.unobserved(), tries=down.attempt.tries)
        except Unobserved as failure:
            self._fail(question, failure, seconds=time.monotonic() - began)
        except Exception as error:
            self._fail(question, _fault(question, error), seconds=time.monotonic() - began)
        else:
            seconds = time.monotonic() - began
            attempt = getattr(answer, "attempt", None)
            if isinstance(answer, Attempt):
                attempt, seconds = answer, answer.seconds  # the host was reached before anything was asked
            self._land(question, answer, seconds, attempt.tries if attempt else 1)

    async def _answer(self, question: Any) -> Any:
        match question.asked:
            case "link":
                try:
                    return (await self._pool.link(self.host)).attempt
                except NotReached as down:
                    return down.attempt
            case "http":
                return await self._pool.http().ask(await self._pool.network(self.host), question)
            case "engine":
                return await (await self._pool.engine(self.host)).ask(question)
            case "server":
                return await (await self._pool.servers(self.host)).ask(question)
            case "port":
                from muster.transports import ports

                return await ports.ask(await self._pool.network(self.host), question)
            case _:
                raise TypeError(f"nobody answers a {type(question).__name__}")

    def _landed(self, question: Command | Sample, answer: Output | Samples | Unobserved) -> None:
        match answer:
            case Unobserved():
                self._fail(question, answer)
            case Samples():
                self._land(question, answer, answer.first.seconds + shell.SAMPLED_APART + answer.second.seconds, 1)
            case Output():
                self._land(question, answer, answer.seconds, 1)

    def _land(self, question: Question, answer: Any, seconds: float, tries: int) -> None:
        ask = self._left.pop(question, None)
        if ask is None:
            return
        now = time.time()
        for target, need, probe in ask.wants:
            value, failure = None, None
            try:
                value = probe.parse(answer)
            except (Unobserved, DoesNotApply) as raised:
                failure = raised
            except Exception as error:
                failure = _unreadable(question, answer, error)
            self._observations.put(target, need, Observation(value, failure, now, seconds, tries))
        self._tell(len(ask.wants))

    def _fail(self, question: Question, failure: Unobserved, *, seconds: float = 0.0, tries: int = 1) -> None:
        ask = self._left.pop(question, None)
        if ask is None:
            return
        now = time.time()
        for target, need, probe in ask.wants:
            said = probe.failed(failure) if probe.failed else failure
            self._observations.put(target, need, Observation(None, said, now, seconds, tries))
        self._tell(len(ask.wants))

    def _tell(self, count: int) -> None:
        if self._progress is not None:
            self._progress(self.host, count)


def _files_per_host(plan: Plan) -> int:
    """How many file descriptors a host of this plan may take."""
    hosts = {host: asks for host, asks in plan.hosts.items() if host is not RUNNER}
    only_shells = all(ask.question.asked in ("link", "shell") for asks in hosts.values() for ask in asks)
    in_containers = any(host.connection.kind == "docker" for host in hosts)
    return FILES_PER_SHELL_HOST if only_shells and not in_containers else FILES_PER_HOST


def _transports(plan: Plan) -> list[str]:
    """The modules that a plan needs."""
    questions = [ask.question for asks in plan.hosts.values() for ask in asks]
    asked = {question.asked for question in questions}
    kinds = {host.connection.kind for host in plan.hosts}
    needed = {
        "ssh_login": "ssh" in kinds,
        "container": "docker" in kinds,
        "http": "http" in asked,
        "docker": "engine" in asked,
        "ports": "port" in asked,
        "servers": "server" in asked,
    }
    modules = [f"muster.transports.{name}" for name, is_needed in needed.items() if is_needed]
    if "server" in asked:
        from muster.transports.servers import SPEAKERS

        engines = {question.server.engine for question in questions if question.asked == "server"}  # type: ignore[attr-defined]
        modules += [SPEAKERS[engine] for engine in sorted(engines)]
    return modules


def _import(modules: Sequence[str]) -> None:
    """Import what will be needed, in a thread of its own: this machine's own commands run meanwhile. Nothing else
    is asked, or timed, before it is done."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(RESPONSIVE)
    try:
        for name in modules:
            import_module(name)
    finally:
        sys.setswitchinterval(usual)


def _shown(question: Question) -> str:
    return shell.shortened(question.describe())


def _fault(question: Question, error: Exception) -> Unobserved:
    return Unobserved("internal", f"asking {_shown(question)} failed: {type(error).__name__}: {error}")


def _unreadable(question: Question, answer: Any, error: Exception) -> Unobserved:
    got = answer.text if isinstance(answer, Output) else str(answer)
    why = str(error) or type(error).__name__
    got = shell.shortened(" ".join(got[:400].split()), 120)
    return Unobserved("unreadable", f"cannot read the answer of {_shown(question)}: {why}; got: {got or 'nothing'}")
