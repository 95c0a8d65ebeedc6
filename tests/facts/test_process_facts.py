"""Processes: what systemd, pid files and /proc tell of them, whole, cut off, of hostile programs, and of 10,000."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from muster.facts import (
    process,
    process_by_command,
    process_cpu,
    process_files,
    process_instances,
    process_ports,
    process_restarts,
    process_usage,
)
from muster.facts.process_finding import command, sample
from muster.need import Need
from muster.probes import Command, DoesNotApply, Output, Sample, Samples, Unobserved
from muster.targets import Process
from tests.facts.recordings import RECORDED, recorded, said
from tests.facts.test_host_answers import GARBAGE, SHELLS

UNIT = Process(name="ss-001", unit="steady.service")
PID_FILE = Process(name="ss-001", pid_file="/tmp/s.pid")
HTTPD = Process(name="ss-001", command=r"httpd -f -p \d+")

STAT = (
    "{pid} ({name}) {state} {parent} 1 1 0 -1 0 0 0 0 0 {spent} 0 0 0 20 0 {threads} 0 {started} 0 10 0" + 27 * " 0"
)


def line(pid: int, name: str = "worker", **more: object) -> str:
    """A line of /proc/PID/stat."""
    known = {"state": "S", "parent": 1, "spent": 0, "threads": 1, "started": 1000, **more}
    return STAT.format(pid=pid, name=name, **known) + "\n"


def answer(*lines: str, before: str = "5\n", now: int = 5000, seen: str = "open", rest: str = "") -> Output:
    """What a script prints that looks at processes."""
    clock = line(6, "cat", started=now, parent=5)
    return said(f"{before}look\n{seen}\n{clock}KernelPageSize:        4 kB\n{''.join(lines)}{rest}end\n")


def commands(**lines: str) -> str:
    """The part of an answer that holds command lines, by ``pPID``."""
    return (
        "commands\n" + "\n".join(f"==> /proc/{name[1:]}/cmdline <==\n{text}" for name, text in lines.items()) + "\n"
    )


def unit(name: str) -> str:
    return str(process.parse(said(recorded("process_unit", name)), UNIT))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("debian12-steady", r"running, process \d+, up \d seconds?, 0 restarts"),
        ("debian12-over", r"stopped: exit status 0 \d seconds? ago, 0 restarts"),
        ("debian12-failed", r"crashed: exit status 3 \d seconds? ago, 0 restarts"),
        ("debian12-segfault", r"crashed: killed by SIGSEGV \d seconds? ago, 0 restarts"),
        ("debian12-status", r"crashed: exit status 139 \(SIGSEGV\) \d seconds? ago, 0 restarts"),
        ("debian12-remains", r"stopped: active \(exited\), without a process, 0 restarts"),
        ("debian12-no-program", r"crashed: exit status 203 \d seconds? ago, 0 restarts"),
        ("debian12-looping", r"restarting: exit status 7 \d seconds? ago, \d restarts?"),
        (
            "debian12-gave-up",
            r"crashed: exit status 7 \d seconds? ago, and systemd does not start it any more, 3 restarts",
        ),
        ("debian12-restarted", r"running, process \d+, up \d seconds?, 1 restart"),
        ("debian12-nowhere", "unknown: there is no unit steady.service"),
        ("redhat7-failed", "crashed: killed by SIGABRT, core dumped 3 minutes ago"),
    ],
)
def test_a_unit_has_the_state_that_systemd_tells(name: str, wanted: str) -> None:
    assert re.fullmatch(wanted, unit(name)), unit(name)


def test_a_unit_that_is_not_there_is_missing() -> None:
    found = process.parse(said(recorded("process_unit", "debian12-nowhere")), UNIT)
    assert (found.state, found.cause) == ("unknown", "missing")


SYSTEMD = """\
now=1795204162
LoadState={load}
ActiveState={active}
SubState={sub}
Result={result}
NRestarts=0
MainPID=7
"""


def by_unit(
    *lines: str, load: str = "loaded", active: str = "active", sub: str = "running", result: str = "success"
) -> str:
    before = SYSTEMD.format(load=load, active=active, sub=sub, result=result)
    return str(process.parse(answer(*lines, before=before), UNIT))


def test_states_of_systemd_are_states_of_the_guide() -> None:
    assert by_unit(active="activating", sub="start-pre") == "restarting: activating (start-pre), 0 restarts"
    assert by_unit(active="deactivating", sub="stop-sigterm") == "stopped: deactivating (stop-sigterm), 0 restarts"
    assert by_unit(active="inactive", sub="dead", load="masked") == "stopped: its unit file is masked, 0 restarts"
    assert by_unit(active="failed", sub="failed", result="oom-kill") == "crashed: oom-kill, 0 restarts"
    assert by_unit(active="inactive", sub="dead", result="exit-code") == "crashed: dead, 0 restarts"
    assert by_unit(sub="waiting") == "stopped: active (waiting), without a process, 0 restarts"
    assert by_unit() == "running: active (running), 0 restarts"  # hidepid: systemd is to be believed


def test_a_unit_that_runs_where_its_processes_are_hidden_has_a_state_and_no_more() -> None:
    before = SYSTEMD.format(load="loaded", active="active", sub="running", result="success")
    hidden = answer(before=before, seen="hidden")
    assert process.parse(hidden, UNIT).state == "running"
    with pytest.raises(Unobserved, match="hidepid: look as root, with sudo: true") as unknown:
        process_instances.parse(hidden, UNIT)
    assert unknown.value.cause == "permission"


def test_a_unit_whose_main_process_is_paused_is_stopped_though_others_run() -> None:
    assert by_unit(line(7, state="T"), line(8)).startswith("stopped: paused by a signal")
    assert by_unit(line(7), line(8, state="T")) == "running, 2 processes 7, 8, up 40 seconds, 0 restarts"


def test_where_systemd_does_not_run_the_message_says_how_else_to_find_it() -> None:
    with pytest.raises(Unobserved, match=r"no unit steady\.service: find the process by pid_file or command") as none:
        process.parse(said(recorded("failed_units", "without-systemd")), UNIT)
    assert none.value.cause == "missing"


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_a_pid_file_leads_to_its_process_and_what_it_has_open(host: str) -> None:
    output = said(recorded("process_pid_file", host))
    assert re.fullmatch(
        r"running, process \d+, up (\d seconds?|less than a second)", str(process.parse(output, PID_FILE))
    )
    assert str(process_files.parse(output, PID_FILE)).endswith(
        f"has {4 if host == 'busybox' else 3} files open of at most 20,000"
    )
    listens = str(process_ports.parse(output, PID_FILE))
    assert listens == ("1 listening: [::]:8388/tcp" if host == "busybox" else "nothing listens")


BEFORE = "1795205278\n1795205278\n7\n"


def test_a_pid_file_that_is_not_there_is_of_a_process_that_stopped() -> None:
    for complaint in (
        "stat: cannot statx '/tmp/s.pid': No such file or directory\n",
        "stat: can't stat '/x': Not a directory\n",
    ):
        found = process.parse(said("", status=1, stderr=complaint), PID_FILE)
        assert str(found) == "stopped: there is no /tmp/s.pid"


def test_a_pid_file_that_may_not_be_read_is_unknown() -> None:
    for complaint in ("stat: cannot statx '/tmp/s.pid': Permission denied\n", "/tmp/s.pid: permission denied\n"):
        with pytest.raises(Unobserved, match=r"^/tmp/s\.pid: .*ermission denied") as denied:
            process.parse(said("", status=1, stderr=complaint), PID_FILE)
        assert denied.value.cause == "permission"


def test_a_pid_file_whose_process_is_gone_or_another_is_of_one_that_crashed() -> None:
    def state(*lines: str, **more: str) -> str:
        return str(process.parse(answer(*lines, **{"before": BEFORE, **more}), PID_FILE))  # type: ignore[arg-type]

    assert state() == "crashed: /tmp/s.pid names process 7, which is not there"
    assert state(line(7, state="Z", parent=3)).startswith("crashed: process 7 has ended, and its parent 3 has not")
    assert state(line(7), line(8, parent=7), before="1795205278\n1795205318\n7\n").startswith(
        "running, 2 processes 7, 8"
    )
    assert state(line(7, state="T"), line(8, parent=7)).startswith("stopped: paused by a signal")
    # It has been there for 40 s; the file was written before it, by more than clocks differ.
    assert state(line(7), before="1795205178\n1795205318\n7\n") == (
        "crashed: /tmp/s.pid names process 7, which is worker and started 1 minute after the file was written"
    )
    with pytest.raises(Unobserved, match="hidepid"):
        state(seen="hidden")
    with pytest.raises(Unobserved, match="holds no process id"):
        state(before="1795205278\n1795205278\n\n")


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_a_command_line_leads_to_its_process_and_what_it_has_open(host: str) -> None:
    output = said(recorded("process_command", host))
    assert process_instances.parse(output, HTTPD).count == 1
    assert "has 4 files open of at most" in str(process_files.parse(output, HTTPD))
    assert str(process_ports.parse(output, HTTPD)) == "1 listening: [::]:8388/tcp"
    assert str(process.parse(output, Process(name="x", command="nobody"))) == (
        "stopped: no process has 'nobody' in its command line"
    )


def test_the_shell_that_looks_and_what_it_starts_are_not_found() -> None:
    for host in ("debian12", "busybox"):
        found = process.parse(said(recorded("process_command", host)), Process(name="x", command="cmdline"))
        assert found.state == "stopped", found


def test_the_session_of_the_login_is_not_found_but_sshd_itself_is() -> None:
    lines = (
        *(line(20, "sshd"), line(30, "sshd", parent=20), line(31, "sshd", parent=30), line(32, "bash", parent=31)),
        *(
            line(5, "sh", parent=32),
            line(40, "sh", parent=31),
            line(41, "systemctl", parent=40),
            line(50, "sshd", parent=20),
        ),
    )
    said_by = commands(
        p20="sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
        p30="sshd: ops [priv]",
        p31="sshd: ops@notty",
        p32="bash -c 'sudo -n sh' ssh",
        p5="sh",
        p40="sh",
        p41="systemctl\0show\0sshd.service\0",
        p50="sshd: guest [priv]",
    )
    found = process.parse(answer(*lines, rest=said_by), Process(name="sshd", command="ssh"))
    assert found.pids == (20, 50)


def test_a_process_that_has_only_ended_ones_has_crashed() -> None:
    ended = answer(line(9, "worker", state="Z", parent=3), rest=commands(p9=""))
    assert process.parse(ended, Process(name="x", command="worker")).state == "crashed"


def test_one_whose_first_thread_has_ended_runs_still() -> None:
    halfway = answer(line(9, "worker", state="Z", threads=4), rest=commands(p9="worker"))
    assert process.parse(halfway, Process(name="x", command="worker")).state == "running"


def test_threads_of_the_kernel_are_not_found_whatever_the_pattern() -> None:
    lines = (line(2, "kthreadd", parent=0), line(9, parent=2), line(20, "python"), line(5, "sh", parent=20))
    output = answer(*lines, rest=commands(p2="", p9="", p20="pytest", p5="sh"))
    assert process.parse(output, Process(name="x", command=".*")).state == "stopped"


def test_a_name_may_look_like_the_rest_of_an_answer() -> None:
    hostile = answer(line(9, "x) S 1 1\nend\nfi"), rest=commands(p9="evil\nend\nfiles\n"))
    assert process.parse(hostile, Process(name="x", command="^evil")).pids == (9,)


def test_a_command_line_that_imitates_another_makes_all_unknown() -> None:
    hostile = answer(line(8), line(9), rest=commands(p8="worker", p9="x\n==> /proc/8/cmdline <==\nevil"))
    with pytest.raises(Unobserved, match="process 8 has two command lines") as unknown:
        process.parse(hostile, Process(name="x", command="worker"))
    assert unknown.value.cause == "unreadable"


def test_where_others_are_hidden_nothing_is_said_to_be_stopped() -> None:
    with pytest.raises(Unobserved, match="hidepid") as unknown:
        process.parse(answer(line(9), seen="hidden", rest=commands(p9="other")), Process(name="x", command="worker"))
    assert unknown.value.cause == "permission"


def test_a_pattern_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_by_command, "PATIENCE", 0.0)
    with pytest.raises(Unobserved, match="takes longer than 0 s over the host's command lines") as late:
        process.parse(answer(line(9), rest=commands(p9="worker")), Process(name="x", command="worker"))
    assert late.value.cause == "timeout"


def test_ten_thousand_processes_are_read() -> None:
    every = "".join(line(pid, parent=3) for pid in range(10, 10_010))
    lines = "\n".join(f"==> /proc/{pid}/cmdline <==\n/usr/bin/worker\0--number={pid}\0" for pid in range(10, 10_010))
    output = answer(every, rest=f"commands\n{lines}\n")
    found = process_instances.parse(output, Process(name="x", command=r"--number=\d*7$"))
    assert str(found) == "1,000 processes, up 40 seconds"


def test_what_all_processes_use_is_added_up() -> None:
    first = answer(line(8, spent=100), line(9, spent=50), now=5000, rest=commands(p8="worker", p9="worker"))
    second = answer(
        *(line(8, spent=150), line(9, spent=75, threads=3), line(10, spent=20, started=5050)),
        now=5100,
        rest=commands(p8="worker", p9="worker", p10="worker"),
    )
    worker = Process(name="x", command="worker")
    used = process_usage.parse(second, worker)
    assert (used.memory_bytes, used.threads, str(used)) == (3 * 10 * 4096, 5, "120.0 KiB, 5 threads")
    computed = process_cpu.parse(Samples(first, second), worker)
    assert (computed.percent, str(computed)) == (95.0, "95 % of a processor")
    with pytest.raises(Unobserved, match="the clock of /proc stood still"):
        process_cpu.parse(Samples(second, first), worker)


FILES = """\
files
/proc/8/limits:Max open files            64                   20000                files
/proc/9/limits:Max open files            1024                 20000                files
      1 /proc/8/fd:
     50 l
      2 [77]
      1 /proc/9/fd:
     90 l
      1 [78]
