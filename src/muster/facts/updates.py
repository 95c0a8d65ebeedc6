"""Packages of a host that can be upgraded, from its package manager's own lists."""

from __future__ import annotations

import re

from msgspec import Struct

from muster.facts.reading import AS_ROOT, some, uncut
from muster.need import need
from muster.probes import Cause, Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural, span

# apt makes its cache in memory, and takes no lock: nothing is written. dnf leaves out repositories that it has no
# list of, and with -q does not even say so; release 5 has another word for what earlier ones call "security". The
# times are those of the lists, by the host's own clock.
_SCRIPT = """\
newest() { for file in "$@"; do [ -e "$file" ] && stat -c %Y "$file"; done | sort -n | tail -n 1; }
ended() { status=$?; echo "status $status"; date "+now %s"; echo "lists $(newest "$@")"; echo end; exit 0; }
if command -v apt-get >/dev/null; then
    echo apt
    eval "$(apt-config shell state Dir::State/d lists Dir::State::lists/d)"
    state=${state%/} lists=${lists%/}
    ls "$lists" | grep -q _Packages || { echo "apt has no package lists: apt-get update" >&2; (exit 3); ended; }
    apt-get -s -o Debug::NoLocking=1 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= dist-upgrade
    ended "$state/periodic/update-success-stamp" "$lists" "$lists/partial"
elif command -v dnf >/dev/null || command -v yum >/dev/null; then
    echo dnf
    tool=dnf quiet=; command -v dnf >/dev/null || tool=yum quiet=-q
    case $(readlink -f "$(command -v $tool)") in *dnf5*) spec=--security ;; *) spec=security ;; esac
    echo "= updates"; $tool $quiet -C check-update; status=$?
    echo "= security"
    case $status in 0|100) $tool -q -C updateinfo list $spec && (exit $status) ;; *) (exit $status) ;; esac
    ended /var/cache/dnf/*/repodata/repomd.xml /var/cache/libdnf5/*/repodata/repomd.xml \\
        /var/cache/yum/*/*/*/repomd.xml /var/cache/yum/*/repomd.xml
elif command -v apk >/dev/null; then
    echo apk
    apk version -l '<'
    ended /var/cache/apk/APKINDEX.*.tar.gz /etc/apk/cache/APKINDEX.*.tar.gz
else
    echo none; echo end
fi"""

_END = re.compile(r"status (\d{1,3})\nnow (\d{9,11})\nlists (\d{1,11})?\nend\n\Z")
# Inst openssl [3.0.15-1] (3.0.17-1~deb12u3 Debian:12.12/stable, Debian-Security:12/stable-security [amd64]) []
_APT = re.compile(r"Inst (\S+) (?:\[[^\]]*\] )?\(\S+ ([^)\[]*)")
# RHSA-2024:2758 Important/Sec. kernel-5.14.0-427.16.1.el9_4.x86_64
# FEDORA-2024-d8d8a0 security Moderate kernel-6.11.4-301.fc41.x86_64 2024-10-22 04:12:07
_ADVISORY = re.compile(r"\S+ +\S*[Ss]ec\S* +(?:[A-Z][a-z]+ +)?(\S+)-[^-\s]+-[^-\s]+\.\w+(?: .*)?")
_OBSOLETING = re.compile(r"^Obsoleting packages$.*", re.MULTILINE | re.DOTALL | re.IGNORECASE)
#: How lines begin that dnf prints beside the packages.
_BESIDE = ("Security: ", "Last metadata expiration check: ")
# busybox-1.36.1-r15                     < 1.36.1-r29
_APK = re.compile(r"(\S+)-\d\S*-r\d+ +< +\S+.*")


class Updates(Struct, frozen=True):
    """Packages that can be upgraded, by name, and those of them that a repository for security has.

    ``security`` is None where the package manager does not tell which those are (apk). ``lists_age_seconds`` is how
    old the newest list of packages is, None where that cannot be seen. Source: apt-get(8), dnf(8), apk-version(8).
    """

    tool: str
    names: tuple[str, ...]
    security: tuple[str, ...] | None
    lists_age_seconds: float | None = None

    def __str__(self) -> str:
        what = f"{plural(len(self.names), 'package')} to upgrade"
        if self.security is None:
            what += f" ({self.tool} does not tell which are for security)"
        elif self.security:
            what += f", {len(self.security)} for security: {some(self.security)}"
        elif self.names:
            what += ", none for security"
        age = self.lists_age_seconds
        return f"{what}; the lists are {'of unknown age' if age is None else f'{span(age)} old'}"


