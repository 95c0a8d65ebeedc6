"""SSH: 20 commands on each of 50 hosts, beside the same commands as tests through testinfra's backend for SSH.

Testinfra runs as people run it, by ``pytest --hosts=ssh://…``: as it comes, with a ``ControlPath`` (it asks for
``ControlMaster`` itself, which without a path does nothing), and with eight workers of xdist. Plugins that are not
needed are left out, of both; Muster runs once more with all of them, which adds the HTML report. Each master ends
after the run that started it, so that no run finds a host logged in to.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, Bar, Contender, Contest, ContestError, versions
from tests.needs import unmet
from tests.servers.sshd import Sshd

HOSTS = 50

COMMANDS = (
    *("cat /proc/meminfo", "cat /proc/loadavg", "cat /proc/uptime", "cat /proc/mounts", "cat /proc/cpuinfo"),
    *("df -P -k", "df -P -i", "uname -a", "id", "hostname", "date +%s", "cat /etc/os-release", "cat /etc/passwd"),
    *("ls -l /etc/ssh", "stat /etc/shadow", "test -d /var/log && echo there", "cat /proc/vmstat", "cat /proc/stat"),
    *("cat /etc/resolv.conf", "getconf _NPROCESSORS_ONLN"),
)

CHECK = '''

output_{number} = fact.command({command!r})


@check(severity="critical", remediation="look at it by hand")
def test_command_{number}(output_{number}: CommandOutput) -> None:
    """The command number {number} ends well."""
    assert output_{number}.status == 0, f"{{output_{number}}}, expected exit status 0"
'''

TEST = """

def test_command_{number}(host):
    done = host.run({command!r})
    assert done.rc == 0, done
"""

#: Ends the masters, each by the host's own name.
ENDS_MASTERS = 'for host; do ssh -F ssh_config_shared -O exit "$host"; done'


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    if reason := unmet("sshd"):
        raise ContestError(f"{reason}: make provision")
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        servers = {f"host-{number:02}": running.enter_context(Sshd()) for number in range(1, HOSTS + 1)}
        inventory = {"hosts": {name: {"connection": host.connection()} for name, host in servers.items()}}
        ours, theirs = folder / "ours", folder / "theirs"
        checks = f"from muster import CommandOutput, check, fact\n{_each(CHECK)}"
        for each, tests in ((ours, checks), (theirs, _each(TEST))):
            each.mkdir()
            (each / "pytest.ini").write_text("[pytest]\n")
            (each / "test_commands.py").write_text(tests)
        (ours / "inventory.yaml").write_text(json.dumps(inventory))
        configured = "".join(_configured(name, host) for name, host in servers.items())
        (theirs / "ssh_config").write_text(configured)
        (theirs / "ssh_config_shared").write_text(f"{configured}Host *\n ControlPath {folder}/%n\n")
        ends_masters = ("sh", "-c", ENDS_MASTERS, "sh", *servers)
        running.callback(subprocess.run, ends_masters, cwd=theirs, stderr=subprocess.DEVNULL, check=False)

        def testinfra(name: str, *words: str, config: str = "ssh_config", rounds: int = 1) -> Contender:
            hosts = [f"ssh://{each}" for each in servers]
            command = (*PYTEST, "-p", "testinfra.plugin", *words, f"--ssh-config={config}")
            return Contender(
                name,
                (*command, f"--hosts={','.join(hosts)}"),
                theirs,
                {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                rounds=rounds,
                warm_up=(*command, f"--hosts={hosts[0]}"),
                after=ends_masters,
            )

        yield Contest(
            [
                Contender(
                    "muster",
                    (*PYTEST, "-p", "muster.plugin", "--inventory", "inventory.yaml"),
                    ours,
                    {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                ),
                Contender("muster with all plugins", (*PYTEST, "--inventory", "inventory.yaml"), ours),
                testinfra("testinfra"),
                testinfra("testinfra with ControlPath", config="ssh_config_shared", rounds=2),
                testinfra("testinfra with -n 8", "-p", "xdist.plugin", "-n", "8"),
            ],
            [
                Bar("muster", "testinfra", at_least=100),
                Bar("muster", "testinfra with ControlPath", at_least=8),
                Bar("muster", "testinfra with -n 8", at_least=30),
                Bar("muster", "testinfra", "cpu"),
                Bar("muster with all plugins", "testinfra with -n 8"),
            ],
            servers=[host.pid for host in servers.values()],
            on=[*versions("asyncssh", "pytest-testinfra", "pytest-xdist"), _openssh()],
        )


def _each(form: str) -> str:
    return "".join(form.format(number=number, command=command) for number, command in enumerate(COMMANDS))


def _configured(name: str, host: Sshd) -> str:
    return (
        f"Host {name}\n HostName {host.address}\n Port {host.port}\n User {host.user}\n"
        f" IdentityFile {host.key_file}\n IdentitiesOnly yes\n UserKnownHostsFile {host.known_hosts}\n"
    )


def _openssh() -> str:
    return subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.partition(",")[0]
