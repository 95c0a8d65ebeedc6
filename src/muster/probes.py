"""Probes: the questions that can be asked, the answers that come back, and why there is none.

A question is plain data, frozen and hashable, and names no I/O library: equal questions to one host are
asked once. The transports answer questions; a fact's parser turns the answer into the fact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

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


class Attempt(Struct, frozen=True):
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


#: Who answers a question: nobody but the link itself, its shell, or one of the transports.
Asked = Literal["link", "shell", "http", "engine", "port", "server"]


class Question(Protocol):
    """What can be asked: plain data, frozen and hashable. Further ones are in `muster.questions`."""

    asked: ClassVar[Asked]

    def describe(self) -> str:
        """The question as people read it."""


class Login(Struct, frozen=True):
    """Question: can the host be logged in to? Answer: an `Attempt`."""

    asked: ClassVar[Asked] = "link"

    def describe(self) -> str:
        return "log in"


class Command(Struct, frozen=True):
    """Question: what does this POSIX sh text print on the host? Answer: an `Output`.

    ``timeout`` in seconds; of the output, the first ``max_bytes`` are kept, and of standard error the last
    ``stderr_bytes``, where the reason stands. ``told`` is what people read in place of a long script.
    What takes longer than half a second or so is ``slow``: it runs beside the batch, so that nothing waits for it.
    """

    asked: ClassVar[Asked] = "shell"

    script: str
    timeout: float = 10.0
    max_bytes: int = 65_536
    stderr_bytes: int = 8_192
    told: str = ""
    slow: bool = False

    def describe(self) -> str:
        return "sh: " + "\n".join(line for line in (self.told or self.script).splitlines() if line.strip())


class Output(Struct, frozen=True):
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


class Sample(Struct, frozen=True):
    """Question: what does this POSIX sh text print, now and once more a second later? Answer: `Samples`.

    All samples of a host share one wait. The other fields are as of `Command`.
    """

    asked: ClassVar[Asked] = "shell"

    script: str
    timeout: float = 10.0
    max_bytes: int = 65_536
    told: str = ""

    def describe(self) -> str:
        return "twice, 1 s apart: " + Command(self.script, told=self.told).describe()


class Samples(Struct, frozen=True):
    """The answer to a `Sample`. What lies between the two is told by the host's own clock, in what they hold."""

    first: Output
    second: Output


class Probe(Struct, Generic[T_co], frozen=True):
    """How a fact is asked for: the question, and the pure function that makes the fact of the answer.

    The parser raises `Unobserved` or `DoesNotApply`; whatever else it raises makes the fact unobserved,
    with cause ``unreadable``. Where the question itself got no answer, ``failed`` may say that the fact
    does not apply here, or say better why it is not known.
    """

    question: Question
    parse: Callable[[Any], T_co]
    failed: Callable[[Unobserved], Unobserved | DoesNotApply] | None = None
