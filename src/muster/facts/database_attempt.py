"""Whether a database accepts connections."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from muster.databases import Database, ServerDatabase, Sqlite
from muster.facts.sqlite import Look, ask, read
from muster.need import need
from muster.probes import Attempt, Cause, Output, Probe, Unobserved
from muster.questions.servers import AskServer, ServerAnswer
from muster.text import plural

#: What is there in place of a database: the outcome, its cause, and the rest of the sentence.
_KINDS: dict[str, tuple[str, Cause, str]] = {
    "missing": ("missing", "missing", "no such file"),
    "folder": ("not a database", "wrong", "a folder is in its place"),
    "special": ("not a database", "wrong", "it is no regular file"),
    "empty": ("empty", "wrong", "the file has 0 bytes"),
    "foreign": ("not a database", "wrong", "it does not begin as SQLite files do"),
}

#: What SQLite says (https://sqlite.org/rescode.html), and the outcome that it means.
_ERRORS = {"not a database": "not a database", "malformed": "corrupt", "disk I/O error": "failed"}


def opening(look: Look) -> Attempt:
    """How it went to open the file.

    Raises:
        Unobserved: the file could not be looked at.
    """
    if look.kind in _KINDS:
        outcome, cause, rest = _KINDS[look.kind]
        return Attempt(outcome, cause, f"{look.path}: {rest}")
    look.observable()
    if look.tables is not None:
        return Attempt("connected", detail=plural(look.tables, "table"))
    if look.locked:
        held = f"no answer within {look.patience:g} s: another process holds it in an exclusive transaction"
        return Attempt("locked", "timeout", f"{look.path}: {held}")
    for words, outcome in _ERRORS.items():
        if words in look.error:
            return Attempt(outcome, "wrong", f"{look.path}: {look.error}")
    raise Unobserved("unreadable", f"{look.tool}: {look.error or 'no answer'}")


def parse(database: Sqlite, output: Output) -> Attempt:
    """Make the fact of what the script found. Raises `Unobserved` where the file could not be looked at."""
    return replace(opening(read(database, output)), seconds=output.seconds)


@need(Database)
def database_attempt(database: Database) -> Probe[Attempt]:
    """How the attempt to open the database, or to log in to it, went."""
    match database:
        case Sqlite():
            return Probe(ask(database), partial(parse, database))
        case ServerDatabase():
            return Probe(AskServer(database.server, database.timeout), _attempt)
    raise TypeError(f"nobody knows how to open a {type(database).__name__}")


def _attempt(answer: ServerAnswer) -> Attempt:
    return answer.attempt
