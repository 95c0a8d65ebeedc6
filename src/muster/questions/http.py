"""HTTP: the request, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from muster.probes import Asked, Attempt


def without_credentials(url: str) -> str:
    """A URL without the user and password that may stand before its host, for messages."""
    scheme, slashes, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return scheme + slashes + rest[:end].rpartition("@")[2] + rest[end:]


class HttpRequest(Struct, frozen=True):
    """Question: what does this URL answer, asked from the host? Answer: an `Exchange`.

    At most ``max_bytes`` of the body are read and ``max_redirects`` redirects followed. The body that
    is sent is ``body``, as UTF-8. ``timeout`` in seconds bounds the whole exchange.
    """

    asked: ClassVar[Asked] = "http"

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    timeout: float = 10.0
    ca_file: str | None = None
    verify: bool = True
    max_bytes: int = 1_048_576
    max_redirects: int = 10

    def describe(self) -> str:
        return f"{self.method} {without_credentials(self.url)}"


class Answered(Struct, frozen=True):
    """An HTTP answer. ``url`` is where it came from, after ``redirects`` (the URLs left behind).

    ``headers`` have lower-case names, in the order received. ``truncated`` says that the body was
    longer than was asked for. ``seconds`` runs from the request to the end of the body, the last
    request only. ``certificate`` is what `ssl.SSLSocket.getpeercert` gives for a verified one.
    """

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool
    seconds: float
    redirects: tuple[str, ...] = ()
    certificate: Mapping[str, Any] | None = None


class Exchange(Struct, frozen=True):
    """The answer to an `HttpRequest`: the attempt, and what was answered where it succeeded."""

    attempt: Attempt
    answered: Answered | None = None
