"""A small HTTP service in a container: shell, on the busybox of `tests.servers.docker`.

What it answers lies in a folder that is mounted into it, read anew for each request, so that a test can change it
while it runs; what it logs, it is told to. Of clients who come at once it makes the third wait a second: nc listens
with a backlog of one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from tests.servers.docker import IMAGE, SECOND, Engine
from tests.servers.processes import free_port

#: Who it runs as: nobody.
USER = "65534:65534"

#: Runs once for each connection, between its client and the folder.
ANSWER = r"""#!/bin/sh
cd /service || exit
read -r _ asked _
while read -r line && [ "${line%?}" ]; do :; done
sleep "$(cat delay)"
status=$(cat status) body=body
[ "$asked" = "$(cat path)" ] || { status='404 Not Found' body=/dev/null; }
printf 'HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n' "$status"
printf 'Content-Length: %s\r\n\r\n' "$(wc -c <$body)"
cat $body
"""


class Service:
    """A service in a folder of its own; `start` makes a container of it.

    Args:
        folder: a folder that is not there yet.
        path: the path at which it answers; elsewhere it says 404.
        port: the port inside the container; ``outside`` is a free one of 127.0.0.1 that is mapped to it.
    """

    def __init__(self, folder: Path, path: str, port: int) -> None:
        self.folder = folder
        self.port = port
        self.outside = free_port()
        self.container: Container
        folder.mkdir(parents=True)
        (folder / "answer").write_text(ANSWER)
        (folder / "answer").chmod(0o755)
        (folder / "path").write_text(path)
        self.answer({})

    def answer(self, body: object, status: str = "200 OK", *, after: float = 0) -> None:
        """What it answers from now on: JSON of ``body``, or text as it is, ``after`` so many seconds."""
        (self.folder / "body").write_text(body if isinstance(body, str) else json.dumps(body))
        (self.folder / "status").write_text(status)
        (self.folder / "delay").write_text(f"{after:g}")

    @property
    def settings(self) -> dict[str, object]:
        """Where it is, as variables of its inventory."""
        return {"port": self.outside, "container": self.container.name}

    @property
    def serve(self) -> str:
        """Shell text that serves, for ever."""
        return f"exec nc -ll -p {self.port} -e /service/answer"

    def start(
        self,
        engine: Engine,
        name: str,
        *,
        script: str = "",
        health: str | None = None,
        restart: str = "unless-stopped",
        **more: Any,
    ) -> Container:
        """Run it.

        Args:
            engine: on which engine.
            name: the container's name.
            script: shell text that it runs, `serve` by default.
            health: shell text that is its healthcheck.
            restart: its restart policy.
            more: further arguments of ``docker.DockerClient.containers.run``.
        """
        if health is not None:
            more["healthcheck"] = {"test": ["CMD-SHELL", health], "interval": SECOND // 2, "retries": 1}
        more["ports"] = {f"{self.port}/tcp": ("127.0.0.1", self.outside)}
        more["volumes"] = {str(self.folder): {"bind": "/service", "mode": "rw"}, **more.pop("volumes", {})}
        container = engine.client.containers.run(
            IMAGE,
            ["sh", "-c", script or self.serve],
            name=name,
            detach=True,
            user=more.pop("user", USER),
            restart_policy={"Name": restart},
            log_config={"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            **more,
        )
        assert isinstance(container, Container)
        self.container = container
        return container

    def end(self) -> None:
        """End it for good, by SIGKILL.

        ``docker stop`` sends SIGTERM first: a container that has only just begun is still runc, a program of Go,
        which ends with 2 of it.
        """
        self.container.kill()
        self.container.wait()

    def crashes_for(self, seconds: float) -> bool:
        """Tell whether it was restarted more than five times, and will not be started again within so long.

        The engine waits twice as long each time, 100 ms at first (moby, restartmanager).
        """
        self.container.reload()
        count, state = int(self.container.attrs["RestartCount"]), self.container.attrs["State"]
        if count <= 5 or state["Status"] != "restarting":
            return False
        ended = datetime.fromisoformat(state["FinishedAt"][:19]).replace(tzinfo=UTC)
        return 0.1 * 2**count - (datetime.now(UTC) - ended).total_seconds() > seconds

    def log(self, *lines: str) -> None:
        """Have it write these lines to its log, now."""
        printed = self.container.exec_run(["sh", "-c", 'printf "%s\\n" "$@" >/proc/1/fd/1', "sh", *lines])
        assert printed.exit_code == 0, printed.output

    def logged(self, ago: timedelta, lines: Sequence[str]) -> None:
        """Put lines before all others of its log, as they would be there had it written them so long ago."""
        self.container.reload()
        file = Path(self.container.attrs["LogPath"])
        at = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        old = [json.dumps({"log": f"{line}\n", "stream": "stdout", "time": at}) + "\n" for line in lines]
        with file.open("r+") as log:  # the same file: the engine has it open, and appends
            new = log.read()
            log.seek(0)
            log.write("".join(old) + new)
