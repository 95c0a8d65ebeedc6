"""A stand-in of the nspass agent: it starts proxies, watches them, starts them again, and tells of it over HTTP.

The agent is a process of its own (this file, run by Python), and so is every proxy. It does what its guide says:
checks at an interval, restarts with a cooldown and no more than so many an hour, states, statistics and lines of JSON
in its log. `Agent` is one of the tests' own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

LISTENS = "--listen={port}"
READY = "ready"  # what program.py says

STATUS = "/api/v1/proxy/monitor/status"
PROXIES = ("ss-001", "ss-002", "ss-003")

#: What the guide recommends for production, but for the two times: tests do not wait for minutes.
SETTINGS = {"enable": True, "check_interval": 0.05, "restart_cooldown": 0.0, "max_restarts": 5, "health_timeout": 5}

HOUR = 3600

_GIVEN: set[int] = set()


class Proxy:
    """A proxy of the agent: its process, its state and what has become of it. Its program is ``folder/ID``."""

    def __init__(self, name: str, words: Sequence[str], port: int, folder: Path) -> None:
        self.name, self.port = name, port
        self.state = "unknown"
        self.enabled = True
        self.restarts: list[float] = []
        self._command = [str(folder / name), f"--name={name}", *words]
        self._pid_file = folder / f"{name}.pid"
        self._log = (folder / f"{name}.log").open("wb")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. Raises OSError where that cannot be."""
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True
        )
        self._pid_file.write_text(f"{self.process.pid}\n")

    def accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def look(self) -> str:
        """The state that it is in: one that ended with status 0 was stopped, and took its pid file away."""
        status = self.process.poll() if self.process else 1
        if status == 0:
            self._pid_file.unlink(missing_ok=True)
        return "running" if status is None else "crashed" if status else "stopped"


class Watch:
    """What looks after the proxies, and counts what it did."""

    def __init__(self, proxies: Sequence[Proxy], settings: Mapping[str, Any]) -> None:
        self.proxies = proxies
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.last = datetime.min.replace(tzinfo=UTC)

    def run(self) -> None:
        told = {name: self.settings[name] for name in ("check_interval", "restart_cooldown", "max_restarts")}
        log("info", "组件启动", component="proxy-monitor", config=told)
        while True:
            for proxy in self.proxies:
                if proxy.enabled:
                    self._check(proxy)
            self.counts["total_checks"] += 1
            self.last = datetime.now(UTC)
            time.sleep(self.settings["check_interval"])

    def status(self) -> dict[str, Any]:
        states = Counter(each.state for each in self.proxies)
        return {
            **{name: self.counts[name] for name in ("total_checks", "total_restarts", "success_restarts")},
            "failed_restarts": self.counts["failed_restarts"],
            "last_check_time": self.last.isoformat().replace("+00:00", "Z"),
            "status_count": {state: states[state] for state in ("running", "stopped", "crashed", "restarting")},
            "enabled_proxies": sum(each.enabled for each in self.proxies) if self.settings["enable"] else 0,
            "total_proxies": len(self.proxies),
            "proxies": {each.name: {"type": "shadowsocks", "state": each.state} for each in self.proxies},
        }

    def _check(self, proxy: Proxy) -> None:
        state = proxy.look()
        if state == "crashed" and proxy.state == "running":
            log("warn", "检测到代理进程异常退出", component="proxy", proxy_id=proxy.name, proxy_type="shadowsocks")
        self._change(proxy, state)
        recent = [each for each in proxy.restarts if each > time.monotonic() - HOUR]
        cold = not recent or time.monotonic() - recent[-1] >= self.settings["restart_cooldown"]
        if state == "crashed" and cold and len(recent) < self.settings["max_restarts"]:
            self._restart(proxy)

    def _restart(self, proxy: Proxy) -> None:
        began = time.monotonic()
        proxy.restarts.append(began)
        self._change(proxy, "restarting")
        self.counts["total_restarts"] += 1
        try:
            proxy.start()
            while not proxy.accepts() and proxy.look() == "running":
                if time.monotonic() - began > self.settings["health_timeout"]:
                    raise TimeoutError(f"no answer in {self.settings['health_timeout']} s")
                time.sleep(0.01)
        except OSError as error:
            self.counts["failed_restarts"] += 1
            self._change(proxy, "crashed")
            log("error", "代理重启失败", component="proxy", proxy_id=proxy.name, error=str(error))
        else:
            self.counts["success_restarts"] += 1
            self._change(proxy, proxy.look())
            took = round(1000 * (time.monotonic() - began))
            log(
                "info",
                "代理重启成功",
                component="proxy",
                proxy_id=proxy.name,
                duration_ms=took,
                reason="进程崩溃检测",
            )

    def _change(self, proxy: Proxy, state: str) -> None:
        if state != proxy.state:
            log(
                "info",
                "状态变更",
                component="shadowsocks",
                proxy_id=proxy.name,
                state_from=proxy.state,
                state_to=state,
            )
            proxy.state = state


