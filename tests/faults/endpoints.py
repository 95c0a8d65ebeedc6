"""Endpoints that serve and that fail, in every way that `tests.servers.http` knows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.cases import CALM, Case, Ran, critical, each, run, under, unknown, warning
from tests.servers.http import Certificates, HttpServer
from tests.servers.processes import Background, free_port, refusing_port, silent_port
from tests.servers.sshd import CutOffHost

OK = {"expect": {"status": 200, "json": {"ok": True}}}
ANSWERED = ("endpoint_status_is_expected", "endpoint_json_is_expected", "endpoint_answers_in_time")
OVER_TLS = ("endpoint_status_is_expected", "endpoint_answers_in_time", "endpoint_certificate_is_valid_for_long")


def at(path: str, **more: object) -> dict[str, object]:
    """The server's answer to a path, which should be 200 and ``{"ok": true}``."""
    return {"url": f"http://127.0.0.1:${{web}}{path}", **OK, **more}


def over_tls(port: str, **more: object) -> dict[str, object]:
    return {"url": f"https://127.0.0.1:${{{port}}}/healthz", "ca_file": "${ca}", **more}


def down(says: str, *more: str, cause: str) -> dict[str, object]:
    """Down is critical, once; what hangs on it is unknown."""
    answers = critical(says, *more, "expected an answer", cause=cause)
    return {"endpoint_answers": answers, **each(ANSWERED, unknown(says, cause=cause))}


def untrusted(why: str) -> dict[str, object]:
    answers = critical(f"TLS failed: {why}", cause="wrong")
    return {"endpoint_answers": answers, **each(OVER_TLS, unknown("TLS failed", cause="wrong"))}


def values(**entry: object) -> dict[str, object]:
    return {"url": "http://127.0.0.1:${web}/status", "values": {"goroutines": {"path": "$.goroutines", **entry}}}


def expecting(path: str, expect: dict[str, object], **more: object) -> dict[str, object]:
    return {"url": f"http://127.0.0.1:${{web}}{path}", "expect": expect, **more}


def with_parts(path: str, **parts: list[str]) -> dict[str, object]:
    """Parts by the member that they are in; ``checks`` say it in their ``status``."""
    paths = {f"$.{name}.*{'.status' if name == 'checks' else ''}": words for name, words in parts.items()}
    return {"url": f"http://127.0.0.1:${{web}}{path}", "parts": paths}


NOT_JSON = "endpoint_json_is_expected"
RULES = "endpoint_json_follows_its_rules"
PARTS = "endpoint_parts_are_well"
GOROUTINES = {"goroutines": {"path": "$.goroutines", "warning": 2000, "critical": 5000}}

