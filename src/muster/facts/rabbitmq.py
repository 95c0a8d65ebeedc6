"""The queues and alarms of a RabbitMQ broker, by its management API."""

from msgspec import Struct

from muster.facts.response import Response, itself, over_api
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.targets import HttpEndpoint


class RabbitmqQueues(Struct, frozen=True):
    """How many messages and consumers each queue has, by ``vhost/queue``."""

    every: dict[str, tuple[int, int]]

    def __str__(self) -> str:
        return f"{len(self.every):,} queues with {sum(messages for messages, _ in self.every.values()):,} messages"


def queues(answer: Response) -> RabbitmqQueues:
    if new := [each["name"] for each in answer.json if "messages" not in each]:
        raise Unobserved("missing", f"no numbers of {new[0]}: it was declared just now, or its node is down")
    every = {f"{one['vhost']}/{one['name']}": (int(one["messages"]), int(one["consumers"])) for one in answer.json}
    if not every:
        raise Unobserved("permission", "no queue is shown: there is none, or the user has no right to its vhost")
    return RabbitmqQueues(every)


@need(HttpEndpoint)
def rabbitmq_queues(endpoint: HttpEndpoint) -> Probe[RabbitmqQueues]:
    """The queues of a RabbitMQ broker that the user may see."""
    return over_api(endpoint, "/api/queues?columns=vhost,name,messages,consumers", queues)


@need(HttpEndpoint)
def rabbitmq_alarms(endpoint: HttpEndpoint) -> Probe[Response]:
    """The health check of a RabbitMQ broker, which fails with 503 while an alarm is raised."""
    return over_api(endpoint, "/api/health/checks/alarms", itself)
