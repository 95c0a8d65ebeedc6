"""``results.jsonl``: one line per verdict, on disk as soon as it is judged; and the way back from such a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import ValidationError, convert
from msgspec.json import Encoder

from muster.limits import Limit
from muster.text import LONGEST, printable
from muster.verdict import Verdict, record

#: No moment is as late, in seconds since the epoch: it is shortly before the last that can be written as a date.
LATEST = 253_000_000_000


class Results:
    """Writes verdicts to a file of JSON lines, each flushed, so that an interrupted run keeps them.

    ``failure`` is why the file is not whole, such as a full disk: a run goes on without it.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._file = path.open("wb")
        self._run = run
        self.failure: OSError | None = None
        self._encode = Encoder(enc_hook=dict).encode

    def add(self, verdict: Verdict) -> None:
        if self.failure is None:
            try:
                self._file.write(self._encode(record(verdict, self._run)) + b"\n")
                self._file.flush()
            except OSError as error:
                self.failure = error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # what is left of the last line
            self.failure = self.failure or error


def read_verdict(line: bytes) -> Verdict:
    """The verdict that a line was written from. Its texts are made harmless: whoever wrote it is not known.

    Raises:
        ValueError: no run writes such a line. The message says what is wrong with it.
    """
    try:
        text = line.decode()
        # A look at each text of each line took half of the time of many; few lines have anything to escape.
        harmless = len(text) <= LONGEST and "\\" not in text and text.rstrip("\n").isprintable()
        hook = None if harmless else _harmless
        plain = _plain(json.loads(text, object_pairs_hook=hook, parse_float=_finite, parse_constant=_finite))
        return convert(plain, Verdict)
    except ValidationError as error:
        raise ValueError(printable(str(error), 200)) from None
    except RecursionError:
        raise ValueError("JSON that is too deep") from None
    except KeyError as error:
        raise ValueError(f"no {error.args[0]}") from None
    except (AttributeError, OverflowError, TypeError) as error:
        raise ValueError(printable(f"no verdict: {error}", 200)) from None


def _harmless(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {printable(name): printable(said) if isinstance(said, str) else said for name, said in pairs}


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{printable(number, 20)} is no number")
    return value


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a `Verdict`, which nothing has looked at yet."""
    ok = said["verdict"] == "ok"
    observed_at = datetime.fromisoformat(said["observed_at"]).timestamp() if said["observed_at"] else 0.0
    if not 0 <= observed_at < LATEST:
        raise ValueError(f"nothing was observed at {said['observed_at']}")
    return {
        "check": {
            "name": said["check"],
            **{key: said[key] for key in ("title", "severity", "remediation", "runbook")},
        },
        **{key: said[key] for key in ("kind", "host", "target", "labels", "verdict", "cause", "host_down")},
        "message": "" if ok else said["message"],
        "observed": said["message"] if ok else said["observed"],
        "measurements": [_measurement(each) for each in said["measurements"]],
        "observed_at": observed_at,
        "seconds": said["duration_seconds"],
    }


def _measurement(said: Mapping[str, Any]) -> dict[str, Any]:
    limit = said["limits"]
    beyond = Limit(**limit).breach(said["value"])
    named = {key: said[key] for key in ("name", "value", "unit", "of")}
    return {**named, "limit": limit, "breach": beyond and beyond[0]}
