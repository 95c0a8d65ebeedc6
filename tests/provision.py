"""Install what the tests need and this machine lacks: ``python3 -m tests.provision``.

Where it may (root, and apt is there) it installs; else it says which tests are left out and why. Where all is
there it asks nothing of the network. With ``CI=true`` something that is still lacking afterwards is an error.
Needs only the standard library: it runs before there is a virtual environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.needs import NEEDS, unmet

#: The Debian packages that meet a need. What no package can meet is not here.
PACKAGES = {
    "chromium": ("chromium", "chromium-driver"),
    "dnsmasq": ("dnsmasq-base",),
    "docker": ("docker.io", "busybox-static", "iptables", "iproute2", "apparmor"),
    "faketime": ("faketime",),
    "loop": ("e2fsprogs", "mount", "util-linux"),
    "mariadb": ("mariadb-server",),
    "netns": ("iproute2", "openssh-server"),
    "postgres": ("postgresql",),
    "rabbitmq": ("rabbitmq-server",),
    "redis": ("redis-server",),
    "smtp": ("python3-aiosmtpd",),
    "sqlite3": ("sqlite3",),
    "sshd": ("openssh-server", "openssh-client"),
    "sudo": ("sudo", "passwd"),
    "swap": ("util-linux",),
    "systemd": ("systemd",),
    "venv": ("python3-venv",),
}


def main() -> int:
    lacking = _lacking()
    packages = sorted({package for need in lacking for package in PACKAGES.get(need, ())})
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {' '.join(packages)} (apt-get)", flush=True)
        if complaint := _install(packages):
            print(complaint, file=sys.stderr)
        unmet.cache_clear()
        lacking = _lacking()
    for need, why in lacking.items():
        way_out = f" (Debian: apt-get install {' '.join(PACKAGES[need])})" if need in PACKAGES else ""
        print(f"tests that need {need} are left out: {why}{way_out}")
    return 1 if lacking and os.environ.get("CI") == "true" else 0


def _lacking() -> dict[str, str]:
    return {need: why for need in NEEDS if (why := unmet(need))}


def _install(packages: list[str]) -> str | None:
    """Install packages. Returns the end of what apt said where that failed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-q", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            last = "\n".join(done.stdout.splitlines()[-15:])
            return f"apt-get {words[0]} ended with status {done.returncode}:\n{last}"
    return None


if __name__ == "__main__":
    sys.exit(main())
