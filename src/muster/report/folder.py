"""The folder that a run writes its reports to: made, held by one run at a time, and cleared of the last one's."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAY_OUT = "name another with --reports DIR"

JUNIT, PAGE, RESULTS, RUN = "junit.xml", "report.html", "results.jsonl", "run.json"


class FolderError(Exception):
    """The folder cannot be used. The message says why, and the way out."""


class Folder:
    """The folder ``path``, made where it is not there, and this process's own until `close`.

    Raises:
        FolderError: it cannot be written, or another run holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / ".lock").open("a+", encoding="utf-8")
            self._hold()
        except OSError as error:
            raise self._unwritable(error) from None

    def clear(self) -> None:
        """Remove the reports of an earlier run: one that ends before it judges must not leave them to be taken for
        its own. Raises FolderError."""
        try:
            for name in (JUNIT, PAGE, RESULTS, RUN):
                if (old := self.path / name).is_file() and not old.is_symlink():
                    old.unlink()
        except OSError as error:
            raise self._unwritable(error) from None

    @contextmanager
    def replacing(self, *names: str) -> Iterator[list[Path]]:
        """Where to write the reports of these names. They take the place of the old ones in the end, all or none;
        what a shard said of itself goes with the old ones.

        Raises:
            OSError: one cannot be written.
        """
        new = [self.path / f".{name}.new" for name in names]
        try:
            yield new
            for path in (self.path / name for name in names):
                if path.is_dir():  # no file takes its place, and those before it would have taken theirs
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            (self.path / RUN).unlink(missing_ok=True)
            for path, name in zip(new, names, strict=True):
                path.replace(self.path / name)
        finally:
            for path in new:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        self._lock.close()

    def _unwritable(self, error: OSError) -> FolderError:
        return FolderError(f"cannot write reports to {self.path}: {error.strerror}; {_WAY_OUT}")

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read(20).strip() or "unknown"
            self._lock.close()
            said = f"another run (pid {holder}) is writing reports to {self.path}; {_WAY_OUT}"
            raise FolderError(said) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