def log(level: str, message: str, **more: object) -> None:
    """A line of the log, as the guide has them."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    print(json.dumps({"timestamp": now, "level": level, "message": message, **more}, ensure_ascii=False), flush=True)


def serve(folder: Path) -> None:
    """Be the agent: ``folder/config.json`` says of what."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    proxies = [Proxy(each["name"], each["words"], each["port"], folder) for each in config["proxies"]]
    watch = Watch(proxies, config["monitor"])
    for proxy, each in zip(proxies, config["proxies"], strict=True):
        proxy.enabled = each["enabled"]
        proxy.start()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(config["answers_after"])
            body = json.dumps(watch.status()).encode() if self.path == STATUS else b"{}"
            self.send_response(200 if self.path == STATUS else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", config["port"]), Handler)
    (folder / "nspass-agent.pid").write_text(f"{os.getpid()}\n")
    if config["monitor"]["enable"]:
        threading.Thread(target=watch.run, daemon=True).start()
    server.serve_forever()


class Agent:
    """An agent with its proxies while it is entered.

    ``port`` is its own, ``ports`` are those of its proxies. ``monitor`` changes `SETTINGS`; ``words`` are those of a
    proxy's command, where they are not `LISTENS`; ``unwatched`` are the proxies that are not looked after;
    ``answers_after`` is in seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        monitor: Mapping[str, Any] | None = None,
        proxies: Sequence[str] = PROXIES,
        words: Mapping[str, Sequence[str]] | None = None,
        unwatched: Sequence[str] = (),
        answers_after: float = 0.0,
    ) -> None:
        from tests.servers.processes import Background, free_port

        self.folder = folder
        # What is free now is for another agent, perhaps, that has not taken it yet.
        fresh = (port for port in iter(free_port, None) if port not in _GIVEN and not _GIVEN.add(port))
        self.port = next(fresh)
        self.ports = {name: next(fresh) for name in PROXIES}
        folder.mkdir()
        for name in proxies:
            self.program(name, Path(__file__).with_name("program.py").read_text("utf-8"))
        entries = [
            {
                "name": name,
                "words": [word.format(port=self.ports[name]) for word in (words or {}).get(name, [LISTENS])],
                "port": self.ports[name],
                "enabled": name not in unwatched,
            }
            for name in proxies
        ]
        config = {"monitor": {**SETTINGS, **(monitor or {})}, "proxies": entries, "port": self.port}
        (folder / "config.json").write_text(json.dumps({**config, "answers_after": answers_after}), "utf-8")
        self._agent = Background([sys.executable, "-I", "-S", __file__, str(folder)], folder / "agent.log")

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        if self._agent.process.poll() is None:
            self._agent.process.send_signal(signal.SIGCONT)
        self._agent.stop()
        for pid in self._left():
            os.kill(pid, signal.SIGKILL)

    def _left(self) -> Iterator[int]:
        """The proxies that an agent which was killed has left: their programs are in the folder."""
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and f"{self.folder}/".encode() in (entry / "cmdline").read_bytes():
                    yield int(entry.name)

    @property
    def settings(self) -> dict[str, object]:
        """The variables of the inventory."""
        return {
            "run": str(self.folder),
            "port": self.port,
            **{name.replace("-", "_"): p for name, p in self.ports.items()},
        }

    def program(self, name: str, text: str) -> None:
        """Put another program in the place of a proxy's."""
        new = self.folder / f"{name}.new"
        new.write_text(f"#!{sys.executable} -IS\n{text}")
        new.chmod(0o755)
        new.rename(self.folder / name)

    def remove(self, name: str) -> None:
        """Take a proxy's program away."""
        (self.folder / name).unlink()

    def pid(self, name: str) -> int:
        """The process id in a pid file."""
        return int((self.folder / f"{name}.pid").read_text())

    def end(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a proxy, or to the agent (``nspass-agent``)."""
        os.kill(self.pid(name), how)
        if name == "nspass-agent" and how == signal.SIGKILL:
            self._agent.process.wait()

    def status(self) -> dict[str, Any]:
        """What the agent tells of itself."""
        with urlopen(f"http://127.0.0.1:{self.port}{STATUS}", timeout=5) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def wait_until_started(self) -> None:
        """Wait until it accepts connections, its proxies run, and it has looked at them if it does."""
        from tests.servers.processes import accepts

        config = json.loads((self.folder / "config.json").read_text("utf-8"))
        watched = config["monitor"]["enable"] * sum(each["enabled"] for each in config["proxies"])
        for each in config["proxies"]:
            self._agent.wait_for(
                lambda log=self.folder / f"{each['name']}.log": log.exists() and READY in log.read_text()
            )  # type: ignore[misc]
        self._agent.wait_for(lambda: accepts("127.0.0.1", self.port))
        if config["answers_after"] < 1:
            self.wait_for(running=watched)

    def wait_for(self, **wanted: object) -> None:
        """Wait until the agent tells this of itself, and of its counts of states."""
        from tests.servers.processes import wait_for

        def arrived() -> bool:
            try:
                status = self.status()
            except OSError:
                return False
            told = {**status, **status["status_count"]}
            return all(told[name] == value for name, value in wanted.items())

        wait_for(arrived, f"{wanted} of the agent in {self.folder}")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
