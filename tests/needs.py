"""What a test may need of the machine that it runs on, and why it is not met."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
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


def _mariadb() -> str | None:
    # As root it runs as the user that its package makes.
    return _root() or _programs("mariadbd", "mariadb-install-db")


def _netns() -> str | None:
    if reason := _root() or _programs("ip", "sshd"):
        return reason
    made = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)
    return None if made.returncode == 0 else "network namespaces are not allowed here"


def _faketime() -> str | None:
    return None if any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")) else "faketime not installed"


def _swap() -> str | None:
    """Swap that is there, or may be made."""
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        return None
    if reason := _root() or _programs("mkswap", "swapon", "swapoff"):
        return reason
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(1 << 20))
        file.flush()
        for words in (["mkswap", "--quiet"], ["swapon"], ["swapoff"]):
            done = subprocess.run([*words, file.name], check=False, capture_output=True, env={"PATH": PATH})
            if done.returncode:
                return "there is no swap, and none may be made here"
    return None


def _loop() -> str | None:
    """A file that can be mounted as a disk, whose errors make the kernel take back the right to write, and an overlay
    over this machine's files."""
    if reason := _root() or _programs("mkfs.ext4", "losetup", "findmnt", "unshare"):
        return reason
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(8 << 20)
        script = 'mkfs.ext4 -q "$0" && mount -o loop "$0" /mnt && ls /sys/fs/ext4/loop*/trigger_fs_error'
        script += " && cd /mnt && mkdir u w r && mount -t overlay -o lowerdir=/,upperdir=u,workdir=w own r"
        words = ["unshare", "--mount", "sh", "-c", script, file.name]
        done = subprocess.run(words, check=False, capture_output=True, env={"PATH": PATH})
    return None if done.returncode == 0 else "no file can be mounted as a disk here"


def _systemd() -> str | None:
    """A systemd to start in a container of the tests; this machine need not run it."""
    return None if Path("/lib/systemd/systemd").exists() else "systemd not installed"


def _venv() -> str | None:
    return None if importlib.util.find_spec("ensurepip") else "this Python cannot make virtual environments"


def _postgres() -> str | None:
    """Debian keeps its programs where no PATH leads. It does not run as root."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "postgresql not installed"
    return _programs("runuser") if os.geteuid() == 0 else None


def _rabbitmq() -> str | None:
    """Debian keeps its programs where no PATH leads."""
    return None if Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists() else "rabbitmq-server not installed"


def _smtp() -> str | None:
    """aiosmtpd, as Debian has it, for Debian's Python."""
    found = any(Path("/usr/lib/python3/dist-packages").glob("aiosmtpd/__main__.py"))
    return None if found else "python3-aiosmtpd not installed"


#: By name, the question whether a need is met: None where it is, else why not.
NEEDS: dict[str, Callable[[], str | None]] = {
    "chromium": lambda: _programs("chromium", "chromedriver"),
    "dnsmasq": lambda: _root() or _programs("dnsmasq"),
    "docker": _docker,
    "faketime": _faketime,
    "loop": _loop,
    "mariadb": _mariadb,
    "netns": _netns,
    "postgres": _postgres,
    "rabbitmq": _rabbitmq,
    "redis": lambda: _programs("redis-server"),
    "root": _root,
    "smtp": _smtp,
    "sqlite3": lambda: _programs("sqlite3"),
    "sshd": lambda: _programs("sshd", "ssh", "ssh-keygen"),
    "sudo": lambda: _root() or _programs("sudo", "useradd"),
    "swap": _swap,
    "systemd": _systemd,
    "venv": _venv,
}


@cache
def unmet(name: str) -> str | None:
    """Why a need is not met on this machine, None where it is.

    Raises ``KeyError`` for a name that is not in `NEEDS`.
    """
    return NEEDS[name]()
