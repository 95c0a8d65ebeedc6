"""SQLite files, examined on the host by a shell script that never writes; the facts about them read its answer.

A reader of SQLite can write: opening a file in WAL mode makes its ``-wal`` and ``-shm`` files where they are
missing, in the reader's name, and a service of another name is then locked out. So how a file is opened
depends on what lies beside it (https://sqlite.org/wal.html, "Read-Only Databases", and
https://sqlite.org/uri.html):

- not in WAL mode: ``mode=ro``;
- in WAL mode with both files there: ``mode=ro&readonly_shm=1``;
- in WAL mode, nothing in ``-wal``: nobody has it open, ``immutable=1`` touches nothing beside it;
- in WAL mode, changes in ``-wal`` and no ``-shm``: it cannot be read without writing, so it is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from urllib.parse import quote as percent_encoded

from msgspec import Struct

from muster.databases import Sqlite
from muster.probes import Command, Output, Unobserved

#: How long, in seconds, to wait for a lock at most; half the target's timeout where that is less.
PATIENCE = 5.0

SCHEME = "sqlite:///"

COUNT_TABLES = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"

# Answers as the sqlite3 program does: a row a line, "Error: ..." and a status that is not 0.
_PYTHON = """
import sys
try:
    import sqlite3
except ImportError:
    sys.exit(127)
def say(text):
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\\n")
try:
    database = sqlite3.connect(sys.argv[1], timeout=float(sys.argv[2]) / 1000, uri=True)
    for statement in sys.argv[3:]:
        for row in database.execute(statement):
            say(str(row[0]))
except sqlite3.Error as error:
    say("Error: %s" % error)
    sys.exit(1)
"""

#: POSIX sh, for dash and busybox too: how the file ``$p`` is opened, in ``$how``; ``stranded`` where it cannot be
#: read without writing. ``ask`` calls ``try``, which the script around it defines, once more where a service has
#: opened the file meanwhile. SQLite looks for -wal and -shm beside ``$r``, the file that a link leads to; the dot
#: keeps a name's own line end from being stripped.
OPENING = r"""r=$(readlink -f "$p" && echo .); r=${r%??}; [ -n "$r" ] || r=$p
how='mode=ro'
if [ "$(dd if="$p" bs=1 skip=18 count=1 2>/dev/null)" = "$(printf '\002')" ]; then
  if [ -e "$r-wal" ] && [ -e "$r-shm" ]; then how='mode=ro&readonly_shm=1'
  elif [ -s "$r-wal" ]; then how=stranded
  else how='immutable=1'
  fi
