"""The checks on RabbitMQ, called with facts made by hand; and that they are as short as README says."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks import test_rabbitmq as checks
from muster import HttpEndpoint, Measure, RabbitmqQueues, Response, serves
from muster.declaration import read_case
from muster.need import Catalogue

CLONE = Path(__file__).parents[2]


def test_queues_are_measured_one_by_one() -> None:
    measure = Measure()
    checks.test_rabbitmq_queues_are_emptied(RabbitmqQueues({"shop/mail": (1001, 1), "shop/orders": (0, 0)}), measure)
    assert [(each.of, each.value, each.breach) for each in measure.taken] == [
        ("shop/mail", 1001, "warning"),
        ("shop/orders", 0, None),
    ]


def test_messages_that_nobody_takes_are_named_by_their_queue() -> None:
    found = RabbitmqQueues({"shop/mail": (1, 0), "shop/orders": (2, 0), "shop/idle": (0, 0), "shop/read": (9, 1)})
    measure = Measure()
    with pytest.raises(AssertionError, match=r"^shop/mail, shop/orders with messages and without a consumer"):
        checks.test_rabbitmq_queues_are_emptied(found, measure)
    assert len(measure.taken) == 4


def test_a_broker_with_an_alarm_and_one_without() -> None:
    checks.test_rabbitmq_has_no_alarm(Response("http://h/", 200, body=b'{"status":"ok"}'))
    alarm = b'{"alarms":[{"node":"rabbit@a","resource":"disk"}],"status":"failed"}'
    with pytest.raises(AssertionError, match=r'503 Service Unavailable: .*"resource":"disk".*, expected no alarm'):
        checks.test_rabbitmq_has_no_alarm(Response("http://h/", 503, body=alarm))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'"ok"', b'{"status":"healthy"}', b'{"status":"failed"}'])
def test_what_answers_well_without_a_word_about_alarms_is_not_without_them(body: bytes) -> None:
    with pytest.raises(AssertionError, match=r"200 OK: .*, expected no alarm"):
        checks.test_rabbitmq_has_no_alarm(Response("http://h/", 200, body=body))


def test_they_are_about_endpoints_that_serve_rabbitmq() -> None:
    found = [read_case(each, Catalogue()) for name, each in vars(checks).items() if name.startswith("test_")]
    assert [case.of for case in found] == [HttpEndpoint, HttpEndpoint]
    applies = serves("rabbitmq")
    assert applies(HttpEndpoint(name="x", url="http://h/", serves="rabbitmq"))
    assert not applies(HttpEndpoint(name="x", url="http://h/", serves="kafka"))
    assert not applies(HttpEndpoint(name="x", url="http://h/"))


def test_a_kind_is_easy_to_add() -> None:
    files = (CLONE / "src/muster/facts/rabbitmq.py", CLONE / "checks/test_rabbitmq.py")
    assert sum(len(file.read_text("utf-8").splitlines()) for file in files) < 60
