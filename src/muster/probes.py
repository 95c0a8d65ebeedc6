"""Probes: the questions that can be asked, the answers that come back, and why there is none.

A question is plain data, frozen and hashable, and names no I/O library: equal questions to one host are
asked once. The transports answer questions; a fact's parser turns the answer into the fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

T_co = TypeVar("T_co", covariant=True)

#: Why a verdict is bad: ``network`` (nothing answered), ``timeout`` (reached, but too slow), ``permission``
#: (a right is missing), ``missing`` (what was asked for is not there), ``wrong`` (observed, and not as
#: expected), ``unreadable`` (an answer that makes no sense), ``internal`` (a fault of ours).
Cause = Literal["network", "timeout", "permission", "missing", "wrong", "unreadable", "internal"]


class Unobserved(Exception):
    """A fact could not be learnt. ``host_down`` is True where its whole host could not be reached."""

    def __init__(self, cause: Cause, message: str, *, host_down: bool = False) -> None:
        super().__init__(message)
        self.cause: Cause = cause
        self.message = message
        self.host_down = host_down


class DoesNotApply(Exception):
    """A fact has no meaning for this target, such as systemd units where systemd does not run.

    Never for what could not be looked at: that is `Unobserved`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of an attempt to reach something.

    ``outcome`` is ``connected`` or what happened instead, in two words (``refused``, ``timed out``,
    ``no such name``, ``TLS failed``, ``denied``, ``reset``, ...); ``cause`` is None when connected;
    ``detail`` is the rest of the sentence; ``seconds`` is how long all ``tries`` took.
    """

    outcome: str
    cause: Cause | None = None
    detail: str = ""
    seconds: float = 0.0
    tries: int = 1

    @property
    def connected(self) -> bool:
        return self.cause is None

    def __str__(self) -> str:
        text = f"{self.outcome}: {self.detail}" if self.detail else self.outcome
        return f"{text} (after {self.tries} tries)" if self.tries > 1 and not self.connected else text


@dataclass(frozen=True, slots=True)
class Login:
    """Question: can the host be logged in to? Answer: an `Attempt`."""

    def describe(self) -> str:
        return "log in"


@dataclass(frozen=True, slots=True)
class Command:
    """Question: what does this POSIX sh text print on the host? Answer: an `Output`.

    ``timeout`` in seconds; of the output, the first ``max_bytes`` are kept, and of standard error the last
    ``stderr_bytes``, where the reason stands. ``told`` is what people read in place of a long script.
    """

    script: str
    timeout: float = 10.0
    max_bytes: int = 65_536
    stderr_bytes: int = 8_192
    told: str = ""

    def describe(self) -> str:
        return "sh: " + "\n".join(line for line in (self.told or self.script).splitlines() if line.strip())


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, as bytes, and its exit status. ``seconds`` is how long it took.

    It ran within the time from ``started_at`` to ``answered_at``: by this machine's clock, in seconds since
    the epoch, 0 where nobody looked at it. The first is when the question was sent, or later where it is
    sure that it did not reach the host before; the second is when the whole answer was here.
    """

    stdout: bytes
    stderr: bytes = b""
    status: int = 0
    truncated: bool = False
    seconds: float = 0.0
    started_at: float = 0.0
    answered_at: float = 0.0

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 stand as ``\\xNN``."""
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def complaint(self) -> str:
        """The last line of standard error that says anything, for messages."""
        lines = self.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def without_credentials(url: str) -> str:
    """A URL without the user and password that may stand before its host, for messages."""
    scheme, slashes, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return scheme + slashes + rest[:end].rpartition("@")[2] + rest[end:]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Question: what does this URL answer, asked from the host? Answer: an `Exchange`.

    At most ``max_bytes`` of the body are read and ``max_redirects`` redirects followed. The body that
    is sent is ``body``, as UTF-8. ``timeout`` in seconds bounds the whole exchange.
    """

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


@dataclass(frozen=True, slots=True)
class Answered:
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


@dataclass(frozen=True, slots=True)
class Exchange:
    """The answer to an `HttpRequest`: the attempt, and what was answered where it succeeded."""

    attempt: Attempt
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class AskEngine:
    """Question: does the host's Docker engine answer? Answer: an `EngineAnswer`."""

    def describe(self) -> str:
        return "Docker: GET /version"


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """How the attempt to reach the Docker engine went, and what ``GET /version`` said."""

    attempt: Attempt
    version: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ListContainers:
    """Question: which containers are there, stopped ones too? Answer: the JSON list of ``GET /containers/json``."""

    def describe(self) -> str:
        return "Docker: GET /containers/json?all=1"


@dataclass(frozen=True, slots=True)
class InspectContainer:
    """Question: what is the state of the container whose name matches this glob? Answer: `Matches`."""

    match: str

    def describe(self) -> str:
        return f"Docker: GET /containers/{self.match}/json"


@dataclass(frozen=True, slots=True)
class Matches:
    """The names of all containers that match, and the inspection of the one that is meant.

    One is meant where one matches, or where exactly one of those that match is running; else
    ``inspected`` is None. ``engine_time`` is what the engine's own clock said, in seconds since the epoch
    (the answer's ``Date``), None where it did not say.
    """

    names: tuple[str, ...]
    inspected: Mapping[str, Any] | None
    engine_time: float | None = None


Question = Login | Command | HttpRequest | AskEngine | ListContainers | InspectContainer


@dataclass(frozen=True, slots=True)
class Probe(Generic[T_co]):
    """How a fact is asked for: the question, and the pure function that makes the fact of the answer.

    The parser raises `Unobserved` or `DoesNotApply`; whatever else it raises makes the fact unobserved,
    with cause ``unreadable``. Where the question itself got no answer, ``failed`` may say that the fact
    does not apply here, or say better why it is not known.
    """

    question: Question
    parse: Callable[[Any], T_co]
    failed: Callable[[Unobserved], Unobserved | DoesNotApply] | None = None
