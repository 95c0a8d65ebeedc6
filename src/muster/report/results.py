"""``results.jsonl``: one line per verdict, on disk as soon as it is judged."""

from __future__ import annotations

import json
from pathlib import Path

from muster.verdict import Verdict, record


class Results:
    """Writes verdicts to a file of JSON lines, each flushed, so that an interrupted run keeps them.

    ``failure`` is why the file is not whole, such as a full disk: a run goes on without it.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._run = run
        self.failure: OSError | None = None
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=dict).encode

    def add(self, verdict: Verdict) -> None:
        if self.failure is None:
            try:
                self._file.write(self._encode(record(verdict, self._run)) + "\n")
                self._file.flush()
            except OSError as error:
                self.failure = error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # what is left of the last line
            self.failure = self.failure or error
