"""Docker engines: the engine answers, and no container of the host is in trouble."""

from muster import DockerAnswer, DockerContainers, check


@check(
    severity="critical",
    remediation="systemctl status docker; journalctl -u docker -e; systemctl restart docker",
    runbook="hosts.md#docker-engine-does-not-answer",
)
def test_docker_engine_answers(docker_engine: DockerAnswer) -> None:
    """The Docker engine answers.

    Nothing can be learnt of the containers, and none can be started or stopped, while it does not.
    """
    assert docker_engine.attempt.connected, f"{docker_engine}, expected an answer to GET /version"


@check(
    severity="warning",
    remediation="docker ps -a; docker logs --tail 200 NAME; mend it, or remove what is over: docker rm NAME",
    runbook="hosts.md#containers-are-in-trouble",
)
def test_docker_containers_are_well(docker_containers: DockerContainers) -> None:
    """No container of the host is unhealthy, restarting, dead, or exited with an error.

    Also those that nobody declared: a job that failed, a service that was forgotten.
    """
    troubled = docker_containers.troubled
    assert not troubled, f"{', '.join(troubled[:5])}{' and more' if troubled[5:] else ''}, expected none in trouble"
