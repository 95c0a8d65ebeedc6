"""Reading inventories: files in, hosts and targets out, or everything that is wrong with them."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yaml.nodes import MappingNode

from muster.inventory.assemble import COMMON, Assembly
from muster.inventory.document import Document, setting_value
from muster.inventory.levels import SHAPE, TOP_SECTIONS, Level, Problems, unknown
from muster.inventory.model import Inventory
from muster.inventory.problems import InventoryError, Problem, suggest
from muster.inventory.ranges import MOST_HOSTS, NameRange, name_fault
from muster.inventory.rules import check_ways
from muster.inventory.templates import HOST_NAME, Scope, Secrets, Template, TemplateError, variable_name_fault
from muster.targets import Host, Position, Target

if TYPE_CHECKING:
    from yaml.nodes import Node

_KEYS = ("vars", "defaults", "groups", "hosts", *TOP_SECTIONS)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Hold Python's collector of cyclic garbage off: with a million objects alive it takes most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read(paths: Sequence[Path], settings: Mapping[str, str]) -> Inventory:
    """Read, merge and validate. Raises InventoryError with all that is wrong."""
    with _without_collector():
        return _Loading(paths, settings).inventory()


class _Loading:
    """One reading of some files."""

    def __init__(self, paths: Sequence[Path], settings: Mapping[str, str]) -> None:
        self.files = [str(path) for path in paths]
        self.problems = Problems()
        self.secrets = Secrets()
        self.settings = {name: setting_value(text) for name, text in settings.items()}
        self.variables: dict[str, Any] = {}
        self.defaults: list[Level] = []
        self.groups: dict[str, Level] = {}
        self.hosts: list[tuple[NameRange, Node, Level]] = []
        self.memberships: list[tuple[str, ...]] = []
        self.top: list[Level] = []
        self.places: dict[str, Position] = {}
        self.unread = False
        self._documents: list[Document] = []
        self._bases: dict[tuple[str, ...], dict[str, Any]] = {}
        for path in paths:
            try:
                self._read(Document(path))
            except InventoryError as error:
                self.unread = True
                self.problems.extend(error.problems)

    def inventory(self) -> Inventory:
        """All of it, put together."""
        if self.unread:  # what the others lack may be in the file that could not be read
            raise InventoryError(self.problems.sorted(self.files))
        self.memberships = [self._groups_of(level) for _, _, level in self.hosts]
        self._check_variables()
        assembly = Assembly(self.problems)
        members: dict[str, list[str]] = {name: [] for name in self.groups}
        targets = [*self._assembled_hosts(assembly, members), *self._assembled_top(assembly)]
        self._check_unused()
        if not targets and not self.problems:
            text = "the inventory has no targets; name some under hosts:, endpoints:, containers: or databases:"
            self.problems.add(Position(self.files[0], 1, 1) if self.files else None, text)
        if self.problems:
            raise InventoryError(self.problems.sorted(self.files))
        return Inventory(
            hosts=tuple(each for each in targets if isinstance(each, Host)),
            targets=tuple(targets),
            groups={name: tuple(hosts) for name, hosts in members.items()},
            files=tuple(self.files),
            digest=self._digest(),
            secrets=frozenset(self.secrets.values),
        )

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for document in self._documents:
            digest.update(hashlib.sha256(document.content).digest())
        digest.update(repr(sorted(self.settings.items())).encode())
        return digest.hexdigest()

    # What the files say

    def _read(self, document: Document) -> None:
        self._documents.append(document)
        try:
            sections = self._sections(document)
            if "vars" in sections:
                self.variables |= self._proper(document, sections["vars"], document.value(sections["vars"]), ())
            if "defaults" in sections:
                self.defaults.append(Level(document, ("defaults",), sections["defaults"]))
            if "groups" in sections:
                self._read_groups(document, sections["groups"])
            if "hosts" in sections:
                self._read_hosts(document, sections["hosts"])
            self._read_top(document, {name: sections[name] for name in TOP_SECTIONS if name in sections})
        finally:
            self.problems.extend(document.problems)

    def _sections(self, document: Document) -> dict[str, MappingNode]:
        """The sections that say something."""
        found: dict[str, MappingNode] = {}
        for name, (key, node) in document.pairs(document.root).items():
            if name not in _KEYS:
                document.problem(key, _misplaced(name) or unknown("key", name, _KEYS))
            elif isinstance(node, MappingNode):
                found[name] = node
            elif document.value(node) is not None:
                document.problem(node, f"{name} is not a mapping (name: what is said of it)")
        return found

    def _read_groups(self, document: Document, node: MappingNode) -> None:
        for name, (key, value) in document.pairs(node).items():
            self._unique(document, "group", name, key)
            level = Level(document, ("groups", name), value)
            level.variables = self._proper(document, value, level.variables, ("vars",))
            if fault := name_fault(name):
                document.problem(key, f'group "{name}": {fault}')
            self.groups.setdefault(name, level)

    def _read_hosts(self, document: Document, node: MappingNode) -> None:
        for name, (key, value) in document.pairs(node).items():
            level = Level(document, ("hosts", name), value)
            if level.variables:
                level.variables = self._proper(document, value, level.variables, ("vars",))
            try:
                self.hosts.append((NameRange(name), key, level))
            except ValueError as error:
                document.problem(key, f'host "{name}": {error}')

    def _read_top(self, document: Document, sections: Mapping[str, MappingNode]) -> None:
        for section, node in sections.items():
            for name, (key, _) in document.pairs(node).items():
                self._unique(document, section[:-1], name, key)
        if sections:
            shapes: Any = SHAPE
            content = {name: document.value(node, shapes[name]) for name, node in sections.items()}
            self.top.append(Level(document, (), document.root, content))

    def _unique(self, document: Document, kind: str, name: str, key: Node) -> None:
        position = document.position(key)
        first = self.places.setdefault(f"{kind} {name}", position)
        if first is not position:
            document.problem(key, f'{kind} "{name}" is at {first} too; keep one of them')

    # Variables

    def _proper(self, document: Document, node: Node, variables: object, path: tuple[str, ...]) -> dict[str, Any]:
        """The variables; those without a proper name and a plain value are noted, and stand for nothing."""
        if not isinstance(variables, dict):
            document.problems.append(Problem(document.at(node, path)[0], "vars is not a mapping (name: value)"))
            return {}
        for name, value in variables.items():
            if fault := variable_name_fault(name):
                document.problems.append(Problem(document.at(node, (*path, name), key=True)[0], f'"{name}": {fault}'))
            if value is None or isinstance(value, dict | list):
                text = f"the variable {name} needs a value: text, a number, true or false"
                document.problems.append(Problem(document.at(node, (*path, name))[0], text))
                variables[name] = ""
        return variables

    def _check_variables(self) -> None:
        """Every variable that is used is set somewhere, and every ``--set`` is of one that there is."""
        levels = [*self.groups.values(), *(level for _, _, level in self.hosts)]
        declared = set(self.variables).union(*(level.variables for level in levels if level.variables))
        known = declared | self.settings.keys() | {HOST_NAME}
        used: set[str] = set()
        unused = {template for level in self._unused() for template in level.templates}
        for document in self._documents:
            for template in document.templates:
                for name in template.names:
                    used.add(name)
                    if name not in known and template not in unused:
                        text = f'the variable "{name}" is not set anywhere{suggest(name, sorted(known))}'
                        self.problems.add(template.position, text, once=name)
        for name in self.settings:
            if fault := variable_name_fault(name):
                self.problems.add(None, f"--set {name}: {fault}")
            elif name not in declared | used:
                self.problems.add(None, f"--set {name}: no such variable{suggest(name, declared | used)}")
        self._read_secrets(self.variables)

    def _read_secrets(self, variables: Mapping[str, Any]) -> None:
        """Secrets of variables are read even where nothing uses them: an unset one is not found out later."""
        for name, value in variables.items():
            if value.__class__ is Template and name not in self.settings:
                for part in value.secrets:
                    try:
                        self.secrets.read(part, value.position.file)
                    except TemplateError as error:
                        self.problems.add(value.position, str(error))

    # Putting together

    def _assembled_hosts(self, assembly: Assembly, members: dict[str, list[str]]) -> Iterator[Target]:
        if not self._is_bounded():
            return
        ways: dict[str, tuple[str, list[Level]]] = {}
        kinds: dict[str, str] = {}
        for (names, key, level), groups in zip(self.hosts, self.memberships, strict=True):
            position = level.document.position(key)
            levels = [*self.defaults, *(self.groups[name] for name in groups), level]
            named = any(each.names for each in levels)
            base = self._base(groups)
            self._read_secrets(level.variables)
            scope = Scope({}, self.secrets, "")
            for name in names:
                first = self.places.setdefault(f"host {name}", position)
                if first is not position or name in kinds:
                    self.problems.add(position, f'host "{name}" is at {first} too; keep one of them')
                    continue
                for group in groups:
                    members[group].append(name)
                if named:
                    variables = {**base, **level.variables, HOST_NAME: name, **self.settings}
                    scope = Scope(variables, self.secrets, f"for host {name}")
                contents = [each.validated(scope, self.problems) for each in levels]
                mould = assembly.mould(levels, contents, groups)
                kinds[name] = mould.kind
                if mould.via is not None:
                    ways[name] = mould.via, levels
                yield from assembly.host(name, position, groups, mould, contents[-1])
        check_ways(ways, kinds, self.problems)

    def _is_bounded(self) -> bool:
        total = sum(names.count for names, _, _ in self.hosts)
        if total > MOST_HOSTS:
            names, key, level = max(self.hosts, key=lambda each: each[0].count)
            text = (
                f"this stands for {names.count:,} hosts, and the inventory for {total:,}; "
                f"at most {MOST_HOSTS:,} are allowed, so look at the range again"
            )
            self.problems.add(level.document.position(key), text)
        return total <= MOST_HOSTS

    def _groups_of(self, level: Level) -> tuple[str, ...]:
        """The groups of a host that there are; what else it names is a problem."""
        names = level.content.get("groups") if isinstance(level.content, dict) else None
        found: dict[str, None] = {}
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, Template):
                self.problems.add(level.at("groups", index), "a group cannot be a variable; write its name")
            elif isinstance(name, str) and name not in self.groups:
                self.problems.add(level.at("groups", index), unknown("group", name, self.groups))
            elif isinstance(name, str):
                found[name] = None
        return tuple(found)

    def _base(self, groups: tuple[str, ...]) -> dict[str, Any]:
        """The variables of hosts in these groups."""
        if groups not in self._bases:
            base = dict(self.variables)
            for name in groups:
                base |= self.groups[name].variables
                self._read_secrets(self.groups[name].variables)
            self._bases[groups] = base
        return self._bases[groups]

    def _assembled_top(self, assembly: Assembly) -> list[Target]:
        if not self.top:
            return []
        levels = [
            Level(each.document, each.path, each.node, {key: each.content[key] for key in COMMON if each.has(key)})
            for each in self.defaults
        ] + self.top
        scope = Scope({**self.variables, **self.settings}, self.secrets, "at the top level")
        for level in self.top:
            for section, entries in level.content.items():
                for name in entries:
                    if first := self.places.get(f"host {name}"):
                        text = f'{section[:-1]} "{name}" has the name of the host at {first}; give it another'
                        self.problems.add(level.at(section, name, key=True), text)
        return list(assembly.top(levels, [each.validated(scope, self.problems) for each in levels]))

    def _unused(self) -> list[Level]:
        """The levels that no host uses."""
        used = set().union(*self.memberships)
        groups = [level for name, level in self.groups.items() if name not in used]
        return groups if self.hosts else [*groups, *self.defaults]

    def _check_unused(self) -> None:
        """What no host uses is right as well, as far as that can be seen without variables."""
        for level in self._unused():
            level.lenient = True
            level.validated(Scope({}, self.secrets, ""), self.problems)


def _misplaced(name: str) -> str | None:
    """The message on a key of the top level that is one of hosts."""
    return "processes stand under a host, a group or defaults" if name == "processes" else None