CASES = (
    # good
    Case("ok", at("/healthz")),
    Case("packed", at("/gzip")),
    Case("redirected", at("/moved")),
    Case("reset-once", at("/reset-once")),
    Case("expected-redirect", {"url": "http://127.0.0.1:${web}/moved", "expect": {"status": 301}}),
    Case("values", values(warning=20, critical=30)),
    Case("tls", over_tls("good", limits={"certificate_days_left": {"warning_below": 10}})),
    Case("own-loopback", {"url": "http://127.0.0.1:${inner}/"}, host="elsewhere"),
    Case("range", expecting("/empty", {"status": "200-299"})),
    Case("several", expecting("/not-found", {"status": [200, 404]})),
    Case("token", expecting("/private-token", {"json": {"ok": True}}, auth={"bearer": "${env:PORTS_TOKEN}"})),
    Case(
        "password",
        expecting("/private", {"status": 200}, auth={"user": "ops", "password": "${env:PORTS_PASSWORD}"}),
    ),
    Case(
        "rules",
        expecting(
            "/status",
            {
                "at": {
                    "$.ok": True,
                    "$.version": {"type": "string"},
                    "$.queues[0].depth": 7,
                    "$.no": {"present": False},
                }
            },
        ),
    ),
    Case(
        "text", expecting("/page", {"text": "hello", "matches": "h.l+o", "headers": {"content-type": "text/html*"}})
    ),
    Case("to-there", expecting("/moved", {"redirect": "http://127.0.0.1:*/healthz"})),
    Case("small", at("/healthz", limits={"response_bytes": {"critical": 1000}})),
    Case("flask", with_parts("/api/health", services=["healthy"])),
    Case("one-api", {"url": "http://127.0.0.1:${web}/api/monitor/health", "values": GOROUTINES}),
    # down
    Case(
        "refused", {"url": "http://127.0.0.1:${refusing}/", **OK}, down("refused", "after 2 tries", cause="network")
    ),
    Case(
        "own-loopback-from-here",
        {"url": "http://127.0.0.1:${inner}/", **OK},
        down("refused: 127.0.0.1:", cause="network"),
    ),
    Case(
        "refused-there",
        {"url": "http://127.0.0.1:${refusing}/", **OK},
        down("refused", "after 2 tries", cause="network"),
        host="elsewhere",
    ),
    Case("reset", at("/reset"), down("reset", "after 2 tries", cause="network")),
    Case("closed", at("/closed"), down("closed the connection without an answer", cause="network")),
    Case(
        "silent",
        {"url": "http://127.0.0.1:${silent}/", "timeout": "1s", **OK},
        down("timed out: connected, but no answer in 1 s", cause="timeout"),
    ),
    Case("slow-headers", at("/slow-headers", timeout="1s"), down("no answer in 1 s", cause="timeout")),
    Case("slow-body", at("/slow-body", timeout="1s"), down("the answer did not end in 1 s", cause="timeout")),
    Case("trickle", at("/trickle", timeout="1s"), down("the answer did not end in 1 s", cause="timeout")),
    Case(
        "no-such-name",
        {"url": "http://muster-test.invalid/", **OK},
        down("no such name: muster-test.invalid", cause="network"),
    ),
    Case("garbage", at("/garbage"), down("not HTTP", cause="unreadable")),
    Case("bad-gzip", at("/bad-gzip"), down("cut off: the body is broken", cause="unreadable")),
    Case("short-body", at("/short-body"), down("cut off: the body is broken", cause="unreadable")),
    # wrong
    Case(
        "wrong-status",
        at("/wrong-status"),
        {
            "endpoint_status_is_expected": critical("503 Service Unavailable", "expected 200"),
            "endpoint_json_is_expected": critical("$.ok is false, expected true"),
        },
    ),
    Case(
        "circle",
        {"url": "http://127.0.0.1:${web}/circle"},
        {"endpoint_status_is_expected": critical("redirects in a circle", "expected a status below 400")},
    ),
    Case(
        "to-file",
        {"url": "http://127.0.0.1:${web}/to-file"},
        {"endpoint_status_is_expected": critical("302 Found to file:///etc/passwd")},
    ),
    Case("wrong-json", at("/wrong-body"), {NOT_JSON: critical("$.ok is false, expected true")}),
    Case("html", at("/wrong-type"), {NOT_JSON: critical("(text/html) is no JSON", "<h1>It works!</h1>")}),
    Case("broken-json", at("/not-json"), {NOT_JSON: critical("is no JSON", "expected JSON")}),
    Case("deep-json", at("/deep-json"), {NOT_JSON: critical("nested too deeply")}),
    Case("gigabyte", at("/gigabyte"), {NOT_JSON: critical("longer than 1.0 MiB, and cut off there")}),
    Case("gzip-bomb", at("/gzip-bomb"), {NOT_JSON: critical("longer than 1.0 MiB, and cut off there")}),
    Case("hostile", at("/hostile"), {NOT_JSON: critical("\\x1b[2J", "<script>document.title")}),
    Case(
        "out-of-range",
        expecting("/healthz", {"status": ["201-299", 404]}),
        {"endpoint_status_is_expected": critical("200 OK", "expected 201-299 or 404")},
    ),
    Case(
        "wrong-token",
        expecting("/private-token", {"status": 200}, auth={"bearer": "${env:PORTS_PASSWORD}"}),
        {"endpoint_status_is_expected": critical("401 Unauthorized", "expected 200")},
    ),
    Case(
        "broken-rules",
        expecting(
            "/status",
            {"at": {"$.ok": False, "$.version": {"type": "number"}, "$.gone": {}, "$.memory": {"present": False}}},
        ),
        {
            RULES: critical(
                "$.ok is true, expected false",
                '$.version is "1.4.2", expected a number',
                "$.gone is missing",
                "expected nothing there",
            )
        },
    ),
    Case("rules-of-html", expecting("/page", {"at": {"$.ok": True}}), {RULES: critical("is no JSON")}),
    Case(
        "no-text",
        expecting("/page", {"text": "welcome"}),
        {"endpoint_body_has_the_text": critical("<p>hello</p>, expected the text 'welcome' in it")},
    ),
    Case(
        "no-match",
        expecting("/page", {"matches": "^welcome"}),
        {"endpoint_body_matches": critical("<p>hello</p>, expected a match of ^welcome")},
    ),
    Case(
        "long-without-text",
        expecting("/gigabyte", {"text": "welcome"}),
        {"endpoint_body_has_the_text": unknown("not in the first 1.0 MiB of the body", cause="unreadable")},
    ),
    Case(
        "endless-search",
        expecting("/gigabyte", {"matches": "(x+)+y"}),
        {"endpoint_body_matches": unknown("did not end in 1 s", cause="timeout")},
    ),
    Case(
        "wrong-header",
        expecting("/page", {"headers": {"Content-Type": "application/json*", "x-frame-options": "DENY"}}),
        {
            "endpoint_headers_are_expected": critical(
                "content-type is text/html; charset=utf-8, expected application/json*",
                "x-frame-options is missing, expected DENY",
            )
        },
    ),
    Case(
        "to-elsewhere",
        expecting("/moved", {"redirect": "https://*"}),
        {
            "endpoint_redirects_as_expected": critical(
                "301 Moved Permanently to http://", "expected a redirect to https://*"
            )
        },
    ),
    Case(
        "to-nobody",
        expecting("/healthz", {"redirect": "https://*"}),
        {"endpoint_redirects_as_expected": critical("200 OK", "expected a redirect to https://*")},
    ),
    Case(
        "flask-ill",
        with_parts("/api/health/ill", services=["healthy"]),
        {PARTS: critical("redis: unhealthy: connection refused, expected healthy")},
    ),
    Case(
        "checks-ill",
        with_parts("/api/health/checks", checks=["pass", "ok"]),
        {
            PARTS: critical(
                "disk: warn, expected pass or ok", "mail: $.checks.mail.status is missing, expected pass or ok"
            )
        },
    ),
    Case("no-parts", with_parts("/api/health/empty", services=["healthy"]), {PARTS: critical("$.services is {}")}),
    Case("parts-missing", with_parts("/healthz", services=["healthy"]), {PARTS: critical("$.services is missing")}),
    # beyond limits
    Case(
        "large",
        at("/healthz", limits={"response_bytes": {"critical": 10}}),
        {"endpoint_size_is_within_limits": critical("response_bytes is 12 B, expected at most 10 B")},
    ),
    Case(
        "very-large",
        {"url": "http://127.0.0.1:${web}/gigabyte", "limits": {"response_bytes": {"warning": 1000000}}},
        {"endpoint_size_is_within_limits": warning("response_bytes is 953.7 MiB")},
    ),
    Case(
        "as-large-as-you-like",
        {"url": "http://127.0.0.1:${web}/endless", "limits": {"response_bytes": {"warning": 2000000}}},
        {"endpoint_size_is_within_limits": unknown("longer than the 1.0 MiB that are read", cause="unreadable")},
    ),
    Case(
        "slow",
        at("/healthz", limits={"response_seconds": {"warning": 0}}),
        {"endpoint_answers_in_time": warning("response_seconds is", "expected at most 0 s")},
    ),
    Case(
        "too-slow",
        at("/healthz", limits={"response_seconds": {"warning": 0, "critical": 0}}),
        {"endpoint_answers_in_time": critical("expected at most 0 s")},
    ),
    Case(
        "value-high",
        values(warning=10, critical=30),
        {"endpoint_values_are_within_limits": warning("goroutines is 12, expected at most 10")},
    ),
    Case(
        "value-too-high",
        values(unit="goroutines", warning=5, critical=10),
        {"endpoint_values_are_within_limits": critical("goroutines is 12 goroutines, expected at most 10")},
    ),
    Case(
        "value-missing",
        values(path="$.gorotines"),
        {"endpoint_values_are_within_limits": critical("$.gorotines", "expected a number")},
    ),
    Case(
        "value-no-number",
        values(path="$.version"),
        {"endpoint_values_are_within_limits": critical('$.version is "1.4.2", which is no number')},
    ),
    # TLS
    Case(
        "expires-soon",
        over_tls("good"),
        {"endpoint_certificate_is_valid_for_long": warning("20", "expected at least 30 d")},
    ),
    Case(
        "expires-too-soon",
        over_tls("good", limits={"certificate_days_left": {"critical_below": 25}}),
        {"endpoint_certificate_is_valid_for_long": critical("expected at least 25 d")},
    ),
    Case("expired", over_tls("expired"), untrusted("certificate has expired")),
    Case("wrong-name", over_tls("wrong_name"), untrusted("IP address mismatch")),
    Case("self-signed", over_tls("self_signed"), untrusted("self-signed certificate")),
    Case("unknown-ca", over_tls("unknown_ca"), untrusted("unable to get local issuer certificate")),
    Case("plain-http", over_tls("inner"), untrusted("wrong version number"), host="elsewhere"),
)


