"""Levels: what one place of an inventory says (defaults, a group, a host, a target), validated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from muster.inventory.document import TEXT, Document, Shape
from muster.inventory.problems import Problem, nearest, suggest
from muster.inventory.templates import Scope, Template, TemplateError
from muster.inventory.unclear import Unclear, clouded, copied, taken_out
from muster.inventory.units import quantity
from muster.limits import MEASURABLE, unit_of
from muster.targets import Position
from muster.text import printable

if TYPE_CHECKING:
    from yaml.nodes import Node

#: The sections of targets that are under a host; all but processes may stand at the top level too.
SECTIONS = ("containers", "endpoints", "databases", "processes")
TOP_SECTIONS = SECTIONS[:3]
BOUNDS = ("warning", "critical", "warning_below", "critical_below")

_TARGET: Shape = {"labels": TEXT, "headers": TEXT, "expect": {"headers": TEXT}}
#: How a level is read.
SHAPE: Shape = {"labels": TEXT, "sshd": TEXT, **{name: {"*": _TARGET} for name in SECTIONS}}

#: Fields that name things, or that end up in a command: no secret may stand there.
_OPEN = {
    *("labels", "match", "ports", "listening", "units", "groups", "via", "limits", "allowed_ports", "allowed_users"),
    *("files", "closed_folders", "certificates", "sshd", "cron", "compose", "image", "digest", "restart", "mounts"),
    *("privileges", "logs", "parts", "serves", "tables", "queries", "keys", "unit", "pid_file", "command"),
}
_FILES = {"ca_file", "cert_file", "key_file", "known_hosts", "file", "env_file"}
#: Where a secret has to stand: under a target, by its keys.
_SECRET = (("password",), ("auth", "bearer"), ("auth", "password"))
_PASSWORD = re.compile(r"://[^/?#]*:[^/?#@$]+@")
_VARIABLE = re.compile(r"\$\{[^${}]*\}")
_SSH_ONLY = ("port", "key_file", "known_hosts", "host_key_check", "via")
#: What a connection of each kind has no use for.
MEANINGLESS = {
    "ssh": (),
    "docker": _SSH_ONLY,
    "local": ("user", *_SSH_ONLY),
    "none": ("user", "sudo", *_SSH_ONLY),
    "": (),
}


def kind_of(says: dict[str, Any]) -> str:
    """The kind of its connection; empty where that is unclear."""
    kind = says.get("connection", {}).get("kind", "ssh")
    return kind if isinstance(kind, str) else ""


class Content(Struct, frozen=True):
    """What a level says once its variables are filled in: unclear where something is wrong, and then not sound."""

    says: dict[str, Any]
    sound: bool


class Problems:
    """What is wrong, each thing once: a group's mistake is one, however many hosts are in it."""

    def __init__(self) -> None:
        self._found: dict[tuple[Position | None, str], Problem] = {}

    def add(self, position: Position | None, text: str, once: str | None = None) -> None:
        """Note a problem; of those with the same position and ``once`` (else text), the first counts."""
        self._found.setdefault((position, once or text), Problem(position, text))

    def extend(self, problems: Iterable[Problem]) -> None:
        for each in problems:
            self.add(each.position, each.text)

    def absorb(self, others: Problems) -> None:
        """Take over what others have found."""
        self._found = {**others._found, **self._found}

    def __len__(self) -> int:
        return len(self._found)

    def sorted(self, files: list[str]) -> list[Problem]:
        """In the order of the files, and what is in no file first."""
        places = {name: place for place, name in enumerate(files)}

        def key(problem: Problem) -> tuple[int, int, int]:
            at = problem.position
            return (places.get(at.file, -1), at.line, at.column) if at else (-2, 0, 0)

        return sorted(self._found.values(), key=key)


