"""A process found by its systemd unit: what systemd says of it, and the processes of its control group."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from muster.facts.expected_units import ACTIVE
from muster.facts.failed_units import IF_SYSTEMD_RUNS
from muster.facts.process_found import Found, State, of_processes
from muster.facts.process_listing import Listing
from muster.probes import Unobserved
from muster.text import span

_ASKED = (
    *("LoadState", "ActiveState", "SubState", "Result", "MainPID", "NRestarts", "ControlGroup"),
    *("ExecMainCode", "ExecMainStatus", "ExecMainExitTimestamp", "StateChangeTimestamp"),
)

# The hierarchy of systemd is the first of these with cgroup v2, one of the others beside v1.
_GROUP = """
echo "now=$(date +%s)"
printf '%s\\n' "$said"
group=$(printf '%s\\n' "$said" | sed -n 's/^ControlGroup=//p')
pids=$(printf '%s\\n' "$said" | sed -n 's/^MainPID=//p')
if [ "${group:-/}" != / ]; then
    for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        [ -r "$root$group/cgroup.procs" ] || continue
        pids="$pids $(find "$root$group" -name cgroup.procs -exec cat {} + 2>/dev/null)"
        break
    done
fi
P=$(printf '%s\\n' $pids | sort -u | sed -n 's|^[1-9]|/proc/&|p')
"""

#: What wait(2) says of how a process ended.
_EXITED, _KILLED, _DUMPED = "1", "2", "3"

#: What systemd calls the results that the exit status says as well, and better.
_PLAIN = frozenset({"success", "exit-code", "signal", "core-dump"})


def script(unit: str) -> str:
    """What asks for the unit, and puts the folders of its processes into ``P``."""
    asked = " ".join(f"-p {name}" for name in _ASKED)
    return f"{IF_SYSTEMD_RUNS}said=$(TZ=UTC systemctl show {asked} -- {shlex.quote(unit)}) || exit{_GROUP}"


def find(unit: str, listing: Listing) -> Found:
    """The state of a unit. Source: systemctl(1), show; org.freedesktop.systemd1(5)."""
    said = dict(line.split("=", 1) for line in listing.before.splitlines() if "=" in line)
    if not {"now", "LoadState", "ActiveState", "SubState", "Result"} <= said.keys():
        raise Unobserved("unreadable", f"systemctl does not tell in what state {unit} is")
    if said["LoadState"] == "not-found":
        return Found("unknown", listing, f"there is no unit {unit}", cause="missing")
    restarts = int(said["NRestarts"]) if said.get("NRestarts", "").isdigit() else None
    state, detail = _state(said, restarts)
    if state == "running" and listing.processes:
        main = int(said.get("MainPID", "0"))
        every = tuple(listing.processes.values())
        return of_processes(every, listing, restarts, main=main if main in listing.processes else None)
    # A unit may be active without a process: a timer, or a job that remains active after it has ended.
    if state == "running" and said["SubState"] != "running":
        return Found("stopped", listing, f"{detail}, without a process", restarts=restarts)
    live = tuple(each for each in listing.processes.values() if not each.ended)
    return Found(state, listing, detail, live, restarts)


def _state(said: Mapping[str, str], restarts: int | None) -> tuple[State, str]:
    active, sub, result = said["ActiveState"], said["SubState"], said["Result"]
    now = f"{active} ({sub})"
    if active in ACTIVE:
        return "running", now
    if active == "activating":
        again = sub.startswith("auto-restart") or bool(restarts)
        return "restarting", _end(said) if again else now
    if active == "failed" or result != "success":
        return "crashed", _end(said) + ", and systemd does not start it any more" * bool(restarts)
    if said["LoadState"] not in ("loaded", "not-found"):
        return "stopped", f"its unit file is {said['LoadState']}"
    return "stopped", _end(said) if active == "inactive" else now


def _end(said: Mapping[str, str]) -> str:
    """How and when it ended: ``exit status 139 (SIGSEGV) 3 minutes ago``."""
    code, status, result = said.get("ExecMainCode"), said.get("ExecMainStatus", "0"), said["Result"]
    words = []
    if code == _EXITED:
        name = _signal(int(status) - 128)
        words.append(f"exit status {status}{f' ({name})' if name else ''}")
    elif code in (_KILLED, _DUMPED):
        words.append(f"killed by {_signal(int(status)) or f'signal {status}'}{', core dumped' * (code == _DUMPED)}")
    if result not in _PLAIN:
        words.append(result)
    since = _moment(said.get("ExecMainExitTimestamp", "")) or _moment(said.get("StateChangeTimestamp", ""))
    ago = f" {span(max(0.0, int(said['now']) - since))} ago" if since else ""
    return f"{', '.join(words) or said['SubState']}{ago}"


def _signal(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return ""


def _moment(text: str) -> float | None:
    """A time as systemctl writes it, ``Fri 2026-11-20 16:07:00 UTC``, in seconds since the epoch; None for never."""
    found = re.fullmatch(r"\w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", text)
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp() if found else None