def judged(folder: Path, tls: Certificates, elsewhere: CutOffHost) -> Ran:
    """All of them in one run. ``elsewhere`` is a host with a network of its own."""
    with ExitStack() as serving:
        web = serving.enter_context(HttpServer())
        settings: dict[str, object] = {"web": web.port, "ca": tls.ca_file}
        for name in ("good", "expired", "wrong_name", "self_signed", "unknown_ca"):
            settings[name] = serving.enter_context(HttpServer(getattr(tls, name))).port
        settings |= {
            "refusing": serving.enter_context(refusing_port()),
            "silent": serving.enter_context(silent_port()),
            "inner": serving.enter_context(_served_in(elsewhere.namespace, folder)),
        }
        hosts = under("endpoints", CASES)
        hosts["elsewhere"]["connection"] = elsewhere.connection()
        inventory = {"defaults": {"limits": CALM}, "hosts": {"elsewhere": hosts["elsewhere"]}, **hosts[""]}
        secrets = {"PORTS_TOKEN": "let-me-in", "PORTS_PASSWORD": "opensesame"}
        return run(folder, inventory, settings=settings, environment=secrets)


@contextmanager
def _served_in(namespace: str, folder: Path) -> Iterator[int]:
    """The port of an HTTP server on the loopback of a network namespace. Nobody outside can reach it."""
    port = free_port()
    serve = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(port)]
    server = Background(["ip", "netns", "exec", namespace, *serve], folder / "http.log")
    try:
        server.wait_for(lambda: "Serving HTTP" in server.printed())
        yield port
    finally:
        server.stop()
