"""Endpoints and databases out of what an inventory says of them: their class, by the URL, and its fields."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from muster.databases import Mysql, Postgres, Query, Redis, Server, ServerDatabase, Sqlite, Table
from muster.inventory.texts import ENGINES, dns_question
from muster.limits import Limit
from muster.targets import NOTHING, DnsEndpoint, HttpEndpoint, JsonRule, Target, TcpEndpoint, TlsEndpoint, Value

#: A target all but made: its class, and its fields without the host.
Blank = tuple[type[Target], dict[str, Any]]
MakeLimit = Callable[[Mapping[str, Any]], Limit]

#: What only endpoints of some schemes have: by key of the entry, and of its ``expect``.
ONLY = {
    **dict.fromkeys(("method", "headers", "body", "auth", "values", "parts", "serves"), ("http", "https")),
    **dict.fromkeys(("starttls", "server_name"), ("tls",)),
    **dict.fromkeys(("ca_file", "verify"), ("https", "http", "tls")),
}
ONLY_EXPECTED = {
    **dict.fromkeys(("status", "json", "at", "text", "matches", "headers", "redirect"), ("http", "https")),
    "open": ("tcp",),
    "protocol": ("tls",),
    "answers": ("dns",),
}
#: What only databases of some engines have.
ONLY_OF_ENGINE = {
    **dict.fromkeys(
        ("user", "password", "tls", "ca_file", "verify", "min_version", "role"), ("postgresql", "mysql", "redis")
    ),
    **dict.fromkeys(("tables", "queries"), ("sqlite", "postgresql", "mysql")),
    "keys": ("redis",),
}

_ENGINE_CLASSES: dict[str, type[ServerDatabase]] = {"postgresql": Postgres, "mysql": Mysql, "redis": Redis}


def scheme_of(url: str) -> str:
    return url.partition(":")[0].lower()


def engine_of(url: str) -> str:
    """The name of the engine that a database's URL is for: ``sqlite``, ``postgresql``, ``mysql`` or ``redis``."""
    scheme = scheme_of(url)
    return ENGINES[scheme][0] if scheme in ENGINES else scheme


def frozen(mapping: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(mapping) if mapping else NOTHING


def endpoint(entry: Mapping[str, Any], limit: MakeLimit) -> Blank:
    """The class and the fields of an endpoint."""
    expect = entry.get("expect", {})
    scheme = scheme_of(entry["url"])
    common = {key: entry[key] for key in ("url", "ca_file", "verify") if key in entry}
    if scheme == "dns":
        question = dns_question(entry["url"])
        assert question is not None
        server, port, name, kind = question
        answers = tuple(expect["answers"]) if "answers" in expect else None
        return DnsEndpoint, {
            **common,
            "server": server,
            "port": port,
            "name_asked": name,
            "type": kind,
            "answers": answers,
        }
    if scheme in ("tcp", "tls"):
        parts = urlsplit(entry["url"])
        common |= {"address": parts.hostname, "port": parts.port}
        if scheme == "tcp":
            return TcpEndpoint, {**common, "open": expect.get("open", True)}
        kept = {key: entry[key] for key in ("starttls", "server_name") if key in entry}
        return TlsEndpoint, {**common, **kept, "protocol": expect.get("protocol")}
    return HttpEndpoint, {**common, **_http(entry, expect, limit)}


def _http(entry: Mapping[str, Any], expect: Mapping[str, Any], limit: MakeLimit) -> dict[str, Any]:
    values = {
        name: Value(path=bounds["path"], unit=bounds.get("unit", ""), limit=limit(bounds))
        for name, bounds in entry.get("values", {}).items()
    }
    rules = {path: _json_rule(rule) for path, rule in expect.get("at", {}).items()}
    parts = {path: tuple(words) for path, words in entry.get("parts", {}).items()}
    headers = {name.lower(): glob for name, glob in expect.get("headers", {}).items()}
    return {
        **{key: entry[key] for key in ("method", "body", "serves") if key in entry},
        **{key: expect[key] for key in ("json", "text", "matches", "redirect") if key in expect},
        "headers": (*entry.get("headers", {}).items(), *_authorization(entry.get("auth", {}))),
        "status": expect.get("status", ()),
        "values": frozen(values),
        "rules": frozen(rules),
        "parts": frozen(parts),
        "answer_headers": frozen(headers),
    }


def _json_rule(entry: Mapping[str, Any]) -> JsonRule:
    return JsonRule(
        present=entry.get("present", True),
        type=entry.get("type"),
        equals=entry.get("equals"),
        compares="equals" in entry,
    )


def _authorization(auth: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The header that authenticates (RFC 7617, RFC 6750)."""
    if not auth:
        return ()
    if "bearer" in auth:
        return (("Authorization", f"Bearer {auth['bearer']}"),)
    basic = base64.b64encode(f"{auth.get('user', '')}:{auth.get('password', '')}".encode()).decode()
    return (("Authorization", f"Basic {basic}"),)


def database(entry: Mapping[str, Any], limit: MakeLimit) -> Blank:
    """The class and the fields of a database."""
    fields: dict[str, Any] = {
        "url": entry["url"],
        "tables": frozen({name: _table(table, limit) for name, table in entry.get("tables", {}).items()}),
        "queries": frozen({name: _query(query, limit) for name, query in entry.get("queries", {}).items()}),
    }
    engine = engine_of(entry["url"])
    if engine == "sqlite":
        return Sqlite, fields
    fields |= {key: entry[key] for key in ("min_version", "role") if key in entry}
    if engine == "redis":
        fields["keys"] = frozen({pattern: limit(bounds) for pattern, bounds in entry.get("keys", {}).items()})
    return _ENGINE_CLASSES[engine], {**fields, "server": _server(entry)}


def _server(entry: Mapping[str, Any]) -> Server:
    parts = urlsplit(entry["url"])
    engine, port = ENGINES[parts.scheme.lower()]
    socket = parse_qs(parts.query).get("host", [None])[0]
    user = entry.get("user") or (unquote(parts.username) if parts.username else None)
    return Server(
        engine=engine,  # type: ignore[arg-type]
        address=parts.hostname or "127.0.0.1",
        port=parts.port or port,
        socket=_socket_file(engine, socket, parts.port or port) if socket else None,
        user=user,
        database=unquote(parts.path.strip("/")),
        **{key: entry[key] for key in ("password", "tls", "verify", "ca_file") if key in entry},
    )


def _socket_file(engine: str, socket: str, port: int) -> str:
    """The socket's own path: of PostgreSQL people name its folder, as libpq does."""
    folder_of_libpq = engine == "postgresql" and ".s.PGSQL." not in socket
    return f"{socket.rstrip('/')}/.s.PGSQL.{port}" if folder_of_libpq else socket


def _table(entry: Mapping[str, Any], limit: MakeLimit) -> Table:
    bounds = {key: limit(entry[key]) for key in ("newest", "rows") if key in entry}
    return Table(time=entry.get("time"), keep=entry.get("keep"), **bounds)


def _query(entry: Mapping[str, Any], limit: MakeLimit) -> Query:
    return Query(select=entry["select"], unit=entry.get("unit", ""), limit=limit(entry))
