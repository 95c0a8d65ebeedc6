"""A headless Chromium, driven over chromedriver's W3C protocol: https://www.w3.org/TR/webdriver2/."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One session of a browser."""

    def __init__(self, url: str, profile: Path) -> None:
        self._http = requests.Session()
        self._http.trust_env = False
        options = {"args": [*OPTIONS, f"--user-data-dir={profile}"]}
        # A dialog that opens is a failure of the next command, and its text is kept for `dialog`.
        wanted = {"goog:chromeOptions": options, "unhandledPromptBehavior": "ignore"}
        self._url = f"{url}/session"
        made = self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._url += f"/{made['sessionId']}"

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, self._url + path, json=body, timeout=300)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def open(self, page: Path) -> None:
        self._ask("POST", "/url", {"url": page.as_uri()})
        self._painted()

    def resize(self, width: int, height: int) -> None:
        self._ask("POST", "/window/rect", {"width": width, "height": height})

    def run(self, script: str, *arguments: Any) -> Any:
        """What ``script``, the body of a function, returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def wait(self, script: str) -> Any:
        """What ``script``, the body of a function, hands to the function that is its argument, at once or later."""
        return self._ask("POST", "/execute/async", {"script": script, "args": []})

    def click(self, selector: str) -> None:
        """Click with the mouse on the middle of the first element that matches."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self.run("arguments[0].scrollIntoView({block: 'center'})", found)
        self._painted()
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": found}
        press, release = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._act("pointer", "mouse", [move, press, release])

    def press(self, keys: str) -> None:
        """Press keys where the focus is."""
        pressed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._act("key", "keyboard", pressed)

    def _act(self, kind: str, name: str, actions: list[dict[str, Any]]) -> None:
        self._ask("POST", "/actions", {"actions": [{"type": kind, "id": name, "actions": actions}]})

    def _painted(self) -> None:
        """Wait until the page stands on the screen as it is now: before, Chromium drops what the mouse does."""
        frames = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
        self.wait(frames)

    def dialog(self) -> str | None:
        """The text of the dialog that is open, None where none is."""
        answer = self._http.get(f"{self._url}/alert/text", timeout=60)
        return answer.json()["value"] if answer.ok else None

    def close(self) -> None:
        self._ask("DELETE", "")


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in ``folder``."""
    command = ["chromedriver", "--port=0"]
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    started = re.compile(r"started successfully on port (\d+)")
    try:
        assert driver.stdout
        port = next(found[1] for line in driver.stdout if (found := started.search(line)))
        session = Browser(f"http://127.0.0.1:{port}", folder / "profile")
        yield session
        session.close()
    finally:
        # The browser is of the same session of processes: it goes too, also where it no longer answers.
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(10)
        if driver.stdout:
            driver.stdout.close()
