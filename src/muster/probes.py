"""Probes: the questions that can be asked, the answers that come back, and why there is none.

A question is plain data, frozen and hashable, and names no I/O library: equal questions to one host are
asked once. The transports answer questions; a fact's parser turns the answer into the fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from muster.targets import Server

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
    What takes longer than half a second or so is ``slow``: it runs beside the batch, so that nothing waits for it.
    """

    script: str
    timeout: float = 10.0
    max_bytes: int = 65_536
    stderr_bytes: int = 8_192
    told: str = ""
    slow: bool = False

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


@dataclass(frozen=True, slots=True)
class Sample:
    """Question: what does this POSIX sh text print, now and once more a second later? Answer: `Samples`.

    All samples of a host share one wait. The other fields are as of `Command`.
    """

    script: str
    timeout: float = 10.0
    max_bytes: int = 65_536
    told: str = ""

    def describe(self) -> str:
        return "twice, 1 s apart: " + Command(self.script, told=self.told).describe()


@dataclass(frozen=True, slots=True)
class Samples:
    """The answer to a `Sample`. What lies between the two is told by the host's own clock, in what they hold."""

    first: Output
    second: Output


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


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """Question: what does the container that matches use, now and a second later? Answer: `Stats`."""

    match: str

    def describe(self) -> str:
        return f"Docker: GET /containers/{self.match}/stats?one-shot=1, twice, 1 s apart"


@dataclass(frozen=True, slots=True)
class Stats:
    """``GET /containers/{id}/stats`` of the container that is meant, twice; None where `Matches` has none."""

    matches: Matches
    first: Mapping[str, Any] | None = None
    second: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LineCount:
    """Lines of the last ``window`` seconds of a log in which every regular expression of ``found`` is found.

    Where there is none, all lines.
    """

    window: float
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainerLog:
    """Question: how many such lines has the log of the container that matches? Answer: `Logged`.

    Lines are counted while they are read, so that no log is too long; ``timeout`` in seconds bounds the reading. Of
    a line, 8 KiB are looked at.
    """

    match: str
    counts: tuple[LineCount, ...]
    timeout: float = 10.0

    def describe(self) -> str:
        since = max((each.window for each in self.counts), default=0.0)
        return f"Docker: GET /containers/{self.match}/logs?since={since:g} s ago"


@dataclass(frozen=True, slots=True)
class Counted:
    """How many lines were counted, and the last of them after its time (UTC), empty where there is none."""

    lines: int
    last: str = ""


@dataclass(frozen=True, slots=True)
class Logged:
    """What was counted, for each count; None where `Matches` has no container that is meant."""

    matches: Matches
    counts: tuple[Counted, ...] | None = None


@dataclass(frozen=True, slots=True)
class ContainerLogFile:
    """Question: how large is the log file of the container that matches, on its host? Answer: `LogFile`."""

    match: str

    def describe(self) -> str:
        return f"Docker: GET /containers/{self.match}/json; sh: stat -c %s LogPath"


@dataclass(frozen=True, slots=True)
class LogFile:
    """The size of a container's log file in bytes; None where the engine names no file."""

    matches: Matches
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """Question: does this TCP port accept a connection from the host? Answer: an `Attempt`."""

    address: str
    port: int
    timeout: float = 10.0

    def describe(self) -> str:
        return f"TCP: connect to {self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Handshake:
    """Question: with what does this port answer a TLS handshake? Answer: a `Handshaken`.

    ``server_name`` is the name that is asked for and that the certificate must be for.
    """

    address: str
    port: int
    starttls: Literal["smtp", "postgres"] | None = None
    server_name: str = ""
    ca_file: str | None = None
    timeout: float = 10.0

    def describe(self) -> str:
        how = f" after STARTTLS of {self.starttls}" if self.starttls else ""
        return f"TLS: handshake with {self.address}:{self.port}{how}"


