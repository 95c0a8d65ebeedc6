"""Hosts to log in to: a real sshd for each, with its own host key, on a free port of 127.0.0.1.

`Sshd` is one host. ``with Sshd() as host:`` starts it; ``host.connection()`` is what stands under
``connection:`` in an inventory. Sessions get a throwaway HOME, whatever account logs in. The options make
odd hosts: a banner, a shell that prints when it starts, tools that are not there, no forwarding, a clock
that is off, files and mounts of its own. `cut_off_host` is a host in a network namespace of its own, whose packets
can be made to vanish; `account` makes an unprivileged user, with or without sudo. What accepts and never answers, or
refuses, is `tests.servers.processes.silent_port` and `refusing_port`.
"""

from __future__ import annotations

import contextlib
import getpass
import ipaddress
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.servers.processes import Background, accepts, free_port

SSHD = "/usr/sbin/sshd"
DEFAULT_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

#: Makes a root that is this machine's until something in it is changed; then a program is run in it.
OWN_ROOT = """\
mkdir "$folder/own"
mount -t tmpfs own "$folder/own"
mkdir "$folder/own/changed" "$folder/own/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/own/changed,workdir=$folder/own/work" own "$root"
for each in dev proc sys tmp; do mount --rbind "/$each" "$root/$each"; done
mount -t tmpfs run "$root/run"
mkdir "$root/run/sshd"
"""
INTO_ROOT = 'exec chroot "$root" "$@"'

#: Kept for tests by RFC 2544; each cut-off host has a /30 of it.
TEST_NETWORKS = ipaddress.ip_network("198.18.0.0/15")


