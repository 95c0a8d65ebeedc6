"""Scheduled jobs of a host: of cron, anacron and systemd's timers."""

from __future__ import annotations

import re
from functools import partial

from msgspec import Struct

from muster.facts.reading import AS_ROOT, some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural

# Of each source its name, and its lines with a blank in front. run-parts tells itself what it would run: Debian's
# leaves out names with a dot. Debian's cron does so in /etc/cron.d too (cron(8)); all leave out what packages left.
_SCRIPT = """\
table() {
    if [ -r "$1" ]; then echo "@ $1"; sed 's/^/ /' "$1"; echo; elif [ -e "$1" ]; then echo "! $1"; fi
}
may_list() {
    [ -d "$1" ] || return 1
    if [ -r "$1" ] && [ -x "$1" ]; then return 0; fi
    echo "! $1"; return 1
}
table /etc/crontab
table /etc/anacrontab
if may_list /etc/cron.d; then
    for file in /etc/cron.d/*; do
        case ${file##*/} in *~|*.rpm*|*.dpkg-*) continue ;; esac
        if [ -e /etc/debian_version ]; then case ${file##*/} in *[!A-Za-z0-9_-]*) continue ;; esac; fi
        [ ! -f "$file" ] || table "$file"
    done
fi
if [ "$(id -u)" != 0 ] && command -v crontab >/dev/null; then
    echo "@ crontab -l"
    crontab -l 2>&1 | sed 's/^/ /'; echo
fi
[ -e /var/spool/cron ] && spool=/var/spool/cron || spool=/etc/crontabs
for folder in $spool $spool/crontabs; do
    may_list $folder && for file in $folder/*; do [ ! -f "$file" ] || table "$file"; done
done
for often in hourly daily weekly monthly yearly; do
    for folder in /etc/cron.$often /etc/periodic/$often; do
        may_list $folder || continue
        echo "@ $folder"
        if command -v run-parts >/dev/null; then run-parts --test $folder 2>/dev/null
        else for file in $folder/*; do [ ! -x "$file" ] || echo "$file"; done; fi | sed 's/^/ /'
    done
done
if [ -d /run/systemd/system ]; then
    echo "@ systemd"
    timers=$(systemctl list-units --type=timer --state=active --plain --full --no-legend --no-pager) ||
        echo "! systemd"
    set -f
    set -- $(printf '%s\\n' "$timers" | sed 's/ .*//')
    printf ' %s\\n' "$@"
    [ $# = 0 ] || set -- $(systemctl show -p Unit -- "$@" | sed -n 's/^Unit=//p')
    [ $# = 0 ] || systemctl show -p Id -p ExecStart -- "$@" | sed 's/^/ /'
fi
echo end"""

#: How a job begins in a crontab; all else is a comment, a variable or a complaint (crontab(5)).
_JOB = re.compile(r" \s*[-0-9*@]")
_COMPLAINT = re.compile(r" .*(not allowed|permission denied|must be suid)", re.IGNORECASE)


class Job(Struct, frozen=True):
    """A scheduled job: where it stands, and its line; of a timer its unit, the last with what all of them start."""

    source: str
    text: str


class CronJobs(Struct, frozen=True):
    """The scheduled jobs of a host, and what of them may not be read. Jobs may hold secrets: only they are counted.

    Source: crontab(5), cron(8), anacrontab(5), run-parts(8), systemctl(1).
    """

    every: tuple[Job, ...]
    denied: tuple[str, ...] = ()

    def missing(self, expected: tuple[str, ...]) -> list[str]:
        """Which of the ``expected`` texts stand in no job."""
        return [text for text in expected if not any(text in job.text for job in self.every)]

    def __str__(self) -> str:
        sources = dict.fromkeys(job.source for job in self.every)
        beside = f"; not read: {some(self.denied)}" if self.denied else ""
        return f"{plural(len(self.every), 'job')}{f' in {some(sources)}' if sources else ''}{beside}"


def parse(output: Output, expected: tuple[str, ...]) -> CronJobs:
    """Make the fact of all tables.

    Raises:
        Unobserved: a text is in no job, and not all may be read.
        DoesNotApply: no jobs are expected.
    """
    if not expected:
        raise DoesNotApply("no scheduled jobs are expected of this host")
    *lines, last = whole(output, "scheduled jobs")[:-1].split("\n")
    if last != "end":
        raise Unobserved("unreadable", "the list of scheduled jobs is not whole")
    jobs: list[Job] = []
    denied: list[str] = []
    source = ""
    for line in lines:
        if line.startswith("@ "):
            source = line[2:]
        elif line.startswith("! "):
            denied.append(line[2:])
        elif line and not (line.startswith(" ") and source):
            raise Unobserved(
                "unreadable", f"the list of scheduled jobs has a line of no table: {source or 'at its start'}"
            )
        elif source == "systemd" and jobs and line.startswith((" Id=", " ExecStart=")):
            jobs[-1] = Job(source, f"{jobs[-1].text}\n{line.strip()}")  # what timers start stands below them all
        elif _is_job(source, line):
            jobs.append(Job(source, line.strip()))
        elif source == "crontab -l" and _COMPLAINT.match(line):
            denied.append(source)
    found = CronJobs(tuple(jobs), tuple(denied))
    if denied and (missing := found.missing(expected)):
        raise Unobserved(
            "permission",
            f"{some(missing)} in no job of those that may be read; {some(denied)} may not: {AS_ROOT}",
        )
    return found


def _is_job(source: str, line: str) -> bool:
    if source.startswith(("/etc/cron.", "/etc/periodic/")) and not source.startswith("/etc/cron.d/"):
        return line.strip() != ""
    if source == "systemd":
        return line.strip() != ""
    return bool(_JOB.match(line))


@need(Host)
def cron_jobs(host: Host) -> Probe[CronJobs]:
    """The scheduled jobs of the host, of cron, anacron and systemd's timers."""
    question = Command(_SCRIPT, timeout=host.timeout, max_bytes=1_048_576, told="crontab -l, /etc/cron*, timers")
    return Probe(question, partial(parse, expected=host.cron))
