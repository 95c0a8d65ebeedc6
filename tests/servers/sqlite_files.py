"""SQLite files, good and broken. Each function makes one in a folder and returns its path.

`locked` and `good_wal_open` are context managers: another process holds the file meanwhile, since POSIX
locks do not hold within one process (https://sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: Of every file here, in bytes.
PAGE = 4096

_HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    database.execute(statement)
print("ready", flush=True)
sys.stdin.read()
"""


def good(folder: Path, name: str = "good.db", *, journal: str = "delete", rows: int = 2000) -> Path:
    """A sound file of some 40 pages: table ``quota`` with an index."""
    path = folder / name
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA page_size = {PAGE}")
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute("CREATE TABLE quota (name TEXT PRIMARY KEY, used INTEGER NOT NULL, note TEXT)")
        filling = ((f"key-{number:06}", number, "x" * 40) for number in range(rows))
        database.executemany("INSERT INTO quota VALUES (?, ?, ?)", filling)
        database.commit()
    return path


def good_wal(folder: Path, name: str = "wal.db") -> Path:
    """A sound file in WAL mode that nobody has open: no ``-wal`` and no ``-shm`` beside it."""
    return good(folder, name, journal="wal")


@contextlib.contextmanager
def good_wal_open(folder: Path, name: str = "wal-open.db") -> Iterator[Path]:
    """A sound file in WAL mode that another process has open, with a row that is in the ``-wal`` file only."""
    path = good(folder, name, journal="wal")
    with _held(path, "PRAGMA wal_autocheckpoint = 0", "INSERT INTO quota VALUES ('newest', 1, NULL)"):
        yield path


@contextlib.contextmanager
def locked(folder: Path, name: str = "locked.db") -> Iterator[Path]:
    """A sound file in which another process is amid an exclusive transaction: nobody else may even read."""
    path = good(folder, name)
    with _held(path, "BEGIN EXCLUSIVE"):
        yield path


def missing(folder: Path, name: str = "missing.db") -> Path:
    """Where no file is."""
    return folder / name


def empty(folder: Path, name: str = "empty.db") -> Path:
    """A file of no bytes, which SQLite itself takes for a sound, empty database."""
    path = folder / name
    path.touch()
    return path


def corrupt_header(folder: Path, name: str = "corrupt-header.db") -> Path:
    """A file that does not begin as SQLite files do."""
    path = good(folder, name)
    _overwrite(path, 0, b"Not SQLite at all\x00")
    return path


def corrupt_page(folder: Path, name: str = "corrupt-page.db") -> Path:
    """A file that opens, and in which one page is rubbish: ``PRAGMA integrity_check`` itself fails on it."""
    path = good(folder, name)
    _overwrite(path, path.stat().st_size // PAGE // 2 * PAGE, b"\xde\xad\xbe\xef" * (PAGE // 4))
    return path


def corrupt_index(folder: Path, name: str = "corrupt-index.db") -> Path:
    """A file that can be read, and of which ``PRAGMA integrity_check`` says that a row is not in the index."""
    path = good(folder, name)
    content = path.read_bytes()
    row = content.index(b"key-001000", content.index(b"x" * 40) - 200)
    _overwrite(path, row, b"kex-001000")
    return path


def truncated(folder: Path, name: str = "truncated.db") -> Path:
    """A file of which the second half is gone, amid a page."""
    path = good(folder, name)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 + 100)
    return path


def unreadable(folder: Path, name: str = "unreadable.db") -> Path:
    """A sound file that nobody but root may read. ``folder`` itself is left as it is."""
    path = good(folder, name)
    path.chmod(0o000)
    return path


def folder_in_its_place(folder: Path, name: str = "folder.db") -> Path:
    """A folder where the file should be."""
    path = folder / name
    path.mkdir()
    return path


def _overwrite(path: Path, at: int, what: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(what)


@contextlib.contextmanager
def _held(path: Path, *statements: str) -> Iterator[None]:
    """Another process has the file open and has executed the statements."""
    command = [sys.executable, "-c", _HOLD, str(path), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "ready\n", f"{path} could not be held"
            yield
        finally:
            holder.kill()
