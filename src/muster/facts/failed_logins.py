"""Failed logins of a host in the last while, from its journal or its log."""

from __future__ import annotations

import re
import shlex
from functools import partial

from msgspec import Struct

from muster.facts.reading import AS_ROOT, some, whole, why
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural, span

#: Where programs log who logs in: Debian, Red Hat, Alpine. The first that is there counts.
LOGS = ("/var/log/auth.log", "/var/log/secure", "/var/log/messages")

#: So many of those who failed most are named.
TOLD = 5

# One attempt leaves one to four lines, so of each source the largest count of one kind counts, apart for users that
# are there and those that are not; the first of those is told of twice in a connection. An attacker chooses the
# user's name: what counts is the last "from". Lines without a year are of this one, or of the last where that would
# be ahead of now; days since 1970 are counted as Howard Hinnant does, for POSIX awk knows no time. With journal=1,
# lines are messages only, and all within the window.
_COUNT = r"""
function days(y, m, d,  era, age, of) {
    if (m <= 2) y--
    era = int(y / 400); age = y - era * 400; of = int((153 * (m + (m > 2 ? -3 : 9)) + 2) / 5) + d - 1
    return era * 146097 + age * 365 + int(age / 4) - int(age / 100) + of - 719468
}
function clock(y, m, d, text) {
    return days(y, m, d) * 86400 + substr(text, 1, 2) * 3600 + substr(text, 4, 2) * 60 + substr(text, 7, 2)
}
function written(  month, at, zone, sign) {
    if ($0 ~ /^[A-Z][a-z][a-z] [ 0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9] /) {
        month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", substr($0, 1, 3)) + 2) / 3
        at = clock(year, month, substr($0, 5, 2) + 0, substr($0, 8, 8))
        return at > local + 86400 ? clock(year - 1, month, substr($0, 5, 2) + 0, substr($0, 8, 8)) : at
    }
    if ($0 !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]/) return -1
    at = clock(substr($0, 1, 4) + 0, substr($0, 6, 2) + 0, substr($0, 9, 2) + 0, substr($0, 12, 8))
    zone = $1
    if (zone ~ /Z$/) return at - now + local
    if (zone !~ /[+-][0-9][0-9]:?[0-9][0-9]$/) return at
    sub(/^.*[+-]/, "", zone); sub(/:/, "", zone); sign = $1 ~ /-[0-9][0-9]:?[0-9][0-9]$/ ? -1 : 1
    return at - sign * (substr(zone, 1, 2) * 3600 + substr(zone, 3, 2) * 60) - now + local
}
function field(name,  rest) {
    rest = text
    if (!sub("^.* " name "=", "", rest)) return ""
    sub(/ .*/, "", rest)
    return rest
}
function last_from(  rest) {
    rest = text
    if (!sub(/^.* from /, "", rest)) return ""
    sub(/ .*/, "", rest)
    return rest
}
function port(  rest) {
    rest = text
    return sub(/^.* port /, "", rest) ? rest + 0 : 0
}
function add(kind, source) {
    if (source == "") source = "console"
    gsub(/[^A-Za-z0-9_.:%@-]/, "?", source)
    source = substr(source, 1, 64); seen[source] = 1; count[kind, source] += times
}
function most(source, kinds,  list, n, i, top) {
    n = split(kinds, list, ",")
    for (i = 1; i <= n; i++) if (count[list[i], source] + 0 > top) top = count[list[i], source] + 0
    return top + 0
}
function local_user(name) { return name == "" ? "" : "local:" name }
BEGIN {
    year = substr(here, 1, 4) + 0
    local = clock(year, substr(here, 6, 2) + 0, substr(here, 9, 2) + 0, substr(here, 12, 8))
}
/^muster-ended [0-9]+$/ { ended = $2; next }
{
    text = $0
    if (!journal) {
        if (!match($0, / (sshd|sshd-session|sshd-auth|su|su-l|sudo|login)(\[[0-9]+\])?: /)) next
        text = substr($0, RSTART + RLENGTH)
        at = written()
        if (at < 0) { odd++; next }
        if (at <= local - window) next
    }
    times = 1
    if (text ~ /^message repeated [0-9]+ times: \[ /) {
        times = substr(text, 18) + 0
        sub(/^message repeated [0-9]+ times: \[ /, "", text)
    }
    if (text ~ /^Invalid user /) {
        add("strange", last_from())
        greeted[last_from(), port()] = 1
    }
    else if (text ~ /^Failed [^ ]+ for invalid user /) {
        if ((last_from(), port()) in greeted) times--
        add("strange", last_from())
        delete greeted[last_from(), port()]
    }
    else if (text ~ /^Failed [^ ]+ for /) add("failed", last_from())
    else if (text ~ /^Accepted [^ ]+ for /) add("accepted", last_from())
    else if (text ~ /^error: PAM: .* for illegal user .* from /) add("strange error", last_from())
    else if (text ~ /^error: PAM: .* for .* from /) add("error", last_from())
    else if (text ~ /^(pam_[a-z]+\([a-z-]+:auth\): |PAM [0-9]+ more )authentication failures?;/) {
        if (text ~ /^PAM/) times *= substr(text, 5) + 0
        who = field("rhost")
        add((field("user") == "" ? "strange pam" : "pam"), (who == "" ? local_user(field("ruser")) : who))
    }
    else if (text ~ /^FAILED SU /) { split(text, word, " "); add("su", local_user(word[5])) }
    else if (match(text, /[0-9]+ incorrect password attempts? ;/)) {
        times = substr(text, RSTART) + 0
        split(text, word, " "); add("sudo", local_user(word[1]))
    }
    else if (text ~ /^(FAILED LOGIN|invalid password for) /) add("login", "")
}
END {
    for (source in seen) {
        failed = most(source, "strange,strange error,strange pam")
        count["pam", source] -= count["accepted", source]
        failed += most(source, "failed,error,pam,su,sudo,login")
        total += failed; seen[source] = failed
    }
    print "total", total + 0, odd + 0, (ended == "" ? 1 : ended)
    for (n = 0; n < told; n++) {
        first = ""
        for (source in seen) if (seen[source] > 0 && (first == "" || seen[source] > seen[first])) first = source
        if (first == "") break
        print "source", seen[first], first
        delete seen[first]
    }
}"""

