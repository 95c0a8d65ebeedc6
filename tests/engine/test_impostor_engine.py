"""What answers in a Docker engine's place and is none: never taken for a host without an engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from muster.facts.docker_containers import without
from muster.probes import Unobserved
from muster.questions.docker import AskEngine, EngineAnswer, InspectContainer, ListContainers, Matches
from muster.targets import Connection, DockerEngine, Host
from tests.engine.asking import answer, failure
from tests.servers.http import PATHS, Behaviour, Conversation, HttpServer

VERSION = json.dumps({"Version": "28.0.1", "ApiVersion": "1.41"}).encode()
LISTED = json.dumps([{"Id": "1" * 64, "Names": ["/job"], "State": "running", "Status": "Up 2 hours"}]).encode()

#: An engine that has lost all but its version; one that loses a container while it is asked.
BARE: dict[str, Behaviour] = {"/version": lambda talk: talk.answer(VERSION)}
LOSES: dict[str, Behaviour] = {**BARE, "/v1.41/containers/json": lambda talk: talk.answer(LISTED)}


def on(url: str | None, timeout: float = 10.0) -> Host:
    return Host(name="here", connection=Connection(kind="local"), docker=DockerEngine(url=url), timeout=timeout)


def tcp(server: HttpServer) -> str:
    return server.url.replace("http", "tcp", 1)


def test_a_server_that_has_no_version_is_no_engine_that_is_missing(web: HttpServer) -> None:
    found = answer(on(tcp(web)), AskEngine())
    assert isinstance(found, EngineAnswer)
    assert (found.attempt.outcome, found.attempt.cause) == ("not found", "wrong")
    assert "answered 404 to /version" in found.attempt.detail


def test_an_engine_without_a_list_of_containers_is_not_one_without_containers() -> None:
    with HttpServer(paths=BARE) as server:
        why = failure(on(tcp(server)), ListContainers())
    assert why.cause == "wrong"
    assert without(why, expected=False) is why


def test_an_engine_that_fails_is_quoted() -> None:
    def fails(talk: Conversation) -> None:
        talk.answer(b'{"message": "no space left\\u001b[2J"}', status="500 Internal Server Error")

    with HttpServer(paths={"/version": fails}) as server:
        found = answer(on(tcp(server)), AskEngine()).attempt
    assert str(found) == f"failed: 127.0.0.1:{server.port} answered 500 to /version: no space left\\x1b[2J"


@pytest.mark.parametrize(
    ("path", "outcome", "cause"),
    [
        ("trickle", "timed out", "timeout"),
        ("garbage", "not HTTP", "unreadable"),
        ("closed", "reset", "network"),
        ("short-body", "cut off", "unreadable"),
        ("endless-headers", "not HTTP", "unreadable"),
    ],
)
def test_what_answers_in_an_odd_way_is_told(path: str, outcome: str, cause: str) -> None:
    with HttpServer(paths={"/version": PATHS[f"/{path}"]}) as server:
        found = answer(on(tcp(server), timeout=1.0), AskEngine()).attempt
    assert (found.outcome, found.cause) == (outcome, cause)


@pytest.mark.parametrize("named", ["1.41 HTTP/1.1\r\nX: y", "../x", "", 1.41, None])
def test_a_version_that_is_none_is_no_part_of_a_path(named: object) -> None:
    said = json.dumps({"Version": "28.0.1", "ApiVersion": named}).encode()
    with HttpServer(paths={"/version": lambda talk: talk.answer(said)}) as server:
        found = answer(on(tcp(server)), AskEngine())
        why = failure(on(tcp(server)), ListContainers())
        assert {request.path for request in server.requests} == {"/version"}
    assert (found.attempt.outcome, found.attempt.cause, why.cause) == ("not Docker", "unreadable", "unreadable")


def test_asking_needs_neither_the_sdk_nor_requests() -> None:
    modules = "muster.transports.container, muster.transports.docker, muster.transports.http"
    text = f"import sys, {modules}; sys.exit(bool({{'docker', 'requests', 'urllib3', 'idna'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


def test_a_container_that_goes_while_it_is_asked_about_is_gone() -> None:
    with HttpServer(paths=LOSES) as server:
        assert answer(on(tcp(server)), InspectContainer("job")) == Matches((), None)


def test_an_engine_that_cannot_be_asked_is_not_one_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://ops@proxy.example.net")
    behind = failure(on(None), ListContainers())
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    without_files = failure(on(None), ListContainers())

    for why in (behind, without_files):
        assert isinstance(without(why, expected=False), Unobserved), f"taken for a host without an engine: {why}"
