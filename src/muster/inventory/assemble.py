"""Hosts and targets out of the levels of an inventory: defaults < groups < host < target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from msgspec import Struct, field

from muster.inventory.fields import Blank as _Blank
from muster.inventory.fields import database, endpoint
from muster.inventory.fields import frozen as _frozen
from muster.inventory.levels import BOUNDS, MEANINGLESS, SECTIONS, Content, Level, Problems, kind_of
from muster.inventory.rules import Where, check_host, check_target, finder
from muster.inventory.unclear import Unclear, merge
from muster.limits import Limit
from muster.targets import (
    Connection,
    Container,
    DockerEngine,
    FileRule,
    Host,
    LogPattern,
    Position,
    Process,
    Target,
)

#: What the targets of a host have from it.
COMMON = ("labels", "limits", "timeout")
#: What the groups say that there are not, or that are not understood.
_OF_UNKNOWN_GROUPS = Content(Unclear(), sound=False)


class Mould(Struct, frozen=True):
    """What hosts with the same levels have alike: all but the name, the position and the address.

    ``kind`` is that of the connection, empty where it is unclear; ``via`` the host that it goes through. There
    are no ``targets``, and nothing of the ``host``, where something is wrong.
    """

    kind: str
    via: str | None
    connection: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    targets: tuple[_Blank, ...] = ()
    sound: bool = False


class Assembly:
    """Makes targets of validated levels, and shares between them what is equal.

    The same levels give the same limits, labels and expectations, so that ten thousand hosts of one group
    take little time and memory. The contents that are given must stay alive as long as the assembly.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._moulds: dict[tuple[int, ...], Mould] = {}
        self._merged: dict[tuple[int, ...], dict[str, Any]] = {}
        self._blanks: dict[int, _Blank] = {}
        self._shared_limits: dict[tuple[Any, ...], Limit] = {}
        self._services: dict[int, dict[str, Any]] = {}

    def mould(self, levels: list[Level], contents: Sequence[Content], groups: tuple[str, ...]) -> Mould:
        """What the levels make of a host that is in these groups; what does not go together is a problem.

        ``contents`` are what the ``levels`` say, outermost first and the host's own last.
        """
        *below, own = contents
        written = own.says.get("groups", ())
        if isinstance(written, Unclear) or not set(written) <= set(groups):
            below.append(_OF_UNKNOWN_GROUPS)
        if not own.sound or own.says.keys() - {"groups", "address"}:
            below.append(own)
        key = tuple(id(each.says) for each in below)
        if key not in self._moulds:
            self._moulds[key] = self._moulded(levels, below)
        return self._moulds[key]

    def host(
        self, name: str, position: Position, groups: tuple[str, ...], mould: Mould, own: Content
    ) -> Iterator[Target]:
        """The host and the targets under it; nothing where something is wrong. ``own`` is what it says itself."""
        if not mould.sound:
            return
        connection = mould.connection
        if mould.kind in ("ssh", "docker"):
            connection = {"address": name, **connection}
            if "address" in own.says:
                connection["address"] = own.says["address"]
        yield Host(name=name, position=position, groups=groups, connection=Connection(**connection), **mould.host)
        for make, fields in mould.targets:
            yield make(host=name, **fields)

    def top(self, levels: list[Level], contents: Sequence[Content]) -> Iterator[Target]:
        """The targets of the top level of all files; none where something is wrong."""
        merged = self._merge([each.says for each in contents])
        where = finder(levels)
        if self._sound(lambda: self._check_targets(merged, where)) and all(each.sound for each in contents):
            for make, fields in self._targets(merged, self._common(merged), where):
                yield make(**fields)

    def _merge(self, contents: list[dict[str, Any]]) -> dict[str, Any]:
        if len(contents) < 2:
            return contents[0] if contents else {}
        key = tuple(map(id, contents))
        if key not in self._merged:
            self._merged[key] = merge(self._merge(contents[:-1]), contents[-1])
        return self._merged[key]

    def _moulded(self, levels: list[Level], contents: Sequence[Content]) -> Mould:
        merged = self._merge([each.says for each in contents])
        where = finder(levels)

        def check() -> None:
            nonlocal merged
            check_host(merged, where, self._problems.add)
            merged = self._with_services(merged)
            self._check_targets(merged, where)

        kind = kind_of(merged)
        connection = _connection(merged, kind)
        via = connection.get("via")
        via = via if isinstance(via, str) else None
        if not self._sound(check) or not all(each.sound for each in contents):
            return Mould(kind, via)
        common = self._common(merged)
        return Mould(
            kind,
            via,
            connection=connection,
            host={**common, **_host_fields(merged)},
            targets=tuple(self._targets(merged, common, where)),
            sound=True,
        )

    def _sound(self, check: Callable[[], None]) -> bool:
        before = len(self._problems)
        check()
        return len(self._problems) == before

    def _check_targets(self, merged: Mapping[str, Any], where: Where) -> None:
        for section in SECTIONS:
            for name, entry in merged.get(section, {}).items():
                if "limits" in entry and "limits" in merged:
                    inherited = {limit: merged["limits"].get(limit, {}) for limit in entry["limits"]}
                    entry = merge({"limits": inherited}, entry)
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

    def _with_services(self, merged: dict[str, Any]) -> dict[str, Any]:
        """With the services of its compose file among its containers, which may say more of each."""
        compose = merged.get("compose")
        if not compose or isinstance(compose, Unclear) or isinstance(compose.get("file"), Unclear):
            return merged
        key = id(compose)
        if key not in self._services:
            self._services[key] = self._services_of(compose)
        return {**merged, "containers": merge(self._services[key], merged.get("containers", {}))}

    def _services_of(self, compose: Mapping[str, Any]) -> dict[str, Any]:
        import os

        from muster.inventory.compose import services

        env_file = compose.get("env_file")
        found: dict[str, Any]
        found, problems = services(
            Path(compose["file"]),
            project=compose.get("project"),
            profiles=compose.get("profiles", ()),
            env_file=Path(env_file) if env_file else None,
            environment=os.environ,
        )
        self._problems.extend(problems)
        return found

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
        kept = ("image", "digest", "restart", "health")
        return Container, {
            **{key: entry[key] for key in kept if key in entry},
            **{key: tuple(entry[key]) for key in ("ports", "mounts", "privileges") if key in entry},
            "match": entry.get("match", name),
            "logs": _frozen({each: self._log(bounds) for each, bounds in entry.get("logs", {}).items()}),
        }

    def _log(self, entry: Mapping[str, Any]) -> LogPattern:
        kept = {key: entry[key] for key in ("pattern", "level", "window") if key in entry}
        return LogPattern(**kept, limit=self._limit(entry))

    def _endpoint(self, name: str, entry: Mapping[str, Any]) -> _Blank:
        return endpoint(entry, self._limit)

    def _database(self, name: str, entry: Mapping[str, Any]) -> _Blank:
        return database(entry, self._limit)

    def _process(self, name: str, entry: Mapping[str, Any]) -> _Blank:
        kept = ("unit", "pid_file", "command", "state")
        return Process, {
            **{key: entry[key] for key in kept if key in entry},
            "listening": tuple(entry.get("listening", ())),
        }

    _FIELDS: ClassVar = {
        "containers": _container,
        "endpoints": _endpoint,
        "databases": _database,
        "processes": _process,
    }


