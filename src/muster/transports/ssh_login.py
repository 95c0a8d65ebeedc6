"""Logging in to hosts over SSH: TCP first, then the handshake, and why it does not come to that."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncssh
from msgspec import Struct
from msgspec.structs import replace

from muster.probes import Attempt
from muster.targets import Host
from muster.transports.link import NotReached
from muster.transports.names import Names
from muster.transports.outcomes import RETRY_AFTER, from_os_error, from_text, worth_another_try
from muster.transports.ssh import SshLink, reason
from muster.transports.ssh_keys import Keys
from muster.transports.turns import Turn

CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Before all others: asyncssh makes its own first one, ChaCha20-Poly1305, of so many calls that each packet costs
seven times as much of our time."""

PORT = 22

TICK = 0.1
"""Seconds between two looks at the clock of a connect timeout."""

BRIEFLY = 0.3
BRIEFLY_BEYOND = 1.0
"""Seconds that a host, or one beyond a gateway, may take until its first word before others are let in meanwhile."""


class Means(Struct, frozen=True):
    """What all logins share: keys, and names that were looked up. A handshake takes one of ``slots``; of ``detours``
    where ``~/.ssh/config`` has it go through another host."""

    keys: Keys
    names: Names
    slots: asyncio.Semaphore
    detours: asyncio.Semaphore


async def open_link(host: Host, means: Means, gateway: SshLink | None = None, turn: Turn | None = None) -> SshLink:
    """Log in to a host, through its gateway where it has one.

    A handshake takes one of the slots; a host that does not say a word gives it back, so it keeps no other waiting.
    Nor is ``turn`` held, which is the caller's, while there is nothing to do but to wait for the second try.
    ``connect_timeout`` bounds the TCP connection, the handshake and the login together, each try; waiting for a slot
    counts for nothing.

    Raises:
        NotReached: it could not be logged in to.
    """
    connection = host.connection
    seconds = 0.0
    tries = 0
    while True:
        tries += 1
        client = _Client()
        patience = _Patience(connection.connect_timeout)
        try:
            opened = await _connect(host, means, gateway, client, patience)
        except NotReached:
            raise
        except (asyncssh.Error, OSError, ValueError) as error:
            attempt, message = _outcome(error, host, client)
        else:
            attempt = Attempt("connected", seconds=seconds + patience.spent, tries=tries)
            return SshLink(attempt, opened, sudo=connection.sudo)
        seconds += patience.spent
        if tries > 1 or not worth_another_try(attempt):
            attempt = replace(attempt, seconds=seconds, tries=tries)
            raise NotReached(attempt, message or f"ssh: {attempt}")
        if turn is not None:
            turn.give_back()
        await asyncio.sleep(RETRY_AFTER)
        if turn is not None:
            await turn.take()
        seconds += RETRY_AFTER


class _Patience:
    """The seconds that one try may take; ``spent`` is how many it took.

    They are told by a clock that stands still while our own loop is busy with other hosts: a host is not down because
    we are slow.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self.spent = 0.0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the time run. Raises `TimeoutError` when it is up."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(None) as limit:
                self._ticking: asyncio.Handle = asyncio.get_running_loop().call_soon(self._tick, limit)
                try:
                    yield
                finally:
                    self._ticking.cancel()
        finally:
            self.spent += time.monotonic() - began

    def _tick(self, limit: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        if self._left <= 0:
            limit.reschedule(loop.time())
            return
        step = min(TICK, self._left)
        self._left -= step
        self._ticking = loop.call_later(step, self._tick, limit)


class _Client(asyncssh.SSHClient):
    """Remembers the host key that was not trusted, for the message, and whether the host has shown one."""

    def __init__(self) -> None:
        self.offered: asyncssh.SSHKey | None = None
        self._connection: asyncssh.SSHClientConnection | None = None

    @property
    def has_shown_key(self) -> bool:
        # What asyncssh says of the other end's version is the gateway's, until the host has told its own.
        return self._connection is not None and self._connection.get_server_host_key() is not None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key
        return False


async def _connect(
    host: Host, means: Means, gateway: SshLink | None, client: _Client, patience: _Patience
) -> asyncssh.SSHClientConnection:
    async with Turn(means.slots) as turn:
        async with patience.running():
            options, place = await _prepared(host, means.keys, client)
        if gateway is not None:
            options["tunnel"] = gateway.connection
            with turn.lent_after(BRIEFLY_BEYOND, unless=lambda: client.has_shown_key):
                return await _logged_in(host, options, patience)
        if place is not None:
            return await _over_tcp(host, options, place, means.names, turn, patience)
    # Each of these logs in to the host on its way as well: with that one's answers there is no hurry.
    async with Turn(means.detours) as turn:
        with turn.lent_after(host.connection.connect_timeout / 2, unless=lambda: client.has_shown_key):
            return await _logged_in(host, options, patience)


async def _over_tcp(
    host: Host, options: dict[str, Any], place: _Place, names: Names, turn: Turn, patience: _Patience
) -> asyncssh.SSHClientConnection:
    async with patience.running():
        with turn.lent_after(BRIEFLY):
            sock = await _dial(place, names)
            speaks = await _speaks(sock, host.connection.connect_timeout / 2)
    try:
        # Who waits until we have spoken is met out of turn: hardly any does, but those who never speak.
        if speaks:
            await turn.take()
        return await _logged_in(host, options | {"sock": sock}, patience)
    except BaseException:
        sock.close()
        raise


async def _logged_in(host: Host, options: dict[str, Any], patience: _Patience) -> asyncssh.SSHClientConnection:
    async with patience.running():
        return await asyncssh.connect(host.connection.address or host.name, **options)


class _Place(Struct, frozen=True):
    """Where a TCP connection leads to, and where from if that is said."""

    host: str
    port: int
    family: int = socket.AF_UNSPEC
    source: tuple[str, int] | None = None


async def _prepared(host: Host, keys: Keys, client: _Client) -> tuple[dict[str, Any], _Place | None]:
    """The options of a connection, and where to connect to; None where that is asyncssh's to find out."""
    connection = host.connection
    address = connection.address or host.name
    options: dict[str, Any] = {
        "client_factory": lambda: client,
        "gss_host": None,
        "x509_trusted_certs": None,
        "x509_trusted_cert_paths": [],
        "connect_timeout": None,
        # A packet of 32 KiB may unpack to 32 MiB, and asyncssh does not ask how much it will be.
        "compression_algs": ["none"],
        **keys.client(connection.key_file),
    }
    options |= keys.known_hosts(connection.known_hosts) if connection.host_key_check else {"known_hosts": None}
    if connection.user is not None:
        options["username"] = connection.user
    if connection.port is not None:
        options["port"] = connection.port
    if not keys.config.says("ciphers"):
        options["encryption_algs"] = CIPHERS
    if not keys.config.is_there:
        return options | {"config": None}, _Place(address, connection.port or PORT)
    asked = {name: options[name] for name in ("username", "port") if name in options}
    said = await asyncssh.SSHClientConnectionOptions.construct(
        host=address, config=(), client_keys=None, agent_path=None, **asked
    )
    if "known_hosts" not in options and said.known_hosts is None:
        # asyncssh takes `UserKnownHostsFile none` for "trust any key"; ssh(1) looks into the file of all users alone.
        options |= keys.global_known_hosts()
    if said.tunnel or said.canonicalize_hostname or said.config.has_match_final():
        # asyncssh reads it again then, for the hosts on the way or by another name.
        return options, None
    options = {"options": said, "config": None, "client_keys": (), "agent_path": ()} | options
    return options, None if said.proxy_command else _Place(said.host, said.port, said.family, said.local_addr)


