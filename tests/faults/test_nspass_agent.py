"""The inventory of the nspass agent, over a stand-in: well, and ill in every way that its guide names."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from muster.inventory import load
from muster.targets import HttpEndpoint, Process
from tests.faults.cases import CLONE, Ran, critical, each, run, unknown, warning
from tests.faults.processes import HANGING
from tests.faults.systems import Fault, compare, over, shipped
from tests.servers.nspass import LISTENS, PROXIES, Agent

INVENTORY = shipped("nspass-agent")

VALUES, PARTS = "endpoint_values_are_within_limits", "endpoint_parts_are_well"
OF_ANSWERS = (VALUES, PARTS, "endpoint_answers_in_time", "endpoint_status_is_expected")


def down(says: str, *more: str) -> dict[str, Any]:
    """A process that is not there: critical, once; what hangs on it is unknown."""
    why = unknown(f"there is no process to look at, it is {says}", cause="missing")
    return {
        "process_is_running": critical(says, *more, "expected running"),
        **each((*HANGING, "process_listens"), why),
    }


def silent(says: str, cause: str) -> dict[str, Any]:
    """An agent that does not answer: critical, once."""
    return {
        "endpoint_answers": critical(says, "expected an answer", cause=cause),
        **each(OF_ANSWERS, unknown(says, cause=cause)),
    }


def lost(state: str, *more: str) -> dict[str, Any]:
    """What the agent tells of itself when ss-001 is in a state."""
    return {
        VALUES: critical("running is 2, expected at least 3", *more),
        PARTS: critical(f"ss-001: {state}, expected running"),
    }


CRASHED = "crashed is 1, expected at most 0"
STALE = down("crashed: ", "which is not there")
FAULTS = (
    Fault("well-development"),
    Fault("well-production"),
    Fault("well-high-availability"),
    # the proxies
    Fault("crashed-and-not-restarted", {"ss-001": STALE, "status": lost("crashed", CRASHED)}),
    Fault("stopped", {"ss-001": down("stopped: there is no "), "status": lost("stopped")}),
    Fault(
        "restarted-often",
        {"status": {VALUES: warning("total_restarts is 3, expected at most 2")}},
    ),
    Fault(
        "crash-loop",
        {"ss-001": STALE, "status": lost("crashed", CRASHED, "total_restarts is 5, expected at most 4")},
    ),
    Fault(
        "restart-fails",
        {"ss-001": STALE, "status": lost("crashed", CRASHED, "failed_restarts is 1, expected at most 0")},
    ),
    Fault(
        "restart-hangs",
        {
            "ss-001": {"process_listens": critical("does not listen, expected it to listen on")},
            "status": lost("restarting", "restarting is 1, expected at most 0"),
        },
    ),
    Fault("deaf", {"ss-002": {"process_listens": critical("does not listen, expected it to listen on")}}),
    Fault(
        "port-taken",
        {"ss-002": {"process_listens": critical("listens, but for another process, expected it to listen on")}},
    ),
    Fault("paused", {"ss-003": {"process_is_running": critical("stopped: paused by a signal", "expected running")}}),
    Fault(
        "memory-leaking",
        {"ss-002": {"process_memory_is_within_limits": warning("process_memory_bytes is", "at most 48.0 MiB")}},
    ),
    Fault(
        "files-leaking",
        {"ss-002": {"process_can_open_files": critical("process_open_files_percent is", "expected at most 95 %")}},
    ),
    Fault(
        "too-few",
        {
            "ss-003": down("stopped: there is no "),
            "status": {VALUES: critical("running is 2, expected at least 3", "enabled is 2, expected at least 3")},
        },
    ),
    Fault("stale-pid-file", {"ss-003": STALE}),
    # the watch
    Fault(
        "one-not-watched",
        {
            "status": {
                VALUES: critical("enabled is 2, expected at least 3", "running is 2"),
                PARTS: critical("ss-003: unknown, expected running"),
            }
        },
    ),
    Fault(
        "not-enabled",
        {
            "status": {
                VALUES: critical(
                    "enabled is 0, expected at least 3", "running is 0", "last_check is", "expected at most 300 s"
                ),
                PARTS: critical(*(f"{name}: unknown, expected running" for name in PROXIES)),
            }
        },
    ),
    Fault("checks-late", {"status": {VALUES: warning("last_check is", "s, expected at most 1 s")}}),
    # the agent
    Fault("agent-dead", {"agent": STALE, "status": silent("refused", "network")}),
    Fault("agent-hung", {"status": silent("timed out", "timeout")}),
    Fault(
        "agent-paused",
        {
            "agent": {"process_is_running": critical("stopped: paused by a signal", "expected running")},
            "status": silent("timed out", "timeout"),
        },
    ),
    Fault("slow", {"status": {"endpoint_answers_in_time": warning("response_seconds is ", "expected at most 1 s")}}),
)


def with_words(*words: str) -> dict[str, Any]:
    """An agent whose ss-002 is started like that."""
    return {"words": {"ss-002": words}}


#: How the agent of a fault is started; the rest is as usual.
STARTED: Mapping[str, dict[str, Any]] = {
    "crashed-and-not-restarted": {"monitor": {"max_restarts": 0}},
    "restart-fails": {"monitor": {"max_restarts": 1}},
    "restart-hangs": {"monitor": {"health_timeout": 600}},
    "deaf": with_words(),
    "port-taken": with_words(),
    "memory-leaking": with_words(LISTENS, "--memory=64"),
    "too-few": {"proxies": PROXIES[:2]},
    "one-not-watched": {"unwatched": PROXIES[2:]},
    "not-enabled": {"monitor": {"enable": False}},
    "checks-late": {"monitor": {"check_interval": 1000}},
    "agent-hung": {"answers_after": 60},
    "slow": {"answers_after": 1.2},
}

#: What is said of the host of a fault, beside where its agent is.
SAID: Mapping[str, dict[str, Any]] = {
    "well-development": {"groups": ["development"]},
    "well-high-availability": {"groups": ["high-availability"]},
    "checks-late": {"vars": {"check_late": "1s"}},
    "agent-hung": {"vars": {"health_timeout": "1s"}},
    "agent-paused": {"vars": {"health_timeout": "1s"}},
}

#: A program that ends with an error as soon as somebody has connected to it, and one that does nothing.
FLEETING = """
import socket, sys
port = int(sys.argv[-1].partition("=")[2])
socket.create_server(("127.0.0.1", port)).accept()
sys.exit(1)
"""
IDLE = "import time; time.sleep(1_000_000)"


def break_it(name: str, agent: Agent) -> None:
    """Make the fault, and wait until it shows."""
    match name:
        case "crashed-and-not-restarted":
            agent.end("ss-001")
            agent.wait_for(crashed=1)
        case "stopped":
            agent.end("ss-001", signal.SIGTERM)
            agent.wait_for(stopped=1)
        case "restarted-often":
            for time in range(1, 4):
                agent.end("ss-001")
                agent.wait_for(success_restarts=time, running=3)
        case "crash-loop":
            agent.program("ss-001", FLEETING)
            agent.end("ss-001")
            agent.wait_for(total_restarts=5, crashed=1)
        case "restart-fails":
            agent.remove("ss-001")
            agent.end("ss-001")
            agent.wait_for(failed_restarts=1, crashed=1)
        case "restart-hangs":
            agent.program("ss-001", IDLE)
            agent.end("ss-001")
            agent.wait_for(restarting=1)
        case "paused":
            agent.end("ss-003", signal.SIGSTOP)
        case "files-leaking":
            pid = agent.pid("ss-002")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(list(Path(f"/proc/{pid}/fd").iterdir())), 1024))
        case "stale-pid-file":
            ended = subprocess.Popen(["true"])
            ended.wait()
            (agent.folder / "ss-003.pid").write_text(f"{ended.pid}\n")
        case "agent-dead":
            agent.end("nspass-agent")
        case "agent-paused":
            agent.end("nspass-agent", signal.SIGSTOP)


def started(name: str, folder: Path) -> Agent:
    return Agent(folder / name, **STARTED.get(name, {}))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """All faults in one run, each with an agent and proxies of its own."""
    folder = tmp_path_factory.mktemp("nspass")
    with ExitStack() as running:
        agents = {fault.name: running.enter_context(started(fault.name, folder)) for fault in FAULTS}
        taken = socket.create_server(("127.0.0.1", agents["port-taken"].ports["ss-002"]))
        running.enter_context(taken)
        for name, agent in agents.items():
            agent.wait_until_started()
            break_it(name, agent)
        sleep(2.5)  # the last check of the agent that makes one only has to be late, by clocks in whole seconds
        hosts = {name: said(name, agent) for name, agent in agents.items()}
        checks = ("checks/test_endpoints.py", "checks/test_processes.py")
        yield run(folder, over(INVENTORY, hosts), *checks)


def said(name: str, agent: Agent) -> dict[str, Any]:
    different = SAID.get(name, {})
    return {**different, "vars": {**agent.settings, "memory": "48MiB", "settled": "0s", **different.get("vars", {})}}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_exactly_what_is_wrong_is_found(judged: Ran, fault: Fault) -> None:
    compare(judged, fault)


#: What the guide sets in its presets: check_interval, max_restarts and health_timeout.
PRESETS = {"development": (10, 20, 3), "production": (60, 5, 10), "high-availability": (15, 15, 5)}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_the_limits_that_follow_from_its_guide(tmp_path: Path, preset: str) -> None:
    interval, restarts, timeout = PRESETS[preset]
    file = tmp_path / "nspass-agent.yaml"
    text = (CLONE / "inventories/nspass-agent.yaml").read_text("utf-8")
    file.write_text(text.replace("groups: [production]", f"groups: [{preset}]"), "utf-8")
    (status,) = (target for target in load([file]).targets if isinstance(target, HttpEndpoint))
    assert status.timeout == timeout
    assert status.values["last_check"].limit.warning == 2 * interval
    assert status.values["last_check"].limit.critical == 5 * interval
    assert status.values["total_restarts"].limit.warning == restarts // 2
    assert status.values["total_restarts"].limit.critical == restarts - 1


def test_a_number_of_a_preset_is_changed_from_the_command_line() -> None:
    inventory = load([CLONE / "inventories/nspass-agent.yaml"], {"restarts_critical": "9", "run": "/var/run/nspass"})
    targets = {target.name: target for target in inventory.targets}
    status, proxy = targets["status"], targets["ss-001"]
    assert isinstance(status, HttpEndpoint)
    assert isinstance(proxy, Process)
    assert status.values["total_restarts"].limit.critical == 9
    assert proxy.pid_file == "/var/run/nspass/ss-001.pid"


def test_the_agent_writes_the_log_of_its_guide(tmp_path: Path) -> None:
    with Agent(tmp_path / "agent") as agent:
        agent.wait_until_started()
        agent.end("ss-001")
        agent.wait_for(success_restarts=1, running=3)
        lines = [json.loads(line) for line in (agent.folder / "agent.log").read_text("utf-8").splitlines()]
    told = [line["message"] for line in lines]
    assert told[0] == "组件启动"
    assert {"检测到代理进程异常退出", "代理重启成功"} <= set(told)
    changes = [
        (line["state_from"], line["state_to"])
        for line in lines
        if line.get("proxy_id") == "ss-001" and "state_to" in line
    ]
    assert changes == [
        ("unknown", "running"),
        ("running", "crashed"),
        ("crashed", "restarting"),
        ("restarting", "running"),
    ]
