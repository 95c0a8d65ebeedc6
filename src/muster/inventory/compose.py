"""Compose files: what a host's containers must be, by the file that they are started with.

One file is read, on the suite's own machine, as the Compose specification has it. What would need compose itself
(``extends``, ``include``, several files) is refused; ``docker compose config`` prints one file of them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from muster.inventory import compose_ports as ports
from muster.inventory.compose_variables import VariableError, filled, read_variables
from muster.inventory.document import Document
from muster.inventory.problems import InventoryError, Problem, suggest
from muster.inventory.texts import RESTART

#: The top-level elements and the attributes of a service that the specification has (July 2025); and ``x-...``.
TOP_LEVEL = frozenset(("configs", "models", "name", "networks", "secrets", "services", "version", "volumes"))
SERVICE = frozenset(
    (
        *("annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup"),
        *("cgroup_parent", "command", "configs", "container_name", "cpu_count", "cpu_percent"),
        *("cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset"),
        *("credential_spec", "depends_on", "deploy", "develop", "device_cgroup_rules", "devices", "dns"),
        *("dns_opt", "dns_search", "domainname", "entrypoint", "env_file", "environment", "expose"),
        *("external_links", "extra_hosts", "gpus", "group_add", "healthcheck", "hostname", "image", "init"),
        *("ipc", "isolation", "label_file", "labels", "links", "logging", "mac_address", "mem_limit"),
        *("mem_reservation", "mem_swappiness", "memswap_limit", "models", "network_mode", "networks"),
        *("oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "ports", "post_start"),
        *("pre_stop", "privileged", "profiles", "provider", "pull_policy", "pull_refresh_after"),
        *("read_only", "restart", "runtime", "scale", "secrets", "security_opt", "shm_size", "stdin_open"),
        *("stop_grace_period", "stop_signal", "storage_opt", "sysctls", "tmpfs", "tty", "ulimits"),
        *("use_api_socket", "user", "userns_mode", "uts", "volumes", "volumes_from", "working_dir"),
    )
)
CONFIG = "give the file that `docker compose config` prints"

#: The names under which compose finds a file by itself, and with it the one that overrides it.
FOUND_ALONE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")

#: More instances of a service are a mistake.
MOST_INSTANCES = 1_000

_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_SERVICE_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_POLICIES = {"none": "no", "any": "always"}


def services(
    path: Path,
    *,
    project: str | None,
    profiles: Sequence[str],
    env_file: Path | None,
    environment: Mapping[str, str],
) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """The services of a compose file, as they would stand under ``containers:`` in an inventory; and all problems.

    Each has ``match``, and ``image``, ``ports``, ``health`` and ``restart`` as far as the file says them. One of
    several instances is called by the service's name and its number. A service is left out that is not in the
    active ``profiles``, or that others wait for to complete, since it is to end. Variables come from ``environment``,
    then ``env_file``, which is ``.env`` beside the file unless given.
    """
    beside = path.parent / ".env"
    variables: dict[str, str] = {}
    problems: list[Problem] = []
    if env_file is not None or beside.is_file():
        variables, problems = read_variables(env_file or beside, environment)
    try:
        file = _File(path, {**variables, **environment}, profiles)
        found = file.containers(project)
    except InventoryError as error:
        return {}, [*problems, *error.problems]
    problems = [*problems, *dict.fromkeys(file.problems)]
    return ({} if problems else found), problems


class _File(Document):
    """One compose file. ``variables`` are what may be filled in."""

    empty = "is empty; a compose file has services"
    no_mapping = "is no compose file: the top level has to be a mapping (services:, ...)"

    def __init__(self, path: Path, variables: dict[str, str], profiles: Sequence[str]) -> None:
        super().__init__(path)
        self._path = path
        self._blamed: set[int] = set()
        self._mapped: dict[int, list[str]] = {}
        self._variables = variables
        given = profiles or variables.get("COMPOSE_PROFILES", "").split(",")
        self._profiles = {each.strip() for each in given} - {""}

    def containers(self, project: str | None) -> dict[str, dict[str, Any]]:
        """An entry for each container that compose would start."""
        top = self.pairs(self.root)
        self._known(top, TOP_LEVEL, "a compose file")
        self._alone()
        name = self._project(project, top)
        self._variables["COMPOSE_PROJECT_NAME"] = name
        node = top["services"][1] if "services" in top else self.root
        every = {
            service: (key, self._mapping(value, f"the service {service}"))
            for service, (key, value) in (self._mapping(node, "services") if "services" in top else {}).items()
        }
        if not every:
            self.problem(node, "has no services")
        active = {service: found for service, found in every.items() if self._is_active(found[1])}
        ending = self._ending(active, every)
        containers: dict[str, dict[str, Any]] = {}
        for service, (key, entry) in active.items():
            self._known(entry, SERVICE, "a service")
            if _SERVICE_NAME.fullmatch(service) is None:
                self.problem(key, "a service's name has letters, digits, - . _")
            elif not entry.keys() & {"image", "build", "provider", "extends"}:
                self.problem(key, f"the service {service} has neither image nor build")
            elif service not in ending and "provider" not in entry:
                containers |= self._instances(service, name, entry)
        return containers

    def problem(self, node: Node, text: str) -> None:
        """Note what is wrong at a node; only the first thing, for the others follow from it."""
        if id(node) not in self._blamed:
            self._blamed.add(id(node))
            super().problem(node, text)

    # The file as a whole.

    def _alone(self) -> None:
        """Compose would read the file that overrides this one, too."""
        if self._path.name not in FOUND_ALONE:
            return
        for kind in (".yaml", ".yml"):
            other = self._path.with_name(f"{self._path.stem}.override{kind}")
            if other.is_file():
                self.problem(self.root, f"{other.name} beside it changes it, and is not read; {CONFIG}")

    def _known(self, pairs: Mapping[str, tuple[Node, Node]], known: frozenset[str], what: str) -> None:
        for name, (key, value) in pairs.items():
            if value.tag in ("!reset", "!override"):
                self.problem(value, f"{value.tag} is for a file that overrides another; {CONFIG}")
            elif name in ("extends", "include"):
                self.problem(key, f"{name} reads other files, which only compose does; {CONFIG}")
            elif name not in known and not name.startswith("x-"):
                self.problem(key, f'{what} has no "{name}"{suggest(name, known)}; if your compose knows it, {CONFIG}')

    def _project(self, project: str | None, top: Mapping[str, tuple[Node, Node]]) -> str:
        """The project's name: as given, else ``COMPOSE_PROJECT_NAME``, else ``name:``, else the folder's."""
        node = top["name"][1] if "name" in top else self.root
        named = project or self._variables.get("COMPOSE_PROJECT_NAME", "")
        if not named and "name" in top:
            named = self._text(node)
        if not named and "name" in top:
            named = self._text(node)
        if not named and "name" not in top:
            folder = self._path.absolute().parent.name.lower()
            return re.sub(r"[^a-z0-9_-]", "", folder).lstrip("_-") or "default"
        if _PROJECT.fullmatch(named) is None:
            self.problem(node, "the project's name has small letters, digits, - and _, a letter or digit first")
        return named or "default"

    def _is_active(self, entry: Mapping[str, tuple[Node, Node]]) -> bool:
        if "profiles" not in entry:
            return True
        wanted = [self._text(each) for each in self._sequence(entry["profiles"][1], "profiles")]
        return not wanted or "*" in self._profiles or not self._profiles.isdisjoint(wanted)

    def _ending(
        self,
        active: Mapping[str, tuple[Node, Mapping[str, tuple[Node, Node]]]],
        every: Mapping[str, object],
    ) -> set[str]:
        """The services that others wait for to complete; on the way, what is depended on must be active."""
        ending: set[str] = set()
        for service, (_, entry) in active.items():
            if "depends_on" not in entry:
                continue
            node = entry["depends_on"][1]
            if isinstance(node, SequenceNode):
                wanted = {self._text(each): (each, dict[str, tuple[Node, Node]]()) for each in self._spent(node)}
            else:
                wanted = {
                    name: (key, self._mapping(value, "depends_on"))
                    for name, (key, value) in self._mapping(node, "depends_on").items()
                }
            for name, (key, how) in wanted.items():
                if "condition" in how and self._text(how["condition"][1]) == "service_completed_successfully":
                    ending.add(name)
                if name in active or ("required" in how and self._text(how["required"][1]) == "false"):
                    continue
                lack = "whose profiles are not active" if name in every else "which is not there"
                self.problem(key, f"{service} depends on {name}, {lack}; compose refuses that too")
        return ending

    # One service.

    def _instances(
        self, service: str, project: str, entry: Mapping[str, tuple[Node, Node]]
    ) -> dict[str, dict[str, Any]]:
        said: dict[str, Any] = {}
        if "image" in entry and (image := self._text(entry["image"][1])):
            said["image"] = re.sub(r"([*?\[])", r"[\1]", image)
        if mapped := self._ports(entry):
            said["ports"] = mapped
        if health := self._health(entry):
            said["health"] = health
        if restart := self._restart(entry):
            said["restart"] = restart
        count = self._count(entry)
        if "container_name" in entry:
            node = entry["container_name"][1]
            name = self._text(node)
            if count > 1:
                self.problem(node, f"{count} instances of {service} cannot all be called by one container_name")
            elif _CONTAINER.fullmatch(name) is None:
                self.problem(node, "is no name of a container")
            return {service: {"match": name, **said}} if count else {}
        # Compose 1 joined them by underscores.
        match = f"{project}[-_]{service}[-_]"
        if count == 1:
            return {service: {"match": f"{match}1", **said}}
        return {f"{service}-{number}": {"match": f"{match}{number}", **said} for number in range(1, count + 1)}

    def _count(self, entry: Mapping[str, tuple[Node, Node]]) -> int:
        """How many instances there are: ``deploy.replicas``, else ``scale``, else one."""
        deploy = self._mapping(entry["deploy"][1], "deploy") if "deploy" in entry else {}
        for place in (deploy.get("replicas"), entry.get("scale")):
            if place is not None:
                text = self._text(place[1])
                if re.fullmatch(r"[0-9]{1,9}", text) and int(text) <= MOST_INSTANCES:
                    return int(text)
                self.problem(place[1], f"is no number of instances, from 0 to {MOST_INSTANCES:,}")
        return 1

    def _ports(self, entry: Mapping[str, tuple[Node, Node]]) -> list[str]:
        """The mappings, without those whose port on the host the engine chooses."""
        mode = self._text(entry["network_mode"][1]) if "network_mode" in entry else ""
        if mode in ("host", "none") or mode.startswith(("service:", "container:")):
            return []
        if "ports" not in entry:
            return []
        node = entry["ports"][1]
        # Many services may share one long list.
        if id(node) not in self._mapped:
            every = (self._port(each) for each in self._sequence(node, "ports"))
            self._mapped[id(node)] = list(dict.fromkeys(each for each in every if each))
        return self._mapped[id(node)]

    def _port(self, node: Node) -> str | None:
        try:
            if not isinstance(node, MappingNode):
                return ports.short(self._text(node))
            pairs = self._mapping(node, "ports")
            wanted = {"target", "published", "host_ip", "protocol"} & pairs.keys()
            return ports.long({name: self._text(pairs[name][1]) for name in wanted})
        except ports.PortError as error:
            self.problem(node, str(error))
            return None

    def _health(self, entry: Mapping[str, tuple[Node, Node]]) -> str | None:
        """``healthy`` where there is a test, ``none`` where it is switched off; None where the image decides."""
        check = self._mapping(entry["healthcheck"][1], "healthcheck") if "healthcheck" in entry else {}
        if "disable" in check and self._text(check["disable"][1]).lower() == "true":
            return "none"
        if "test" not in check:
            return None
        test = check["test"][1]
        first = next(iter(self._spent(test)), test) if isinstance(test, SequenceNode) else test
        return "none" if isinstance(first, ScalarNode) and first.value == "NONE" else "healthy"

    def _restart(self, entry: Mapping[str, tuple[Node, Node]]) -> str | None:
        """The restart policy, where there is one; what ``deploy`` says of it comes first."""
        deploy = self._mapping(entry["deploy"][1], "deploy") if "deploy" in entry else {}
        policy = self._mapping(deploy["restart_policy"][1], "restart_policy") if "restart_policy" in deploy else {}
        if "condition" in policy:
            node = policy["condition"][1]
            said = self._text(node)
            said = _POLICIES.get(said, said)
            if said == "on-failure" and "max_attempts" in policy:
                said += f":{self._text(policy['max_attempts'][1])}"
        elif "restart" in entry:
            node = entry["restart"][1]
            said = self._text(node)
        else:
            return None
        if re.fullmatch(RESTART, said) is None:
            self.problem(node, "is no restart policy; known are no, always, unless-stopped and on-failure:3")
        return said

    # Nodes.

    def _text(self, node: Node) -> str:
        """A scalar with its variables filled in; empty, and a problem, where that cannot be."""
        if not isinstance(node, ScalarNode):
            self.problem(node, "has to be text or a number")
            return ""
        try:
            return filled(node.value, self._variables)
        except VariableError as error:
            self.problem(node, str(error))
            return ""

    def _mapping(self, node: Node, what: str) -> dict[str, tuple[Node, Node]]:
        if isinstance(node, MappingNode):
            self._spend(node)
            return self.pairs(node)
        if not (isinstance(node, ScalarNode) and node.value in ("", "~", "null")):
            self.problem(node, f"{what} has to be a mapping")
        return {}

    def _sequence(self, node: Node, what: str) -> Sequence[Node]:
        if isinstance(node, SequenceNode):
            return self._spent(node)
        self.problem(node, f"{what} has to be a list")
        return ()

    def _spent(self, node: SequenceNode) -> Sequence[Node]:
        self._spend(node)
        found: Sequence[Node] = node.value
        return found
