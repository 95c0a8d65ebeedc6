"""How sshd is set on a host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial

from msgspec import Struct

from muster.facts.reading import AS_ROOT, some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host

# Only root may read the host's keys, without which sshd tells nothing; for others the files are put together, each
# line with a blank in front, with what they include in its place. sshd goes 16 files deep.
_SCRIPT = """\
command -v sshd >/dev/null || { echo "sshd: not found" >&2; exit 127; }
if [ "$(id -u)" = 0 ]; then
    echo effective
    sshd -T && echo end
    exit
fi
shown() (
    depth=$2
    [ -r "$1" ] && [ "$depth" -lt 16 ] || { echo "! $1"; exit 0; }
    echo "+"
    while IFS= read -r line || [ -n "$line" ]; do
        printf ' %s\\n' "$line"
        case $line in *[Ii][Nn][Cc][Ll][Uu][Dd][Ee]*) ;; *) continue ;; esac
        set -f; set -- $(printf '%s' "$line" | tr '=\\t"\\r' '    '); set +f
        case ${1-} in [Ii][Nn][Cc][Ll][Uu][Dd][Ee]) shift ;; *) continue ;; esac
        for pattern in "$@"; do
            case $pattern in /*) ;; *) pattern=/etc/ssh/$pattern ;; esac
            folder=${pattern%/*}
            if [ -d "$folder" ] && { [ ! -r "$folder" ] || [ ! -x "$folder" ]; }; then echo "! $folder"; fi
            for file in $pattern; do [ ! -e "$file" ] || shown "$file" $((depth + 1)); done
        done
    done <"$1"
    echo "-"
)
echo files
shown /etc/ssh/sshd_config 0
echo end"""

_LINE = re.compile(r"\s*([A-Za-z0-9]{1,64})(?:\s*=\s*|\s+)(.*)")
_TIME = re.compile(r"(?=.)(?:\d{1,9}[smhdw])*(?:\d{1,9})?")
_LENGTHS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
#: Keywords whose lines add up; of all others the first counts (sshd_config(5)).
_ADD_UP = frozenset(
    ("acceptenv", "allowgroups", "allowusers", "denygroups", "denyusers", "hostkey", "listenaddress", "port")
)
#: Names that newer versions read for those that they print.
_FORMERLY = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
}
_NOW = {new: old for old, new in _FORMERLY.items()}


class SshdSettings(Struct, frozen=True):
    """The settings of sshd that the inventory names, by keyword in its spelling; None where sshd knows none.

    ``effective`` tells that sshd itself said so (``sshd -T``), else they are those of its files; either way without
    what stands in ``Match`` blocks. Source: sshd(8), sshd_config(5).
    """

    every: Mapping[str, str | None]
    effective: bool

    def differing(self, expected: Mapping[str, str]) -> list[str]:
        """Those known that are not as ``expected``, in whatever case: ``PermitRootLogin yes, expected no``."""
        return [
            f"{keyword} {self.every[keyword] or 'not set'}, expected {wanted}"
            for keyword, wanted in expected.items()
            if keyword in self.every and _plain(self.every[keyword] or "") != _plain(wanted)
        ]

    def __str__(self) -> str:
        return some((f"{keyword} {value or 'not set'}" for keyword, value in self.every.items()), 8)


def parse(output: Output, expected: Mapping[str, str]) -> SshdSettings:
    """Make the fact of what sshd, or its files, say.

    Raises:
        Unobserved: neither could be read, or the files do not tell all, and nothing that they tell is wrong.
        DoesNotApply: no settings are expected.
    """
    if not expected:
        raise DoesNotApply("no settings of sshd are expected of this host")
    first, *lines, last = whole(output, "sshd")[:-1].split("\n")
    if first not in ("effective", "files") or last != "end":
        raise Unobserved("unreadable", "the settings of sshd are not whole")
    effective = first == "effective"
    unread = [line[2:] for line in lines if line.startswith("! ") and not effective]
    said = _settings(lines if effective else _unconditional(lines))
    if effective and "port" not in said:
        raise Unobserved("unreadable", "sshd -T does not tell its settings")
    values = {keyword: _value(said, keyword.lower()) for keyword in expected}
    told = values if effective else {keyword: value for keyword, value in values.items() if value is not None}
    settings = SshdSettings(told, effective)
    # What an unreadable file says may come first: then not even a wrong value is certain.
    untold = [keyword for keyword in expected if keyword not in told]
    if unread:
        raise Unobserved("permission", f"{some(unread)} cannot be read, and sshd -T is for root: {AS_ROOT}")
    if untold and not settings.differing(expected):
        left = f"{some(untold)} stands in no file of sshd, so its default counts"
        raise Unobserved("permission", f"{left}, which only root may ask for (sshd -T): {AS_ROOT}")
    return settings


def _settings(lines: Iterable[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for line in lines:
        if not (found := _LINE.fullmatch(line)):
            continue
        keyword, value = found[1].lower(), re.sub(r"\s#.*", "", found[2]).strip().strip('"')
        if keyword not in said:
            said[keyword] = value
        elif keyword in _ADD_UP:
            said[keyword] += f" {value}"
    return said


def _unconditional(lines: Iterable[str]) -> Iterable[str]:
    """The lines that count for every connection. A ``Match`` ends with the file that it stands in."""
    counts = [True]
    for line in lines:
        if line == "+":
            counts.append(counts[-1])
        elif line == "-" and len(counts) > 1:
            counts.pop()
        elif line.startswith("! "):
            continue
        elif not line.startswith(" ") or len(counts) == 1:
            raise Unobserved("unreadable", "the files of sshd are not whole")
        elif (found := _LINE.fullmatch(line)) and found[1].lower() == "match":
            counts[-1] = counts[-2] and found[2].strip().lower() == "all"
        elif counts[-1]:
            yield line
    if len(counts) != 1:
        raise Unobserved("unreadable", "the files of sshd are not whole")


def _value(said: Mapping[str, str], keyword: str) -> str | None:
    other = _FORMERLY.get(keyword) or _NOW.get(keyword) or keyword
    return said.get(keyword, said.get(other))


def _plain(value: str) -> str:
    """A value as it can be compared: without case, times in seconds, one word for what has two (sshd_config(5))."""
    words = value.lower().split()
    if len(words) == 1 and _TIME.fullmatch(words[0]):
        parts = re.findall(r"(\d+)([smhdw]?)", words[0])
        return str(sum(int(number) * _LENGTHS[unit or "s"] for number, unit in parts))
    return " ".join(words).replace("without-password", "prohibit-password")


@need(Host)
def sshd_settings(host: Host) -> Probe[SshdSettings]:
    """The settings of the host's sshd that the inventory expects something of."""
    question = Command(_SCRIPT, timeout=host.timeout, max_bytes=1_048_576, told="sshd -T")
    return Probe(question, partial(parse, expected=host.sshd))
