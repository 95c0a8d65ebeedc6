"""``junit.xml`` of several shards as one, a test case at a time: however many there are, one is in memory."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Protocol, cast

#: How pytest's writer begins. There is no place for a document type in it, whose entities can be without end.
START = b'<?xml version="1.0" encoding="utf-8"?><testsuites'
CHUNK = 1 << 16

#: Elements are nested no deeper: testsuites, testsuite, testcase, properties, property.
DEEPEST = 5

#: What a test suite counts.
COUNTED = ("errors", "failures", "skipped", "tests")


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Head:
    """What stands above the test cases: the sums of all shards, and the properties of their suites."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._seconds = 0.0
        self._first: dict[str, str] = {}
        self._properties: dict[tuple[str, str], None] = {}

    def add(self, part: ET.Element) -> None:
        """Take in one of the parts of a shard, as `parts` gives them."""
        if part.tag == "testsuite":
            self._first = self._first or dict(part.attrib)
            self._counts.update({name: int(part.get(name, "0")) for name in COUNTED})
            self._seconds += float(part.get("time", "0"))
        elif part.tag == "properties":
            for each in part:
                self._properties[each.get("name", ""), each.get("value", "")] = None

    def write(self, file: BinaryIO) -> None:
        sums = {name: str(self._counts[name]) for name in COUNTED}
        suite = ET.Element("testsuite", {**self._first, **sums, "time": f"{self._seconds:.3f}"})
        properties = ET.SubElement(suite, "properties") if self._properties else None
        for name, value in self._properties:
            assert properties is not None
            ET.SubElement(properties, "property", name=name, value=value)
        text = ET.tostring(suite, "unicode", short_empty_elements=False)
        file.write(START + b' name="pytest tests">')
        file.write(text.removesuffix("</testsuite>").encode())


def write_end(file: BinaryIO) -> None:
    file.write(b"</testsuite></testsuites>")


def parts(stream: Readable) -> Iterator[ET.Element]:
    """What pytest's writer puts into junit.xml: the element of the test suite, then each child of it, whole.

    Raises:
        xml.etree.ElementTree.ParseError: it is no XML, or cut off.
        ValueError: it is no report of pytest's.
    """
    parser: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start", "end"))
    depth, suite, chunk = 0, None, stream.read(CHUNK)
    if not chunk.startswith(START):
        raise ValueError("does not begin as pytest writes it")
    while chunk:
        parser.feed(chunk)
        for event, element in cast("Iterator[tuple[str, ET.Element]]", parser.read_events()):
            if event == "end":
                depth -= 1
                if depth == 2 and suite is not None:
                    yield element
                    suite.remove(element)
                continue
            depth += 1
            if depth > DEEPEST:
                raise ValueError("is nested deeper than pytest writes it")
            if depth == 2:
                if suite is not None or element.tag != "testsuite":
                    raise ValueError("has more in it than one test suite")
                suite = element
                _check_numbers(suite)
                yield suite
        chunk = stream.read(CHUNK)
    parser.close()
    if suite is None:
        raise ValueError("has no test suite")


def _check_numbers(suite: ET.Element) -> None:
    """Raises ValueError."""
    counts = [int(suite.get(name, "")) for name in COUNTED]
    seconds = float(suite.get("time", ""))
    if min(counts) < 0 or not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError("its counts are none that pytest writes")
