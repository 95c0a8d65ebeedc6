"""The plan: which question is asked of which host, and which facts its answer serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from muster.need import Need
from muster.probes import DoesNotApply, Probe, Question, Unobserved
from muster.targets import RUNNER, Host, Target, asked_from

Want = tuple[Target, Need[Any], Probe[Any]]


class Ask(Struct, frozen=True):
    """One question, and the facts that are made of its answer."""

    question: Question
    wants: tuple[Want, ...]


class Plan(Struct, frozen=True):
    """What is asked of whom, in the order of first need.

    ``settled`` are needs that are decided before anything is asked: the fact has no meaning for the
    target, or its probe already says that it cannot be learnt.
    """

    hosts: Mapping[Host, tuple[Ask, ...]] = field(default_factory=dict)
    settled: tuple[tuple[Target, Need[Any], Unobserved | DoesNotApply], ...] = ()

    @property
    def wanted(self) -> dict[Host, int]:
        """How many facts are asked of each host."""
        return {host: sum(len(ask.wants) for ask in asks) for host, asks in self.hosts.items()}

    def describe(self) -> Iterator[str]:
        """The lines that ``--dry-run`` prints: each host, and under it each question in plan order.

        A script is shown as it will run, further lines below its first.
        """
        for host, asks in self.hosts.items():
            yield heading(host)
            for ask in asks:
                first, *further = ask.question.describe().splitlines()
                yield f"  {first}"
                yield from (f"      {line}" for line in further)


def heading(host: Host) -> str:
    """A host and how it is reached: ``proxy-1 (ssh ops@10.0.0.1:22 via bastion)``."""
    connection = host.connection
    if host is RUNNER:
        return "from here (this machine)"
    if connection.kind == "local":
        return f"{host.name} (this machine)"
    if connection.kind == "none":
        return f"{host.name} (no login, asked from this machine)"
    user = f"{connection.user}@" if connection.user else ""
    address = connection.address or host.name
    port = f":{connection.port}" if connection.port else ""
    via = f" via {connection.via}" if connection.via else ""
    sudo = ", sudo" if connection.sudo else ""
    return f"{host.name} ({connection.kind} {user}{address}{port}{via}{sudo})"


def make_plan(wanted: Iterable[tuple[Target, Need[Any]]], hosts: Mapping[str, Host]) -> Plan:
    """Group what is needed by host and by question: equal questions to one host are asked once.

    ``hosts`` are all hosts of the inventory by name. A probe that fails with anything but `Unobserved`
    or `DoesNotApply` is a fault of ours, and settles its need as ``internal``.
    """
    asks: dict[Host, dict[Question, list[Want]]] = {}
    settled: list[tuple[Target, Need[Any], Unobserved | DoesNotApply]] = []
    seen: set[tuple[Target, Need[Any]]] = set()
    for target, need in wanted:
        if (target, need) in seen:
            continue
        seen.add((target, need))
        try:
            probe = need.probe(target)
        except (Unobserved, DoesNotApply) as failure:
            settled.append((target, need, failure))
        except Exception as error:
            fault = Unobserved("internal", f"the probe of {need.name} failed: {type(error).__name__}: {error}")
            settled.append((target, need, fault))
        else:
            questions = asks.setdefault(asked_from(target, hosts), {})
            questions.setdefault(probe.question, []).append((target, need, probe))
    planned = {
        host: tuple(Ask(question, tuple(wants)) for question, wants in questions.items())
        for host, questions in asks.items()
    }
    return Plan(planned, tuple(settled))
