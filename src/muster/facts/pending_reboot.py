"""Whether a host waits for a reboot: what Debian says of it, or a kernel that is newer than the one that runs."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host

# Debian's packages say themselves that a reboot is due, where update-notifier-common or unattended-upgrades is there
# to write it down. modules.builtin comes and goes with the package of a kernel on Debian, Red Hat and Alpine; folders
# of kernels that were removed may stay behind for what else is in them.
_SCRIPT = """\
if [ -e /lib/modules ] && ! { [ -r /lib/modules ] && [ -x /lib/modules ]; }; then
    echo "/lib/modules: permission denied" >&2; exit 1
fi
echo "runs $(uname -r)"
for sign in /.dockerenv /run/.containerenv /run/systemd/container; do
    if [ -e $sign ]; then echo "container"; break; fi
done
if [ -e /run/reboot-required ]; then
    echo "required"
    if [ -r /run/reboot-required.pkgs ]; then sort -u /run/reboot-required.pkgs | sed 's/^/package /'; fi
fi
for file in /lib/modules/*/modules.builtin; do
    if [ -e "$file" ]; then file=${file%/*}; echo "installed ${file##*/}"; fi
done
echo end"""

_ANSWER = re.compile(
    r"runs (?P<runs>\S{1,255})\n(?P<container>container\n)?(?P<required>required\n(?P<packages>(?:package .*\n)*))?"
    r"(?P<installed>(?:installed .{1,255}\n)*)end\n"
)
#: What tells kernels for different machines apart: -amd64, -cloud-amd64, -lts, +rt, +64k-debug.
_FLAVOUR = re.compile(r"((?:-[a-z][a-z0-9_]*)+\+?|\+[a-z0-9]*(?:-debug)?)$")
_PARTS = re.compile(r"(\d+)|([A-Za-z]+)")


class PendingReboot(Struct, frozen=True):
    """Whether a host waits for a reboot, and why.

    ``runs`` is the release of the kernel that runs (uname(2)), ``newest`` the newest installed one of its flavour,
    empty where there is none. ``required`` is what Debian says (/run/reboot-required), ``packages`` who wants it.
    """

    runs: str
    newest: str = ""
    required: bool = False
    packages: tuple[str, ...] = ()

    @property
    def pending(self) -> bool:
        return self.required or _version(self.newest) > _version(self.runs)

    def __str__(self) -> str:
        if self.required:
            wanted_by = f" for {some(self.packages)}" if self.packages else ""
            return f"a reboot is required{wanted_by}; kernel {self.runs} runs"
        if self.pending:
            return f"kernel {self.runs} runs, {self.newest} is installed"
        return f"kernel {self.runs} runs, and none that is newer is installed"


def parse(output: Output) -> PendingReboot:
    found = _ANSWER.fullmatch(whole(output, "/lib/modules"))
    if not found:
        raise Unobserved("unreadable", "the answer does not tell which kernels run and are installed")
    runs = found["runs"]
    installed = [line.removeprefix("installed ") for line in found["installed"].splitlines()]
    alike = [each for each in installed if _flavour(each) == _flavour(runs)]
    newest = max(alike, key=_version, default="")
    if found["required"]:
        packages = [line.removeprefix("package ") for line in found["packages"].splitlines()]
        return PendingReboot(runs, newest, required=True, packages=tuple(packages))
    if found["container"]:
        raise DoesNotApply("a container has no kernel of its own, and nothing says that it wants a restart")
    if not newest:
        raise DoesNotApply(f"this host starts no kernel of its own: {runs} runs, and none of its kind is installed")
    return PendingReboot(runs, newest)


def _flavour(release: str) -> str:
    found = _FLAVOUR.search(release)
    return found[1] if found else ""


def _version(release: str) -> list[tuple[int, str]]:
    """Numbers by their size, and before them what is no number, as rpm and dpkg have it."""
    return [(int(number), "") if number else (-1, word) for number, word in _PARTS.findall(release)]


@need(Host)
def pending_reboot(host: Host) -> Probe[PendingReboot]:
    """Whether the host waits for a reboot."""
    return Probe(Command(_SCRIPT, timeout=host.timeout, told="uname -r; ls /run/reboot-required /lib/modules"), parse)
