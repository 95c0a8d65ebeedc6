"""One file of YAML, with the position of everything in it.

Scalars are read as the core schema of YAML 1.2 has them (section 10.3.2): ``22:30``, ``yes`` and ``off`` are
text. Duplicate keys are refused. Aliases and ``<<`` are followed, within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from muster.inventory.problems import InventoryError, Problem
from muster.inventory.templates import Template, TemplateError, parts_of
from muster.targets import Position

#: Bounds on a file: nobody writes more by hand, and a mistake must not eat the machine.
MOST_BYTES = 64 * 1024 * 1024
MOST_DEPTH = 50

_PLAIN: Final = "plain"
_QUOTED: Final = "quoted"
_TEXT_TAGS = (_QUOTED, "tag:yaml.org,2002:str")
_COLLECTION_TAGS = (_PLAIN, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_INT = re.compile(r"[-+]?[0-9]{1,4000}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OTHER = re.compile(r"0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: Mapping[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

#: How a part of the file is read: `TEXT` keeps scalars as they are written (a label ``1.10`` is not 1.1), a
#: mapping gives the shape of each key (``*``: of any), None reads scalars by what they look like.
TEXT: Final = "text"
Shape = Mapping[str, Any] | str | None


class _WrittenInt(int):
    """A whole number that is text as it was written: ``007``."""

    written: str

    def __str__(self) -> str:
        return self.written


class _WrittenFloat(float):
    """A number that is text as it was written: the version ``1.10``."""

    written: str

    def __str__(self) -> str:
        return self.written


def plain_value(text: str) -> Any:
    """What a scalar without quotes means. The text of a number is what was written, wherever it becomes text."""
    if text in _WORDS:
        return _WORDS[text]
    value = _number(text) if text[0] in "0123456789+-." else None
    if value is None:
        return text
    if str(value) == text:
        return value
    kept = _WrittenInt(value) if isinstance(value, int) else _WrittenFloat(value)
    kept.written = text
    return kept


def _number(text: str) -> int | float | None:
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _OTHER.fullmatch(text):
        bases = {"0o": 8, "0x": 16}
        return int(text[2:], bases[text[:2]]) if text[:2] in bases else float(text.replace(".", "").lower())
    return None


class _TooDeepError(Exception):
    def __init__(self, node: Node | None) -> None:
        self.mark = node.start_mark if node else None


class _Composing:
    """Makes nodes without resolving their tags, and stops at `MOST_DEPTH`: libyaml's composer would crash."""

    depth = 0

    def descend_resolver(self, parent: Node | None, index: object) -> None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise _TooDeepError(parent)

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def resolve(self, kind: type[Node], value: object, implicit: Any) -> str:
        return _PLAIN if kind is not ScalarNode or implicit[0] else _QUOTED


if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class Composer(_Composing, CParser):
        """libyaml, an order of magnitude faster than PyYAML's own parser."""

else:

    class Composer(  # type: ignore[no-redef]
        _Composing, yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer
    ):
        """PyYAML's own parser, where libyaml is not there."""

        def __init__(self, text: str) -> None:
            yaml.reader.Reader.__init__(self, text)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)
            yaml.composer.Composer.__init__(self)


def setting_value(text: str) -> Any:
    """What the value of ``--set`` means: a scalar of YAML, else the text itself."""
    try:
        node = Composer(text).get_single_node()
    except (yaml.YAMLError, _TooDeepError, UnicodeError):
        return text
    if isinstance(node, ScalarNode) and node.tag in (_PLAIN, _QUOTED):
        return plain_value(node.value) if node.tag == _PLAIN else node.value
    return text