def _host_fields(merged: Mapping[str, Any]) -> dict[str, Any]:
    docker = merged.get("docker")
    fields: dict[str, Any] = {
        key: tuple(merged[key])
        for key in ("listening", "units", "closed_folders", "certificates", "cron", "allowed_ports", "allowed_users")
        if merged.get(key) is not None
    }
    fields |= {key: merged[key] for key in ("failed_logins", "kernel_log") if key in merged}
    fields["docker"] = DockerEngine(**(docker or {}), expected=docker is not None or bool(merged.get("containers")))
    fields["updates"] = merged.get("updates") or None
    if merged.get("sshd"):
        fields["sshd"] = MappingProxyType(merged["sshd"])
    if merged.get("files"):
        fields["files"] = MappingProxyType({path: _file_rule(rule) for path, rule in merged["files"].items()})
    return fields


def _file_rule(entry: Mapping[str, Any]) -> FileRule:
    mode = entry.get("mode")
    return FileRule(owner=entry.get("owner"), group=entry.get("group"), mode=None if mode is None else int(mode, 8))


def _connection(merged: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The connection without what has no meaning for its kind: a default for ssh says nothing about a local host."""
    connection: dict[str, Any] = dict(merged.get("connection", {}))
    for name in MEANINGLESS[kind]:
        connection.pop(name, None)
    return connection
