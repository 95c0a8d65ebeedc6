"""A suite: the selected targets of one run, what is wanted of them, and what was observed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from muster.judge import Case, judge, subject
from muster.need import Catalogue, Need
from muster.observations import Observation, Observations
from muster.targets import Host, Target, asked_from
from muster.text import Redactor
from muster.verdict import Verdict

if TYPE_CHECKING:
    from muster.gather import Gatherer, Progress
    from muster.inventory import Inventory
    from muster.plan import Plan


class Suite:
    """One run over an inventory.

    ``targets`` are those that the run is limited to; ``deadline`` bounds each gathering, in seconds. ``processes`` is
    among how many the run is divided. Nothing is contacted before `gather`, or the first use of a fact that was not
    gathered.
    """

    def __init__(
        self,
        inventory: Inventory,
        targets: Iterable[Target],
        *,
        deadline: float | None = None,
        processes: int = 1,
    ) -> None:
        self.inventory = inventory
        self._processes = processes
        self._deadline = deadline
        self.targets = tuple(targets)
        self.redact = Redactor(inventory.secrets)
        self.observations = Observations(self._observe)
        self._hosts = {host.name: host for host in inventory.hosts}
        self._by_kind: dict[type[Target], list[Target]] = {}
        self._wanted: dict[Host, dict[tuple[Target, Need[Any]], int]] = {}
        self._gatherer: Gatherer | None = None

    def limit(self, targets: Iterable[Target]) -> None:
        """Limit the run to these targets."""
        self.targets = tuple(targets)
        self._by_kind.clear()

    @cached_property
    def needs(self) -> Catalogue:
        """The needs that ship, by the name of the argument that asks for each."""
        return Catalogue()

    def targets_of(self, kind: type[Target], applies: Callable[[Any], bool] | None = None) -> list[Target]:
        """The targets of a kind, in the order of the inventory; of these, the ones that a check applies to.

        A host that needs no login is no target of checks on hosts.
        """
        found = self._by_kind.get(kind)
        if found is None:
            found = self._by_kind[kind] = [target for target in self.targets if isinstance(target, kind)]
        if kind is Host:
            found = [host for host in found if isinstance(host, Host) and host.connection.kind != "none"]
        return [target for target in found if applies(target)] if applies else found

    def host_of(self, target: Target) -> Host:
        """The host that a target is observed from; at the top level, the machine that the suite runs on."""
        return asked_from(target, self._hosts)

    def want(self, case: Case, target: Target) -> None:
        """Note what a selected check will read of a target."""
        host = self.host_of(target)
        wanted = self._wanted.setdefault(host, {})
        for need in case.needs:
            pair = subject(need, target, host), need
            wanted[pair] = wanted.get(pair, 0) + 1

    def plan(self, hosts: Iterable[Host] | None = None) -> Plan:
        """What is wanted of these hosts (of all, by default) and not yet observed."""
        from muster.plan import make_plan

        chosen = self._wanted if hosts is None else hosts
        wanted = (pair for host in chosen for pair in self._wanted.get(host, ()) if not self.observations.has(*pair))
        return make_plan(wanted, self._hosts)

    def gather(self, plan: Plan, progress: Progress | None = None, *, keep: bool = True) -> None:
        """Ask for all that is planned, of all hosts at once. Without ``keep`` nobody will ask a host again.

        Raises:
            KeyboardInterrupt: what was observed until then stays.
        """
        self.gatherer.gather_now(plan, self.observations, progress, keep=keep)

    @property
    def gatherer(self) -> Gatherer:
        """The connections of this run, opened when they are first used."""
        if self._gatherer is None:
            from muster.gather import Gatherer

            self._gatherer = Gatherer(self._hosts, processes=self._processes, run_deadline=self._deadline)
        return self._gatherer

    def judge(self, case: Case, target: Target) -> Verdict:
        return judge(case, target, self.host_of(target), self.observations, self.redact)

    def forget(self, case: Case, target: Target) -> None:
        """Let go of what a check has read of a target, where no other check that is wanted reads it."""
        host = self.host_of(target)
        wanted = self._wanted[host]
        for need in case.needs:
            pair = subject(need, target, host), need
            wanted[pair] -= 1
            if not wanted[pair]:
                self.observations.drop(*pair)

    def observation(self, target: Target, need: Need[Any]) -> Observation:
        return self.observations.get(subject(need, target, self.host_of(target)), need)

    def close(self) -> None:
        """Close every connection. Safe to call twice."""
        gatherer, self._gatherer = self._gatherer, None
        if gatherer is not None:
            gatherer.close_now()

    def _observe(self, target: Target, need: Need[Any]) -> None:
        """First use of what was not gathered: ask for it, and for all else that is wanted of that host."""
        host = self.host_of(target)
        self._wanted.setdefault(host, {}).setdefault((target, need), 1)
        self.gather(self.plan([host]))
