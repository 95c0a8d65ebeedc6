"""Ports: whether they accept, what they show of themselves in TLS, what they know as DNS servers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from msgspec.structs import replace

from muster.probes import Attempt, Unobserved
from muster.questions.ports import Connect, Handshake, Handshaken, Resolve, Resolved
from muster.transports.link import Link, Stream, StreamRefused
from muster.transports.outcomes import RETRY_AFTER, from_os_error, worth_another_try


async def ask(link: Link, question: Connect | Handshake | Resolve) -> Attempt | Handshaken | Resolved:
    """The answer to a question, asked from the host. What went wrong at the other end is in it.

    Raises:
        Unobserved: it could not be asked at all.
    """
    address = question.server if isinstance(question, Resolve) else question.address
    port = Port(link, address, question.port)
    began = time.monotonic()
    try:
        async with asyncio.timeout(question.timeout):
            answer = await _answer(port, question)
    except StreamRefused as refused:
        if refused.ours:
            raise Unobserved(refused.attempt.cause or "network", str(refused.attempt)) from None
        answer = _ended(question, refused.attempt)
    except TimeoutError:
        answer = _ended(question, _timed_out(port, question.timeout))
    except OSError as error:
        answer = _ended(question, from_os_error(error, port.where))
    if isinstance(answer, Attempt):
        return _timed(answer, port, began)
    return replace(answer, attempt=_timed(answer.attempt, port, began))


class Port:
    """A TCP port, as a host reaches it. ``open`` says whether it has accepted, ``tries`` how often it was tried."""

    def __init__(self, link: Link, address: str, port: int) -> None:
        self.where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.open = False
        self.tries = 1
        self._link = link
        self._to = address, port

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[Stream]:
        """A connection to it; one that is refused is tried again.

        Raises:
            StreamRefused: it could not be opened.
        """
        try:
            stream = await self._dialled()
        except StreamRefused as refused:
            if refused.ours or not worth_another_try(refused.attempt) or self.tries > 1:
                raise
            await asyncio.sleep(RETRY_AFTER)
            self.tries = 2
            stream = await self._dialled()
        self.open = True
        try:
            yield stream
        finally:
            stream[1].close()

    async def _dialled(self) -> Stream:
        try:
            return await self._link.stream(*self._to)
        except StreamRefused as refused:
            told = replace(refused.attempt, detail=refused.attempt.detail or self.where)
            raise StreamRefused(told, ours=refused.ours) from None


async def _answer(port: Port, question: Connect | Handshake | Resolve) -> Attempt | Handshaken | Resolved:
    match question:
        case Connect():
            async with port.stream():
                return Attempt("connected")
        case Handshake():
            from muster.transports import tls

            return await tls.handshake(port, question)
        case Resolve():
            from muster.transports import dns

            return await dns.resolve(port, question)


def _ended(question: Connect | Handshake | Resolve, attempt: Attempt) -> Attempt | Handshaken | Resolved:
    match question:
        case Connect():
            return attempt
        case Handshake():
            return Handshaken(attempt)
        case Resolve():
            return Resolved(attempt)


def _timed(attempt: Attempt, port: Port, began: float) -> Attempt:
    return replace(attempt, seconds=time.monotonic() - began, tries=port.tries)


def _timed_out(port: Port, seconds: float) -> Attempt:
    if port.open:
        return Attempt("timed out", "timeout", f"{port.where} accepted, but did not answer in {seconds:g} s")
    return Attempt("timed out", "network", f"no connection to {port.where} in {seconds:g} s")
