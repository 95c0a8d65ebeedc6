"""Machines that systemd runs: each a container of the tests' own Docker engine, with systemd as its first process.

The container has this machine's own ``/usr``, read-only, and starts nothing but the units that a test gives it. So
a host of kind ``docker`` leads into a machine with a systemd, filesystems and ports of its own. Needs root.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from docker.models.containers import Container

from tests.servers.docker import Engine
from tests.servers.processes import wait_for

IMAGE = "muster/machine:1"

#: A unit that runs until it is told not to, and one that failed. Nothing else of the machine's is waited for.
RUNS = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep 1000000\n"
FAILS = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no disk >&2; exit 3'\n"

_FOLDERS = ("dev", "etc/systemd/system", "proc", "root", "run", "sys", "tmp", "usr", "var")
_LINKS = ("bin", "lib", "lib64", "sbin")
_FILES = {"etc/group": "root:x:0:\n", "etc/machine-id": "", "etc/passwd": "root:x:0:0::/root:/bin/sh\n"}


def machine(
    engine: Engine,
    name: str,
    units: Mapping[str, str],
    *,
    filesystems: Mapping[str, str] | None = None,
    journal: bool = False,
    kernel: bool = False,
) -> Container:
    """Start a machine and wait until systemd has started its units, or failed to.

    Args:
        engine: where it runs.
        name: the container's name.
        units: what stands in each unit file, such as `RUNS`; all are started.
        filesystems: mount point to options of tmpfs(5), such as ``size=1m``.
        journal: whether journald runs.
        kernel: whether what the kernel logs comes into its journal.
    """
    _import(engine, IMAGE)
    wants = [*units, "systemd-journald.service"] if journal else units
    target = f"[Unit]\nDefaultDependencies=no\nWants={' '.join(wants)}\n"
    container = engine.client.containers.create(
        IMAGE,
        ["/lib/systemd/systemd"],
        name=name,
        environment={"container": "docker"},  # systemd asks for it, https://systemd.io/CONTAINER_INTERFACE
        cap_add=["SYS_ADMIN", *(["SYSLOG"] if kernel else [])],
        devices=["/dev/kmsg:/dev/kmsg:rw"] if kernel else [],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        cgroupns="private",
        tty=True,
        volumes={"/usr": {"bind": "/usr", "mode": "ro"}},
        tmpfs={"/run": "", "/tmp": "", **(filesystems or {})},
    )
    files = {f"etc/systemd/system/{unit}": text for unit, text in {"default.target": target, **units}.items()}
    container.put_archive("/", _packed(files))
    container.start()

    def started() -> bool:
        said = container.exec_run(["systemctl", "is-system-running"]).output
        return said.strip() in (b"running", b"degraded")

    wait_for(started, f"systemd in {name}")
    return container


def _import(engine: Engine, image: str) -> None:
    repository, tag = image.split(":")
    engine.client.api.import_image_from_data(_packed(_FILES, _FOLDERS, _LINKS), repository=repository, tag=tag)


def _packed(files: Mapping[str, str], folders: tuple[str, ...] = (), links: tuple[str, ...] = ()) -> bytes:
    """A tar with these files, with folders, and with links to the folders of the same name in ``usr``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for link in links:
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{link}"
            tar.addfile(entry)
        for file, text in files.items():
            entry = tarfile.TarInfo(file)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
