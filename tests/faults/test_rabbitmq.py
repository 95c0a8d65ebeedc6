"""RabbitMQ: from a real broker, exactly the verdicts that it deserves."""

from __future__ import annotations

import pytest

from tests.faults.cases import Case, Ran, by_name
from tests.faults.rabbitmq import CASES, OUT_OF_MEMORY, alarmed
from tests.servers.rabbitmq import PASSWORD

pytestmark = pytest.mark.needs("rabbitmq")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_broker_gets_the_verdicts_that_it_deserves(rabbitmq_run: Ran, case: Case) -> None:
    rabbitmq_run.compare(case)


def test_a_broker_without_memory_is_critical(rabbitmq_run: Ran) -> None:
    alarmed(rabbitmq_run).compare(OUT_OF_MEMORY)


def test_the_password_is_in_no_message(rabbitmq_run: Ran) -> None:
    assert PASSWORD not in (rabbitmq_run.folder / "results.jsonl").read_text("utf-8")
