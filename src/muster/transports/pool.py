"""The pool: one link to each host, opened when it is first needed and kept until the end."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from muster.probes import Attempt, Unobserved
from muster.targets import Host
from muster.transports.link import Link, NotReached, seen
from muster.transports.local import LocalLink
from muster.transports.names import Names

if TYPE_CHECKING:
    from muster.transports.docker import Engine
    from muster.transports.http import Http
    from muster.transports.servers import Servers
    from muster.transports.ssh_keys import Keys
    from muster.transports.turns import Turn

OPENING = 48
"""SSH handshakes at once: each costs some 2 ms of our own CPU, within its timeout."""

OPENING_PER_GATEWAY = 8
"""Below 10, from where sshd drops unauthenticated connections at random (MaxStartups 10:30:100)."""

BY_CONFIG = "~/.ssh/config"
"""Stands for the gateways that this file names: who knows how many they are."""

FILES_WANTED = 65_536
FILES_SPARED = 128
FILES_PER_HOST = 24
"""File descriptors that a host may take: its connection, and two for each stream over it, with some to spare."""
FILES_PER_SHELL_HOST = 8
"""The same for a host with nothing to ask but its shell: its connection, or three pipes for each of two shells."""

FILES_BY_ENDPOINTS = 8
"""One file descriptor in so many is for an endpoint that is asked from this machine, which takes one."""

BEGUN_AT_ONCE = 8
"""Questions that are begun in one turn of the event loop: some milliseconds of work. One a turn cost a tenth more."""


class Pool:
    """The links to the hosts, and what goes over them.

    ``hosts`` are all hosts of the inventory by name. ``processes`` is how many like this one open connections at the
    same time, to other hosts. ``files`` is how many file descriptors may be open: as many as this process may have,
    up to a bound. A third of them is for links that are kept when nobody asks their hosts any more, ``links_kept`` at
    most. Who asks something that is timed holds ``beginning`` for one turn of the event loop before: else a thousand
    answers would lie about, and seem slow, until all have been asked for. All methods are called on one event loop.
    """

    def __init__(self, hosts: Mapping[str, Host], *, processes: int = 1) -> None:
        self.files = raise_file_limit()
        self.links_kept = max(1, (self.files - FILES_SPARED) // 3)
        self._processes = processes
        self._hosts = hosts
        self._gateways = {host.connection.via for host in hosts.values() if host.connection.via}
        self._links: dict[Host, asyncio.Task[Link]] = {}
        self._down: dict[Host, tuple[Attempt, str]] = {}
        self._engines: dict[Host, Engine] = {}
        self._servers: dict[Host, Servers] = {}
        self._opening: dict[str, asyncio.Semaphore] = {}
        self.beginning = asyncio.Semaphore(BEGUN_AT_ONCE)
        self._names = Names()
        self._http: Http | None = None
        self._keys: Keys | None = None

    @property
    def endpoints_at_once(self) -> int:
        """How many endpoints of the top level may be asked at once."""
        return max(1, (self.files - FILES_SPARED) // FILES_BY_ENDPOINTS)

    @cached_property
    def _here(self) -> LocalLink:
        """This machine, as it is reached without a login. Making it asks who runs this, which may not be known."""
        return LocalLink(self._names)

    async def link(self, host: Host, turn: Turn | None = None) -> Link:
        """The host's one connection, opened when it is first asked for.

        ``turn`` is one that is held for the host, and not needed while there is nothing to do but to wait.

        Raises:
            NotReached: it could not be opened; that is tried once in a run.
            Unobserved: there is no login to this host.
        """
        if (down := self._down.get(host)) is not None:
            raise NotReached(*down)
        task = self._links.get(host)
        if task is None:
            task = self._links[host] = asyncio.create_task(self._open(host, turn))
            task.add_done_callback(seen)
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
        link = self._here if nowhere else await self.link(host)
        # The engine that a container is reached through is the one that is asked about it.
        if host not in self._engines:
            self._engines[host] = Engine(link, host.docker, timeout=host.timeout)
        return self._engines[host]

    def http(self) -> Http:
        from muster.transports.http import Http

        if self._http is None:
            self._http = Http()
        return self._http

    async def servers(self, host: Host) -> Servers:
        """The connections to the database servers that a host reaches.

        Raises:
            NotReached: the host could not be reached.
        """
        from muster.transports.servers import Servers

        link = await self.network(host)
        if host not in self._servers:
            self._servers[host] = Servers(link)
        return self._servers[host]

    async def network(self, host: Host) -> Link:
        """The link that the host's network is reached over: of a host without a login, this machine's is."""
        return self._here if host.connection.kind == "none" else await self.link(host)

    async def close(self) -> None:
        """Close every connection."""
        over: list[Engine | Servers] = [*self._engines.values(), *self._servers.values()]
        links = list(self._links.values())
        for each in (self._engines, self._servers, self._links):
            each.clear()
        await asyncio.gather(*(each.close() for each in over), return_exceptions=True)
        await asyncio.gather(*(_closed(link) for link in links), return_exceptions=True)

    async def _open(self, host: Host, turn: Turn | None) -> Link:
        try:
            return await self._opened(host, turn)
        except NotReached as down:
            # What is known of a host that is down is small; the task that found it out is not.
            self._down[host] = (down.attempt, down.message)
            self._links.pop(host, None)
            raise

    async def _opened(self, host: Host, turn: Turn | None) -> Link:
        connection = host.connection
        match connection.kind:
            case "local":
                return LocalLink(self._names, sudo=connection.sudo)
            case "none":
                raise Unobserved("missing", "nothing can be run there: connection none has no login")
            case "docker":
                return await self._open_container(host)
            case "ssh":
                return await self._open_ssh(host, turn)

    async def _open_container(self, host: Host) -> Link:
        from muster.transports.container import open_link
        from muster.transports.docker import Engine

        via = host.connection.via
        around = await self._gateway(via) if via else self._here
        self._engines[host] = engine = Engine(around, host.docker, timeout=host.timeout)
        return await open_link(host, engine)

    async def _open_ssh(self, host: Host, turn: Turn | None) -> Link:
        from muster.transports.ssh import SshLink
        from muster.transports.ssh_keys import Keys
        from muster.transports.ssh_login import Means, open_link

        if self._keys is None:
            self._keys = Keys()
        via = host.connection.via
        gateway = await self._gateway(via) if via else None
        through = gateway if isinstance(gateway, SshLink) else None
        means = Means(self._keys, self._names, self._slots(via), self._slots(BY_CONFIG))
        return await open_link(host, means, through, turn)

    async def _gateway(self, via: str) -> Link:
        try:
            return await self.link(self._hosts[via])
        except NotReached as down:
            said = down.message.removeprefix("ssh: ")
            attempt = Attempt("unreachable", down.attempt.cause, f"its gateway {via}: {said}")
            raise NotReached(attempt, f"ssh: {attempt}") from None

    async def stop_opening(self) -> None:
        """Forget the links that are being opened: nobody waits for them any more."""
        opening = {host: task for host, task in self._links.items() if not task.done()}
        for host, task in opening.items():
            del self._links[host]
            task.cancel()
        if opening:
            await asyncio.wait(opening.values())

    def _slots(self, via: str | None) -> asyncio.Semaphore:
        """What bounds the handshakes at once with all hosts, or with those behind a gateway."""
        gateway = via or ""
        if gateway not in self._opening:
            among_all = OPENING_PER_GATEWAY if via else OPENING
            self._opening[gateway] = asyncio.Semaphore(max(1, among_all // self._processes))
        return self._opening[gateway]

    async def leave(self, host: Host, *, keep: bool) -> None:
        """Close the link of a host that is done with, unless it is a gateway, or to be kept and few are open."""
        if host.name in self._gateways or (keep and len(self._links) <= self.links_kept):
            return
        link = self._links.pop(host, None)
        for over in (self._engines.pop(host, None), self._servers.pop(host, None)):
            if over is not None:
                await over.close()
        if link is not None:
            await _closed(link)


async def _closed(link: asyncio.Task[Link]) -> None:
    """Close a link, or stop opening it."""
    link.cancel()
    try:
        opened = await link
    except (Exception, asyncio.CancelledError):
        return
    await opened.close()


def raise_file_limit() -> int:
    """Allow ourselves as many open files as we may have, up to a bound; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return FILES_WANTED if soft == resource.RLIM_INFINITY else soft
