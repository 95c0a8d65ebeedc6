"""RabbitMQ: somebody takes what is in its queues, and no alarm stops those who fill them."""

from muster import Measure, RabbitmqQueues, Response, check, serves

BROKER = serves("rabbitmq")


@check(severity="critical", remediation="rabbitmqctl list_consumers", runbook="rabbitmq.md#queues", applies=BROKER)
def test_rabbitmq_queues_are_emptied(rabbitmq_queues: RabbitmqQueues, measure: Measure) -> None:
    """RabbitMQ's queues are short, and those with messages have a consumer."""
    for name, (messages, _) in rabbitmq_queues.every.items():
        measure("rabbitmq_queue_messages", messages, of=name)
    left = [name for name, (messages, consumers) in rabbitmq_queues.every.items() if messages and not consumers]
    assert not left, f"{', '.join(left)} with messages and without a consumer, expected one"


@check(severity="critical", remediation="rabbitmqctl status", runbook="rabbitmq.md#alarms", applies=BROKER)
def test_rabbitmq_has_no_alarm(rabbitmq_alarms: Response) -> None:
    """RabbitMQ has no alarm of memory or disk, which would keep everybody from publishing."""
    assert not rabbitmq_alarms.json_difference({"status": "ok"}), f"{rabbitmq_alarms.outcome}, expected no alarm"
