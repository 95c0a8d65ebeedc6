"""``database``: a database that a test asks in SQL, through its host, and cannot change.

An SQLite file is asked where it lies, by ``python3`` there, else by ``sqlite3``. The statement goes there on
standard input: no process list shows it. It is opened as `muster.facts.sqlite` does, so that nothing is written
beside it.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import Any
from urllib.parse import quote as percent_encoded

from muster.databases import Database, Sqlite
from muster.facts.sqlite import OPENING, sqlite_path
from muster.live.access import MOST, Access
from muster.probes import Command, Unobserved

Row = tuple[Any, ...]

#: The longest answer, in bytes; what stands around it fits into `MOST`.
LONGEST = MOST - 1_048_576

#: Seconds to wait for a lock.
LOCK_PATIENCE = 5.0

#: Statements that read. SQLite itself refuses to write; but ATTACH and VACUUM INTO make files of their own.
READING = ("select", "with", "values", "explain", "pragma")

_LEADING_COMMENT = re.compile(r"\s*(--[^\n]*(\n|$)|/\*.*?\*/)", re.DOTALL)
_PARAMETER = re.compile(r":[A-Za-z_][A-Za-z0-9_]*|\?[0-9]+")

# For any python3. Prints one line of JSON; what JSON has no word for is {"bytes": base64}.
_PYTHON = """\
import base64, json, sys
try:
    import sqlite3
except ImportError:
    sys.exit(127)
def packed(value):
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
def unpacked(value):
    return base64.b64decode(value["bytes"]) if isinstance(value, dict) else value
def answer(uri, patience, most, sql, values):
    values = {k: unpacked(v) for k, v in values.items()} if isinstance(values, dict) else list(map(unpacked, values))
    try:
        database = sqlite3.connect(uri, timeout=patience, uri=True)
        cursor = database.execute(sql, values)
        rows, length = [], 0
        for row in cursor:
            rows.append(json.dumps(list(map(packed, row))))
            length += len(rows[-1]) + 2
            if length > most:
                return '{"long": true}'
        columns = json.dumps([each[0] for each in cursor.description or ()])
        return '{"columns": %s, "rows": [%s]}' % (columns, ", ".join(rows))
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        return json.dumps({"error": type(error).__name__, "message": str(error)})
"""

# POSIX sh. Prints the tool and its status, then what it answered.
_SCRIPT = r"""(
p={path}
{opening}
if [ "$how" = stranded ]; then echo stranded; exit 0; fi
try() {{
  tool=python3
  out=$(python3 -IS - {uri}"?$how" <<'{end}'
{python}
{end}
); status=$?
  if [ "$status" = 127 ] && command -v sqlite3 >/dev/null 2>&1; then
    tool=sqlite3
    out=$(sqlite3 -readonly -batch -bail -json -init /dev/null {uri}"?$how" 2>&1 <<'{end}' | head -c {most}
{sql}
{end}
); case $out in '['*|'') status=0 ;; *) status=1 ;; esac
  fi
}}
ask
echo "$tool $status"
printf '%s\n' "$out"
)"""


class Cursor:
    """The rows of one answer, as the cursors of PEP 249 give them.

    ``description`` has a 7-tuple for each column, of which the first is its name; it is None where the
    ``sqlite3`` program answered without a row.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        self.description = tuple((name, *[None] * 6) for name in columns) or None
        self._rows = iter(rows)

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def fetchmany(self, size: int = 1) -> list[Row]:
        return [row for _, row in zip(range(size), self._rows, strict=False)]

    def fetchall(self) -> list[Row]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class SqliteFile:
    """An SQLite file on a host: ``database.execute("SELECT count(*) FROM keys").fetchone()``."""

    def __init__(self, access: Access, database: Sqlite) -> None:
        self._access = access
        self._path = sqlite_path(database.url)

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Cursor:
        """Ask one statement that reads, with values for its ``?`` or ``:name`` in ``parameters``.

        Where there is no ``python3`` on the host, ``sqlite3`` answers: it gives a blob as text.

        Raises:
            sqlite3.Error: as the `sqlite3` module raises it: the statement is wrong, or would write.
            Unobserved: the file could not be asked, or the answer is too long.
        """
        _refuse_writes(sql)
        output = self._access.ask(
            Command(
                _script(self._path, sql, parameters),
                timeout=self._access.seconds,
                max_bytes=MOST,
                told=f"python3 (else sqlite3): {self._path}: {sql}",
            )
        )
        if len(output.stdout) > LONGEST:
            raise _too_long()
        head, _, tail = output.text.partition("\n")
        tool, _, status = head.partition(" ")
        if tool == "stranded":
            raise Unobserved("wrong", f"{self._path}-wal holds changes that cannot be read without writing")
        if status == "127":
            raise Unobserved(
                "missing", "neither python3 (with its sqlite3 module) nor sqlite3 on this host; install one"
            )
        if tool == "sqlite3":
            return _rows_of_program(tail, status)
        return _rows_of_python(tail, output.complaint)


