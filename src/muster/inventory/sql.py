"""What is wrong with a ``SELECT`` that an inventory gives. The server's read-only session stands behind it.

SQL is read as PostgreSQL and SQLite read it, and as MySQL does, for a text is not told whom it is for: what either of
them would take for more than one ``SELECT`` is refused.
"""

from __future__ import annotations

import re

#: PostgreSQL, 4.1 "Lexical Structure"; SQLite, "SQL As Understood By SQLite". ``/*`` nests in PostgreSQL only, so its
#: end is looked for by `_plain`.
_STANDARD = re.compile(
    r"""(?P<comment>--[^\n]*|/\*)
      | (?P<literal>(?<![A-Za-z0-9_])[eE]'(?:[^'\\]|\\.|'')*+'|'(?:[^']|'')*+'|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
      | (?P<name>"(?:[^"]|"")*+"|`(?:[^`]|``)*+`|\[[A-Za-z_][^\]]*\])
      | (?P<word>[^\W\d][\w$]*)
      | (?P<other>\S)""",
    re.VERBOSE | re.DOTALL,
)

#: MySQL, 9.1 "Literal Values" and 9.7 "Comments".
_MYSQL = re.compile(
    r"""(?P<comment>--(?=[\s]|\Z)[^\n]*|\#[^\n]*|/\*)
      | (?P<literal>'(?:[^'\\]|\\.|'')*+'|"(?:[^"\\]|\\.|"")*+")
      | (?P<name>`(?:[^`]|``)*+`)
      | (?P<word>[^\W\d][\w$]*)
      | (?P<other>\S)""",
    re.VERBOSE | re.DOTALL,
)

#: Words that no ``SELECT`` that only reads has outside of names and literals.
_WRITING = {"into": "writes with INTO", "update": "locks or writes with UPDATE", "delete": "deletes"}

#: Functions of the sqlite3 program that write, or run what is in a file.
_RUNNING = ("edit", "load_extension", "writefile")

_ONE = "write one SELECT, or WITH and a SELECT, of one number"


def select_fault(text: str) -> str | None:
    """What is wrong with a ``SELECT`` of one number, or None."""
    if "\0" in text:
        return "has a NUL in it"
    one = text.rstrip().removesuffix(";")
    return next((fault for dialect in (_STANDARD, _MYSQL) if (fault := _fault(_read(one, dialect)))), None)


def _fault(found: list[tuple[str, str]]) -> str | None:
    if not found or found[0] not in (("word", "select"), ("word", "with")):
        return f"is not a SELECT; {_ONE}"
    before = ""
    for at, (kind, text) in enumerate(found):
        following = found[at + 1][1] if at + 1 < len(found) else ""
        if kind == "executed":
            return "has a comment that MySQL executes in it"
        if text == ";":
            return f"has something after its ; ({_ONE})"
        if kind == "word" and text in _WRITING:
            return f"is not a SELECT that only reads: it {_WRITING[text]}"
        if kind == "word" and text == "share" and before in ("for", "key", "in"):
            return "is not a SELECT that only reads: it locks rows (SHARE)"
        if text in _RUNNING and following == "(":
            return f"is not a SELECT that only reads: it calls {text}()"
        before = text
    return None


def _read(text: str, dialect: re.Pattern[str]) -> list[tuple[str, str]]:
    """The words, quoted names and signs of a text with their kinds, in small letters; literals emptied."""
    found: list[tuple[str, str]] = []
    at = 0
    while match := dialect.search(text, at):
        at = match.end()
        kind = str(match.lastgroup)
        if kind == "comment" and match[0] == "/*":
            if re.match(r"M?!", text[at : at + 2]):
                found.append(("executed", ""))
            at = _end_of_comment(text, at, nests=dialect is _STANDARD)
        elif kind == "name":
            found.append((kind, match[0][1:-1].lower()))
        elif kind != "comment":
            found.append((kind, "" if kind == "literal" else match[0].lower()))
    return found


def _end_of_comment(text: str, at: int, *, nests: bool) -> int:
    """Where the comment ends that has begun before ``at``."""
    depth = 1
    while depth and (mark := re.compile(r"\*/|/\*").search(text, at)):
        at = mark.end()
        if mark[0] == "*/":
            depth -= 1
        elif nests:
            depth += 1
    return len(text) if depth else at
