"""``run.json``: what a shard says of its run, for those who put shards together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field
from msgspec.structs import asdict

from muster.report.folder import RUN
from muster.report.results import LATEST

#: Much more than a run ever writes there, in bytes.
LARGEST = 1 << 20


class RunFile(Struct, frozen=True, kw_only=True):
    """What a shard says of its run.

    ``selection`` is what was selected and how it was judged, by the name of each part: where two shards differ in
    it, they are not of one run. ``started`` and ``finished`` are in seconds since the epoch; ``finished`` is None
    as long as the run goes on. ``verdicts`` are the lines of results.jsonl; ``stopped`` tells that the run ended
    before all was judged. ``reports`` gives the SHA-256 of each report by its name, as the run left it.
    """

    run: str
    shard: int
    shards: int
    selection: Mapping[str, str]
    inventories: list[str]
    started: float
    finished: float | None = None
    exit_code: int | None = None
    stopped: bool = False
    verdicts: int = 0
    reports: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Put it in its place at once, whole. Raises OSError."""
        new = folder / f".{RUN}.new"
        new.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")
        new.replace(folder / RUN)

    @classmethod
    def read(cls, folder: Path) -> RunFile:
        """What ``folder`` has. Raises OSError, and ValueError where it is no such file."""
        path = folder / RUN
        if not path.is_file():  # opening a pipe would wait for whoever writes to it
            raise FileNotFoundError(0, "is missing", str(path))
        with path.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError("larger than any that a run writes")
        try:
            file = msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(str(error)) from None
        if not (0 <= file.started < LATEST and 0 <= (file.finished or 0) < LATEST):
            raise ValueError("a run was never at that time")
        return file


def digest(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(parts: Iterable[bytes]) -> str:
    """A hash of some parts, each of which may be a secret: slow on purpose, so that nobody finds it by trying."""
    content = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
    return hashlib.scrypt(content, salt=b"muster", n=1 << 14, r=8, p=1, dklen=32).hex()