class Level:
    """What one place says, and what that is once its variables are filled in.

    ``path`` leads to it from the top of the file, and ``node`` is what is there; for the targets of the top
    level that is the file itself. ``content`` is what it says, with the ``templates`` that are in it, and
    ``variables`` are its own ``vars``. ``lenient`` is for what no host uses: nothing is filled in, and what
    hangs on a variable passes.
    """

    __slots__ = (
        "_failed",
        "_memo",
        "content",
        "document",
        "lenient",
        "names",
        "node",
        "path",
        "templates",
        "variables",
    )

    def __init__(self, document: Document, path: tuple[str, ...], node: Node, content: Any = None) -> None:
        self.document = document
        self.path = path
        self.node = node
        self.lenient = False
        before = len(document.templates)
        self.content: Any = document.value(node, SHAPE) if content is None else content
        self.templates = document.templates[before:] if content is None else list(_templates(content))
        self.variables: Any = {}
        if self.content is None:
            self.content = {}
        elif isinstance(self.content, dict) and "vars" in self.content and path[0] in ("groups", "hosts"):
            self.variables = self.content.pop("vars") or {}
            self.templates = list(_templates(self.content)) if self.templates else []
        self.names = tuple({name: None for each in self.templates for name in each.names})
        self._failed: set[Position] = set()
        self._memo: dict[tuple[Any, ...], Content] = {}

    def at(self, *path: object, key: bool = False) -> Position:
        """Where something in it stands, or the nearest thing around it."""
        return self.document.at(self.node, path, key)[0]

    def has(self, *path: str) -> bool:
        """Does it say something there?"""
        place = self.content
        for step in path:
            if not isinstance(place, dict) or step not in place:
                return False
            place = place[step]
        return True

    def validated(self, scope: Scope, problems: Problems) -> Content:
        """What it says, with the variables of ``scope``; what is wrong is added to ``problems``."""
        values = () if self.lenient else tuple(_known(name, scope) for name in self.names)
        if values not in self._memo:
            self._memo[values] = self._validated(scope, problems)
        return self._memo[values]

    def _validated(self, scope: Scope, problems: Problems) -> Content:
        from pydantic_core import ValidationError

        faults = Problems()
        wrong: list[tuple[object, ...]] = []
        unknown_keys: list[tuple[object, ...]] = []
        content = self._filled(self.content, scope, faults, (), wrong) if self.templates else self.content
        found: dict[str, Any] = {}
        try:
            found = self._parsed(content)
        except ValidationError as error:
            from muster.inventory.explain import explain

            for each in error.errors(include_url=False, include_input=False):
                inside = each["loc"][len(self.path) :]
                if each["type"] == "extra_forbidden":
                    unknown_keys.append(inside)
                else:
                    wrong.append(inside[:-1] if inside[-1:] == ("[key]",) else inside)
                _, node = self.document.at(self.node, inside)
                written = node.value if isinstance(node.value, str) else None
                if self._is_unfilled(node):
                    continue
                meaning = self._meaning(node, scope) if written and "${" in written else None
                text, key = explain(each, written, meaning)
                faults.add(self.at(*inside, key=key) if inside else self.document.position(self.node), text)
        if () in wrong:
            found = Unclear()
        elif wrong or unknown_keys:
            content = copied(content)
            ways = [taken_out(content, path) for path in wrong]
            ways += [taken_out(content, path)[:-1] for path in unknown_keys]
            found = self._parsed(content)
            for way in ways:
                found = clouded(found, way)
        self._refine(found, faults)
        problems.absorb(faults)
        return Content(found, not faults)

    def _parsed(self, content: Any) -> dict[str, Any]:
        from muster.inventory.schema import validator

        for step in reversed(self.path):
            content = {step: content}
        found: Any = validator().validate_python(content)
        for step in self.path:
            found = found[step]
        return found  # type: ignore[no-any-return]

    def _is_unfilled(self, node: Node) -> bool:
        """Is it a text whose variables were left alone, so that nothing can be said about it?"""
        return "${" in str(node.value) and (self.lenient or self.document.position(node) in self._failed)

    def _meaning(self, node: Node, scope: Scope) -> str | None:
        """What the variables of a text make of it, unless that is a secret."""
        position = self.document.position(node)
        for template in self.templates:
            if template.position == position:
                value, secret = scope.fill(template)
                return None if secret else str(value)
        return None

    def _filled(
        self,
        value: Any,
        scope: Scope,
        problems: Problems,
        path: tuple[object, ...],
        wrong: list[tuple[object, ...]],
    ) -> Any:
        """The content with its variables filled in; the paths to what cannot be are added to ``wrong``."""
        if value.__class__ is Template:
            if self.lenient:
                return value.written
            try:
                text, secret = scope.fill(value)
            except TemplateError as error:
                self._failed.add(value.position)
                wrong.append(path)
                problems.add(error.position or value.position, str(error), once=error.name)
                return value.written
            if secret and (place := self._is_open(path)):
                problems.add(
                    value.position, f"a secret cannot stand in {place}, it would be seen; use vars and --set"
                )
            return text
        if isinstance(value, dict):
            return {key: self._filled(each, scope, problems, (*path, key), wrong) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each, scope, problems, (*path, index), wrong) for index, each in enumerate(value)]
        return value

    def _is_open(self, path: tuple[object, ...]) -> str | None:
        """The field that ``path`` leads to, if it is one that is seen."""
        section, fields = (path[0], path[2:]) if path[0] in SECTIONS else ("", path)
        if section == "databases" and fields[:1] == ("url",):
            return "the url of a database"
        return next((str(step) for step in fields[:2] if step in _OPEN), None)

    def _refine(self, found: dict[str, Any], problems: Problems) -> None:
        """Finish a validated level in place: limits in their unit and with their source, files by their path."""
        self._limits(found.get("limits", {}), ("limits",), problems)
        for section in ("connection", "docker", "compose"):
            if section in found:
                self._files(found[section], (section,), problems)
        for section in SECTIONS:
            for name, entry in found.get(section, {}).items():
                self._refine_target(entry, (section, name), problems)
        connection = found.get("connection", {})
        for name in MEANINGLESS[kind_of(found)]:
            if name in connection:
                text = f"{name} has no meaning where kind is {connection['kind']}; leave it out, or use kind: ssh"
                problems.add(self.at("connection", name, key=True), text)

    def _refine_target(self, entry: dict[str, Any], path: tuple[str, ...], problems: Problems) -> None:
        self._limits(entry.get("limits", {}), (*path, "limits"), problems)
        self._files(entry, path, problems)
        if "@" in entry.get("url", ""):
            position, node = self.document.at(self.node, (*path, "url"))
            if _PASSWORD.search(_VARIABLE.sub("$", str(node.value))):
                problems.add(position, "a password stands in this url; take it from ${env:NAME} or ${file:/path}")
        for section in ("values", "queries"):
            for name, value in entry.get(section, {}).items():
                unit = value.get("unit", "")
                if not isinstance(unit, Unclear):
                    self._bounds(value, unit or unit_of(name), (*path, section, name), problems)
        for section in ("logs", "keys"):
            for name, bounds in entry.get(section, {}).items():
                self._bounds(bounds, "", (*path, section, name), problems)
        for name, table in entry.get("tables", {}).items():
            for part, unit in (("newest", "s"), ("rows", "")):
                if part in table:
                    self._bounds(table[part], unit, (*path, "tables", name, part), problems)
        for keys in _SECRET:
            self._secret(entry, path, keys, problems)

    def _secret(
        self, entry: dict[str, Any], path: tuple[str, ...], keys: tuple[str, ...], problems: Problems
    ) -> None:
        """A secret comes from elsewhere."""
        value: Any = entry
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, str):
            return
        position, node = self.document.at(self.node, (*path, *keys))
        if "${" not in str(node.value):
            problems.add(position, f"a {keys[-1]} stands here; take it from ${{env:NAME}} or ${{file:/path}}")

    def _limits(self, limits: dict[str, dict[str, Any]], path: tuple[str, ...], problems: Problems) -> None:
        for name, bounds in limits.items():
            # A user may measure what we do not know, so that only what looks like a slip is refused.
            if name not in MEASURABLE and (meant := nearest(name, MEASURABLE, 0.9)):
                text = f'no check measures "{name}"; did you mean "{meant}"?'
                problems.add(self.at(*path, name, key=True), text)
            self._bounds(bounds, unit_of(name), (*path, name), problems)

    def _bounds(self, bounds: dict[str, Any], unit: str, path: tuple[str, ...], problems: Problems) -> None:
        for bound in BOUNDS:
            value = bounds.get(bound)
            if value is None or isinstance(value, Unclear):
                continue
            try:
                bounds[bound] = quantity(value, unit)
            except ValueError as error:
                bounds[bound] = Unclear()
                position, node = self.document.at(self.node, (*path, bound))
                if not self._is_unfilled(node):
                    problems.add(position, f'{bound}: "{node.value}" {error}')
        position = self.at(*path, key=True)
        bounds["source"] = printable(f"{position.file}:{position.line}")

    def _files(self, entry: dict[str, Any], path: tuple[str, ...], problems: Problems) -> None:
        for name in _FILES & entry.keys():
            if not isinstance(entry[name], str):
                continue
            try:
                entry[name] = str(Path(self.document.name).parent / Path(entry[name]).expanduser())
            except RuntimeError:
                position, node = self.document.at(self.node, (*path, name))
                if not self._is_unfilled(node):
                    problems.add(position, f"{name}: there is no such user, or without a home (~)")


def _known(name: str, scope: Scope) -> tuple[Any, ...]:
    """All that a variable makes of what it is in; its value alone would take 1 for true."""
    try:
        value, secret = scope.lookup(name)
    except TemplateError as error:
        return str(error), error.position
    return value.__class__, value, secret


def _templates(value: object) -> Iterator[Template]:
    """All templates in a content."""
    if value.__class__ is Template:
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _templates(each)
    elif isinstance(value, list):
        for each in value:
            yield from _templates(each)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message on a name that is not known."""
    return f'unknown {kind} "{name}"{suggest(name, known)}'
