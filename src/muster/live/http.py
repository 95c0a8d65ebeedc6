"""``http``: a `requests.Session` that reaches what a host reaches."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from muster.live.access import Access
from muster.probes import Unobserved
from muster.transports.link import Link, Stream, StreamRefused, both_ways

Connect = Callable[[HTTPConnection], socket.socket]


class ReadTimeoutError(requests.ReadTimeout, TimeoutError):
    """No answer in time, as requests raises it, and a `TimeoutError` like any other."""


class Bounded(HTTPAdapter):
    """Gives every request a timeout that has none. Else it is requests' own."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request; ``timeout`` is for connecting, and for each wait for more of the answer.

        Raises:
            ReadTimeoutError: there was no answer in time.
        """
        seconds = self._seconds if timeout is None else timeout
        try:
            return super().send(request, stream, seconds, verify, cert, proxies)
        except requests.ReadTimeout as late:
            raise ReadTimeoutError(*late.args, request=late.request) from late


class Over(Bounded):
    """Opens its connections by ``connect``."""

    def __init__(self, seconds: float, connect: Connect) -> None:
        self._pools = _pools(connect)
        super().__init__(seconds)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


def session(access: Access) -> requests.Session:
    """A session in the host's own network: ``http://127.0.0.1:8787/`` is its own loopback.

    Names are resolved there, too. Proxies and ``.netrc`` of this machine have no say in it. No port is opened
    here, so that nobody else on this machine gets there.

    Raises:
        Unobserved: the host cannot be reached.
    """
    link = access.run(access.suite.gatherer.pool.network(access.host))
    made = requests.Session()
    made.trust_env = False
    adapter = Bounded(access.seconds) if link.direct else Over(access.seconds, _through(access))
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


def _through(access: Access) -> Connect:
    async def joined(address: str, port: int, seconds: float | None) -> socket.socket:
        link: Link = await access.suite.gatherer.pool.network(access.host)
        async with asyncio.timeout(seconds):
            stream = await link.stream(address, port)
        theirs, ours = socket.socketpair()
        pumping.add(task := asyncio.create_task(_pump(ours, stream)))
        task.add_done_callback(pumping.discard)
        return theirs

    def connect(connection: HTTPConnection) -> socket.socket:
        seconds = connection.timeout if isinstance(connection.timeout, int | float) else None
        try:
            made = access.run(joined(connection.host, connection.port, seconds))
        except StreamRefused as refused:
            if refused.ours:
                raise Unobserved(refused.attempt.cause or "network", str(refused.attempt)) from None
            raise NewConnectionError(connection, str(refused)) from None
        except TimeoutError:
            where = f"{connection.host}:{connection.port}"
            raise ConnectTimeoutError(connection, f"no connection to {where} in {seconds:g} s") from None
        made.settimeout(seconds)
        return made

    # The loop itself holds its tasks weakly.
    pumping: set[asyncio.Task[None]] = set()
    return connect


async def _pump(ours: socket.socket, stream: Stream) -> None:
    opened = await asyncio.open_connection(sock=ours)
    with contextlib.closing(opened[1]), contextlib.closing(stream[1]):
        await both_ways(opened, stream)


def _pools(connect: Connect) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """The kinds of connections that urllib3 opens, made so that they open by ``connect``.

    ``_new_conn`` is where urllib3's own SOCKS support takes hold as well.
    """

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class Secured(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecuredPool(HTTPSConnectionPool):
        ConnectionCls = Secured

    return {"http": PlainPool, "https": SecuredPool}
