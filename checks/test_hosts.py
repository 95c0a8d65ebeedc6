"""Hosts: they can be reached, and have room, time and rest to do their work."""

from muster import (
    Attempt,
    Clock,
    DockerAnswer,
    DockerContainers,
    ExpectedUnits,
    FailedUnits,
    Filesystems,
    Host,
    Inodes,
    ListeningPorts,
    Load,
    Measure,
    Memory,
    Swap,
    Uptime,
    check,
    expects,
)


@check(
    severity="critical",
    remediation="Log in by hand (ssh -v HOST true); at its console, look at network and sshd",
    runbook="hosts.md#host-is-not-reachable",
)
def test_host_is_reachable(login: Attempt) -> None:
    """The host can be logged in to.

    Nothing else on it can be looked at while it cannot.
    """
    assert login.connected, f"{login}, expected to log in"


@check(
    severity="critical",
    remediation="df -h, then du -xm -d 2 MOUNT | sort -n | tail (in MiB); remove or move what is not needed",
    runbook="hosts.md#filesystem-is-full",
)
def test_filesystems_have_space(filesystems: Filesystems, measure: Measure) -> None:
    """Every filesystem has space left.

    Databases stop, logs are lost and deploys break on the first write that finds none.
    """
    for filesystem in filesystems:  # at least one, else the fact is not observed
        measure("filesystem_used_percent", filesystem.used_percent, of=filesystem.mount)


@check(
    severity="critical",
    remediation="du --inodes -x MOUNT | sort -n | tail; remove the many small files",
    runbook="hosts.md#inodes-are-used-up",
)
def test_filesystems_have_inodes(inodes: Inodes, measure: Measure) -> None:
    """Every filesystem has inodes left.

    No file can be made without one, however much space there is.
    """
    for table in inodes:  # at least one, else the fact does not apply
        measure("inodes_used_percent", table.used_percent, of=table.mount)


@check(
    severity="critical",
    remediation="ps -eo rss,pid,user,comm --sort=-rss | head; restart or limit what grows",
    runbook="hosts.md#memory-is-short",
)
def test_memory_is_available(memory: Memory, measure: Measure) -> None:
    """Programs can still get memory.

    When none is left the kernel kills the process that it likes least, often the database.
    """
    measure("memory_used_percent", memory.used_percent)


@check(
    severity="warning",
    remediation="vmstat 1 5 (si and so above 0: it swaps now); find what grew with ps -eo rss,pid,comm --sort=-rss",
    runbook="hosts.md#swap-is-filling",
)
def test_swap_is_not_full(swap: Swap, measure: Measure) -> None:
    """Swap has room left.

    Full swap is the last warning before processes are killed, and swapping slows everything down.
    """
    measure("swap_used_percent", swap.used_percent)


@check(
    severity="warning",
    remediation="top -b -n 1 | head -20 for what computes; ps -eo state,pid,comm | grep ^D for what waits for a disk",
    runbook="hosts.md#load-is-high",
)
def test_load_is_bearable(load: Load, measure: Measure) -> None:
    """The processors keep up with the work.

    Work that waits for its turn makes every answer late.
    """
    measure("load_per_core", load.per_core)


@check(
    severity="critical",
    remediation="timedatectl; chronyc tracking or systemctl status systemd-timesyncd; let it set the clock",
    runbook="hosts.md#clock-is-off",
)
def test_clock_is_right(clock: Clock, measure: Measure) -> None:
    """The host's clock agrees with ours.

    Tokens, certificates, one-time passwords and every comparison of logs depend on it.
    """
    measure("clock_offset_seconds", clock.least_offset_seconds)


@check(
    severity="info",
    remediation="last -x reboot | head; journalctl -b -1 -e for how it ended",
    runbook="hosts.md#host-just-started",
)
def test_host_has_been_up(uptime: Uptime, measure: Measure) -> None:
    """The host has not just started.

    A start that nobody planned is the only trace of a crash, and what should start by itself may not have.
    """
    measure("uptime_seconds", uptime.seconds)


@check(
    severity="info",
    remediation="ss -tulpn (as root it names the programs); stop what has no business there",
    runbook="hosts.md#many-ports-listen",
)
def test_listening_ports_are_few(listening_ports: ListeningPorts, measure: Measure) -> None:
    """No more ports listen than a host with a purpose has.

    Each is a way in; a sudden crowd of them is a leak or a guest.
    """
    measure("listening_ports", len(listening_ports))


@check(
    severity="critical",
    remediation="ss -tlnp | grep PORT; start the service, or mend the address that it listens on",
    runbook="hosts.md#port-does-not-listen",
    applies=expects("listening"),
)
def test_expected_ports_are_listening(target: Host, listening_ports: ListeningPorts) -> None:
    """Every port that should listen does, at its address.

    Whoever connects to it is refused while it does not.
    """
    missing = listening_ports.missing(target.listening)
    assert not missing, f"{'; '.join(missing)}, expected {', '.join(target.listening)} to listen"


@check(
    severity="warning",
    remediation="systemctl status UNIT; journalctl -u UNIT -e; systemctl restart UNIT, or reset-failed if it is over",
    runbook="hosts.md#units-have-failed",
)
def test_no_unit_has_failed(failed_units: FailedUnits) -> None:
    """No systemd unit has failed.

    A failed unit is work that is not being done: a backup, a mount, a renewal.
    """
    assert not failed_units.names, f"{failed_units}, expected none"


@check(
    severity="critical",
    remediation="systemctl status UNIT; journalctl -u UNIT -e; systemctl enable --now UNIT",
    runbook="hosts.md#unit-is-not-active",
    applies=expects("units"),
)
def test_expected_units_are_active(expected_units: ExpectedUnits) -> None:
    """Every systemd unit that should be active is.

    What it does is not being done while it is not.
    """
    inactive = expected_units.inactive
    assert not inactive, f"{', '.join(inactive)}, expected active"


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
