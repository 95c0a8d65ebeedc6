"""What a container logged lately: the lines that the inventory wants counted."""

from __future__ import annotations

import re
from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.docker import ContainerLog, LineCount, Logged
from muster.targets import Container, LogPattern
from muster.text import plural, printable, span

#: So many characters of a line are shown.
LONGEST_LINE = 300

#: A level as a line of JSON names it. Quotes within a text stand behind a backslash, so they are not taken for it.
_LEVEL = r'(?i:"(?:level|severity|lvl)"\s*:\s*"{}")'
_ANY_LEVEL = r'[^"\\]{1,20}'

#: Other names of a level, in lower case.
_ALSO = {"warning": "warn", "warn": "warning", "error": "err", "err": "error"}


class CountedLines(Struct, frozen=True):
    """How many lines of one name were counted in the last ``window`` seconds, and the last of them."""

    name: str
    lines: int
    window: float
    last: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {plural(self.lines, 'line')} in the last {span(self.window)}"


class ContainerLogs(Struct, frozen=True):
    """The lines of a container's log that the inventory wants counted, by its names for them."""

    counts: tuple[CountedLines, ...]
    name: str = ""

    def __str__(self) -> str:
        return "; ".join(map(str, self.counts)) or "nothing to count"


def asked(entry: LogPattern) -> tuple[LineCount, ...]:
    """What is counted for one entry; for a level, first all lines and those that have one."""
    pattern = (entry.pattern,) if entry.pattern is not None else ()
    if entry.level is None:
        return (LineCount(entry.window, pattern),)
    level = entry.level.lower()
    names = "|".join(re.escape(each) for each in (level, _ALSO.get(level)) if each)
    return (
        LineCount(entry.window, ()),
        LineCount(entry.window, (_LEVEL.format(_ANY_LEVEL),)),
        LineCount(entry.window, (_LEVEL.format(f"(?:{names})"), *pattern)),
    )


def parse(container: Container, logged: Logged) -> ContainerLogs:
    """Make the fact of what was counted.

    Raises:
        Unobserved: there is no such container; or a level is wanted, and no line of the log has any.
    """
    inspected = inspection(pattern(container), logged.matches)
    left = list(logged.counts or ())
    counts: list[CountedLines] = []
    for name, entry in container.logs.items():
        *around, counted = [left.pop(0) for _ in asked(entry)]
        if around and around[0].lines and not around[1].lines:
            said = f"none of {plural(around[0].lines, 'line')} is JSON with a level; count them by `pattern`"
            raise Unobserved("unreadable", f"{name}: {said}")
        counts.append(CountedLines(name, counted.lines, entry.window, printable(counted.last, LONGEST_LINE)))
    return ContainerLogs(tuple(counts), name_of(inspected))


@need(Container)
def container_logs(container: Container) -> Probe[ContainerLogs]:
    """How many lines the container logged of those that the inventory wants counted."""
    counts = tuple(count for entry in container.logs.values() for count in asked(entry))
    question = ContainerLog(pattern(container), counts, timeout=container.timeout)
    return Probe(question, partial(parse, container))