class Sshd:
    """A host: an sshd that runs while the object is entered.

    Args:
        user: the account that may log in, by key; its sessions run with its rights.
        address: where it listens.
        port: the port, a free one where None.
        banner: sent before authentication, as sshd_config(5) ``Banner``.
        noise: shell text that ``~/.bashrc`` of the sessions holds, such as ``echo hello; echo oops >&2``.
        without: programs that are not on the sessions' PATH; ``python3`` stands for ``python3.11`` too.
        environment: more variables of the sessions.
        clock: how far the sessions' clock is off, as faketime(1) has it: ``+90s``, ``-2h``.
        forwarding: whether TCP and unix sockets may be forwarded.
        options: more options of sshd_config(5).
        namespace: the network namespace to run in, as ip-netns(8) has it.
        changes: shell text that makes the host differ from this machine, run in a mount namespace of its own, with
            ``$root`` the folder that the host has for its ``/``: this machine's files, whose changes nobody else
            sees, a ``/run`` of its own, and ``$folder`` to put things into. Needs root.
    """

    def __init__(
        self,
        *,
        user: str | None = None,
        address: str = "127.0.0.1",
        port: int | None = None,
        banner: str | None = None,
        noise: str | None = None,
        without: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        clock: str | None = None,
        forwarding: bool = True,
        options: Mapping[str, str] | None = None,
        namespace: str | None = None,
        changes: str | None = None,
    ) -> None:
        self.user = user or getpass.getuser()
        self.address = address
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="muster-sshd-"))
        self.folder.chmod(0o755)  # an account without rights reads its authorized keys here
        self.key_file = self._key("client")
        self.home = self.folder / "home"
        self.home.mkdir()
        if noise is not None:
            (self.home / ".bashrc").write_text(noise + "\n")
        if os.geteuid() == 0:
            shutil.chown(self.home, self.user)
        self.known_hosts = self._known_hosts("known_hosts", self._key("host"))
        self.wrong_known_hosts = self._known_hosts("wrong_known_hosts", self._key("other_host"))
        keys = self.folder / "authorized_keys"
        keys.write_bytes(self.key_file.with_suffix(".pub").read_bytes())

        variables = {"HOME": str(self.home), **(environment or {})}
        if without:
            variables["PATH"] = str(self._tools(without))
        if clock is not None:
            variables |= faked_clock(clock)
        settings = {
            "ListenAddress": address,
            "AuthorizedKeysFile": str(keys),
            "StrictModes": "no",
            "PidFile": "none",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PrintMotd": "no",
            "AllowTcpForwarding": "yes" if forwarding else "no",
            "AllowStreamLocalForwarding": "yes" if forwarding else "no",
            "Subsystem": "sftp internal-sftp",
            "SetEnv": " ".join(f'"{name}={value}"' for name, value in variables.items()),
        }
        if banner is not None:
            (self.folder / "banner").write_text(banner)
            settings["Banner"] = str(self.folder / "banner")
        settings |= options or {}
        self._command = ["ip", "netns", "exec", namespace] if namespace else []
        if changes is not None:
            own = {"folder": str(self.folder), "root": f"{self.folder}/own/root"}
            self._command += ["env", *(f"{name}={value}" for name, value in own.items())]
            self._command += ["unshare", "--mount", "sh", "-e", "-c", f"{OWN_ROOT}{changes}\n{INTO_ROOT}", "sh"]
        self._command += [SSHD, "-D", "-e", "-f", "/dev/null", "-h", str(self.folder / "host"), "-p", str(self.port)]
        self._command += [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        self._process: Background | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = Background(self._command, self.folder / "log")
        self._process.wait_for(lambda: accepts(self.address, self.port))

    def stop(self) -> None:
        """End it and every session of it. It can be started again, on the same port and with the same key."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    @property
    def pid(self) -> int:
        """The process that listens."""
        assert self._process is not None, "not started"
        return self._process.process.pid

    @property
    def log(self) -> str:
        """What sshd said; each login is a line with ``Accepted publickey``."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def logins(self) -> int:
        """How often someone logged in."""
        return self.log.count("Accepted publickey")

    def connection(self, **more: object) -> dict[str, object]:
        """What stands under ``connection:`` of this host in an inventory; ``more`` adds or replaces."""
        return {
            "kind": "ssh",
            "address": self.address,
            "user": self.user,
            "port": self.port,
            "key_file": str(self.key_file),
            "known_hosts": str(self.known_hosts),
            **more,
        }

    def ssh(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script there through the OpenSSH client."""
        options = [f"UserKnownHostsFile={self.known_hosts}", "IdentitiesOnly=yes", "BatchMode=yes", "LogLevel=ERROR"]
        words = [word for each in options for word in ("-o", each)]
        destination = [f"{self.user}@{self.address}", script]
        command = ["ssh", "-F", "none", "-i", str(self.key_file), "-p", str(self.port), *words, *destination]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def _key(self, name: str) -> Path:
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
        return path

    def _known_hosts(self, name: str, key: Path) -> Path:
        path = self.folder / name
        kind, material, _ = key.with_suffix(".pub").read_text().split(maxsplit=2)
        path.write_text(f"[{self.address}]:{self.port} {kind} {material}\n")
        return path

    def _tools(self, without: Sequence[str]) -> Path:
        """A folder of links to all programs of this machine but some."""
        tools = self.folder / "bin"
        tools.mkdir()
        for folder in DEFAULT_PATH:
            for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
                missing = any(program.name == each or program.name.startswith(each + ".") for each in without)
                if not missing and not (tools / program.name).is_symlink():
                    (tools / program.name).symlink_to(program)
        return tools


def faked_clock(off: str) -> dict[str, str]:
    """The variables that make a program's clock be off, by libfaketime. The monotonic clock stays right."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return {"LD_PRELOAD": str(library), "FAKETIME": off, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine without rights. ``home`` is its own folder."""

    name: str
    home: Path


@contextlib.contextmanager
def account(*, sudo: bool = False) -> Iterator[Account]:
    """An unprivileged account, removed afterwards. ``sudo``: it may do all, and is not asked for a password.

    Needs root. ``-p '*'`` is an account that no password opens; without it sshd takes it for a locked one.
    """
    home = Path(tempfile.mkdtemp(prefix="muster-home-"))
    name = f"musterops-{home.name[-6:].lower().replace('_', 'x')}"
    rights = Path("/etc/sudoers.d") / name
    subprocess.run(["useradd", "-M", "-d", str(home), "-s", "/bin/bash", "-p", "*", name], check=True)
    try:
        shutil.chown(home, name, name)
        if sudo:
            rights.touch(0o440)
            rights.write_text(f"{name} ALL=(ALL:ALL) NOPASSWD: ALL\n")
        yield Account(name, home)
    finally:
        rights.unlink(missing_ok=True)
        subprocess.run(["userdel", "-f", name], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


class CutOffHost(Sshd):
    """A host in its own network namespace, from which it can be cut off and joined again."""

    def __init__(self, namespace: str, address: str, **options: object) -> None:
        super().__init__(address=address, namespace=namespace, **options)  # type: ignore[arg-type]
        self.namespace = namespace

    def cut(self) -> None:
        """Make all packets to it vanish, also those of open connections: nothing is refused, all is silence."""
        _ip("-n", self.namespace, "address", "del", f"{self.address}/30", "dev", "eth0")

    def join(self) -> None:
        """Undo `cut`."""
        _ip("-n", self.namespace, "address", "add", f"{self.address}/30", "dev", "eth0")


@contextlib.contextmanager
def cut_off_host(**options: object) -> Iterator[CutOffHost]:
    """A running host that `CutOffHost.cut` makes unreachable. ``options`` are those of `Sshd`. Needs root."""
    number, namespace = _new_namespace()
    network = TEST_NETWORKS[number * 4]
    here, there = str(network + 1), str(network + 2)
    link = f"mst{number}"
    try:
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("address", "add", f"{here}/30", "dev", link)
        _ip("link", "set", link, "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", namespace, "link", "set", "eth0", "address", "02:00:00:00:00:02", "up")
        _ip("-n", namespace, "address", "add", f"{there}/30", "dev", "eth0")
        # A fixed neighbour: else the kernel itself finds out that nobody is there, and says so.
        _ip("neighbour", "replace", there, "lladdr", "02:00:00:00:00:02", "dev", link, "nud", "permanent")
        with CutOffHost(namespace, there, **options) as host:
            yield host
    finally:
        subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        _ip("netns", "delete", namespace)


def _new_namespace() -> tuple[int, str]:
    """A network namespace that was not there, and its number."""
    while True:
        number = random.randrange(TEST_NETWORKS.num_addresses // 4)
        namespace = f"muster-{number}"
        if not Path("/run/netns", namespace).exists():
            _ip("netns", "add", namespace)
            return number, namespace


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
