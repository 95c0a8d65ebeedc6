"""``docker_client``: a `docker.DockerClient` of a host's engine."""

from __future__ import annotations

import math

from docker import DockerClient

from muster.live.access import Access
from muster.probes import AskEngine, EngineAnswer, Unobserved


def docker_client(access: Access) -> DockerClient:
    """A client of the engine, over its socket here or through the host's connection. Close it after use.

    Raises:
        Unobserved: the host or its engine cannot be reached.
    """
    answer, url = access.run(_asked(access))
    if answer.version is None:
        raise Unobserved(answer.attempt.cause or "network", f"Docker engine: {answer.attempt}")
    client = DockerClient(base_url=url, version=answer.version["ApiVersion"], timeout=math.ceil(access.seconds))
    client.api.trust_env = False
    return client


async def _asked(access: Access) -> tuple[EngineAnswer, str]:
    engine = await access.suite.gatherer.engine(access.host)
    answer: EngineAnswer = await engine.ask(AskEngine())
    return answer, await engine.base_url()
