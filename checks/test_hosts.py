"""Hosts: they can be reached, and have room, time and rest to do their work."""

from muster import (
    Attempt,
    Clock,
    Cpu,
    DockerAnswer,
    DockerContainers,
    ExpectedUnits,
    FailedUnits,
    Filesystems,
    Host,
    Inodes,
    KernelLog,
    ListeningPorts,
    Load,
    Measure,
    Memory,
    OomKills,
    OpenFiles,
    PendingReboot,
    ReadonlyFilesystems,
    Swap,
    Uptime,
    Zombies,
    check,
    expects,
    limited,
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
    remediation="dmesg -T | tail -50 for the error; save what is on it; then smartctl -a, and fsck it unmounted",
    runbook="hosts.md#filesystem-became-read-only",
)
def test_filesystems_are_writable(readonly_filesystems: ReadonlyFilesystems) -> None:
    """No filesystem became read-only.

    The kernel takes back the right to write when it finds an error on a disk; all that writes there fails.
    """
    assert not readonly_filesystems, f"{readonly_filesystems}, expected read and write"


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
    remediation="dmesg -T | grep -i 'killed process' for what and when; give it a limit or the host more memory",
    runbook="hosts.md#processes-were-killed-for-memory",
)
def test_nothing_was_killed_for_memory(oom_kills: OomKills, measure: Measure) -> None:
    """The kernel killed no process for want of memory.

    What was killed lost its work, and what killed it will come again.
    """
    measure("oom_kills", oom_kills.count)


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
    remediation="top -b -n 1 | head -20 for what computes; renice, limit or move it, or give the host more cores",
    runbook="hosts.md#processors-are-used-up",
    applies=limited("cpu_used_percent"),
)
def test_processors_have_time_left(cpu: Cpu, measure: Measure) -> None:
    """The processors have time left.

    When they have none, every answer waits for its turn.
    """
    measure("cpu_used_percent", cpu.used_percent)
    measure("cpu_iowait_percent", cpu.iowait_percent)


@check(
    severity="warning",
    remediation="vmstat 1 5 (st); ask the provider, move the machine, or take a size whose processors are its own",
    runbook="hosts.md#processor-time-is-stolen",
    applies=limited("cpu_steal_percent"),
)
def test_processor_time_is_not_stolen(cpu: Cpu, measure: Measure) -> None:
    """The hypervisor gives the host the processors that it asks for.

    What it gives to other machines is lost to this one, and nothing on it can be made faster.
    """
    measure("cpu_steal_percent", cpu.steal_percent)


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
    severity="warning",
    remediation="cat /run/reboot-required.pkgs for what wants it; plan it, then systemctl reboot",
    runbook="hosts.md#reboot-is-pending",
)
def test_no_reboot_is_pending(pending_reboot: PendingReboot) -> None:
    """The host does not wait for a reboot.

    What was mended in the kernel or in its libraries is not mended before.
    """
    assert not pending_reboot.pending, f"{pending_reboot}, expected nothing that waits for a reboot"


@check(
    severity="warning",
    remediation="journalctl -k -p err -e, or dmesg -T; the runbook says what the usual ones mean",
    runbook="hosts.md#kernel-logs-errors",
    applies=expects("kernel_log"),
)
def test_kernel_logs_no_errors(kernel_log: KernelLog, measure: Measure) -> None:
    """The kernel logs no errors.

    A disk, a memory module or a filesystem announces its end here first.
    """
    measure("kernel_errors", len(kernel_log), seen=str(kernel_log))


@check(
    severity="critical",
    remediation="for p in /proc/[0-9]*; do echo $(ls $p/fd | wc -l) $p; done | sort -n | tail; restart what leaks",
    runbook="hosts.md#open-files-run-out",
)
def test_files_can_be_opened(open_files: OpenFiles, measure: Measure) -> None:
    """Programs can still open files.

    When no more can be opened no connection is taken and no program started, on the whole host.
    """
    measure("open_files_percent", open_files.used_percent)


@check(
    severity="warning",
    remediation="ps -eo state,ppid,pid,comm | grep ^Z; restart the parents: they do not wait for what they started",
    runbook="hosts.md#zombies-pile-up",
)
def test_zombies_are_few(zombies: Zombies, measure: Measure) -> None:
    """Few processes are zombies.

    Each has ended, was not waited for, and keeps a process id; when none is left nothing can be started.
    """
    measure("zombie_processes", len(zombies), seen=str(zombies))


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