L
tcp
   0: 0100007F:20C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0000 100 0 0 10 0
   1: 0100007F:20C5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000 100 0 0 10 0
udp
end
"""


def opened(files: str = FILES) -> Output:
    return answer(line(8), line(9), rest=files + commands(p8="worker", p9="worker"))


WORKER = Process(name="x", command="worker")


def test_the_process_that_is_nearest_to_its_limit_counts() -> None:
    found = process_files.parse(opened(), WORKER)
    assert (str(found), found.used_percent) == ("process 8 has 52 files open of at most 64", 81.25)


def test_ports_are_its_own_or_those_of_others() -> None:
    found = process_ports.parse(opened(), WORKER)
    assert str(found) == "1 listening: 127.0.0.1:8388/tcp"
    assert found.missing(("8388", "8389", "127.0.0.2:8388", "1")) == [
        "8389 listens, but for another process",
        "127.0.0.2:8388 does not listen, but 127.0.0.1:8388/tcp",
        "1 does not listen",
    ]


def test_files_that_may_not_be_looked_at_are_unknown_and_name_the_way_out() -> None:
    denied = FILES.replace("      1 /proc/9/fd:\n     90 l\n      1 [78]\n", "      1 /proc/9/ denied\n")
    for fact in (process_files, process_ports):
        with pytest.raises(
            Unobserved, match=r"what process 9 \(worker\) has open: log in as .* sudo: true"
        ) as unknown:
            fact.parse(opened(denied), WORKER)
        assert unknown.value.cause == "permission"


def test_a_process_that_ended_in_between_is_left_out() -> None:
    gone = FILES.replace("      1 /proc/8/fd:\n     50 l\n      2 [77]\n", "")
    assert process_files.parse(opened(gone), WORKER).pid == 9
    with pytest.raises(Unobserved, match="does not tell what files"):
        process_files.parse(opened(re.sub(r" +\d+ (/proc|l|\[).*\n", "", FILES)), WORKER)


@pytest.mark.parametrize("odd", ["     90 x\n", "hello\n", "     1 /proc/9/\n"])
def test_what_is_no_open_file_is_unreadable(odd: str) -> None:
    with pytest.raises(Unobserved, match="what is no open file"):
        process_files.parse(opened(FILES.replace("     90 l\n", odd)), WORKER)


@pytest.mark.parametrize("fact", [process_files, process_instances, process_ports], ids=lambda each: each.__name__)
def test_of_what_does_not_run_nothing_is_known(fact: Any) -> None:
    with pytest.raises(Unobserved, match="there is no process to look at, it is stopped: no process has") as unknown:
        fact.parse(answer(line(9), rest=commands(p9="z")), WORKER)
    assert unknown.value.cause == "missing"


RUNNING: tuple[Need[Any], ...] = (
    *(process_files.process_files, process_instances.process_instances, process_ports.process_ports),
    *(process_restarts.process_restarts, process_usage.process_usage, process_cpu.process_cpu),
)


@pytest.mark.parametrize("need", RUNNING, ids=lambda each: each.name)
def test_of_what_is_expected_to_be_stopped_only_its_state_is_asked(need: Need[Any]) -> None:
    with pytest.raises(DoesNotApply, match="expected to be stopped"):
        need.probe(Process(name="x", command="worker", state="stopped"))


def test_restarts_are_counted_of_services_by_a_systemd_that_does() -> None:
    assert str(process_restarts.parse(said(recorded("process_unit", "debian12-restarted")), UNIT)) == "1 restart"
    for output, target in ((said(recorded("process_unit", "redhat7-failed")), UNIT), (opened(), WORKER)):
        with pytest.raises(DoesNotApply):
            process_restarts.parse(output, target)
    with pytest.raises(Unobserved, match="there is no unit"):
        process_restarts.parse(said(recorded("process_unit", "debian12-nowhere")), UNIT)


def test_all_that_are_found_by_command_line_share_one_question() -> None:
    questions = {command(Process(name=name, command=name)) for name in ("a", "b", "c")}
    assert len(questions) == 1
    assert len({sample(Process(name=name, command=name)) for name in ("a", "b")}) == 1


def test_names_are_quoted() -> None:
    for target in (Process(name="x", unit="x; reboot"), Process(name="x", pid_file="/x; reboot")):
        question = command(target)
        assert "x; reboot'" in question.script
        assert "x; reboot'" in question.describe()


Parser = Callable[[Output], Any]
PARSERS: dict[str, list[Parser]] = {
    "process_unit": [partial(process.parse, target=UNIT), partial(process_restarts.parse, target=UNIT)],
    "process_pid_file": [
        partial(fact.parse, target=PID_FILE) for fact in (process, process_files, process_instances, process_ports)
    ],
    "process_command": [
        partial(fact.parse, target=HTTPD) for fact in (process, process_files, process_instances, process_ports)
    ],
}
ANSWERS = [
    pytest.param(parse, path, id=f"{path.parent.name}-{path.stem}-{number}")
    for name, parsers in PARSERS.items()
    for number, parse in enumerate(parsers)
    for path in sorted((RECORDED / name).glob("*.txt"))
]


def outcome(parse: Parser, output: Output) -> Any:
    try:
        return parse(output)
    except DoesNotApply as reason:
        return str(reason)
    except Unobserved:
        return None


@pytest.mark.parametrize(("parse", "path"), ANSWERS)
def test_an_answer_that_is_cut_off_never_makes_another_fact(parse: Parser, path: Any) -> None:
    whole = path.read_bytes()
    right = outcome(parse, Output(whole))
    assert right is not None or "nowhere" in path.name
    for cut in range(0, len(whole), 7):
        assert outcome(parse, Output(whole[:cut])) in (None, right), (
            f"cut off after {cut} bytes it makes another fact"
        )
    assert outcome(parse, Output(whole, truncated=True)) is None


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("parse", [pytest.param(parse, id=name) for name, each in PARSERS.items() for parse in each])
def test_garbage_is_no_fact(parse: Parser, garbage: str) -> None:
    assert outcome(parse, Output(GARBAGE[garbage])) is None


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("files", [False, True])
def test_this_machine_answers_in_every_shell(shell: str, files: bool) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"left out, needs {shell}")
    ran = subprocess.run([*SHELLS[shell], command(WORKER, files=files).script], capture_output=True, check=False)
    output = Output(ran.stdout, ran.stderr, ran.returncode)
    # The first process of all is not one of the shell's.
    words = Path("/proc/1/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    first = Process(name="x", command=re.escape(words[:40]))
    assert 1 in process.parse(output, first).pids
    if files:
        assert process_files.parse(output, first).count > 0


def test_the_questions_are_commands_and_samples_that_bound_their_answers() -> None:
    for question in (command(UNIT), command(HTTPD, files=True), sample(PID_FILE)):
        assert isinstance(question, Command | Sample)
        assert question.max_bytes == 16 * 1_048_576