def see_that_it_opens(access: Access, database: Database) -> None:
    """Raises `Unobserved` where the attempt to open a database, or to log in to it, failed."""
    suite = access.suite
    attempt = suite.observation(database, suite.needs["database_attempt"])
    if attempt.failure is not None:
        raise attempt.failure
    if not attempt.value.connected:
        raise Unobserved(attempt.value.cause, f"the database did not open: {attempt.value}")


def sqlite_file(access: Access, database: Sqlite) -> SqliteFile:
    """The database, where it can be asked.

    Raises:
        Unobserved: it cannot, for the reason that ``database_accepts_connections`` names.
    """
    see_that_it_opens(access, database)
    return SqliteFile(access, database)


def _refuse_writes(sql: str) -> None:
    """Raises `sqlite3.OperationalError` for a statement that is none of `READING`, or for more than one."""
    rest = sql
    while comment := _LEADING_COMMENT.match(rest):
        rest = rest[comment.end() :]
    rest = rest.strip()
    if not rest:
        raise sqlite3.ProgrammingError("nothing to execute")
    word = rest.split(maxsplit=1)[0].split("(")[0].split(";")[0]
    if word.lower() not in READING:
        raise sqlite3.OperationalError(f"{word}: only {', '.join(READING).upper()} read a database")
    ends = (at + 1 for at, each in enumerate(rest) if each == ";")
    if any(sqlite3.complete_statement(rest[:end]) and rest[end:].strip() for end in ends):
        raise sqlite3.ProgrammingError("more than one statement: execute them one by one")


def _script(path: str, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> str:
    if isinstance(parameters, Mapping):
        values: Any = {name: _packed(value) for name, value in parameters.items()}
    else:
        values = [_packed(value) for value in parameters]
    told = json.dumps([LOCK_PATIENCE, LONGEST, sql, values])
    python = f"{_PYTHON}print(answer(sys.argv[1], *json.loads({told!r})))"
    program = "\n".join(
        [f".timeout {LOCK_PATIENCE * 1000:.0f}", *_parameters(parameters), sql.rstrip().rstrip(";") + "\n;"]
    )
    end = "END"
    while end in sql:
        end += "_"
    return _SCRIPT.format(
        opening=OPENING,
        path=quote(path),
        uri=quote("file://" + percent_encoded(path)),
        most=LONGEST + 1,
        python=python,
        sql=program,
        end=end,
    )


def _packed(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if value is None or isinstance(value, int | float | str):
        return value
    raise sqlite3.ProgrammingError(f"a parameter cannot be of type {type(value).__name__}")


def _parameters(parameters: Sequence[Any] | Mapping[str, Any]) -> Iterator[str]:
    """The lines that tell the sqlite3 program its parameters, each value as a literal in hexadecimal or digits."""
    if isinstance(parameters, Mapping):
        pairs = [(f":{name}", value) for name, value in parameters.items()]
    else:
        pairs = [(f"?{place}", value) for place, value in enumerate(parameters, 1)]
    for name, value in pairs:
        if not _PARAMETER.fullmatch(name):
            raise sqlite3.ProgrammingError(f"{name!r} is no name of a parameter")
        yield f".parameter set {name} {_literal(value)}"


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            return f"\"CAST(x'{value.encode().hex()}' AS TEXT)\""
        case bytes():
            return f"\"x'{value.hex()}'\""
        case _:
            return repr(int(value) if isinstance(value, bool) else value)


def _rows_of_python(text: str, complaint: str) -> Cursor:
    try:
        answer = json.loads(text)
    except ValueError:
        raise Unobserved("unreadable", f"python3 on this host: {complaint or text[:200] or 'no answer'}") from None
    if "long" in answer:
        raise _too_long()
    if "error" in answer:
        raise _error(answer["error"], answer["message"])
    return Cursor(answer["columns"], [tuple(map(_unpacked, row)) for row in answer["rows"]])


def _rows_of_program(text: str, status: str) -> Cursor:
    if status != "0":
        message = re.sub(r"^(Parse |Runtime )?[Ee]rror:? (near line \d+: )?", "", text.strip().split("\n")[0])
        raise _error("OperationalError", re.sub(r" \(\d+\)$", "", message))
    try:
        rows = json.loads(text.strip() or "[]", object_pairs_hook=list)
    except ValueError:
        raise Unobserved("unreadable", f"sqlite3 on this host: {text.strip()[-200:]}") from None
    columns = [name for name, _ in rows[0]] if rows else []
    return Cursor(columns, [tuple(value for _, value in row) for row in rows])


def _too_long() -> Unobserved:
    return Unobserved("unreadable", f"more than {LONGEST // 1_048_576} MiB of rows: select less")


def _unpacked(value: Any) -> Any:
    return base64.b64decode(value["bytes"]) if isinstance(value, dict) else value


def _error(name: str, message: str) -> Exception:
    """The error of that name of the `sqlite3` module; a lock that was not given up is no fault of the statement."""
    if "locked" in message:
        return Unobserved("timeout", f"{message}: another process has held it for more than {LOCK_PATIENCE:g} s")
    kind = getattr(sqlite3, name, sqlite3.Error)
    return kind(message) if isinstance(kind, type) and issubclass(kind, Exception) else sqlite3.Error(message)