async def _dial(place: _Place, names: Names) -> socket.socket:
    """A TCP connection to the first address of a name that takes it.

    Raises:
        OSError: none does, for the last of their reasons.
    """
    loop = asyncio.get_running_loop()
    error: OSError | None = None
    for family, address in await names.addresses(place.host):
        if place.family not in (socket.AF_UNSPEC, family):
            continue
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if place.source is not None:
                sock.bind(place.source)
            await loop.sock_connect(sock, (address[0], place.port, *address[2:]))
        except OSError as failed:
            sock.close()
            error = failed
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise error or socket.gaierror(socket.EAI_NONAME, "no address of that family")


async def _speaks(sock: socket.socket, seconds: float) -> bool:
    """Wait until the other end says something, or goes; False where it does neither within ``seconds``."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        async with asyncio.timeout(seconds):
            await readable.wait()
    except TimeoutError:
        pass
    except BaseException:
        sock.close()
        raise
    finally:
        loop.remove_reader(sock)
    # Where it is us who are slow, the time was up and the word was there.
    return readable.is_set()


def _outcome(error: Exception, host: Host, client: _Client) -> tuple[Attempt, str]:
    """The attempt that ended in this error, and the line for people where it is not the attempt's own."""
    connection = host.connection
    where = connection.address or host.name
    if connection.port:
        where = f"{where}:{connection.port}"
    match error:
        case TimeoutError() if error.errno is None:
            seconds = f"{connection.connect_timeout:g} s"
            return Attempt("timed out", "network", f"{where} did not answer in {seconds}"), (
                f"ssh: timed out after {seconds}"
            )
        case asyncssh.HostKeyNotVerifiable():
            return _not_trusted(host, client), ""
        case asyncssh.KeyExchangeFailed() if "host key" in error.reason:
            return _not_trusted(host, client), ""
        case asyncssh.PermissionDenied():
            user = f"user {connection.user}" if connection.user else "the user"
            detail = f"{where} accepts no key of {user}; name another with key_file, or add it to its authorized_keys"
            return Attempt("denied", "permission", detail), ""
        case asyncssh.ChannelOpenError() if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            detail = f"the gateway {connection.via} forbids forwarding to {where} (AllowTcpForwarding)"
            return Attempt("denied", "permission", detail), ""
        case asyncssh.ChannelOpenError():
            return from_text(error.reason, f"{where} from the gateway {connection.via}"), ""
        case asyncssh.ConnectionLost():
            return Attempt("reset", "network", f"{where}: {reason(error)}"), ""
        case asyncssh.ProtocolError() | asyncssh.ProtocolNotSupported():
            return Attempt("not SSH", "wrong", f"{where}: {reason(error)}"), ""
        case asyncssh.Error():
            return Attempt("failed", "network", f"{where}: {reason(error)}"), ""
        case OSError():
            return from_os_error(error, where), ""
        case _:
            return Attempt("failed", "internal", f"{where}: {reason(error)}"), ""


def _not_trusted(host: Host, client: _Client) -> Attempt:
    connection = host.connection
    file = connection.known_hosts or "~/.ssh/known_hosts"
    offered = f"offers {client.offered.get_fingerprint()}" if client.offered else "offers no key that is known"
    port = f"-p {connection.port} " if connection.port else ""
    address = connection.address or host.name
    detail = (
        f"{address} {offered}, which {file} does not hold; where that is its key, "
        f"ssh-keyscan {port}{address} >> {file}"
    )
    return Attempt("host key not trusted", "permission", detail)
