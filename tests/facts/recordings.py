"""What hosts answered, from ``recorded/<fact>/<host>.txt``.

``debian12`` and ``busybox`` (1.35) are recorded: the fact's own script, run by dash with Debian's programs and by
busybox's sh with busybox's. ``redhat…`` are put together from the documentation of Red Hat Enterprise Linux
(6: /proc/meminfo without MemAvailable; 9: df on xfs, vfat, btrfs, NFS and an ISO image, mounts, the journal of a
kernel). The names of kernels are those that each system gives them. The answers about systemd were recorded from
systemd 252, those about containers from a Docker engine 20.10, those of dnf from its release 4.14. ``redhat9`` of
cron and dnf, and ``alpine…``, are from the documentation of these systems.
"""

from __future__ import annotations

from pathlib import Path

from muster.probes import Output

RECORDED = Path(__file__).parent / "recorded"


def recorded(fact: str, host: str = "debian12") -> str:
    return (RECORDED / fact / f"{host}.txt").read_text(encoding="utf-8")


def said(
    text: str, *, status: int = 0, stderr: str = "", started_at: float = 0.0, answered_at: float = 0.0
) -> Output:
    """The output of a command that printed ``text``."""
    return Output(text.encode(), stderr.encode(), status, started_at=started_at, answered_at=answered_at)
