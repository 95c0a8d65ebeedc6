"""Hosts: this machine, hosts to log in to that answer in every way or not at all, and machines that systemd runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.faults.cases import CALM, OF_THE_MACHINE, Case, Ran, critical, each, run, unknown, warning
from tests.servers.docker import Engine
from tests.servers.http import HttpServer
from tests.servers.processes import Background, refusing_port, silent_port
from tests.servers.sshd import Account, Sshd, cut_off_host
from tests.servers.systemd import FAILS, RUNS, machine

#: Every check on a host but the one that asks whether it can be reached; swap and units are there in any case.
HANGING = (
    *OF_THE_MACHINE,
    *("clock_is_right", "files_can_be_opened", "filesystems_are_writable", "filesystems_have_inodes"),
    *("filesystems_have_space", "host_has_been_up", "listening_ports_are_few", "load_is_bearable"),
    *("memory_is_available", "nothing_was_killed_for_memory", "swap_is_not_full", "zombies_are_few"),
)


def ssh(name: str, **connection: object) -> dict[str, Any]:
    """The connection to one of the hosts that `judged` starts."""
    known = {"port": f"${{{name}_port}}", "user": f"${{{name}_user}}", "address": f"${{{name}_address}}"}
    files = {"key_file": f"${{{name}_folder}}/client", "known_hosts": f"${{{name}_folder}}/known_hosts"}
    return {"connection": {"kind": "ssh", **known, **files, **connection}}


def down(says: str, *more: str, cause: str, each_says: str = "") -> dict[str, object]:
    """Down is critical, once; what hangs on it is unknown."""
    reachable = critical(says, *more, "expected to log in", cause=cause)
    return {"host_is_reachable": reachable, **each(HANGING, unknown(each_says or says, cause=cause))}


def beyond(check: str, limit: str, bad: object, **bounds: object) -> Case:
    """This machine, with a limit that it is beyond, whatever it does."""
    return Case(f"beyond-{limit}", {"connection": "local", "limits": {limit: bounds}}, {check: bad})


#: A limit that nothing can be beyond.
ALL = {"critical": 100}
#: A limit of which every one is too many.
NONE = {"warning": 0}
#: The share of the processors that a program takes which does nothing but compute.
ONE_CORE = 100 / (os.cpu_count() or 1)
#: What is said of the kernel's log to a user without rights; where anybody may read it, nothing.
MAY_NOT_READ_THE_LOG = (
    {"kernel_logs_no_errors": unknown("group systemd-journal or adm", "look as root, with sudo", cause="permission")}
    if Path("/proc/sys/kernel/dmesg_restrict").read_text() != "0\n"
    else {}
)
#: The connection into the container of the same name.
INSIDE = {"connection": {"kind": "docker"}, "docker": {"url": "unix://${engine}"}}

CASES = (
    # good
    Case("here", {"connection": "local", "listening": ["127.0.0.1:${web}", "${web}/tcp"], "kernel_log": "1h"}),
    Case("calm", {"connection": "local", "limits": {"cpu_used_percent": ALL, "cpu_steal_percent": ALL}}),
    Case("plain", {**ssh("plain"), "listening": ["${plain_port}"]}),
    Case("noisy", ssh("noisy")),
    Case("bare", ssh("bare")),
    Case("inner", ssh("inner", via="plain")),
    Case("any-key", ssh("plain", known_hosts="${plain_folder}/wrong_known_hosts", host_key_check=False)),
    Case("sudo", {**ssh("sudo_ops", sudo=True), "kernel_log": "1h"}),
    Case("newest-kernel", ssh("newest_kernel")),
    Case("machine", {**INSIDE, "units": ["app.service"], "kernel_log": "1h", "limits": {"kernel_errors": NONE}}),
    # cannot be logged in to
    Case(
        "refused",
        {"connection": {"address": "127.0.0.1", "port": "${refusing}"}},
        down("refused: 127.0.0.1:", "after 2 tries", cause="network"),
    ),
    Case(
        "cut-off",
        ssh("cut_off", connect_timeout="1s"),
        down("did not answer in 1 s", cause="network", each_says="ssh: timed out after 1 s"),
    ),
    Case(
        "silent",
        {"connection": {"address": "127.0.0.1", "port": "${silent}", "connect_timeout": "1s"}},
        down("did not answer in 1 s", cause="network", each_says="ssh: timed out after 1 s"),
    ),
    Case("no-such-name", {"connection": {"address": "muster-test.invalid"}}, down("no such name", cause="network")),
    Case(
        "not-ssh",
        {"connection": {"address": "127.0.0.1", "port": "${tls}"}},
        down("reset: 127.0.0.1:", "Connection lost (after 2 tries)", cause="network"),
    ),
    Case(
        "wrong-host-key",
        ssh("plain", known_hosts="${plain_folder}/wrong_known_hosts"),
        down("host key not trusted: 127.0.0.1 offers SHA256:", "ssh-keyscan -p", cause="permission"),
    ),
    Case(
        "wrong-key",
        ssh("plain", key_file="${noisy_folder}/client"),
        down("denied: 127.0.0.1:", "name another with key_file", cause="permission"),
    ),
    Case(
        "no-key-file",
        ssh("plain", key_file="${plain_folder}/none"),
        down("denied: key_file", "/none is not there", cause="missing"),
    ),
    Case(
        "behind-a-down-gateway",
        ssh("plain", via="refused"),
        down("unreachable: its gateway refused: refused: 127.0.0.1:", cause="network"),
    ),
    Case(
        "refused-by-gateway",
        {"connection": {"address": "127.0.0.1", "port": "${refusing}", "via": "plain"}},
        down("refused: 127.0.0.1:", "from the gateway plain", cause="network"),
    ),
    # logged in to, and then
    Case(
        "sudo-denied",
        ssh("ops", sudo=True),
        each((check for check in HANGING if check not in OF_THE_MACHINE), unknown("sudo", cause="permission")),
    ),
    Case("late", ssh("late"), {"clock_is_right": critical("clock_offset_seconds is", "expected at most 30 s")}),
    Case("early", ssh("early"), {"clock_is_right": warning("clock_offset_seconds is", "expected at most 1 s")}),
    Case(
        "nothing-listens",
        {**ssh("plain"), "listening": ["${refusing}", "127.0.0.2:${web}"]},
        {"expected_ports_are_listening": critical("does not listen", "but 127.0.0.1:")},
    ),
    Case("unprivileged", {**ssh("ops"), "kernel_log": "1h"}, MAY_NOT_READ_THE_LOG),
    Case(
        "worn",
        {**ssh("worn"), "kernel_log": "1h", "limits": {"kernel_errors": NONE}},
        {
            "filesystems_are_writable": critical(
                "/srv/failed (ext4 on /dev/loop",
                "/srv/declared (ext4 on /dev/loop",
                ": rw in /etc/fstab)",
                "expected read and write",
            ),
            "kernel_logs_no_errors": warning(
                "kernel_errors is ", "filesystem: ", " EXT4-fs error (device loop", "expected at most 0"
            ),
            "no_reboot_is_pending": warning("runs, 99.", " is installed, expected nothing that waits"),
        },
    ),
    Case(
        "busy",
        {"connection": "local", "limits": {"cpu_used_percent": {"critical": ONE_CORE / 2}}},
        {"processors_have_time_left": critical("cpu_used_percent is ", f"expected at most {ONE_CORE / 2:g} %")},
    ),
    Case(
        "killed",
        {"connection": "local", "limits": {"oom_kills": NONE}},
        {"nothing_was_killed_for_memory": warning("oom_kills is ", "expected at most 0")},
    ),
    beyond("processor_time_is_not_stolen", "cpu_steal_percent", warning("expected at most -1 %"), warning=-1),
    beyond("files_can_be_opened", "open_files_percent", warning("expected at most -1 %"), warning=-1),
    beyond("memory_is_available", "memory_used_percent", warning("expected at most 0 %"), warning=0),
    beyond("load_is_bearable", "load_per_core", warning("expected at most -1"), warning=-1),
    beyond("swap_is_not_full", "swap_used_percent", warning("expected at most -1 %"), warning=-1),
    beyond("host_has_been_up", "uptime_seconds", warning("expected at least 1e+12 s"), warning_below=1e12),
    beyond("listening_ports_are_few", "listening_ports", warning("expected at most 0"), warning=0),
    Case(
        "broken-machine",
        {
            **INSIDE,
            "units": ["app.service", "backup.service", "nowhere.service"],
            "kernel_log": "1h",
            "limits": {
                **{name: {"critical": 99.99} for name in ("filesystem_used_percent", "inodes_used_percent")},
                "kernel_errors": NONE,
                "zombie_processes": {"warning": 5},
            },
        },
        {
            "kernel_logs_no_errors": warning("filesystem: ", " EXT4-fs error (device loop", "expected at most 0"),
            "no_reboot_is_pending": warning("a reboot is required for dbus, linux-image-amd64; kernel "),
            "zombies_are_few": warning("zombie_processes is ", "sleep (", ") of sleep (", "expected at most 5"),
            "filesystems_have_space": critical("filesystem_used_percent of /full is 100 %, expected at most 99.99 %"),
            "filesystems_have_inodes": critical("inodes_used_percent of /crowded is 100 %, expected at most 99.99 %"),
            "no_unit_has_failed": warning("1 unit failed: backup.service, expected none"),
            "expected_units_are_active": critical(
                "backup.service failed (failed), nowhere.service not found, expected active"
            ),
        },
    ),
    Case(
        "no-such-machine",
        INSIDE,
        down("missing: there is no container no-such-machine", cause="missing"),
    ),
)
#: What the login shell of a host prints, to both of its streams.
NOISE = "echo hello; echo oops >&2; printf '\\377\\0'"
#: A process that never waits for what it started.
WAIT_FOR_NOBODY = "for each in 1 2 3 4 5 6 7; do sleep 0 & done; exec sleep 1000000"
#: What Debian's packages leave behind that want a reboot: each as often as it was installed.
WANT_A_REBOOT = "touch /run/reboot-required; printf '%s\\n' linux-image-amd64 dbus dbus >/run/reboot-required.pkgs"
#: Makes a host that has the kernel it runs installed, and another.
KERNELS = """
rm -f "$root/.dockerenv"
for each in "$(uname -r)" "{other}.$(uname -r)"; do
    mkdir -p "$root/usr/lib/modules/$each"; touch "$root/usr/lib/modules/$each/modules.builtin"