class Document:
    """A file of an inventory: its nodes, and what is wrong with them. Raises InventoryError if it is not YAML.

    ``name`` is the file as the user typed it; ``content`` are its bytes.
    """

    empty = "is empty; an inventory names hosts, such as hosts: {here: {connection: local}}"
    no_mapping = "is not an inventory: the top level has to be a mapping (hosts:, groups:, ...)"

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.content = self._read(path)
        self.problems: list[Problem] = []
        self.templates: list[Template] = []
        self.root = self._compose(self._decoded())
        # A file in which each alias is worth more than that has been written to swell.
        self._budget = 20_000 + 10 * len(self.content)
        self._merging = 0
        self._by_key: dict[MappingNode, dict[object, tuple[Node, Node]]] = {}

    def _fail(self, text: str, line: int = 1, column: int = 1) -> InventoryError:
        return InventoryError([Problem(Position(self.name, line, column), text)])

    def _read(self, path: Path) -> bytes:
        if path.is_dir():
            raise self._fail("is a folder; name the YAML file itself")
        try:
            with path.open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        except OSError as error:
            raise self._fail(f"cannot be read: {error.strerror or error}") from None
        if len(content) > MOST_BYTES:
            raise self._fail("is larger than 64 MiB")
        return content

    def _decoded(self) -> str:
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = self.content[: error.start]
            column = error.start - before.rfind(b"\n")
            raise self._fail("is not UTF-8 text; save it as UTF-8", before.count(b"\n") + 1, column) from None

    def _compose(self, text: str) -> MappingNode:
        composer = None
        try:
            composer = Composer(text)
            root = composer.get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line, mark.column) if mark else (0, 0)
            what = " ".join(part for part in (error.problem, error.context) if part)
            lines = text.splitlines()
            if line < len(lines) and lines[line][column : column + 1] == "\t":
                what += "; indent with spaces, not tabs"
            elif line < len(lines) and "${" in lines[line]:
                what += '; inside {...} or [...], put a text with ${...} in quotes: "${port}"'
            raise self._fail(f"not YAML: {what}", line + 1, column + 1) from None
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n") + 1, error.position - before.rfind("\n")
            raise self._fail("not YAML: a character that may not stand there", line, column) from None
        except _TooDeepError as error:
            where = (error.mark.line + 1, error.mark.column + 1) if error.mark else (1, 1)
            raise self._fail(f"nested deeper than {MOST_DEPTH} levels", *where) from None
        finally:
            if composer is not None and hasattr(composer, "dispose"):
                composer.dispose()
        if root is None or (isinstance(root, ScalarNode) and not root.value):
            raise self._fail(self.empty)
        if not isinstance(root, MappingNode):
            raise self._fail(self.no_mapping)
        return root

    def position(self, node: Node) -> Position:
        """Where a node begins."""
        return Position(self.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def problem(self, node: Node, text: str) -> None:
        """Note what is wrong at a node."""
        self.problems.append(Problem(self.position(node), text))

    def pairs(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        """Key node and value node by key; ``<<`` is resolved, duplicate keys are noted as problems."""
        found: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.problem(key, "a key has to be text")
            elif key.value == "<<" and key.tag == _PLAIN:
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif key.value in found:
                first = self.position(found[key.value][0])
                self.problem(key, f'duplicate key "{key.value}"; it is on line {first.line} too')
            else:
                found[key.value] = key, value
        for source in merged:
            if isinstance(source, MappingNode):
                for name, pair in self._merged(source).items():
                    found.setdefault(name, pair)
            else:
                self.problem(source, "<< needs a mapping, such as *name")
        if merged:
            node.value = list(found.values())
            self._by_key.pop(node, None)
        return found

    def _merged(self, source: MappingNode) -> dict[str, tuple[Node, Node]]:
        self._spend(source)
        self._merging += 1
        if self._merging > MOST_DEPTH:
            raise self._fail("<<: *name leads back to itself", *self._mark(source))
        found = self.pairs(source)
        self._merging -= 1
        return found

    def _spend(self, node: Node) -> None:
        """Count what is read; an alias that holds itself, or aliases of aliases, run out of budget."""
        self._budget -= 1 + len(node.value)
        if self._budget < 0:
            raise self._fail("its aliases (*name) make it too large, or hold themselves", *self._mark(node))

    def _mark(self, node: Node) -> tuple[int, int]:
        return node.start_mark.line + 1, node.start_mark.column + 1

    def value(self, node: Node, shape: Shape = None, depth: int = 0) -> Any:
        """What a node says, as plain Python values, with a `Template` where a text has variables.

        Templates are appended to ``templates`` too. Raises InventoryError where aliases make it too large.
        """
        if node.__class__ is ScalarNode:
            return self._scalar(node, shape)
        if depth > MOST_DEPTH:
            raise self._fail(f"an alias holds itself, or nests deeper than {MOST_DEPTH} levels", *self._mark(node))
        self._spend(node)
        if node.tag not in _COLLECTION_TAGS:
            self.problem(node, f"the tag {node.tag} is not known; leave it out")
        if isinstance(node, SequenceNode):
            inner = shape if shape is TEXT else None
            return [self.value(item, inner, depth + 1) for item in node.value]
        assert isinstance(node, MappingNode)
        if shape is None or shape is TEXT:
            return {key: self.value(each, shape, depth + 1) for key, (_, each) in self.pairs(node).items()}
        assert isinstance(shape, Mapping)
        rest = shape.get("*")
        return {key: self.value(each, shape.get(key, rest), depth + 1) for key, (_, each) in self.pairs(node).items()}

    def _scalar(self, node: ScalarNode, shape: Shape) -> Any:
        text: str = node.value
        if "${" in text:
            return self._template(node, shape is TEXT)
        if node.tag == _PLAIN:
            return plain_value(text) if shape is not TEXT or text in ("", "~", "null") else text
        if node.tag not in _TEXT_TAGS:
            self.problem(node, f"the tag {node.tag} is not known; leave it out, or put text in quotes")
        return text

    def _template(self, node: ScalarNode, as_text: bool) -> Any:
        position = self.position(node)
        try:
            parts = parts_of(node.value)
        except TemplateError as error:
            self.problem(node, f'"{node.value}": {error}')
            parts = (("fault", f'"{node.value}": {error}'),)
        template = Template(node.value, parts, position, as_text)
        if all(kind == "text" for kind, _ in template.parts):
            return "".join(text for _, text in template.parts)
        self.templates.append(template)
        return template

    def at(self, node: Node, path: tuple[object, ...], key: bool = False) -> tuple[Position, Node]:
        """The position of what ``path`` leads to below ``node``, or of its key, and the node itself.

        What is not in the file is left out of the path: the nearest thing around it stands for it.
        """
        shown = node
        for step in path:
            if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = shown = node.value[step]
            elif isinstance(node, MappingNode) and step in (keys := self._keys(node)):
                name, node = keys[step]
                shown = name if key else node
        return self.position(shown), node

    def _keys(self, node: MappingNode) -> dict[object, tuple[Node, Node]]:
        """Key node and value node by key, the first of each; kept, for each of 10,000 hosts is looked up by it."""
        if (found := self._by_key.get(node)) is None:
            found = self._by_key[node] = {}
            for name, value in node.value:
                if isinstance(name, ScalarNode):
                    found.setdefault(name.value, (name, value))
        return found
