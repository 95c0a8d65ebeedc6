"""How a process of the inventory is looked for on its host, and what comes of it."""

from __future__ import annotations

import shlex

from muster.facts import process_by_command, process_by_pid_file, process_by_unit
from muster.facts.failed_units import ABSENT
from muster.facts.process_found import Found
from muster.facts.process_listing import MAX_BYTES, Listing, look, parse
from muster.facts.reading import unanswered
from muster.probes import Command, DoesNotApply, Output, Sample, Unobserved
from muster.targets import Process


def command(process: Process, *, files: bool = False) -> Command:
    """The question what runs of a process, and what it has open if ``files``: that takes its time."""
    script, told = _script(process, files)
    return Command(script, timeout=process.timeout, max_bytes=MAX_BYTES, told=told, slow=files)


def sample(process: Process) -> Sample:
    """The question what runs of a process, twice."""
    script, told = _script(process, False)
    return Sample(script, timeout=process.timeout, max_bytes=MAX_BYTES, told=told)


def found(process: Process, output: Output) -> Found:
    """Read the answer.

    Raises:
        Unobserved: the state of the process cannot be told.
    """
    if process.unit is not None:
        if output.text == ABSENT:
            way_out = "find the process by pid_file or command"
            raise Unobserved("missing", f"systemd does not run here, so there is no unit {process.unit}: {way_out}")
        return process_by_unit.find(process.unit, _listing(output, "systemctl"))
    if process.pid_file is not None:
        if process_by_pid_file.absent(output):
            return Found("stopped", Listing("", 0, False, {}), f"there is no {process.pid_file}")
        return process_by_pid_file.find(process.pid_file, _listing(output, process.pid_file))
    return process_by_command.find(process.command or "", _listing(output, "/proc"))


def of_running(process: Process) -> Process:
    """The process itself, for facts about what runs.

    Raises:
        DoesNotApply: it is expected to be stopped.
    """
    if process.state == "stopped":
        raise DoesNotApply("the process is expected to be stopped")
    return process


def _listing(output: Output, asked: str) -> Listing:
    if output.status != 0:
        raise unanswered(output, asked)
    return parse(output)


def _script(process: Process, files: bool) -> tuple[str, str]:
    """The script, and what people read in its place."""
    end = look(files=files, commands=process.unit is None and process.pid_file is None)
    told = "cat /proc/PID/stat; ls -l /proc/PID/fd; cat /proc/net/tcp" if files else "cat /proc/PID/stat"
    if process.unit is not None:
        return process_by_unit.script(process.unit) + end, f"systemctl show {shlex.quote(process.unit)}; {told}"
    if process.pid_file is not None:
        return process_by_pid_file.script(process.pid_file) + end, f"cat {shlex.quote(process.pid_file)}; {told}"
    return process_by_command.SCRIPT + end, f"cat /proc/*/cmdline; {told.replace('PID', '*')}"
