"""RabbitMQ: what its management API answers, recorded from release 3.10, and what is none of its answers."""

from __future__ import annotations

import pytest

from muster.facts import rabbitmq
from muster.probes import Attempt, Unobserved
from muster.questions.http import Answered, Exchange, HttpRequest
from muster.targets import HttpEndpoint
from tests.facts.recordings import RECORDED

BROKER = HttpEndpoint(
    name="broker",
    url="http://127.0.0.1:15672/",
    serves="rabbitmq",
    headers=(("Authorization", "Basic xyz"),),
    method="POST",
    body="{}",
    timeout=3,
)


def answered(which: str | bytes, status: int = 200, **more: object) -> Exchange:
    body = which if isinstance(which, bytes) else (RECORDED / "rabbitmq" / f"{which}-3.10.json").read_bytes()
    found = Answered("http://h/", status, (("content-type", "application/json"),), body, False, 0.1)
    return Exchange(Attempt("connected"), found)


def queues(exchange: Exchange) -> rabbitmq.RabbitmqQueues:
    return rabbitmq.rabbitmq_queues.probe(BROKER).parse(exchange)


def test_queues_have_messages_and_consumers() -> None:
    found = queues(answered("queues"))
    assert found.every == {"shop/mail": (0, 0), "shop/orders": (3, 0)}
    assert str(found) == "2 queues with 3 messages"


def test_alarms_are_the_answer_itself() -> None:
    parse = rabbitmq.rabbitmq_alarms.probe(BROKER).parse
    assert parse(answered("healthy")).status == 200
    assert '"resource":"memory"' in parse(answered("alarm", 503)).outcome


def test_the_api_is_asked_with_what_authenticates_and_changes_nothing() -> None:
    for need, path in (
        (rabbitmq.rabbitmq_queues, "/api/queues?columns=vhost,name,messages,consumers"),
        (rabbitmq.rabbitmq_alarms, "/api/health/checks/alarms"),
    ):
        question = need.probe(BROKER).question
        assert isinstance(question, HttpRequest)
        assert (question.url, question.method, question.body) == (f"http://127.0.0.1:15672{path}", "GET", None)
        assert (question.headers, question.timeout, question.max_redirects) == (BROKER.headers, 3, 0)


@pytest.mark.parametrize(
    ("exchange", "cause", "says"),
    [
        (answered("stranger", 401), "permission", "401 Unauthorized: .*Not management user.*may ask /api/queues$"),
        (answered(b"{}", 403), "permission", "403 Forbidden"),
        (answered(b"{}", 404), "missing", "404 Not Found: .*expected the JSON of /api/queues"),
        (answered(b"<h1>It works!</h1>"), "missing", "200 OK: <h1>It works!</h1>, expected the JSON"),
        (answered(b"<h1>down</h1>", 503), "missing", "503 Service Unavailable"),
        (answered(b'[{"vhost": "/", "name"'), "missing", "expected the JSON"),
        (answered(b"[]"), "permission", "no queue is shown"),
        (answered("declared-just-now"), "missing", "no numbers of tasks: it was declared just now"),
        (Exchange(Attempt("refused", "network", "h:15672")), "network", "refused: h:15672"),
    ],
)
def test_what_is_no_answer_about_queues_says_why(exchange: Exchange, cause: str, says: str) -> None:
    with pytest.raises(Unobserved, match=says) as raised:
        queues(exchange)
    assert raised.value.cause == cause


@pytest.mark.parametrize("messages", [b'"x"', b"null", b"[]", b"{}"])
def test_a_queue_whose_messages_are_no_number_gives_no_fact(messages: bytes) -> None:
    with pytest.raises((TypeError, ValueError)):
        queues(answered(b'[{"vhost": "/", "name": "a", "consumers": 1, "messages": %s}]' % messages))


@pytest.mark.parametrize("body", [b'{"ok": true}', b"null", b"7", b'["x"]', b'[{"messages": 1}]'])
def test_json_of_something_else_gives_no_fact(body: bytes) -> None:
    with pytest.raises((TypeError, KeyError)):
        queues(answered(body))
