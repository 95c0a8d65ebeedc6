"""What a test may need of the machine that it runs on, and why it is not met.

Nothing here needs systemd: where it does not run, what is about it is tested on recorded output.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

#: Where Debian keeps what is not on everybody's PATH.
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def _programs(*names: str) -> str | None:
    missing = [name for name in names if shutil.which(name, path=PATH) is None]
    return f"{', '.join(missing)} not installed" if missing else None


def _root() -> str | None:
    return None if os.geteuid() == 0 else "not root"


def _docker() -> str | None:
    if not Path("/sys/fs/cgroup").is_mount():
        return "no control groups are mounted on /sys/fs/cgroup"
    busybox = Path("/bin/busybox")
    if not busybox.exists() or b"/ld-linux" in busybox.read_bytes()[:4096]:
        return "busybox-static not installed"
    return _root() or _programs("dockerd", "ip", "iptables")


def _netns() -> str | None:
    if reason := _root() or _programs("ip", "sshd"):
        return reason
    made = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)
    return None if made.returncode == 0 else "network namespaces are not allowed here"


def _faketime() -> str | None:
    return None if any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")) else "faketime not installed"


def _venv() -> str | None:
    return None if importlib.util.find_spec("ensurepip") else "this Python cannot make virtual environments"


#: By name, the question whether a need is met: None where it is, else why not.
NEEDS: dict[str, Callable[[], str | None]] = {
    "chromium": lambda: _programs("chromium", "chromedriver"),
    "docker": _docker,
    "faketime": _faketime,
    "netns": _netns,
    "root": _root,
    "sqlite3": lambda: _programs("sqlite3"),
    "sshd": lambda: _programs("sshd", "ssh", "ssh-keygen"),
    "sudo": lambda: _root() or _programs("sudo", "useradd"),
    "venv": _venv,
}


@cache
def unmet(name: str) -> str | None:
    """Why a need is not met on this machine, None where it is.

    Raises ``KeyError`` for a name that is not in `NEEDS`.
    """
    return NEEDS[name]()