fi
ask() {
  try
  if [ "$how" = 'immutable=1' ] && [ -e "$r-wal" ] && [ -e "$r-shm" ]; then how='mode=ro&readonly_shm=1'; try; fi
}"""

# Prints first lines of a word and a value, then, after a blank line, what sqlite3 said.
_SCRIPT = r"""(
LC_ALL=C; export LC_ALL; set -f
p={path}
say() {{ printf '%s %s\n' "$1" "$2"; }}
denied() {{ say kind denied; say beside "$1"; exit 0; }}
say user "$(id -un 2>/dev/null || id -u)"
if ! said=$(ls -dL "$p" 2>&1 >/dev/null); then
  case ${{said##*: }} in
  *ermission*)
    d=$p; up=0
    while [ -n "$d" ]; do
      d=${{d%/*}}; up=$((up + 1))
      if [ -d "${{d:-/}}" ] && [ ! -x "${{d:-/}}" ]; then
        set -- $(ls -ld "${{d:-/}}"); say up "$up"; say mode "$1"; say owner "$3:$4"; break
      fi
    done
    denied '' ;;
  esac
  say kind missing; exit 0
fi
stat -L -c 'mode %A
owner %U:%G
size %s
modified %Y' "$p" 2>/dev/null || {{ set -- $(ls -dlL "$p"); say mode "$1"; say owner "$3:$4"; say size "$5"; }}
if [ -d "$p" ]; then say kind folder; exit 0; fi
if [ ! -f "$p" ]; then say kind special; exit 0; fi
if [ ! -s "$p" ]; then say kind empty; exit 0; fi
[ -r "$p" ] || denied ''
if [ "$(dd if="$p" bs=15 count=1 2>/dev/null)" != 'SQLite format 3' ]; then say kind foreign; exit 0; fi
{opening}
if [ "$how" != 'mode=ro' ]; then
  say journal wal
  if [ -e "$r-wal" ]; then set -- $(ls -lnL "$r-wal"); say wal "$5"; fi
fi
case $how in
stranded) say kind stranded; exit 0 ;;
*readonly_shm=1) for side in -wal -shm; do [ -r "$r$side" ] || denied "$side"; done ;;
esac
if command -v sqlite3 >/dev/null 2>&1; then tool=sqlite3
elif command -v python3 >/dev/null 2>&1; then tool=python3
else say kind toolless; exit 0
fi
answer() {{
  case $tool in
  sqlite3) sqlite3 -readonly -batch -bail -init /dev/null -cmd '.timeout {patience}' {uri}"?$how" {sql} ;;
  python3) python3 -IS -c {python} {uri}"?$how" {patience} {statements} ;;
  esac </dev/null 2>&1
}}
try() {{ out=$(answer); status=$?; }}
ask
say kind file; say tool "$tool"; say status "$status"
printf '\n%s\n' "$out"
)"""


class Look(Struct, frozen=True):
    """What the script found. ``said`` are the lines that SQLite answered, ``status`` its exit status.

    ``kind`` is ``file``, where SQLite was asked, or why it was not: ``missing``, ``denied``, ``folder``,
    ``special`` (a pipe, socket or device), ``empty``, ``foreign`` (no SQLite file), ``stranded`` (changes in
    ``-wal`` that cannot be read without writing) or ``toolless``. ``found`` are all words and values.
    """

    path: str
    kind: str
    found: Mapping[str, str]
    tool: str
    status: int
    said: tuple[str, ...]
    patience: float

    def number(self, word: str) -> int | None:
        """The number after ``word``, None where there is none."""
        value = self.found.get(word, "")
        return int(value) if value.isascii() and value.isdigit() else None

    @property
    def tables(self) -> int | None:
        """How many tables there are: the first thing asked, so None where the database could not be opened."""
        return next((int(line) for line in self.said if line.isascii() and line.isdigit()), None)

    @property
    def further(self) -> tuple[str, ...]:
        """What SQLite answered after the number of tables."""
        at = next((at for at, line in enumerate(self.said) if line.isascii() and line.isdigit()), len(self.said))
        return self.said[at + 1 :]

    @property
    def error(self) -> str:
        """What SQLite complained of; empty where it did not."""
        return " ".join(self.said)[-300:] or f"{self.tool} ended with status {self.status}" if self.status else ""

    @property
    def locked(self) -> bool:
        return "locked" in self.error or "busy" in self.error

    def observable(self) -> None:
        """Raises `Unobserved` where the file could not be looked at for a want of rights, tools or safety."""
        if self.kind == "denied":
            raise Unobserved("permission", self._denied())
        if self.kind == "toolless" or self.status == 127:
            lacking = "neither sqlite3 nor python3 (with its sqlite3 module) on this host"
            raise Unobserved("missing", f"{lacking}; install one")
        if self.kind == "stranded":
            raise Unobserved(
                "wrong",
                f"{self.path}-wal holds changes and there is no -shm: left by a crash or a copy, or held in exclusive"
                " locking mode; it cannot be read without writing to it, let its service open it",
            )
        if "readonly database" in self.error:
            raise Unobserved(
                "wrong",
                f"a writer crashed, and its transaction waits in {self.path}-journal to be rolled back; that is"
                " writing, let its service open it",
            )

    def _denied(self) -> str:
        up = self.number("up") or 0
        part = (self.path.rsplit("/", up)[0] or "/") if up else self.path + self.found.get("beside", "")
        own = "mode" in self.found and not self.found.get("beside")
        described = f" ({self.found['mode']} {self.found['owner']})" if own else ""
        lacking = "searched" if up else "read"
        user = self.found.get("user", "this user")
        return f"{part}{described} cannot be {lacking} by {user}; give it the right, or connect with sudo"


def sqlite_path(url: str) -> str:
    """The path in a URL ``sqlite:////absolute/path``. It stands there as it is, nothing is percent-decoded.

    Raises:
        ValueError: it is no such URL.
    """
    path = url.removeprefix(SCHEME)
    if path == url or not path.startswith("/") or "\0" in path:
        raise ValueError(f"{url!r} is no URL of an SQLite file: write it as sqlite:////absolute/path")
    return path


def ask(database: Sqlite, *statements: str, slow: bool = False) -> Command:
    """The question: what is this file, how many tables has it, and what does it answer to these statements?

    A statement gives one column. An answer to the first question says that the file could be opened. After one that
    fails none is asked. ``slow`` is said of statements that read whole tables.
    """
    path = sqlite_path(database.url)
    script = _SCRIPT.format(
        opening=OPENING,
        path=quote(path),
        uri=quote("file://" + percent_encoded(path)),
        patience=int(_patience(database) * 1000),
        # A comment may end the last line of a statement.
        sql=quote("\n;\n".join((COUNT_TABLES, *statements))),
        statements=" ".join(map(quote, (COUNT_TABLES, *statements))),
        python=quote(_PYTHON),
    )
    told = " ".join(("sqlite3 -readonly (else python3)", quote(path), *map(quote, statements)))
    return Command(script, timeout=database.timeout, told=told, slow=slow)


def read(database: Sqlite, output: Output) -> Look:
    """Read what the script printed.

    Raises:
        Unobserved: it printed something else.
    """
    head, _, tail = output.text.partition("\n\n")
    found = dict(re.findall(r"^([a-z]+) (.*)$", head, re.MULTILINE))
    if "kind" not in found:
        raise Unobserved("unreadable", output.complaint or "the script that examines the file did not end")
    return Look(
        path=sqlite_path(database.url),
        kind=found["kind"],
        found=found,
        tool=found.get("tool", ""),
        status=int(found.get("status", 0)),
        said=tuple(line for line in tail.splitlines() if line.strip()),
        patience=_patience(database),
    )


def _patience(database: Sqlite) -> float:
    return min(PATIENCE, database.timeout / 2)
