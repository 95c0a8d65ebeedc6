"""``docker_client``: a `docker.DockerClient` of a host's engine."""

from __future__ import annotations

import math
from typing import Any, cast

from docker import APIClient, DockerClient

from muster.live.access import Access
from muster.probes import Unobserved
from muster.questions.docker import AskEngine, EngineAnswer


class WholeAnswers(APIClient):
    """The SDK's own client, which loses nothing of what a command in a container prints at once.

    The SDK reads that from the bare socket, past what already came along with the headers
    (https://github.com/docker/docker-py/issues/3332).
    """

    def _get_raw_response_socket(self, response: Any) -> Any:
        cast(Any, self)._raise_for_status(response)
        return _Buffered(response.raw._fp.fp)


class _Buffered:
    """The socket below a buffered reader, read through the buffer."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def recv(self, size: int) -> Any:
        return self._reader.read1(size)

    read = recv

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader.raw, name)


class Client(DockerClient):
    """A `docker.DockerClient` over `WholeAnswers`."""

    def __init__(self, **options: Any) -> None:
        self.api = WholeAnswers(**options)


def docker_client(access: Access) -> DockerClient:
    """A client of the engine, over its socket here or through the host's connection. Close it after use.

    Raises:
        Unobserved: the host or its engine cannot be reached.
    """
    answer, url = access.run(_asked(access))
    if answer.version is None:
        raise Unobserved(answer.attempt.cause or "network", f"Docker engine: {answer.attempt}")
    client = Client(base_url=url, version=answer.version["ApiVersion"], timeout=math.ceil(access.seconds))
    client.api.trust_env = False
    return client


async def _asked(access: Access) -> tuple[EngineAnswer, str]:
    engine = await access.suite.gatherer.pool.engine(access.host)
    answer: EngineAnswer = await engine.ask(AskEngine())
    return answer, await engine.base_url()
