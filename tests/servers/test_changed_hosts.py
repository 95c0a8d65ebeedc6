"""Hosts with changes of their own: they have them, nobody else does, and nothing of them stays."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.processes import ServerError, wait_for
from tests.servers.sshd import Sshd
from tests.servers.systemd import RUNS, machine

if TYPE_CHECKING:
    from tests.servers.docker import Engine

DISK = """
truncate -s 8M "$folder/disk"; mkfs.ext4 -q "$folder/disk"
mkdir "$root/disk"; mount -o loop "$folder/disk" "$root/disk"
"""


@pytest.mark.needs("loop", "sshd")
def test_what_is_changed_is_changed_for_this_host_alone() -> None:
    hosts = Path("/etc/hosts").read_text()
    with Sshd(changes='echo mine >"$root/etc/hosts"; touch "$root/run/here"; rm -r "$root/var/lib/dpkg"') as host:
        said = host.ssh("cat /etc/hosts; ls /run; ls -d /var/lib/dpkg; ls -d /proc/self").stdout
    assert said.split() == ["mine", "here", "sshd", "/proc/self"]
    assert Path("/etc/hosts").read_text() == hosts
    assert not Path("/run/here").exists()
    assert Path("/var/lib/dpkg").is_dir()


@pytest.mark.needs("loop", "sshd")
def test_its_disks_are_given_back_with_it() -> None:
    with Sshd(changes=DISK) as host:
        source = host.ssh("findmnt -n -o SOURCE /disk").stdout.strip()
        assert source.startswith("/dev/loop")
        assert str(host.folder) not in Path("/proc/self/mountinfo").read_text()
        assert _behind(source) == f"{host.folder}/disk"
    wait_for(lambda: _behind(source) != f"{host.folder}/disk", f"the end of {source}")
    assert not host.folder.exists()


@pytest.mark.needs("loop", "sshd")
def test_a_change_that_fails_is_told_when_the_host_starts() -> None:
    host = Sshd(changes='rm "$root/nowhere"')
    try:
        with pytest.raises(ServerError, match=r"cannot remove .*/nowhere"):
            host.start()
    finally:
        shutil.rmtree(host.folder)


@pytest.mark.needs("docker", "systemd")
def test_the_journal_of_a_machine_holds_what_the_kernel_says_only_where_it_is_let_in(engine: Engine) -> None:
    for name, kernel in (("listens", True), ("deaf", False)):
        held = machine(engine, name, {"app.service": RUNS}, journal=True, kernel=kernel)
        said = held.exec_run(["journalctl", "-q", "_TRANSPORT=kernel", "-o", "cat", "-n", "1"]).output
        assert bool(said.strip()) is kernel


def _behind(device: str) -> str:
    losetup = shutil.which("losetup", path="/usr/sbin:/sbin:/usr/bin:/bin") or "losetup"
    return subprocess.run(
        [losetup, "-n", "-O", "BACK-FILE", device], capture_output=True, text=True, check=False
    ).stdout.strip()
