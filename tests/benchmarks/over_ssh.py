"""SSH: 20 commands on each of 10 hosts, beside the same commands through testinfra's default backend for SSH."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, Bar, Contender, Contest
from tests.servers.sshd import Sshd

HOSTS = 10

COMMANDS = (
    *("cat /proc/meminfo", "cat /proc/loadavg", "cat /proc/uptime", "cat /proc/mounts", "cat /proc/cpuinfo"),
    *("df -P -k", "df -P -i", "uname -a", "id", "hostname", "date +%s", "cat /etc/os-release", "cat /etc/passwd"),
    *("ls -l /etc/ssh", "stat /etc/shadow", "test -d /var/log && echo there", "cat /proc/net/tcp", "cat /proc/stat"),
    *("cat /etc/resolv.conf", "getconf _NPROCESSORS_ONLN"),
)

CHECK = '''

output_{number} = fact.command({command!r})


@check(severity="critical", remediation="look at it by hand")
def test_command_{number}(output_{number}: CommandOutput) -> None:
    """The command number {number} ends well."""
    assert output_{number}.status == 0, f"{{output_{number}}}, expected exit status 0"
'''

TESTINFRA = f"""\
import sys
import testinfra

COMMANDS = {COMMANDS!r}
for name in sys.argv[1:]:
    host = testinfra.get_host(f"ssh://{{name}}", ssh_config="ssh_config")
    for command in COMMANDS:
        done = host.run(command)
        assert done.rc == 0, f"{{name}}: {{command}}: {{done}}"
"""


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        hosts = {f"host-{number:02}": running.enter_context(Sshd()) for number in range(1, HOSTS + 1)}
        inventory = {"hosts": {name: {"connection": host.connection()} for name, host in hosts.items()}}
        (folder / "inventory.yaml").write_text(json.dumps(inventory))
        (folder / "ssh_config").write_text("".join(_configured(name, host) for name, host in hosts.items()))
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "through_testinfra.py").write_text(TESTINFRA)
        checks = "".join(CHECK.format(number=at, command=command) for at, command in enumerate(COMMANDS))
        (folder / "test_commands.py").write_text(f"from muster import CommandOutput, check, fact\n{checks}")
        testinfra = (sys.executable, "through_testinfra.py")
        of_one_host = (*testinfra, next(iter(hosts)))
        yield Contest(
            [
                Contender("muster", (*PYTEST, "--inventory", "inventory.yaml"), folder),
                Contender("testinfra", (*testinfra, *hosts), folder, rounds=2, warm_up=of_one_host),
            ],
            [Bar("muster", "testinfra", at_least=50), Bar("muster", "testinfra", "cpu")],
        )


def _configured(name: str, host: Sshd) -> str:
    return (
        f"Host {name}\n HostName {host.address}\n Port {host.port}\n User {host.user}\n"
        f" IdentityFile {host.key_file}\n IdentitiesOnly yes\n UserKnownHostsFile {host.known_hosts}\n"
    )