def parse(output: Output) -> Updates:
    """Make the fact of what apt-get, dnf or apk printed.

    Raises:
        Unobserved: there is none of them, it failed, or it has no lists to compare with.
    """
    tool, _, text = uncut(output, "the package manager").partition("\n")
    if tool == "none" and text == "end\n":
        # Other package managers there may be: what they would upgrade is not known.
        raise Unobserved("missing", "there is no apt-get, dnf, yum or apk to ask; take `updates` from this host")
    end = _END.search(text)
    read = {"apt": _apt, "dnf": _dnf, "apk": _apk}.get(tool)
    if read is None or end is None:
        raise Unobserved("unreadable", "the package manager's answer is not whole")
    if end[1] not in (("0", "100") if tool == "dnf" else ("0",)):
        raise Unobserved(*_failed(tool, output.complaint or f"it ended with status {end[1]}"))
    names, security = read(text[: end.start()])
    said = output.stderr.decode("utf-8", "replace")
    if (tool == "apk" and "WARNING: " in said) or (tool == "dnf" and "no cache for" in said):
        raise Unobserved(*_failed(tool, output.complaint))
    age = float(end[2]) - float(end[3]) if end[3] else None
    return Updates(tool, names, security, None if age is None else max(age, 0.0))


def _apt(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = [_APT.match(line) for line in text.splitlines() if line.startswith("Inst ")]
    if "upgraded, " not in text or None in found:
        raise Unobserved("unreadable", "apt-get tells of no packages that would be upgraded or not")
    every = {each[1]: each[2].lower() for each in found if each}
    return tuple(every), tuple(name for name, origin in every.items() if "-security" in origin)


def _dnf(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    head, _, rest = text.partition("= updates\n")
    listed, mark, told = rest.partition("= security\n")
    lines = [line for line in _OBSOLETING.sub("", listed).splitlines() if not line.startswith(_BESIDE)]
    # A name, a version and a repository each; long ones are wrapped over several lines.
    words = " ".join(lines).split()
    advisories = [
        _ADVISORY.fullmatch(line.strip()) for line in told.splitlines() if line.strip() and line[:5] != "Name "
    ]
    if head or not mark or len(words) % 3 or not all("." in name for name in words[::3]) or None in advisories:
        raise Unobserved("unreadable", "dnf tells of what is no list of packages")
    names = dict.fromkeys(name.rpartition(".")[0] for name in words[::3])
    return tuple(names), tuple(dict.fromkeys(each[1] for each in advisories if each))


def _apk(text: str) -> tuple[tuple[str, ...], None]:
    lines = text.splitlines()
    found = [_APK.fullmatch(line) for line in lines[1:]]
    if not lines or not lines[0].startswith("Installed:") or None in found:
        raise Unobserved("unreadable", "apk tells of what is no list of packages")
    return tuple(each[1] for each in found if each), None


def _failed(tool: str, complaint: str) -> tuple[Cause, str]:
    """Why a package manager could not tell, and the way out."""
    words = complaint.lower()
    if tool == "dnf" and ("cache" in words or "ignoring repositories" in words):
        return "missing", f"{complaint}: it has no list of their packages; run dnf makecache as root, and {AS_ROOT}"
    if tool == "apk":
        return "missing", f"{complaint}; run apk update as root"
    if "no package lists" in words:
        return "missing", complaint
    return ("permission" if "permission denied" in words else "unreadable"), complaint


@need(Host)
def updates(host: Host) -> Probe[Updates]:
    """Which packages of the host can be upgraded, as of its own package lists; none are fetched."""
    told = "apt-get -s dist-upgrade, dnf -C check-update or apk version"
    return Probe(Command(_SCRIPT, timeout=host.timeout, max_bytes=2_097_152, told=told, slow=True), parse)
