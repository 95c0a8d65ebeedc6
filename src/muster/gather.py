"""The gather: one concurrent look at every host of a plan, one connection and one batch a host."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from muster.loop import BackgroundLoop
from muster.need import Need
from muster.observations import Observation, Observations
from muster.plan import Ask, Plan, make_plan
from muster.probes import (
    AskEngine,
    Attempt,
    Command,
    DoesNotApply,
    HttpRequest,
    InspectContainer,
    ListContainers,
    Login,
    Output,
    Question,
    Unobserved,
)
from muster.targets import RUNNER, Host, Target
from muster.transports import shell
from muster.transports.link import Link, NotReached
from muster.transports.local import LocalLink

if TYPE_CHECKING:
    from muster.transports.docker import Engine
    from muster.transports.http import Http
    from muster.transports.ssh import Keys

HOSTS_AT_ONCE = 200
IN_FLIGHT = 8
"""Questions that one host is asked at once, beside its batch."""

OPENING = 64
"""SSH connections that are being opened at once: each costs some 15 ms of our own CPU, within its timeout."""

OPENING_PER_GATEWAY = 8
"""Below 10, from where sshd drops unauthenticated connections at random (MaxStartups 10:30:100)."""

HOST_DEADLINE = 60.0
FILES_WANTED = 65_536
FILES_PER_HOST = 24
"""File descriptors that a host may take: its connection, and two for each stream over it, with some to spare."""

Progress = Callable[[Host, int], None]


class Gatherer:
    """Asks hosts, and keeps the connection to each until `close`.

    ``hosts`` are all hosts of the inventory by name. ``concurrency`` bounds the hosts that are asked at once;
    ``host_deadline`` and ``run_deadline`` are in seconds, and None is no deadline.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        *,
        concurrency: int = HOSTS_AT_ONCE,
        host_deadline: float | None = HOST_DEADLINE,
        run_deadline: float | None = None,
    ) -> None:
        self._hosts = hosts
        self._host_deadline = host_deadline
        self._run_deadline = run_deadline
        files = _raise_file_limit()
        self._concurrency = max(1, min(concurrency, (files - 128) // FILES_PER_HOST))
        self._links_kept = max(1, files // 2)
        self._gateways = {host.connection.via for host in hosts.values() if host.connection.via}
        self._links: dict[Host, asyncio.Task[Link]] = {}
        self._engines: dict[Host, Engine] = {}
        self._opening: dict[str, asyncio.Semaphore] = {}
        self._http: Http | None = None
        self._keys: Keys | None = None
        self._loop = BackgroundLoop()

    # From any thread, through the loop in the background.

    def gather_now(self, plan: Plan, observations: Observations, progress: Progress | None = None) -> None:
        """`gather`, from a thread without a loop. After Ctrl-C, what was observed stays in ``observations``."""
        self.run(self.gather(plan, observations, progress))

    def observe(self, target: Target, need: Need[Any], observations: Observations) -> None:
        """Observe one need now, as a check reads it that was not planned for."""
        self.gather_now(make_plan([(target, need)], self._hosts), observations)

    def run(self, work: Any) -> Any:
        """Run a coroutine on the loop that the links live on, and return what it returns."""
        return self._loop.run(work)

    def close_now(self) -> None:
        """`close`, from a thread without a loop; then the loop ends too."""
        if self._links or self._http or self._engines:
            self.run(self.close())
        self._loop.close()

    # On the loop.

    async def gather(self, plan: Plan, observations: Observations, progress: Progress | None = None) -> None:
        """Ask what is planned, all hosts at once, and put every fact or failure into ``observations``.

        ``progress`` is called on the loop's thread with a host and how many of its facts have landed just now.
        When this is cancelled, what has landed stays.
        """
        now = time.time()
        for target, need, failure in plan.settled:
            observations.put(target, need, Observation(failure=failure, observed_at=now))
        self._import(plan)
        slots = asyncio.Semaphore(self._concurrency)
        visits = [
            _Visit(self, host, asks, observations, progress, self._concurrency) for host, asks in plan.hosts.items()
        ]

        async def visit(each: _Visit) -> None:
            async with slots:
                await each.make(None if each.host is RUNNER else self._host_deadline)
                await self._retire(each.host)

        try:
            async with asyncio.timeout(self._run_deadline), asyncio.TaskGroup() as group:
                for each in visits:
                    group.create_task(visit(each))
        except asyncio.CancelledError:
            await self._stop_opening()
            raise
        except TimeoutError:
            for each in visits:
                each.give_up(f"the run's deadline of {self._run_deadline:g} s passed")

    async def link(self, host: Host) -> Link:
        """The host's one connection, opened when it is first asked for.

        Raises:
            NotReached: it could not be opened; that is tried once in a run.
            Unobserved: there is no login to this host.
        """
        task = self._links.get(host)
        if task is None:
            task = self._links[host] = asyncio.create_task(self._open(host))
            task.add_done_callback(_retrieved)
        return await asyncio.shield(task)

    async def engine(self, host: Host) -> Engine:
        """The host's Docker engine.

        Raises:
            NotReached: the host could not be reached.
            Unobserved: there is no login to this host, and no address of an engine.
        """
        from muster.transports.docker import Engine

        nowhere = host.connection.kind == "none"
        if nowhere and host.docker.url is None:
            raise Unobserved("missing", "no Docker engine: connection none has no login to reach its socket by")
        link = LocalLink() if nowhere else await self.link(host)
        # The engine that a container is reached through is the one that is asked about it.
        if host not in self._engines:
            self._engines[host] = Engine(link, host.docker, timeout=host.timeout)
        return self._engines[host]

    def http(self) -> Http:
        from muster.transports.http import Http

        if self._http is None:
            self._http = Http()
        return self._http

    async def http_link(self, host: Host) -> Link:
        """The link that HTTP is asked over: a host without a login is asked from here."""
        return LocalLink() if host.connection.kind == "none" else await self.link(host)

    async def close(self) -> None:
        """Close every connection."""
        engines, links = list(self._engines.values()), list(self._links.values())
        self._engines.clear()
        self._links.clear()
        await asyncio.gather(*(engine.close() for engine in engines), return_exceptions=True)
        if self._http is not None:
            await self._http.close()
            self._http = None
        await asyncio.gather(*(_closed(link) for link in links), return_exceptions=True)

    async def _open(self, host: Host) -> Link:
        connection = host.connection
        match connection.kind:
            case "local":
                return LocalLink(sudo=connection.sudo)
            case "none":
                raise Unobserved("missing", "nothing can be run there: connection none has no login")
            case "docker":
                return await self._open_container(host)
            case "ssh":
                return await self._open_ssh(host)

    async def _open_container(self, host: Host) -> Link:
        from muster.transports.container import open_link
        from muster.transports.docker import Engine

        via = host.connection.via
        around = await self._gateway(via) if via else LocalLink()
        self._engines[host] = engine = Engine(around, host.docker, timeout=host.timeout)
        return await open_link(host, engine)

    async def _open_ssh(self, host: Host) -> Link:
        from muster.transports.ssh import Keys, SshLink, open_link

        if self._keys is None:
            self._keys = Keys()
        via = host.connection.via
        gateway = await self._gateway(via) if via else None
        async with self._opening_through(via):
            return await open_link(host, self._keys, gateway if isinstance(gateway, SshLink) else None)

    async def _gateway(self, via: str) -> Link:
        try:
            return await self.link(self._hosts[via])
        except NotReached as down:
            said = down.message.removeprefix("ssh: ")
            attempt = Attempt("unreachable", down.attempt.cause, f"its gateway {via}: {said}")
            raise NotReached(attempt, f"ssh: {attempt}") from None

    async def _stop_opening(self) -> None:
        """Forget the links that are being opened: nobody waits for them any more."""
        opening = {host: task for host, task in self._links.items() if not task.done()}
        for host, task in opening.items():
            del self._links[host]
            task.cancel()
        if opening:
            await asyncio.wait(opening.values())

    def _opening_through(self, via: str | None) -> asyncio.Semaphore:
        gateway = via or ""
        if gateway not in self._opening:
            self._opening[gateway] = asyncio.Semaphore(OPENING_PER_GATEWAY if via else OPENING)
        return self._opening[gateway]

    async def _retire(self, host: Host) -> None:
        """Close a link that is done with where more are open than there are file descriptors for."""
        if len(self._links) <= self._links_kept or host.name in self._gateways:
            return
        engine, link = self._engines.pop(host, None), self._links.pop(host, None)
        if engine is not None:
            await engine.close()
        if link is not None:
            await _closed(link)

    def _import(self, plan: Plan) -> None:
        """Import what will be needed before anything is timed: an import holds the loop up."""
        questions = {type(ask.question) for asks in plan.hosts.values() for ask in asks}
        kinds = {host.connection.kind for host in plan.hosts}
        if "ssh" in kinds:
            import muster.transports.ssh
        if "docker" in kinds:
            import muster.transports.container
        if HttpRequest in questions:
            import muster.transports.http
        if questions & {AskEngine, ListContainers, InspectContainer}:
            import muster.transports.docker  # noqa: F401


class _Visit:
    """All that one host is asked in one gather."""

    def __init__(
        self,
        gatherer: Gatherer,
        host: Host,
        asks: Sequence[Ask],
        observations: Observations,
        progress: Progress | None,
        concurrency: int,
    ) -> None:
        self.host = host
        self._gatherer = gatherer
        self._observations = observations
        self._progress = progress
        self._left: dict[Question, Ask] = {ask.question: ask for ask in asks}
        # Where the suite runs there is no sshd to spare, and every endpoint of the top level is asked from here.
        self._in_flight = asyncio.Semaphore(concurrency if host is RUNNER else IN_FLIGHT)

    async def make(self, deadline: float | None) -> None:
        """Ask everything, within ``deadline`` seconds."""
        try:
            async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
                commands = [question for question in self._left if isinstance(question, Command)]
                if commands:
                    group.create_task(self._run_commands(commands))
                for question in list(self._left):
                    if not isinstance(question, Command):
                        group.create_task(self._ask(question))
        except TimeoutError:
            self.give_up(f"the host's deadline of {deadline:g} s passed")

    def give_up(self, why: str) -> None:
        for question in list(self._left):
            self._fail(question, Unobserved("timeout", f"{why} before the answer to {_shown(question)}"))

    async def _run_commands(self, commands: Sequence[Command]) -> None:
        try:
            link = await self._gatherer.link(self.host)
            await shell.ask(link, commands, self._landed)
        except NotReached as down:
            for command in commands:
                self._fail(command, down.unobserved(), tries=down.attempt.tries)
        except Unobserved as failure:
            for command in commands:
                self._fail(command, failure)
        except Exception as error:
            for command in commands:
                self._fail(command, _fault(command, error))

    async def _ask(self, question: Question) -> None:
        began = time.monotonic()
        try:
            async with self._in_flight:
                began = time.monotonic()
                answer = await self._answer(question)
        except NotReached as down:
            self._fail(question, down.unobserved(), tries=down.attempt.tries)
        except Unobserved as failure:
            self._fail(question, failure, seconds=time.monotonic() - began)
        except Exception as error:
            self._fail(question, _fault(question, error), seconds=time.monotonic() - began)
        else:
            attempt = answer if isinstance(answer, Attempt) else getattr(answer, "attempt", None)
            self._land(question, answer, time.monotonic() - began, attempt.tries if attempt else 1)

    async def _answer(self, question: Question) -> Any:
        match question:
            case Login():
                try:
                    return (await self._gatherer.link(self.host)).attempt
                except NotReached as down:
                    return down.attempt
            case HttpRequest():
                return await self._gatherer.http().ask(await self._gatherer.http_link(self.host), question)
            case AskEngine() | ListContainers() | InspectContainer():
                return await (await self._gatherer.engine(self.host)).ask(question)
            case _:
                raise TypeError(f"nobody answers a {type(question).__name__}")

    def _landed(self, command: Command, answer: Output | Unobserved) -> None:
        if isinstance(answer, Unobserved):
            self._fail(command, answer)
        else:
            self._land(command, answer, answer.seconds, 1)

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


def _shown(question: Question) -> str:
    return shell.shortened(question.describe())


def _fault(question: Question, error: Exception) -> Unobserved:
    return Unobserved("internal", f"asking {_shown(question)} failed: {type(error).__name__}: {error}")


def _unreadable(question: Question, answer: Any, error: Exception) -> Unobserved:
    got = answer.text if isinstance(answer, Output) else str(answer)
    why = str(error) or type(error).__name__
    got = shell.shortened(" ".join(got[:400].split()), 120)
    return Unobserved("unreadable", f"cannot read the answer of {_shown(question)}: {why}; got: {got or 'nothing'}")


async def _closed(link: asyncio.Task[Link]) -> None:
    """Close a link, or stop opening it."""
    link.cancel()
    try:
        opened = await link
    except BaseException:
        return
    await opened.close()


def _retrieved(task: asyncio.Task[Link]) -> None:
    """Say that a failure was seen, where nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def _raise_file_limit() -> int:
    """Allow ourselves as many open files as we may have, up to a bound; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return FILES_WANTED if soft == resource.RLIM_INFINITY else soft
