"""What is merged: the folders of shards. They come out of archives, so nothing in them is taken for granted."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from muster.exits import (
    EXIT_BAD,
    EXIT_BROKEN,
    EXIT_CONFIGURATION,
    EXIT_INTERRUPTED,
    EXIT_NETWORK,
    EXIT_NOTHING,
    EXIT_OK,
)
from muster.report.folder import JUNIT, PAGE, RESULTS
from muster.report.results import read_verdict
from muster.scale.junit import parts
from muster.scale.run_file import RunFile
from muster.verdict import Verdict

#: No line of results.jsonl is longer, in bytes: its texts are bounded, and thousands of measurements fit in.
LONGEST_LINE = 1 << 20

CHUNK = 1 << 20

#: What a run whose reports are whole ends with; of all shards of a run, the first of these.
WORST_FIRST = (EXIT_BAD, EXIT_NETWORK, EXIT_OK, EXIT_NOTHING)

_WHY = {
    EXIT_CONFIGURATION: ": its configuration was wrong, or a file of checks could not be collected",
    EXIT_BROKEN: ": it broke, or could not write its reports",
    EXIT_INTERRUPTED: ": it was interrupted",
}


class Refused(Exception):
    """Shards that cannot be merged. ``complaints`` are all the reasons; as text they are one a line."""

    def __init__(self, *complaints: str) -> None:
        self.complaints = complaints
        super().__init__("\n".join(complaints))


class Stream:
    """A report as it is read. ``digest`` is the SHA-256 of what was read so far. Raises OSError."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():  # opening a pipe would wait for whoever writes to it
            raise FileNotFoundError(0, "is missing")
        self._file = path.open("rb")
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int) -> bytes:
        return self._seen(self._file.read(size))

    def readline(self, size: int) -> bytes:
        return self._seen(self._file.readline(size))

    def _seen(self, content: bytes) -> bytes:
        self._hash.update(content)
        return content

    def close(self) -> None:
        self._file.close()


class Input(Struct, frozen=True):
    """The folder of a shard. ``file`` is what the shard says of itself."""

    folder: Path
    file: RunFile

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts in results.jsonl.

        Raises:
            Refused: the file is broken, or not what the run wrote. What came before is not to be kept.
        """
        number = 0
        with self._report(RESULTS) as stream:
            while line := stream.readline(LONGEST_LINE + 1):
                number += 1
                try:
                    verdict = _verdict(line)
                except ValueError as error:
                    raise Refused(f"{self.folder / RESULTS}:{number}: {error}") from None
                yield verdict
        if number != self.file.verdicts:
            raise Refused(f"{self.folder / RESULTS}: has {number:,} of {self.file.verdicts:,} verdicts")

    def junit(self) -> Iterator[ET.Element]:
        """The parts of junit.xml, as `muster.scale.junit.parts` gives them. Raises Refused."""
        if JUNIT not in self.file.reports:
            raise Refused(f"{self.folder / JUNIT}: the run wrote none; run it without -p no:junitxml or --junitxml")
        with self._report(JUNIT) as stream:
            try:
                yield from parts(stream)
            except ET.ParseError as error:
                raise Refused(f"{self.folder / JUNIT}:{error.position[0]}: {error}") from None
            except ValueError as error:
                raise Refused(f"{self.folder / JUNIT}: {error}") from None

    def page(self) -> None:
        """Look at report.html as well, if the run wrote one: nothing is read from it. Raises Refused."""
        if PAGE in self.file.reports:
            with self._report(PAGE):
                pass

    def results(self) -> Iterator[bytes]:
        """What is in results.jsonl, in pieces. Raises Refused."""
        with self._report(RESULTS) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    @property
    def complaint(self) -> str | None:
        """Why there are no whole reports in it to be read, by what the shard says of itself."""
        file, shard = self.file, f"shard {self.file.shard}/{self.file.shards}"
        if file.finished is None:
            return f"{self.folder}: {shard} has not ended, or was killed"
        if file.exit_code not in WORST_FIRST:
            return f"{self.folder}: {shard} ended with {file.exit_code}{_WHY.get(file.exit_code or 0, '')}"
        if file.stopped:
            return f"{self.folder}: {shard} stopped before all was judged; run it without --maxfail"
        return None

    @contextmanager
    def _report(self, name: str) -> Iterator[Stream]:
        """One of the reports. What is not read of it is looked at too, in the end."""
        path = self.folder / name
        try:
            stream = Stream(path)
            try:
                yield stream
                while stream.read(CHUNK):
                    pass
            finally:
                stream.close()
        except OSError as error:
            raise Refused(f"{path}: {error.strerror}") from None
        if stream.digest != self.file.reports.get(name):
            raise Refused(f"{path}: is not as the run left it: cut off, or changed since")


def _verdict(line: bytes) -> Verdict:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"longer than {LONGEST_LINE:,} bytes")
    if not line.endswith(b"\n"):
        raise ValueError("is cut off")
    return read_verdict(line)
