"""Variables and secrets in the text of an inventory: ``${port}``, ``${env:NAME}``, ``${file:/path}``."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from muster.targets import Position

#: The variable that always has the name of the host.
HOST_NAME = "inventory_host"
#: A secret that is shorter could not be taken out of reports without spoiling them.
SHORTEST_SECRET = 4
#: Of ``${file:…}``: no secret is longer than 64 KiB.
LONGEST_SECRET = 65_536

_MARK = re.compile(r"\$\$\{|\$\{([^${}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

Part = tuple[Literal["text", "variable", "env", "file", "fault"], str]


class TemplateError(ValueError):
    """A text cannot be filled in. ``position`` is where, if that is another text than the one at hand."""

    def __init__(self, text: str, position: Position | None = None, name: str | None = None) -> None:
        super().__init__(text)
        self.position = position
        self.name = name


class Template(Struct, frozen=True, eq=False):
    """A text with variables or secrets in it, as it is written at ``position``. ``as_text`` keeps it text.

    A part that is a ``fault`` says what is wrong with how it is written: it cannot be filled in.
    """

    written: str
    parts: tuple[Part, ...]
    position: Position
    as_text: bool = False

    @property
    def names(self) -> Iterator[str]:
        """The variables in it."""
        return (value for kind, value in self.parts if kind == "variable")

    @property
    def secrets(self) -> Iterator[Part]:
        """The secrets in it."""
        return (part for part in self.parts if part[0] in ("env", "file"))

    @property
    def fault(self) -> str | None:
        """What is wrong with how it is written."""
        return next((value for kind, value in self.parts if kind == "fault"), None)


def parts_of(text: str) -> tuple[Part, ...]:
    """Split a text at its variables; ``$${`` stands for ``${``. Raises TemplateError."""
    parts: list[Part] = []
    end = 0

    def literal(piece: str) -> None:
        if parts and parts[-1][0] == "text":
            parts[-1] = "text", parts[-1][1] + piece
        elif piece:
            parts.append(("text", piece))

    for found in _MARK.finditer(text):
        literal(text[end : found.start()])
        end = found.end()
        inner = found[1]
        if found[0] == "$${":
            literal("${")
        elif inner is None:
            raise TemplateError('has a "${" that is not closed; write ${name}, or $${ for the characters themselves')
        elif _NAME.fullmatch(inner):
            parts.append(("variable", inner))
        elif inner.startswith("env:") and inner[4:]:
            parts.append(("env", inner[4:]))
        elif inner.startswith("file:") and inner[5:]:
            parts.append(("file", inner[5:]))
        else:
            raise TemplateError(f"${{{inner}}} is not understood; write ${{name}}, ${{env:NAME}} or ${{file:/path}}")
    literal(text[end:])
    return tuple(parts)


def variable_name_fault(name: str) -> str | None:
    """What is wrong with the name of a variable, or None."""
    if name == HOST_NAME:
        return f'"{name}" is always the name of the host and cannot be set'
    return None if _NAME.fullmatch(name) else "a variable's name has letters, digits, - and _, a letter first"


class Secrets:
    """Secrets by where they come from, each read once. ``values`` are all that were read."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self._known: dict[tuple[str, str, str], str] = {}

    def read(self, part: Part, inventory: str) -> str:
        """The value of ``env`` or ``file``; a relative file is beside the inventory. Raises TemplateError."""
        kind, name = part
        key = kind, name, str(Path(inventory).parent)
        if key not in self._known:
            value = _environment(name) if kind == "env" else _file(Path(inventory).parent / _expanded(name))
            if len(value) < SHORTEST_SECRET:
                raise TemplateError(
                    f"the secret ${{{kind}:{name}}} is {'shorter than 4 characters' if value else 'empty'}, so it "
                    "could not be kept out of reports; for what is not secret, use vars and --set"
                )
            self._known[key] = value
            self.values.add(value)
        return self._known[key]


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise TemplateError(f"the environment variable {name} is not set; set it, or leave ${{env:{name}}} out")
    return value


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise TemplateError(f"the secret's file {name}: there is no such user, or without a home (~)") from None


def _file(path: Path) -> str:
    """The text of a secret's file, without the line end. Only ordinary files: no pipe keeps us waiting."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise TemplateError(f"the secret's file {path} is not an ordinary file")
            content = opened.read(LONGEST_SECRET + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, TemplateError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise TemplateError(f"the secret's file {path} cannot be read: {reason}") from None
    if len(content) > LONGEST_SECRET:
        raise TemplateError(f"the secret's file {path} is longer than 64 KiB")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise TemplateError(f"the secret's file {path} is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


class Scope:
    """What the variables are at one place: the innermost ``vars`` that has a name wins.

    Each lookup gives the value and whether it holds a secret.
    """

    def __init__(self, variables: Mapping[str, Any], secrets: Secrets, place: str) -> None:
        self._variables = variables
        self._secrets = secrets
        self._place = place
        self._found: dict[str, tuple[Any, bool]] = {}
        self._open: list[str] = []

    def lookup(self, name: str) -> tuple[Any, bool]:
        """Raises TemplateError where it is not set here, or leads back to itself."""
        if name in self._found:
            return self._found[name]
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise TemplateError(f"the variable {name} leads back to itself: {circle}")
        if name not in self._variables:
            raise TemplateError(f'the variable "{name}" is not set {self._place}', name=name)
        value, secret = self._variables[name], False
        if isinstance(value, Template):
            self._open.append(name)
            try:
                value, secret = self.fill(value)
            except TemplateError as error:
                raise TemplateError(str(error), error.position or value.position, error.name) from None
            finally:
                self._open.pop()
        self._found[name] = value, secret
        return value, secret

    def fill(self, template: Template) -> tuple[Any, bool]:
        """The text with its variables filled in; what is a variable and nothing else keeps its type.

        Raises TemplateError.
        """
        if template.fault:
            raise TemplateError(template.fault)
        texts: list[str] = []
        secret = False
        for kind, value in template.parts:
            if kind == "text":
                texts.append(value)
            elif kind == "variable":
                found, hidden = self.lookup(value)
                if len(template.parts) == 1 and not template.as_text:
                    return found, hidden
                secret = secret or hidden
                texts.append(str(found).lower() if isinstance(found, bool) else str(found))
            else:
                texts.append(self._secrets.read((kind, value), template.position.file))
                secret = True
        return "".join(texts), secret
