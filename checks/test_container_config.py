"""Containers: made of what was released, and with no more rights and room than was meant."""

from muster import (
    Container,
    ContainerImage,
    ContainerLogSetup,
    ContainerMounts,
    ContainerPrivileges,
    ContainerRestartPolicy,
    Measure,
    check,
    expects,
)


@check(
    severity="warning",
    remediation="docker inspect -f '{{.Config.Image}}' NAME; docker compose pull && docker compose up -d",
    runbook="containers.md#container-runs-another-image",
    applies=expects("image"),
)
def test_container_image_is_as_expected(container_image: ContainerImage, target: Container) -> None:
    """The container is made of the image that is expected.

    Another version answers than the one that was released.
    """
    wanted = target.image or "*"
    assert container_image.is_named(wanted), f"{container_image}, expected {wanted}"


@check(
    severity="warning",
    remediation="docker inspect -f '{{.Image}}' NAME; docker compose pull && docker compose up -d",
    runbook="containers.md#container-runs-another-image",
    applies=expects("digest"),
)
def test_container_digest_is_as_expected(container_image: ContainerImage, target: Container) -> None:
    """The container's image is, byte for byte, the one that is expected.

    A tag can be moved to another image, or built anew; a digest cannot.
    """
    assert target.digest in container_image.digests, f"{container_image}, expected {target.digest}"


@check(
    severity="info",
    remediation="docker compose pull && docker compose up -d",
    runbook="containers.md#container-is-old",
)
def test_container_age_is_within_limits(container_image: ContainerImage, measure: Measure) -> None:
    """The container is not older than it should be.

    What was fixed since in its image is not in it.
    """
    measure("container_age_days", container_image.age_seconds / 86_400)


@check(
    severity="warning",
    remediation="docker update --restart POLICY NAME; the same in docker-compose.yml",
    runbook="containers.md#restart-policy-is-another",
    applies=expects("restart"),
)
def test_container_restart_policy_is_as_expected(
    container_restart_policy: ContainerRestartPolicy, target: Container
) -> None:
    """The container has the restart policy that is expected.

    Else it stays down after a crash or a reboot, or comes back when it should not.
    """
    found = container_restart_policy.policy
    assert found == target.restart, f"{container_restart_policy}, expected {target.restart}"


@check(
    severity="critical",
    remediation="docker inspect -f '{{json .Mounts}}' NAME; mend `volumes` in docker-compose.yml; docker compose up",
    runbook="containers.md#mount-is-missing",
    applies=expects("mounts"),
)
def test_container_mounts_are_there(container_mounts: ContainerMounts, target: Container) -> None:
    """The container has the folders and volumes that are expected.

    What it writes elsewhere is lost when it is made anew.
    """
    lacking = container_mounts.lacks(target.mounts)
    assert not lacking, f"{container_mounts}, expected {', '.join(lacking)}"


@check(
    severity="warning",
    remediation="docker inspect -f '{{json .HostConfig}}' NAME; take the right away, or accept it under `privileges`",
    runbook="containers.md#container-has-privileges",
)
def test_container_has_no_privileges(container_privileges: ContainerPrivileges, target: Container) -> None:
    """The container has no privileges but those that are accepted.

    Whoever breaks into such a container has the host as well.
    """
    beyond = container_privileges.beyond({*target.privileges, "root"})
    accepted = ", ".join(target.privileges) or "none"
    assert not beyond, f"{', '.join(beyond)}, expected {accepted}"


@check(
    severity="info",
    remediation="give it a user: `USER` in its Dockerfile or `user:` in docker-compose.yml; or accept `root`",
    runbook="containers.md#container-runs-as-root",
)
def test_container_does_not_run_as_root(container_privileges: ContainerPrivileges, target: Container) -> None:
    """The container's program does not run as root.

    Root in a container is root of the host, but for what keeps it in.
    """
    assert "root" not in container_privileges.beyond(target.privileges), "it runs as root, expected another user"


@check(
    severity="warning",
    remediation="set max-size under `logging:` in docker-compose.yml, then docker compose up -d",
    runbook="containers.md#container-log-grows-without-end",
)
def test_container_log_is_bounded(container_log_setup: ContainerLogSetup) -> None:
    """The container's log does not grow without end.

    It fills the disk that all containers and the engine live on.
    """
    assert container_log_setup.is_bounded, f"{container_log_setup}, expected max-size to be set"
