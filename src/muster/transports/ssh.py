"""Hosts over SSH: one connection each, for the batch, for streams and for what lies behind a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal as signals
import time
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh

from muster.probes import Attempt, Cause, Command, Output, Unobserved
from muster.targets import Host
from muster.transports import shell
from muster.transports.link import Link, Listener, NotReached, Shell, Stream, StreamRefused
from muster.transports.outcomes import RETRY_AFTER, from_os_error, from_text, worth_another_try

CLOSE_TIMEOUT = 1.0

# proc_net_unix has no man page: in /proc/net/unix the fourth column of a socket that listens is 00010000.
WHY_NO_SOCKET = """\
if [ ! -e {path} ]; then said=$(ls -dL {path} 2>&1)
case ${{said##*: }} in *ermission*) echo denied;; *) echo missing;; esac
elif [ ! -w {path} ]; then echo denied
else real=$(readlink -f {path} || echo {path})
while read -r number refs protocol flags kind state inode name; do
[ "$flags" = 00010000 ] && case $name in {path}|"$real") echo listens; break;; esac
done </proc/net/unix; fi
"""

WINDOW = 131_072
"""Bytes that a host may send before it is told that we have read: what a flood costs before it is stopped."""

GLOBAL_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")


class Keys:
    """What all connections share: key files and known hosts, each read once."""

    def __init__(self) -> None:
        self._pairs: dict[str, Any] = {}
        self._known: dict[tuple[str, ...], asyncssh.SSHKnownHosts] = {}
        self._config_names_known_hosts: bool | None = None

    def client(self, key_file: str | None) -> dict[str, Any]:
        """The options that say which keys to offer.

        Raises:
            NotReached: the key file cannot be read.
        """
        if key_file is None:
            return {}
        if key_file not in self._pairs:
            path = Path(key_file).expanduser()
            try:
                self._pairs[key_file] = {"client_keys": asyncssh.load_keypairs(str(path)), "agent_path": None}
            except OSError as error:
                if isinstance(error, FileNotFoundError):
                    raise _denied("missing", f"{key_file} is not there") from None
                raise _denied("permission", f"{key_file}: {error.strerror}") from None
            except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError, ValueError) as error:
                locked = isinstance(error, asyncssh.KeyEncryptionError) or "assphrase" in str(error)
                if not locked:
                    raise _denied("unreadable", f"{key_file}: {error}") from None
                self._pairs[key_file] = _from_agent(key_file, path)
        options: dict[str, Any] = self._pairs[key_file]
        return options

    def known_hosts(self, file: str | None) -> dict[str, Any]:
        """The option that says which host keys are trusted.

        Raises:
            NotReached: the known_hosts file that the inventory names cannot be read.
        """
        if file is not None:
            try:
                return {"known_hosts": self._read((str(Path(file).expanduser()),))}
            except (OSError, ValueError) as error:
                reason = (error.strerror if isinstance(error, OSError) else None) or error
                attempt = Attempt("host key not trusted", "permission", f"known_hosts {file}: {reason}")
                raise NotReached(attempt, f"ssh: {attempt}") from None
        if self._left_to_config():
            return {}
        return {"known_hosts": self._read_all(Path("~/.ssh/known_hosts").expanduser(), GLOBAL_KNOWN_HOSTS)}

    def global_known_hosts(self) -> dict[str, Any]:
        """The option that trusts the host keys that all users of this machine trust, and no others."""
        return {"known_hosts": self._read_all(GLOBAL_KNOWN_HOSTS)}

    def _read_all(self, *files: Path) -> asyncssh.SSHKnownHosts:
        return self._read(tuple(str(path) for path in files if path.is_file()))

    def _read(self, files: tuple[str, ...]) -> asyncssh.SSHKnownHosts:
        if files not in self._known:
            self._known[files] = asyncssh.read_known_hosts(list(files))
        return self._known[files]

    def _left_to_config(self) -> bool:
        """Whether ``~/.ssh/config`` says which files hold the known hosts; asyncssh then reads them for each host."""
        if self._config_names_known_hosts is None:
            try:
                text = Path("~/.ssh/config").expanduser().read_text(errors="replace").lower()
            except OSError:
                text = ""
            self._config_names_known_hosts = "knownhostsfile" in text or "include" in text
        return self._config_names_known_hosts


def _from_agent(key_file: str, locked: Path) -> dict[str, Any]:
    """The options that take a key from the agent, and only that one where its public half says which it is."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        raise _denied("permission", f"{key_file} has a passphrase: unlock it with ssh-agent and ssh-add")
    public = locked.with_name(locked.name + ".pub")
    return {"agent_identities": [str(public)]} if public.is_file() else {}


def _denied(cause: Cause, what: str) -> NotReached:
    attempt = Attempt("denied", cause, f"key_file {what}")
    return NotReached(attempt, f"ssh: {attempt}")


class SshLink(Link):
    """A host over SSH. ``connection`` is the asyncssh connection, also for what goes through this host."""

    def __init__(self, attempt: Attempt, connection: asyncssh.SSHClientConnection, *, sudo: bool) -> None:
        super().__init__(attempt, user=str(connection.get_extra_info("username")), sudo=sudo)
        self.connection = connection

    async def shell(self, listener: Listener) -> Shell:
        command = "exec sudo -n sh -s" if self.sudo else "exec sh -s"
        try:
            channel, _ = await self.connection.create_session(
                lambda: _Session(listener), command, encoding=None, request_pty=False, window=WINDOW
            )
        except (asyncssh.Error, OSError) as error:
            raise Unobserved("network", f"ssh: no session: {_reason(error)}") from None
        return _SshShell(channel)

    async def stream(self, address: str, port: int) -> Stream:
        opened = self.connection.open_connection(address, port, encoding=None)
        return await self._opened(opened, f"{address}:{port}", "AllowTcpForwarding")

    async def unix_stream(self, path: str) -> Stream:
        opened = self.connection.open_unix_connection(path, encoding=None)
        try:
            return await self._opened(opened, path, "AllowStreamLocalForwarding")
        except StreamRefused as refused:
            if refused.ours or refused.attempt.outcome != "not connected":
                raise
            raise await self._why_not(path) from None

    async def _why_not(self, path: str) -> StreamRefused:
        """Why a unix socket does not answer. sshd says "open failed" and no more, so the host is asked."""
        script = WHY_NO_SOCKET.format(path=shlex.quote(path))
        answers: list[Output | Unobserved] = []
        as_user = SshLink(self.attempt, self.connection, sudo=False)
        await shell.ask(as_user, [Command(script)], lambda _, answer: answers.append(answer))
        match answers:
            case [Output() as output] if output.stdout == b"missing\n":
                return StreamRefused(Attempt("missing", "missing", path))
            case [Output() as output] if output.stdout == b"denied\n":
                return StreamRefused(Attempt("denied", "permission", path))
            case [Output() as output] if output.stdout == b"listens\n":
                return _forbidden(path, "AllowStreamLocalForwarding")
            case _:
                return StreamRefused(Attempt("refused", "network", path))

    async def close(self) -> None:
        self.connection.close()
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.connection.wait_closed()
        self.connection.abort()

    async def _opened(self, opened: Awaitable[tuple[Any, Any]], where: str, right: str) -> Stream:
        try:
            reader, writer = await opened
        except asyncssh.ChannelOpenError as error:
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise _forbidden(where, right) from None
            if self.connection.is_closed():
                raise StreamRefused(Attempt("lost", "network", "the SSH connection was lost"), ours=True) from None
            raise StreamRefused(from_text(error.reason, where)) from None
        except (asyncssh.Error, OSError) as error:
            raise StreamRefused(Attempt("lost", "network", f"ssh: {_reason(error)}"), ours=True) from None
        return _Reader(reader), _Writer(writer)


def _forbidden(where: str, right: str) -> StreamRefused:
    detail = f"the SSH server forbids forwarding to {where} ({right})"
    return StreamRefused(Attempt("denied", "permission", detail), ours=True)


class _Session(asyncssh.SSHClientSession[bytes]):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._status: int | None = None

    def data_received(self, data: bytes, datatype: int | None) -> None:
        (self._listener.stdout if datatype is None else self._listener.stderr)(data)

    def exit_status_received(self, status: int) -> None:
        self._status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        try:
            self._status = -signals.Signals[f"SIG{signal}"]
        except KeyError:
            self._status = 128

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.ended(self._status, _reason(exc) if exc else "the server closed the channel")


class _SshShell:
    def __init__(self, channel: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = channel

    def send(self, script: bytes) -> None:
        # A server that closes the channel at once has said why already.
        with contextlib.suppress(OSError):
            self._channel.write(script)
            self._channel.write_eof()

    async def stop(self) -> None:
        if not self._channel.is_closing():
            with contextlib.suppress(OSError, asyncssh.Error):
                self._channel.kill()
        self._channel.close()


class _Reader:
    def __init__(self, reader: asyncssh.SSHReader[bytes]) -> None:
        self._reader = reader

    async def read(self, n: int = -1, /) -> bytes:
        try:
            return await self._reader.read(n)
        except asyncssh.Error as error:
            raise ConnectionResetError(_reason(error)) from None


class _Writer:
    def __init__(self, writer: asyncssh.SSHWriter[bytes]) -> None:
        self._writer = writer

    def write(self, data: bytes, /) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except asyncssh.Error as error:
            raise ConnectionResetError(_reason(error)) from None

    def write_eof(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


class _Client(asyncssh.SSHClient):
    """Remembers the host key that was not trusted, for the message."""

    def __init__(self) -> None:
        self.offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key
        return False


async def open_link(host: Host, keys: Keys, gateway: SshLink | None = None) -> SshLink:
    """Log in to a host, through its gateway where it has one.

    ``connect_timeout`` bounds the TCP connection, the handshake and the login together, each try.

    Raises:
        NotReached: it could not be logged in to.
    """
    connection = host.connection
    began = time.monotonic()
    tries = 0
    while True:
        tries += 1
        client = _Client()
        try:
            async with asyncio.timeout(connection.connect_timeout):
                opened = await _connect(host, keys, gateway, client)
        except NotReached:
            raise
        except (asyncssh.Error, OSError, ValueError) as error:
            attempt, message = _outcome(error, host, client)
        else:
            attempt = Attempt("connected", seconds=time.monotonic() - began, tries=tries)
            return SshLink(attempt, opened, sudo=connection.sudo)
        if tries > 1 or not worth_another_try(attempt):
            attempt = replace(attempt, seconds=time.monotonic() - began, tries=tries)
            raise NotReached(attempt, message or f"ssh: {attempt}")
        await asyncio.sleep(RETRY_AFTER)


async def _connect(host: Host, keys: Keys, gateway: SshLink | None, client: _Client) -> asyncssh.SSHClientConnection:
    connection = host.connection
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
    address = connection.address or host.name
    if "known_hosts" not in options and await _names_no_file(address, options):
        options |= keys.global_known_hosts()
    if gateway is not None:
        options["tunnel"] = gateway.connection
    return await asyncssh.connect(address, **options)


async def _names_no_file(address: str, options: Mapping[str, Any]) -> bool:
    """Whether ``~/.ssh/config`` says ``UserKnownHostsFile none``.

    asyncssh takes that for "trust any key"; ssh(1) then looks into the file of all users alone.
    """
    asked = {name: options[name] for name in ("username", "port") if name in options}
    said = await asyncssh.SSHClientConnectionOptions.construct(
        host=address, config=(), client_keys=None, agent_path=None, **asked
    )
    return said.known_hosts is None


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
            return Attempt("reset", "network", f"{where}: {_reason(error)}"), ""
        case asyncssh.ProtocolError() | asyncssh.ProtocolNotSupported():
            return Attempt("not SSH", "wrong", f"{where}: {_reason(error)}"), ""
        case asyncssh.Error():
            return Attempt("failed", "network", f"{where}: {_reason(error)}"), ""
        case OSError():
            return from_os_error(error, where), ""
        case _:
            return Attempt("failed", "internal", f"{where}: {_reason(error)}"), ""


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


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__
