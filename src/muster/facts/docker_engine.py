"""Whether a host's Docker engine answers."""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from muster.need import need
from muster.probes import Attempt, Cause, DoesNotApply, Probe, Unobserved
from muster.questions.docker import AskEngine, EngineAnswer
from muster.targets import Host

#: What a host on which nobody expects a Docker engine, and none is, does not have.
NO_ENGINE = "no Docker engine here, and none is expected"


class DockerAnswer(Struct, frozen=True):
    """How the attempt to reach a host's Docker engine went, and the versions that it gave: the engine's and
    its API's, empty where it did not answer. Source: Docker Engine API, ``GET /version``."""

    attempt: Attempt
    version: str = ""
    api_version: str = ""

    @property
    def cause(self) -> Cause | None:
        return self.attempt.cause

    def __str__(self) -> str:
        if not self.attempt.connected:
            return f"Docker engine: {self.attempt}"
        return f"Docker engine {self.version}, API {self.api_version}"


def parse(answer: EngineAnswer, expected: bool) -> DockerAnswer:
    attempt = answer.attempt
    if attempt.cause == "missing" and not expected:
        raise DoesNotApply(NO_ENGINE)
    if attempt.cause in ("permission", "internal"):
        raise Unobserved(attempt.cause, f"Docker engine: {attempt}")
    if not attempt.connected:
        return DockerAnswer(attempt)
    said = answer.version or {}
    version, api_version = said.get("Version"), said.get("ApiVersion")
    if not isinstance(version, str) or not isinstance(api_version, str):
        raise Unobserved("unreadable", "what answers at the Docker engine's place does not give its version")
    return DockerAnswer(attempt, version, api_version)


@need(Host)
def docker_engine(host: Host) -> Probe[DockerAnswer]:
    """Whether the host's Docker engine answers, and which version it is."""
    return Probe(AskEngine(), partial(parse, expected=host.docker.expected))