_SCRIPT = r"""
command -v awk >/dev/null || {{ echo "awk: not found" >&2; exit 127; }}
window={window} journal=0
if [ -d /run/systemd/system ] && command -v journalctl >/dev/null; then
    hint=$(journalctl --no-pager -n 0 2>&1 >/dev/null)
    case $hint in
    *"insufficient permission"*|*"not seeing messages"*) echo "journal: permission denied" >&2; exit 1 ;;
    *"No journal files were found"*) ;;
    *) journal=1 ;;
    esac
fi
if [ $journal = 0 ]; then
    for log in {logs} none; do [ -e "$log" ] && break; done
    [ "$log" != none ] || {{ echo "no journal, and no such file:" {logs} >&2; exit 1; }}
    [ -r "$log" ] || {{ echo "$log: permission denied" >&2; exit 1; }}
fi
lines() (
    if [ $journal = 1 ]; then
        journalctl -q --no-pager -o cat --since=-${{window}}s -t sshd -t sshd-session -t sshd-auth \
            -t su -t su-l -t sudo -t login
        exit
    fi
    files=$(find -L "${{log%/*}}" -maxdepth 1 -type f -name "${{log##*/}}*" -mmin -$((window / 60 + 2))) || exit
    [ -z "$files" ] || printf '%s\n' "$files" | {{
        failed=0
        while read -r file; do
            case $file in
            *.gz) gzip -dc "$file" ;;
            *.xz) xz -dc "$file" ;;
            *.bz2) bzip2 -dc "$file" ;;
            *.zst) zstd -dcq "$file" ;;
            *) cat "$file" ;;
            esac || failed=1
        done
        exit $failed
    }}
)
if [ $journal = 1 ]; then echo "journal"; else echo "$log"; fi
{{ lines; echo "muster-ended $?"; }} |
grep -aE -e '^muster-ended|Invalid user |Failed |Accepted |authentication failure|error: PAM: ' \
    -e 'FAILED SU|FAILED LOGIN|incorrect password|invalid password' |
awk -v journal=$journal -v window=$window -v told={told} -v now="$(date +%s)" \
    -v here="$(date +%Y-%m-%dT%H:%M:%S)" {count}
echo end"""

_TOTAL = re.compile(r"total (\d{1,12}) (\d{1,12}) (\d{1,3})")
_SOURCE = re.compile(r"source (\d{1,12}) (\S{1,64})")


class FailedLogins(Struct, frozen=True):
    """How many logins failed in the last ``window`` seconds, through sshd, su, sudo and login, and who failed most.

    ``sources`` are addresses, ``local:`` and a user's name, or ``console``, each with its number. ``source`` is
    what was read: ``journal``, or a file. Source: sshd(8), pam_unix(8), su(1), sudoers(5), login(1).
    """

    count: int
    window: float
    sources: tuple[tuple[str, int], ...]
    source: str

    def __str__(self) -> str:
        of = f": {some(f'{name} {count}' for name, count in self.sources)}" if self.sources else ""
        return f"{plural(self.count, 'failed login')} in {span(self.window)}{of} ({self.source})"


def script(window: float, logs: tuple[str, ...] = LOGS) -> str:
    """What counts them, by the host's own clock."""
    return _SCRIPT.format(window=int(window), logs=shlex.join(logs), told=TOLD, count=shlex.quote(_COUNT)).lstrip()


def parse(output: Output, window: float | None) -> FailedLogins:
    """Make the fact of the host's count.

    Raises:
        Unobserved: neither the journal nor a log could be read, or its times make no sense.
        DoesNotApply: the inventory does not say how far back to look.
    """
    if window is None:
        raise DoesNotApply("the inventory does not say how far back to look for failed logins")
    if output.status and why(output) == "permission":
        way_out = f"add the user to the group adm or systemd-journal, or {AS_ROOT}"
        raise Unobserved("permission", f"{output.complaint}; {way_out}")
    source, *lines, last = whole(output, "failed logins").splitlines()
    total = _TOTAL.fullmatch(lines[0]) if lines else None
    sources = [_SOURCE.fullmatch(line) for line in lines[1:]]
    if last != "end" or total is None or None in sources:
        raise Unobserved("unreadable", "the count of failed logins is not whole")
    if total[3] != "0":
        raise Unobserved(why(output), f"{output.complaint or source}: not all of the log could be read; {AS_ROOT}")
    if total[2] != "0":
        raise Unobserved("unreadable", f"{source} has {plural(int(total[2]), 'line')} without a time that is known")
    told = tuple((each[2], int(each[1])) for each in sources if each)
    return FailedLogins(int(total[1]), window, told, source)


@need(Host)
def failed_logins(host: Host) -> Probe[FailedLogins]:
    """How many logins failed on the host within the time that the inventory says."""
    window = host.failed_logins
    text = script(window) if window is not None else ":"
    told = "count failed logins in the journal, or in /var/log"
    return Probe(Command(text, timeout=host.timeout, told=told, slow=True), partial(parse, window=window))
