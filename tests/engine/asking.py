"""Ask hosts questions as a gather does, and get the observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from muster.gather import Gatherer
from muster.need import Need
from muster.observations import Observation, Observations
from muster.plan import Plan, make_plan
from muster.probes import Probe, Question, Unobserved
from muster.targets import Connection, Host
from tests.servers.processes import ServerError, wait_for
from tests.servers.sshd import Sshd


def ssh(server: Sshd, name: str = "web-1", /, **more: Any) -> Host:
    """A host of an inventory that is this server; ``more`` is about its connection."""
    return Host(name=name, connection=Connection(**server.connection(**more)))


def local(name: str = "here", **more: Any) -> Host:
    return Host(name=name, connection=Connection(kind="local"), **more)


def need(question: Question, parse: Callable[[Any], Any] = lambda answer: answer) -> Need[Any]:
    return Need(question.describe(), Host, lambda _: Probe(question, parse))


@contextmanager
def gatherer(*hosts: Host, **options: Any) -> Iterator[Gatherer]:
    made = Gatherer({host.name: host for host in hosts}, **options)
    try:
        yield made
    finally:
        made.close_now()


def plan(asked: Mapping[Host, tuple[Need[Any], ...]]) -> Plan:
    return make_plan([(host, each) for host, needs in asked.items() for each in needs], {})


def observe(host: Host, *questions: Question, others: tuple[Host, ...] = (), **options: Any) -> list[Observation]:
    """What a host answers, each question's observation."""
    with gatherer(host, *others, **options) as asking:
        needs = tuple(need(question) for question in questions)
        observations = Observations()
        asking.gather_now(plan({host: needs}), observations)
        return [observations.get(host, each) for each in needs]


def answer(host: Host, question: Question, **more: Any) -> Any:
    """What a host answers to one question; raises why it does not."""
    (found,) = observe(host, question, **more)
    if found.failure is not None:
        raise found.failure
    return found.value


def failure(host: Host, question: Question, **more: Any) -> Unobserved:
    (found,) = observe(host, question, **more)
    assert isinstance(found.failure, Unobserved), f"observed: {found.value}"
    return found.failure


def open_files() -> int:
    """How many file descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def files_are_closed(before: int) -> None:
    """Wait until no more descriptors are open than ``before``; what is closed may take its other end a moment."""
    try:
        wait_for(lambda: open_files() <= before, f"{before} descriptors and no more")
    except ServerError as late:
        kept = sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
        raise AssertionError(f"{late}: {', '.join(kept)}") from None
