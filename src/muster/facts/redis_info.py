"""``INFO`` of Redis (https://redis.io/docs/latest/commands/info/), which most facts about it are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from muster.databases import Redis
from muster.probes import Probe, Unobserved
from muster.questions.servers import AskRedis

T = TypeVar("T")


class Info:
    """The lines of ``INFO`` by name. What is asked for and is not there, or is no number, is `Unobserved`."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Mapping[str, str]) -> None:
        self._lines = lines

    def get(self, name: str) -> str:
        """The line's value; empty where there is none, for what older versions do not tell."""
        return self._lines.get(name, "")

    def text(self, name: str) -> str:
        """The line's value, which has to be there."""
        if name not in self._lines:
            raise Unobserved("unreadable", f"INFO has no {name}: the server is too old, or hides it")
        return self._lines[name]

    def number(self, name: str) -> int:
        return int(self.real(name))

    def real(self, name: str) -> float:
        try:
            return float(self.text(name))
        except ValueError:
            raise Unobserved("unreadable", f"{name} of INFO is no number: {self._lines[name][:40]}") from None

    def numbered(self, name: str) -> list[dict[str, str]]:
        """The lines ``name0``, ``name1`` and so on, whose values are ``key=value,key=value``."""
        found = []
        for at in range(10_000):
            line = self._lines.get(f"{name}{at}")
            if line is None:
                break
            found.append({key: value for key, _, value in (part.partition("=") for part in line.split(","))})
        return found


def ask_info(redis: Redis, parse: Callable[[Info], T]) -> Probe[T]:
    """A probe that asks for ``INFO``, once for all facts that do."""

    def read(answer: Any) -> T:
        return parse(read_info(answer))

    return Probe(AskRedis(redis.server, ("INFO",), redis.timeout), read)


def read_info(answer: Any) -> Info:
    """Read what ``INFO`` answered.

    Raises:
        Unobserved: it is something else.
    """
    if not isinstance(answer, bytes) or b"redis_version:" not in answer:
        raise Unobserved("unreadable", f"this is no answer to INFO: {str(answer)[:80]}")
    lines = (line.partition(":") for line in answer.decode("utf-8", "backslashreplace").splitlines())
    return Info({name: value for name, colon, value in lines if colon and not name.startswith("#")})