done
"""
#: Makes it have two disks that became read-only: the kernel found an error on the one, the other was left so by hand.
DISKS = """
for each in failed declared; do
    truncate -s 8M "$folder/$each"; mkfs.ext4 -q "$folder/$each"
    mkdir -p "$root/srv/$each"; mount -o loop,errors=remount-ro "$folder/$each" "$root/srv/$each"
done
disk=$(findmnt -n -o SOURCE "$root/srv/failed")
echo "a test wants this" >"/sys/fs/ext4/${disk#/dev/}/trigger_fs_error"
mount -o remount,ro "$root/srv/declared"
echo "UUID=0 /srv/declared ext4 defaults 0 2" >"$root/etc/fstab"
"""
#: What fills the filesystems of the machine that is broken: tmpfs gives what it has to the last byte and inode.
FILL = "head -c 1m /dev/zero >/full/data; i=0; while : >/crowded/$i; do i=$((i + 1)); done"


def judged(folder: Path, engine: Engine, ops: Account, sudo_ops: Account) -> Ran:
    """All of them in one run."""
    with ExitStack() as serving:
        start = serving.enter_context
        start(_some_swap(folder))
        cut_off = start(cut_off_host())
        hosts = {
            "plain": start(Sshd()),
            "inner": start(Sshd()),
            "noisy": start(
                Sshd(banner="Authorized use only\n", noise="echo hello; echo oops >&2; printf '\\377\\0'")
            ),
            "bare": start(Sshd(without=["python3", "sqlite3"])),
            "late": start(Sshd(clock="-2h")),
            "early": start(Sshd(clock="+20s")),
            "ops": start(Sshd(user=ops.name)),
            "sudo_ops": start(Sshd(user=sudo_ops.name)),
            "newest_kernel": start(Sshd(changes=KERNELS.format(other="0"))),
            "worn": start(Sshd(changes=KERNELS.format(other="99") + DISKS)),
            "cut_off": cut_off,
        }
        settings: dict[str, object] = {"engine": engine.socket, "web": start(HttpServer()).port}
        settings["tls"] = engine.tls_url.rpartition(":")[2]
        settings |= {"refusing": start(refusing_port()), "silent": start(silent_port())}
        for name, host in hosts.items():
            known = {"port": host.port, "user": host.user, "address": host.address, "folder": host.folder}
            settings |= {f"{name}_{part}": value for part, value in known.items()}
        machine(engine, "machine", {"app.service": RUNS}, journal=True)
        full = {"/full": "size=1m", "/crowded": "size=1m,nr_inodes=20"}
        units = {"app.service": RUNS, "backup.service": FAILS}
        broken = machine(engine, "broken-machine", units, filesystems=full, journal=True, kernel=True)
        for script in (FILL, WANT_A_REBOOT):
            broken.exec_run(["sh", "-c", script])
        broken.exec_run(["sh", "-c", WAIT_FOR_NOBODY], detach=True)
        engine.container("oom")
        start(_busy(folder))
        cut_off.cut()
        inventory = {
            "defaults": {"limits": {**CALM, "clock_offset_seconds": {"warning": 1, "critical": 30}}},
            "hosts": {case.name: case.entry for case in CASES},
        }
        return run(folder, inventory, settings=settings)


@contextmanager
def _busy(folder: Path) -> Iterator[None]:
    """A program that does nothing but compute, where nothing else wants to."""
    busy = Background(["nice", "-n", "19", "sh", "-c", "while :; do :; done"], folder / "busy.log")
    try:
        yield
    finally:
        busy.stop()


@contextmanager
def _some_swap(folder: Path) -> Iterator[None]:
    """A megabyte of swap, where this machine has none."""
    file = folder / "swap"
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        yield
        return
    file.touch(0o600)
    file.write_bytes(bytes(1_048_576))
    for words in (["mkswap", "--quiet", file], ["swapon", file]):
        subprocess.run([shutil.which(words[0], path="/usr/sbin:/sbin") or words[0], *words[1:]], check=True)
    try:
        yield
    finally:
        subprocess.run(["/sbin/swapoff", file], check=True)
