"""Hosts and targets out of the levels of an inventory: defaults < groups < host < target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from muster.inventory.levels import BOUNDS, MEANINGLESS, SECTIONS, Level, Problems
from muster.inventory.rules import Where, check_host, check_target, finder
from muster.limits import Limit
from muster.targets import (
    NOTHING,
    Connection,
    Container,
    Database,
    DockerEngine,
    Endpoint,
    Host,
    Position,
    Target,
    Value,
)

#: What levels say, with None for a level that is wrong.
Contents = Sequence[dict[str, Any] | None]
#: A target all but made: its class, and its fields without the host.
_Blank = tuple[type[Target], dict[str, Any]]
#: What the targets of a host have from it.
COMMON = ("labels", "limits", "timeout")


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` upon ``under``: mappings merge key by key, anything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


@dataclass(frozen=True, slots=True)
class _Mould:
    """What hosts with the same levels have alike: all but the name, the position and the address."""

    host: dict[str, Any]
    connection: dict[str, Any]
    targets: tuple[_Blank, ...]
    sound: bool


class Assembly:
    """Makes targets of validated levels, and shares between them what is equal.

    The same levels give the same limits, labels and expectations, so that ten thousand hosts of one group
    take little time and memory. The contents that are given must stay alive as long as the assembly.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._moulds: dict[tuple[int, ...], _Mould] = {}
        self._merged: dict[tuple[int, ...], dict[str, Any]] = {}
        self._blanks: dict[int, _Blank] = {}
        self._shared_limits: dict[tuple[Any, ...], Limit] = {}

    def host(
        self, name: str, position: Position, groups: tuple[str, ...], levels: list[Level], contents: Contents
    ) -> Iterator[Target]:
        """The host and the targets under it; nothing where a level is wrong, or they do not go together.

        ``contents`` are what the ``levels`` say, outermost first and the host's own last.
        """
        sound = [each for each in contents if each is not None]
        if len(sound) < len(contents):
            return
        own = sound[-1]
        mould = self._mould(levels, sound if own.keys() - {"groups", "address"} else sound[:-1])
        if not mould.sound:
            return
        connection = mould.connection
        if connection.get("kind", "ssh") in ("ssh", "docker"):
            connection = {"address": name, **connection}
            if "address" in own:
                connection["address"] = own["address"]
        yield Host(name=name, position=position, groups=groups, connection=Connection(**connection), **mould.host)
        for make, fields in mould.targets:
            yield make(host=name, **fields)

    def top(self, levels: list[Level], contents: Contents) -> Iterator[Target]:
        """The targets of the top level of all files."""
        sound = [each for each in contents if each is not None]
        if len(sound) < len(contents):
            return
        merged = self._merge(sound)
        where = finder(levels)
        if self._sound(lambda: self._check_targets(merged, where)):
            for make, fields in self._targets(merged, self._common(merged), where):
                yield make(**fields)

    def _merge(self, contents: list[dict[str, Any]]) -> dict[str, Any]:
        if len(contents) < 2:
            return contents[0] if contents else {}
        key = tuple(map(id, contents))
        if key not in self._merged:
            self._merged[key] = merge(self._merge(contents[:-1]), contents[-1])
        return self._merged[key]

    def _mould(self, levels: list[Level], contents: list[dict[str, Any]]) -> _Mould:
        key = tuple(map(id, contents))
        if key not in self._moulds:
            merged = self._merge(contents)
            where = finder(levels)

            def check() -> None:
                check_host(merged, where, self._problems.add)
                self._check_targets(merged, where)

            sound = self._sound(check)
            common = self._common(merged)
            self._moulds[key] = _Mould(
                host={**common, **_host_fields(merged)},
                connection=_connection(merged),
                targets=tuple(self._targets(merged, common, where)) if sound else (),
                sound=sound,
            )
        return self._moulds[key]

    def _sound(self, check: Callable[[], None]) -> bool:
        before = len(self._problems)
        check()
        return len(self._problems) == before

    def _check_targets(self, merged: Mapping[str, Any], where: Where) -> None:
        for section in SECTIONS:
            for name, entry in merged.get(section, {}).items():
                if "limits" in entry and "limits" in merged:
                    entry = {**entry, "limits": merge(merged["limits"], entry["limits"])}
                check_target(section, name, entry, where, self._problems.add)

    def _common(self, merged: Mapping[str, Any]) -> dict[str, Any]:
        common: dict[str, Any] = {}
        if labels := merged.get("labels"):
            common["labels"] = MappingProxyType(labels)
        if limits := merged.get("limits"):
            common["limits"] = MappingProxyType({name: self._limit(bounds) for name, bounds in limits.items()})
        if "timeout" in merged:
            common["timeout"] = merged["timeout"]
        return common

    def _limit(self, bounds: Mapping[str, Any]) -> Limit:
        key = (*map(bounds.get, BOUNDS), bounds["source"])
        if key not in self._shared_limits:
            self._shared_limits[key] = Limit(*key)
        return self._shared_limits[key]

    def _targets(self, merged: Mapping[str, Any], common: dict[str, Any], where: Where) -> Iterator[_Blank]:
        for section in SECTIONS:
            for name, entry in merged.get(section, {}).items():
                if id(entry) not in self._blanks:
                    make, fields = self._FIELDS[section](self, name, entry)
                    self._blanks[id(entry)] = (
                        make,
                        {**fields, "name": name, "position": where(section, name, key=True)},
                    )
                make, fields = self._blanks[id(entry)]
                inherited = common
                if own := {key: entry[key] for key in COMMON if key in entry}:
                    inherited = self._common(merge({key: merged[key] for key in COMMON if key in merged}, own))
                yield make, {**inherited, **fields}

    def _container(self, name: str, entry: Mapping[str, Any]) -> _Blank:
        match = entry.get("match", name)
        return Container, {"match": match, "ports": tuple(entry.get("ports", ())), "health": entry.get("health")}

    def _endpoint(self, name: str, entry: Mapping[str, Any]) -> _Blank:
        kept = ("url", "method", "body", "ca_file", "verify")
        expect = entry.get("expect", {})
        values = {
            each: Value(path=bounds["path"], unit=bounds.get("unit", ""), limit=self._limit(bounds))
            for each, bounds in entry.get("values", {}).items()
        }
        return Endpoint, {
            **{key: entry[key] for key in kept if key in entry},
            "headers": tuple(entry.get("headers", {}).items()),
            "status": expect.get("status"),
            "json": expect.get("json"),
            "values": MappingProxyType(values) if values else NOTHING,
        }

    def _database(self, name: str, entry: Mapping[str, Any]) -> _Blank:
        return Database, {"url": entry["url"]}

    _FIELDS: ClassVar = {"containers": _container, "endpoints": _endpoint, "databases": _database}


def _host_fields(merged: Mapping[str, Any]) -> dict[str, Any]:
    docker = merged.get("docker")
    return {
        "docker": DockerEngine(**(docker or {}), expected=docker is not None or bool(merged.get("containers"))),
        "listening": tuple(merged.get("listening", ())),
        "units": tuple(merged.get("units", ())),
    }


def _connection(merged: Mapping[str, Any]) -> dict[str, Any]:
    """The connection without what has no meaning for its kind: a default for ssh says nothing about a local host."""
    connection: dict[str, Any] = dict(merged.get("connection", {}))
    for name in MEANINGLESS[connection.get("kind", "ssh")]:
        connection.pop(name, None)
    return connection
