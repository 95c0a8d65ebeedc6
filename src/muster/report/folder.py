"""The folder that a run writes its reports to: made, and held by one run at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class FolderError(Exception):
    """The folder cannot be used. The message says why, and the way out."""


def claim(folder: Path) -> IO[str]:
    """Make ``folder`` and hold it for this process until the returned file is closed, or the process ends.

    Raises:
        FolderError: it cannot be written, or another run holds it.
    """
    way_out = "name another with --reports DIR"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.jsonl").open("a", encoding="utf-8").close()
        lock = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise FolderError(f"cannot write reports to {folder}: {error.strerror}; {way_out}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read(20).strip() or "unknown"
        lock.close()
        raise FolderError(f"another run (pid {holder}) is writing reports to {folder}; {way_out}") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