@dataclass(frozen=True, slots=True)
class Handshaken:
    """How a handshake went, and what it showed where there was one.

    ``protocol`` is the version of TLS (``TLSv1.3``), ``certificates`` the chain that was sent, in DER, the server's
    own first. ``distrust`` is why it cannot be trusted, in OpenSSL's words; empty where it can.
    """

    attempt: Attempt
    protocol: str = ""
    cipher: str = ""
    certificates: tuple[bytes, ...] = ()
    distrust: str = ""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Question: what does this DNS server, asked over TCP from the host, know of a name? Answer: `Resolved`."""

    name: str
    type: str
    server: str
    port: int = 53
    timeout: float = 10.0

    def describe(self) -> str:
        return f"DNS: {self.type} of {self.name}, asked of {self.server}:{self.port} over TCP"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a DNS server answered: ``code`` is ``NOERROR``, ``NXDOMAIN``, ...; ``records`` are as in a zone file."""

    attempt: Attempt
    code: str = ""
    records: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskServer:
    """Question: can the database server be logged in to, and does it answer? Answer: a `ServerAnswer`."""

    server: Server
    timeout: float = 10.0

    def describe(self) -> str:
        return f"{self.server.engine}: log in to {self.server}"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """How the attempt to log in to a database server went, and the version that it then named."""

    attempt: Attempt
    version: str = ""


@dataclass(frozen=True, slots=True)
class Select:
    """Question: which rows does this one ``SELECT`` give? Answer: `Rows`.

    It runs in a read-only transaction that ends after ``timeout`` seconds at most, on the server's one connection.
    ``expression`` True: it is a user's, to be run within another that gives its first column only, as text of at most
    64 characters, and 2 rows at most.
    """

    server: Server
    statement: str
    timeout: float = 10.0
    max_rows: int = 1_000
    expression: bool = False

    def describe(self) -> str:
        return f"{self.server.engine} at {self.server}: {' '.join(self.statement.split())}"


@dataclass(frozen=True, slots=True)
class Execute:
    """Question: what does this statement of a live check give, with values for its placeholders? Answer: `Rows`.

    It runs as it is, as a `Select` does, and all its rows come back.
    """

    server: Server
    statement: str
    parameters: Sequence[Any] | Mapping[str, Any] = ()
    timeout: float = 10.0

    def describe(self) -> str:
        return f"{self.server.engine} at {self.server}: {' '.join(self.statement.split())}"


@dataclass(frozen=True, slots=True)
class Rows:
    """What a `Select` gave: the first rows, ``truncated`` where there are more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class AskRedis:
    """Question: what does Redis answer to this command that reads? Answer: what redis-py makes of it, undecoded."""

    server: Server
    words: tuple[str, ...]
    timeout: float = 10.0

    def describe(self) -> str:
        return f"redis at {self.server}: {' '.join(self.words)}"


@dataclass(frozen=True, slots=True)
class CountKeys:
    """Question: how many keys match this pattern? Answer: the number, by SCAN of at most ``most`` keys.

    Unobserved where there are more keys than that, or the time ends before they do.
    """

    server: Server
    pattern: str
    most: int = 1_000_000
    timeout: float = 10.0

    def describe(self) -> str:
        return f"redis at {self.server}: SCAN 0 MATCH {self.pattern}"


@dataclass(frozen=True, slots=True)
class AskEach:
    """Question: what does a database server answer to each of these?

    Answer: a tuple, in the same order, of each answer, or of the `Unobserved` in its place: one that fails costs
    itself only. They are asked one after the other.
    """

    questions: tuple[Select | CountKeys, ...]

    @property
    def timeout(self) -> float:
        """How long all may take, in seconds."""
        return sum(question.timeout for question in self.questions)

    def describe(self) -> str:
        return "; ".join(question.describe() for question in self.questions)


Question = (
    Login
    | Command
    | Sample
    | HttpRequest
    | AskEngine
    | ListContainers
    | InspectContainer
    | ContainerStats
    | ContainerLog
    | ContainerLogFile
    | Connect
    | Handshake
    | Resolve
    | AskServer
    | Select
    | AskRedis
    | CountKeys
    | AskEach
)


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
