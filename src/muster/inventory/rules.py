"""What has to hold once the levels of a host are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from muster.inventory.fields import ONLY, ONLY_EXPECTED, ONLY_OF_ENGINE, engine_of, scheme_of
from muster.inventory.levels import Level, Problems, kind_of
from muster.inventory.problems import MOST_SHOWN, suggest
from muster.inventory.unclear import Unclear
from muster.targets import Position

_SINGULAR = {"containers": "container", "endpoints": "endpoint", "databases": "database", "processes": "process"}


class Where(Protocol):
    """Where something of a host is said: by the innermost level that says it."""

    def __call__(self, *path: str, key: bool = False) -> Position: ...


#: What needs a login to the host.
_BY_LOGIN = (
    *("listening", "units", "processes", "allowed_ports", "allowed_users", "files", "closed_folders", "certificates"),
    *("sshd", "cron", "failed_logins", "kernel_log", "updates"),
)

Report = Callable[[Position, str], None]


def check_bounds(bounds: Mapping[str, Any], path: tuple[str, ...], where: Where, report: Report) -> None:
    """A warning comes before its critical."""
    warning, critical = bounds.get("warning"), bounds.get("critical")
    if isinstance(warning, float) and isinstance(critical, float) and warning > critical:
        report(where(*path), f"{path[-1]}: warning {warning:g} above critical {critical:g} would never be seen")
    warning, critical = bounds.get("warning_below"), bounds.get("critical_below")
    if isinstance(warning, float) and isinstance(critical, float) and warning < critical:
        report(
            where(*path),
            f"{path[-1]}: warning_below {warning:g} under critical_below {critical:g} would never be seen",
        )


def check_target(section: str, name: str, entry: Mapping[str, Any], where: Where, report: Report) -> None:
    """A target has what it cannot be without."""
    for limit, bounds in entry.get("limits", {}).items():
        check_bounds(bounds, (section, name, "limits", limit), where, report)
    if section in ("endpoints", "databases"):
        _check_url(section, name, entry, where, report)
    if section == "processes":
        _check_process(name, entry, where, report)
    for part, one, needed, example in _NEEDED:
        for each, bounds in entry.get(part, {}).items():
            check_bounds(bounds, (section, name, part, each), where, report)
            if needed and bounds.get(needed) is None:
                text = f'{one} "{each}" has no {needed}; write {needed}: {example.format(each)}'
                report(where(section, name, part, each, key=True), text)
    for log, rule in entry.get("logs", {}).items():
        said = [key for key in ("pattern", "level") if rule.get(key) is not None]
        if len(said) != 1:
            text = f'log "{log}" needs a pattern or a level' + (", not both" if said else "")
            report(where(section, name, "logs", log, key=True), text)
    for table, rule in entry.get("tables", {}).items():
        for part in ("newest", "rows"):
            check_bounds(rule.get(part, {}), (section, name, "tables", table, part), where, report)
        if rule.get("time") is None and not isinstance(rule, Unclear) and {"newest", "keep"} & rule.keys():
            text = f'table "{table}" has no time; name the column that says when a row was written'
            report(where(section, name, "tables", table, key=True), text)


#: What stands under a target by name, what one of them is called, cannot be without, and how that is written.
_NEEDED = (
    ("values", "value", "path", "$.{}"),
    ("queries", "query", "select", "SELECT count(*) FROM ..."),
    ("logs", "log", "", ""),
    ("keys", "pattern", "", ""),
)


def _check_url(section: str, name: str, entry: Mapping[str, Any], where: Where, report: Report) -> None:
    """There is a URL, and nothing that one of its kind has no use for."""
    url = entry.get("url")
    if url is None:
        scheme = "https://..." if section == "endpoints" else "sqlite:////absolute/path or postgresql://..."
        report(where(section, name, key=True), f'{_SINGULAR[section]} "{name}" has no url; write url: {scheme}')
    if not isinstance(url, str):
        return
    kind = scheme_of(url) if section == "endpoints" else engine_of(url)
    only = ONLY if section == "endpoints" else ONLY_OF_ENGINE
    for key in entry:
        if kind not in only.get(key, (kind,)):
            report(
                where(section, name, key, key=True), f"{key} has no meaning for {kind}; it is for {_or(only[key])}"
            )
    expect = entry.get("expect", {})
    for key in expect if section == "endpoints" else ():
        if kind not in ONLY_EXPECTED.get(key, (kind,)):
            text = f"{key} has no meaning for {kind}; it is for {_or(ONLY_EXPECTED[key])}"
            report(where(section, name, "expect", key, key=True), text)
    auth = entry.get("auth", {})
    if "bearer" in auth and {"user", "password"} & auth.keys():
        report(where(section, name, "auth", key=True), "auth has a bearer, or user and password, but not both")


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _check_process(name: str, entry: Mapping[str, Any], where: Where, report: Report) -> None:
    """A process is found in one way."""
    said = [key for key in ("unit", "pid_file", "command") if key in entry]
    if len(said) != 1 and not isinstance(entry, Unclear):
        found = (
            f"has {' and '.join(said)}; keep one" if said else "is found by nothing; write unit, pid_file or command"
        )
        report(where("processes", name, key=True), f'process "{name}" {found}')


def check_host(merged: dict[str, Any], where: Where, report: Report) -> None:
    """The connection can do what is asked of the host."""
    for limit, bounds in merged.get("limits", {}).items():
        check_bounds(bounds, ("limits", limit), where, report)
    kind = kind_of(merged)
    docker = merged.get("docker", {})
    url = docker.get("url")
    over_tcp = isinstance(url, str) and url.startswith("tcp://")
    tls = [name for name in ("ca_file", "cert_file", "key_file") if isinstance(docker.get(name), str)]
    if tls and not over_tcp and not isinstance(url, Unclear):
        report(where("docker", tls[0], key=True), f"{tls[0]} is for TLS; it needs url: tcp://address:port")
    elif tls and over_tcp and kind == "ssh":
        text = "a Docker engine with TLS cannot be asked through ssh; use unix:// there, or connection: none"
        report(where("docker", "url"), text)
    elif ("cert_file" in tls and docker.get("key_file") is None) or (
        "key_file" in tls and docker.get("cert_file") is None
    ):
        report(where("docker", tls[0], key=True), "cert_file and key_file go together; give both")
    if kind == "none":
        for name in _BY_LOGIN:
            if _says(merged, name):
                text = f"{name} cannot be observed where connection is none; use ssh or local"
                report(where(name, key=True), text)
        for name, entry in merged.get("databases", {}).items():
            if isinstance(entry.get("url"), str) and engine_of(entry["url"]) == "sqlite":
                text = "an SQLite file cannot be observed where connection is none; use ssh or local"
                report(where("databases", name, key=True), text)
        if (
            (_says(merged, "containers") or _says(merged, "compose"))
            and not over_tcp
            and not isinstance(url, Unclear)
        ):
            text = "containers cannot be observed where connection is none; use ssh or local, or docker: {url: tcp://...}"
            report(where("containers", key=True), text)


def _says(merged: Mapping[str, Any], name: str) -> bool:
    """Is something said there, right or wrong?"""
    return name in merged and (bool(merged[name]) or isinstance(merged[name], Unclear))


def check_ways(ways: Mapping[str, tuple[str, Sequence[Level]]], kinds: Mapping[str, str], problems: Problems) -> None:
    """Every host that others are reached through is there, is reached by ssh itself, and leads to no circle.

    ``ways`` are the hosts with ``via``, each with the levels that say so; ``kinds`` the kind of connection of
    every host, empty where that is unclear.
    """
    circles: set[str] = set()
    astray = 0
    for name, (via, levels) in ways.items():
        way = [name, via]
        while way[-1] in ways and way[-1] not in way[:-1]:
            way.append(ways[way[-1]][0])
        if via not in kinds:
            astray += 1  # with ten thousand hosts, to look for what was meant takes long
            fault = f'via: unknown host "{via}"{suggest(via, kinds) if astray <= MOST_SHOWN else ""}'
        elif way[-1] in way[:-1]:
            if way[-1] in circles:
                continue
            circles.update(way)
            out = f"; give {via} connection: {{via: null}}" if via == way[-1] else ""
            fault = f"via leads in a circle: {' -> '.join(way)}{out}"
        elif kinds[via] not in ("ssh", ""):
            fault = f"via: {via} is not reached by ssh (its connection is {kinds[via]}), so nothing can go through it"
        else:
            continue
        problems.add(finder(levels)("connection", "via"), fault, once="via")


def finder(levels: Sequence[Level]) -> Where:
    """Where something is said: by the innermost of the levels that says it."""

    def where(*path: str, key: bool = False) -> Position:
        for level in reversed(levels):
            if level.has(*path):
                return level.at(*path, key=key)
        return levels[-1].at()

    return where
