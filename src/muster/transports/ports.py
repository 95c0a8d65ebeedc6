"""Ports: whether they accept, what they show of themselves in TLS, what they know as DNS servers."""

from __future__ import annotations

from muster.probes import Attempt, Connect, Handshake, Handshaken, Resolve, Resolved, Unobserved
from muster.transports.link import Link


async def ask(link: Link, question: Connect | Handshake | Resolve) -> Attempt | Handshaken | Resolved:
    """The answer to a question, asked from the host. What went wrong at the other end is in it.

    Raises:
        Unobserved: it could not be asked at all.
    """
    raise Unobserved("internal", f"nobody asks {type(link).__name__} for {question.describe()} yet")
