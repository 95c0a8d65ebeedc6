"""Processes: programs of this machine, found in each way, good, gone, stuck and greedy, and units of a systemd."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from tests.faults.cases import CALM, Case, Ran, critical, each, run, under, unknown, warning
from tests.servers.docker import Engine
from tests.servers.processes import free_port, wait_for
from tests.servers.program import started
from tests.servers.sshd import Account, Sshd
from tests.servers.systemd import FAILS, machine

#: Every check of a process that hangs on its running; that of restarts only where systemd counts them.
HANGING = (
    *("process_can_open_files", "process_instances_are_within_limits", "process_memory_is_within_limits"),
    *("process_threads_are_within_limits", "process_uptime_is_within_limits"),
)


def by_pid_file(name: str, **more: object) -> dict[str, Any]:
    return {"pid_file": f"${{folder}}/{name}.pid", **more}


def down(says: str, *more: str, cause: str = "wrong", hanging: tuple[str, ...] = HANGING) -> dict[str, object]:
    """Down is critical, once; what hangs on it is unknown."""
    why = unknown(f"there is no process to look at, it is {says}", cause="missing")
    return {"process_is_running": critical(says, *more, "expected running", cause=cause), **each(hanging, why)}


def beyond(name: str, check: str, limit: str, bad: object, **bounds: object) -> Case:
    """A program that is beyond a limit, whatever it does."""
    return Case(f"beyond-{limit}", by_pid_file(name, limits={limit: bounds}), {check: bad}, "here")


EVERYTHING = ("process_is_running", *HANGING)
SHUT = "only its owner and root may see what process ${good} (python"
CASES = (
    # good
    Case("good", by_pid_file("good", listening=["${port}", "127.0.0.1:${port}/tcp"]), host="here"),
    Case("calm", by_pid_file("good", limits={"process_cpu_percent": {"critical": 95}}), host="here"),
    Case("parent", by_pid_file("parent", limits={"process_count": {"warning_below": 2, "warning": 2}}), host="here"),
    Case(
        "twins",
        {"command": r"--name=twin-[ab]\b", "limits": {"process_count": {"critical_below": 2, "critical": 2}}},
        host="here",
    ),
    Case("never-started", by_pid_file("never-started", state="stopped"), host="here"),
    Case("nobody", {"command": "nobody has this in a command line", "state": "stopped"}, host="here"),
    Case("good", by_pid_file("good", listening=["${port}"]), host="by-sudo"),
    Case(
        "good",
        by_pid_file("good"),
        {"process_can_open_files": unknown(SHUT, "sudo: true", cause="permission")},
        host="by-ops",
    ),
    Case("sshd", {"command": r"sshd.* -p ${sshd}\b", "listening": ["${sshd}"]}, host="by-sudo"),
    Case("own-session", {"command": r"sshd: ${login}\b|sudo -n", "state": "stopped"}, host="by-sudo"),
    # not running
    Case(
        "killed", by_pid_file("killed"), down("crashed: ", "killed.pid names process ${killed}, which is not"), "here"
    ),
    Case("no-file", by_pid_file("no-file"), down("stopped: there is no ${folder}/no-file.pid"), "here"),
    Case(
        "reused",
        by_pid_file("reused"),
        down("crashed: ", "reused.pid names process ${good}, which is python", "after the file was written"),
        "here",
    ),
    Case("zombie", by_pid_file("zombie"), down("crashed: process", "its parent ${parent_of_zombie} has not"), "here"),
    Case(
        "zombie-by-command",
        {"command": "^muster-zombie$"},
        down("crashed: process", "has ended, and its parent"),
        "here",
    ),
    Case("no-match", {"command": "nobody has th(is|at)"}, down("stopped: no process has 'nobody has th("), "here"),
    Case(
        "paused",
        by_pid_file("paused"),
        {"process_is_running": critical("stopped: paused by a signal", "process ${paused}", "expected running")},
        "here",
    ),
    Case(
        "runs-still",
        by_pid_file("good", state="stopped"),
        {"process_is_running": critical("running, process ${good}, up", "expected stopped")},
        "here",
    ),
    # running, and not as it should
    Case(
        "not-listening",
        by_pid_file("good", listening=["${port}", "${another_port}", "${nobodys_port}"]),
        {
            "process_listens": critical(
                "${another_port} listens, but for another process; ${nobodys_port} does not listen, expected it to"
            )
        },
        "here",
    ),
    Case(
        "elsewhere",
        by_pid_file("good", listening=["127.0.0.2:${port}"]),
        {"process_listens": critical("127.0.0.2:${port} does not listen, but 127.0.0.1:${port}/tcp, expected it")},
        "here",
    ),
    Case(
        "too-few",
        {"command": "--name=twin-", "limits": {"process_count": {"critical_below": 3}}},
        {"process_instances_are_within_limits": critical("process_count is 2, expected at least 3")},
        "here",
    ),
    Case(
        "many-files",
        by_pid_file("many-files"),
        {"process_can_open_files": critical("process_open_files_percent is", "expected at most 95 %")},
        "here",
    ),
    Case(
        "some-files",
        by_pid_file("some-files"),
        {"process_can_open_files": warning("process_open_files_percent is", "expected at most 80 %")},
        "here",
    ),
    Case(
        "many-threads",
        by_pid_file("many-threads", limits={"process_threads": {"warning": 10, "critical": 50}}),
        {"process_threads_are_within_limits": warning("process_threads is 21, expected at most 10")},
        "here",
    ),
    Case(
        "large",
        by_pid_file("large", limits={"process_memory_bytes": {"warning": "32MiB", "critical": "50MiB"}}),
        {"process_memory_is_within_limits": critical("process_memory_bytes is", "MiB, expected at most 50.0 MiB")},
        "here",
    ),
    Case(
        "busy",
        by_pid_file("busy", limits={"process_cpu_percent": {"warning": 10}}),
        {"process_cpu_is_within_limits": warning("process_cpu_percent is", "%, expected at most 10 %")},
        "here",
    ),
    beyond(
        "good",
        "process_uptime_is_within_limits",
        "process_uptime_seconds",
        warning("expected at least 1e+09 s"),
        warning_below=1e9,
    ),
    # could not be looked at
    Case(
        "good-ports",
        by_pid_file("good", listening=["${port}"]),
        each(("process_can_open_files", "process_listens"), unknown(SHUT, "sudo: true", cause="permission")),
        "by-ops",
    ),
    Case(
        "closed-file",
        by_pid_file("closed/none"),
        each(EVERYTHING, unknown("none.pid", "ermission denied", cause="permission")),
        "by-ops",
    ),
    Case(
        "empty-file",
        by_pid_file("empty"),
        each(EVERYTHING, unknown("empty.pid holds no process id", cause="unreadable")),
        "here",
    ),
    Case(
        "folder",
        {"pid_file": "${folder}"},
        each(EVERYTHING, unknown("${folder}: not a file", cause="unreadable")),
        "here",
    ),
    Case(
        "no-systemd",
        {"unit": "shadowsocks@001.service"},
        each(
            (*EVERYTHING, "process_restarts_are_few"),
            unknown("systemd does not run here", "find the process by pid_file or command", cause="missing"),
        ),
        "plain-machine",
    ),
    # units
    Case("steady", {"unit": "steady.service", "listening": [8388]}, host="machine"),
    Case("steady-by-command", {"command": "httpd .*8388"}, host="machine"),
    Case("over", {"unit": "over.service", "state": "stopped"}, host="machine"),
    Case("failed", {"unit": "failed"}, down("crashed: exit status 3", "0 restarts"), "machine"),
    Case("segfault", {"unit": "segfault.service"}, down("crashed: killed by SIGSEGV", "ago, 0 restarts"), "machine"),
    Case("status-139", {"unit": "status.service"}, down("crashed: exit status 139 (SIGSEGV)", "ago"), "machine"),
    Case("ended", {"unit": "over.service"}, down("stopped: exit status 0", "ago, 0 restarts"), "machine"),
    Case("remains", {"unit": "remains.service"}, down("stopped: active (exited), without a process"), "machine"),
    Case(
        "no-program",
        {"unit": "no-program.service"},
        down("crashed: exit status 203", "0 restarts"),
        "machine",
    ),
    Case(
        "looping",
        {"unit": "looping.service"},
        {
            **down("restarting: exit status 7"),
            "process_restarts_are_few": warning("process_restarts is", "expected at most 0"),
        },
        "machine",
    ),
    Case(
        "gave-up",
        {"unit": "gave-up.service", "limits": {"process_restarts": {"warning": 0, "critical": 1}}},
        {
            **down("crashed: exit status 7", "ago, and systemd does not start it any more, 3 restarts"),
            "process_restarts_are_few": critical("process_restarts is 3, expected at most 1"),
        },
        "machine",
    ),
    Case(
        "restarted",
        {"unit": "restarted.service"},
        {"process_restarts_are_few": warning("process_restarts is 1, expected at most 0")},
        "machine",
    ),
    Case(
        "no-unit",
        {"unit": "nowhere.service"},
        {
            **down("unknown: there is no unit nowhere.service", cause="missing"),
            "process_restarts_are_few": unknown("there is no unit nowhere.service", cause="missing"),
        },
        "machine",
    ),
    Case(
        "no-unit-stopped",
        {"unit": "nowhere.service", "state": "stopped"},
        {"process_is_running": critical("there is no unit nowhere.service, expected stopped", cause="missing")},
        "machine",
    ),
)


def service(start: str, *lines: str) -> str:
    return "\n".join(
        ("[Unit]", "DefaultDependencies=no", "StartLimitIntervalSec=0", "[Service]", f"ExecStart={start}", *lines, "")
    )


ONCE = "test -e /run/once && exec sleep 1000000; touch /run/once; exit 1"
UNITS = {
    "steady.service": service("/usr/bin/busybox httpd -f -p 8388 -h /tmp"),
    "over.service": service("/bin/true"),
    "failed.service": FAILS,
    "segfault.service": service("/bin/sh -c 'kill -SEGV $$$$'"),
    "status.service": service("/bin/sh -c 'exit 139'"),
    "remains.service": service("/bin/true", "Type=oneshot", "RemainAfterExit=yes"),
    "no-program.service": service("/usr/bin/no-such-program"),
    "looping.service": service("/bin/sh -c 'exit 7'", "Restart=on-failure", "RestartSec=100ms"),
    "gave-up.service": service("/bin/sh -c 'exit 7'", "Restart=on-failure", "RestartSec=10ms").replace(
        "StartLimitIntervalSec=0", "StartLimitIntervalSec=1h\nStartLimitBurst=3"
    ),
    "restarted.service": service(f"/bin/sh -c '{ONCE}'", "Restart=on-failure", "RestartSec=10ms"),
}


def settled(units: Container) -> None:
    """Wait for the units of a machine to be in their state for good: the one that is restarted is to wait an hour."""

    def says(unit: str, words: bytes) -> bool:
        return words in units.exec_run(["systemctl", "show", unit, "-p", "NRestarts", "-p", "SubState"]).output

    wait_for(lambda: says("gave-up", b"=failed"), "giving up")
    wait_for(lambda: says("restarted", b"NRestarts=1\n"), "a restart")
    wait_for(lambda: not says("looping", b"NRestarts=0\n"), "a restart")
    later = "mkdir -p $d; printf '[Service]\\nRestartSec=1h\\n' >$d/later.conf; systemctl daemon-reload"
    units.exec_run(["sh", "-c", f"d=/run/systemd/system/looping.service.d; {later}"])
    wait_for(lambda: says("looping", b"=auto-restart"), "the wait for a restart")


def judged(folder: Path, engine: Engine, ops: Account, sudo_ops: Account) -> Ran:
    """All of them in one run."""
    programs = ops.home
    ports = {name: free_port() for name in ("port", "another_port", "nobodys_port")}
    with ExitStack() as serving:
        start = serving.enter_context
        noted: dict[str, object] = {"folder": str(programs), **ports}
        noted["good"] = start(started(programs, "good", f"--listen={ports['port']}"))
        start(started(programs, "other", f"--listen={ports['another_port']}"))
        start(started(programs, "parent", "--child"))
        for name in ("twin-a", "twin-b"):
            start(started(programs, name))
        start(started(programs, "many-files", "--files=61", before=["prlimit", "--nofile=64"]))
        start(started(programs, "some-files", "--files=52", before=["prlimit", "--nofile=64"]))
        start(started(programs, "many-threads", "--threads=20"))
        start(started(programs, "large", "--memory=64"))
        start(started(programs, "busy", "--spin"))
        noted["parent_of_zombie"] = start(started(programs, "muster-zombie", f"--zombie={programs / 'zombie.pid'}"))
        noted["paused"] = paused = start(started(programs, "paused"))
        os.kill(paused, signal.SIGSTOP)
        with started(programs, "killed") as killed:
            noted["killed"] = killed
            os.kill(killed, signal.SIGKILL)
        (programs / "reused.pid").write_text(f"{noted['good']}\n")
        os.utime(programs / "reused.pid", (time.time() - 3600,) * 2)
        (programs / "empty.pid").touch()
        (programs / "closed").mkdir(0o700)
        far = start(Sshd(user=sudo_ops.name))
        hosts: dict[str, Any] = {
            "here": {"connection": "local"},
            "by-ops": {"connection": start(Sshd(user=ops.name)).connection()},
            "by-sudo": {"connection": far.connection(sudo=True)},
        }
        units = machine(engine, "processes", UNITS)
        engine.run("plain-machine")
        for name, address in (("machine", "processes"), ("plain-machine", "plain-machine")):
            connection = {"kind": "docker", "address": address}
            hosts[name] = {"connection": connection, "docker": {"url": engine.url}}
        settled(units)
        inventory = {
            "defaults": {"limits": CALM},
            "hosts": {name: {**hosts[name], **sections} for name, sections in under("processes", CASES).items()},
        }
        settings = {"folder": programs, "login": sudo_ops.name, "sshd": far.port, **ports}
        ran = run(folder, inventory, "checks/test_processes.py", settings=settings)
        return Ran(ran.code, ran.terminal, ran.folder, noted)
