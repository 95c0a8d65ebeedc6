"""RabbitMQ: a broker with a vhost for each case, and once it has run out of memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.faults.cases import CALM, Case, Ran, critical, run, under, unknown, warning
from tests.servers.http import HttpServer
from tests.servers.processes import refusing_port
from tests.servers.rabbitmq import PASSWORD, RabbitMq

QUEUES, ALARM = "rabbitmq_queues_are_emptied", "rabbitmq_has_no_alarm"


def broker(user: str, **more: object) -> dict[str, object]:
    return {
        "url": "http://127.0.0.1:${broker}",
        "serves": "rabbitmq",
        "auth": {"user": user, "password": "${env:RABBITMQ_PASSWORD}"},
        **more,
    }


def both(says: str, cause: str) -> dict[str, object]:
    return dict.fromkeys((QUEUES, ALARM), unknown(says, cause=cause))


CASES = (
    Case("read", broker("read")),
    Case(
        "unread",
        broker("unread"),
        {QUEUES: critical("unread/tasks with messages and without a consumer, expected one")},
    ),
    Case(
        "long",
        broker("read", limits={"rabbitmq_queue_messages": {"warning": 1}}),
        {QUEUES: warning("rabbitmq_queue_messages of read/tasks is 2, expected at most 1")},
    ),
    Case("without-queues", broker("bare"), {QUEUES: unknown("no queue is shown", cause="permission")}),
    Case("wrong-password", broker("nobody"), both("401 Unauthorized", "permission")),
    Case("without-the-tag", broker("stranger"), both("401 Unauthorized", "permission")),
    Case("without-management", broker("read", url="http://127.0.0.1:${web}"), both("404 Not Found", "missing")),
    Case(
        "down",
        broker("read", url="http://127.0.0.1:${refusing}"),
        {
            "endpoint_answers": critical("refused", cause="network"),
            **dict.fromkeys(
                (QUEUES, ALARM, "endpoint_status_is_expected", "endpoint_answers_in_time"),
                unknown("refused", cause="network"),
            ),
        },
    ),
)
OUT_OF_MEMORY = Case(
    "out-of-memory",
    broker("read"),
    {ALARM: critical("503 Service Unavailable", '"resource":"memory"', "expected no alarm")},
)


def judged(folder: Path) -> Ran:
    """All cases in one run, and then that of the alarm in another, which is noted as ``alarm``."""
    with ExitStack() as serving:
        rabbit = serving.enter_context(RabbitMq({"read": ["tasks", "idle"], "unread": ["tasks"], "bare": []}))
        settings = {
            "broker": rabbit.port,
            "web": serving.enter_context(HttpServer(paths={"/": lambda talk: talk.answer(b"{}")})).port,
            "refusing": serving.enter_context(refusing_port()),
        }
        rabbit.publish("read", "tasks", 2)
        rabbit.publish("unread", "tasks", 2)
        serving.enter_context(rabbit.consumer("read", "tasks"))
        ran = _run(folder, CASES, settings)
        rabbit.run_out_of_memory()
        (folder / "alarm").mkdir()
        alarm = _run(folder / "alarm", [OUT_OF_MEMORY], {"broker": rabbit.port})
    return Ran(ran.code, ran.terminal, ran.folder, {"alarm": [alarm.code, alarm.terminal, str(alarm.folder)]})


def alarmed(ran: Ran) -> Ran:
    """The run in which the broker had run out of memory."""
    code, terminal, folder = ran.noted["alarm"]
    return Ran(code, terminal, Path(folder))


def _run(folder: Path, cases: Sequence[Case], settings: Mapping[str, object]) -> Ran:
    targets = under("endpoints", cases)[""]
    inventory = {"defaults": {"limits": CALM}, **targets}
    return run(folder, inventory, settings=settings, environment={"RABBITMQ_PASSWORD": PASSWORD})
