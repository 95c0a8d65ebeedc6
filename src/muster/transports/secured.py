"""TLS over any stream."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from muster.probes import Attempt, Cause, Unobserved
from muster.transports.link import Stream, StreamRefused
from muster.transports.outcomes import from_os_error

T = TypeVar("T")

READ_AT_ONCE = 65_536


class Secured:
    """A stream in TLS, by ``session``: reader and writer in one, over those of another. `secured` makes one."""

    def __init__(self, stream: Stream, context: ssl.SSLContext, name: str) -> None:
        self._reader, self._writer = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """The server's certificate, as `ssl.SSLSocket.getpeercert` gives it; None where it was not verified."""
        return self.session.getpeercert() or None

    async def shake_hands(self) -> None:
        """Come to terms with the server. Raises OSError, of which `ssl.SSLError` is one, where that fails."""
        await self._done(self.session.do_handshake)
        await self.drain()

    async def read(self, n: int = -1, /) -> bytes:
        """What has come, ``n`` bytes of it at most; nothing where the stream has ended.

        Raises:
            StreamRefused: what came is no TLS, or the server wants a certificate of its client, which it says only
                after the handshake (TLS 1.3).
        """
        try:
            return await self._done(lambda: self.session.read(READ_AT_ONCE if n < 0 else n))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            # Many servers hang up without the farewell of TLS. How long an answer is, HTTP says itself.
            return b""
        except ssl.SSLError as error:
            raise _failed(error) from None

    def write(self, data: bytes, /) -> None:
        self.session.write(data)

    async def drain(self) -> None:
        self._writer.write(self._outgoing.read())
        await self._writer.drain()

    def write_eof(self) -> None:
        raise NotImplementedError("TLS cannot end one direction only")

    def close(self) -> None:
        self._writer.close()

    async def _done(self, step: Callable[[], T]) -> T:
        """What a step of TLS comes to, once enough has been read for it."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                # Where it cannot be sent, the server may have said why before.
                with contextlib.suppress(ConnectionError):
                    await self.drain()
            except ssl.SSLError:
                # The server is told why.
                with contextlib.suppress(OSError):
                    await self.drain()
                raise
            if heard := await self._reader.read(READ_AT_ONCE):
                self._incoming.write(heard)
            else:
                self._incoming.write_eof()


async def secured(stream: Stream, context: ssl.SSLContext, name: str) -> Secured:
    """Shake hands with a server of this name, which is what its certificate has to be for.

    Raises:
        StreamRefused: they did not come to terms; it has a detail only where the server is to blame for it.
        ValueError: there can be no server of this name.
    """
    made = Secured(stream, context, name)
    try:
        await made.shake_hands()
    except ssl.SSLEOFError:
        raise StreamRefused(Attempt("reset", "network")) from None
    except ssl.SSLError as error:
        raise _failed(error) from None
    except OSError as error:
        raise StreamRefused(from_os_error(error)) from None
    return made


def client_context(ca_file: str | None, *, lenient: bool = False, verify: bool = True) -> ssl.SSLContext:
    """A client's settings. A ``lenient`` one speaks any version that OpenSSL still has, with any cipher.

    Raises:
        Unobserved: ``ca_file`` cannot be read.
    """
    try:
        stamp = Path(ca_file).stat().st_mtime_ns if ca_file else 0
        return _context(ca_file, stamp, lenient, verify)
    except ssl.SSLError:
        raise Unobserved("wrong", f"ca_file {ca_file}: no certificate in PEM") from None
    except OSError as error:
        cause: Cause = "permission" if isinstance(error, PermissionError) else "missing"
        raise Unobserved(cause, f"ca_file {ca_file}: {error.strerror or error}") from None


@lru_cache(maxsize=32)
def _context(ca_file: str | None, _stamp: int, lenient: bool, verify: bool) -> ssl.SSLContext:
    # Reading what a system trusts takes some 20 ms, which a thousand endpoints would feel.
    made = ssl.create_default_context(cafile=ca_file) if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if lenient:
        made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        # Without certificates (aNULL) there would be nothing to trust, and nothing to see.
        made.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def reason(error: ssl.SSLError) -> str:
    """An error of TLS in the words of OpenSSL."""
    return getattr(error, "verify_message", "") or (error.reason or str(error)).replace("_", " ").lower()


def _failed(error: ssl.SSLError) -> StreamRefused:
    return StreamRefused(Attempt("TLS failed", "wrong", reason(error)))
