"""Hosts over SSH: one connection each, for the batch, for streams and for what lies behind a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal as signals
from collections.abc import Awaitable
from typing import Any

import asyncssh
from msgspec import Struct, field

from muster.probes import Attempt, Command, Output, Unobserved
from muster.transports import shell
from muster.transports.link import Link, Listener, NoRoom, Shell, Stream, StreamRefused
from muster.transports.outcomes import from_text

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


class SshLink(Link):
    """A host over SSH. ``connection`` is the asyncssh connection, also for what goes through this host."""

    def __init__(
        self,
        attempt: Attempt,
        connection: asyncssh.SSHClientConnection,
        *,
        sudo: bool,
        sessions: _Sessions | None = None,
    ) -> None:
        super().__init__(attempt, user=str(connection.get_extra_info("username")), sudo=sudo)
        self.connection = connection
        self._sessions = sessions or _Sessions()

    async def shell(self, listener: Listener) -> Shell:
        command = "exec sudo -n sh -s" if self.sudo else "exec sh -s"
        sessions = self._sessions
        session = _Session(listener, sessions)
        sessions.asked += 1
        try:
            channel, _ = await self.connection.create_session(
                lambda: session, command, encoding=None, request_pty=False, window=WINDOW
            )
        except (asyncssh.Error, OSError) as error:
            message = f"ssh: no session: {reason(error)}"
            others = bool(sessions.open or sessions.asked > 1)
            refused = isinstance(error, asyncssh.ChannelOpenError) and not self.connection.is_closed()
            if refused and (others or sessions.any_yet):
                raise NoRoom(message, others=others) from None
            raise Unobserved("network", message) from None
        finally:
            sessions.asked -= 1
        return _SshShell(channel, session)

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
        as_user = SshLink(self.attempt, self.connection, sudo=False, sessions=self._sessions)
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
            raise StreamRefused(Attempt("lost", "network", f"ssh: {reason(error)}"), ours=True) from None
        return _Reader(reader), _Writer(writer)


def _forbidden(where: str, right: str) -> StreamRefused:
    detail = f"the SSH server forbids forwarding to {where} ({right})"
    return StreamRefused(Attempt("denied", "permission", detail), ours=True)


class _Sessions(Struct):
    """The sessions of one connection: how many are asked for, which are open, and whether any was yet."""

    asked: int = 0
    open: set[_Session] = field(default_factory=set)
    any_yet: bool = False


class _Session(asyncssh.SSHClientSession[bytes]):
    def __init__(self, listener: Listener, sessions: _Sessions) -> None:
        self._listener = listener
        self._sessions = sessions
        self._status: int | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._sessions.open.add(self)
        self._sessions.any_yet = True

    def left(self) -> None:
        """Nobody waits for it any more, whether it ends or not."""
        self._sessions.open.discard(self)

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
        self.left()
        self._listener.ended(self._status, reason(exc) if exc else "the server closed the channel")


class _SshShell:
    def __init__(self, channel: asyncssh.SSHClientChannel[bytes], session: _Session) -> None:
        self._channel = channel
        self._session = session

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
        self._session.left()


class _Reader:
    def __init__(self, reader: asyncssh.SSHReader[bytes]) -> None:
        self._reader = reader

    async def read(self, n: int = -1, /) -> bytes:
        try:
            return await self._reader.read(n)
        except asyncssh.Error as error:
            raise ConnectionResetError(reason(error)) from None


class _Writer:
    def __init__(self, writer: asyncssh.SSHWriter[bytes]) -> None:
        self._writer = writer

    def write(self, data: bytes, /) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except asyncssh.Error as error:
            raise ConnectionResetError(reason(error)) from None

    def write_eof(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


def reason(error: BaseException) -> str:
    """An error in the words of whoever raised it."""
    return str(getattr(error, "reason", "") or error) or type(error).__name__
