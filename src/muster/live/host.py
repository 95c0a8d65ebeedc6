"""``host``: a testinfra `Host` whose commands go over a host's pooled connection."""

from __future__ import annotations

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from muster.live.access import Access


class PooledBackend(BaseBackend):  # type: ignore[misc]
    """Runs each command of testinfra on a channel of its own of the host's one connection.

    Exit status, standard output and standard error are exact. What takes longer than the host's timeout (a
    minute at least), prints more than 6 MiB or loses the connection raises `Unobserved`.
    """

    NAME = "muster"

    def __init__(self, access: Access) -> None:
        super().__init__(access.host.name)
        self._access = access

    def __repr__(self) -> str:
        """Short: it stands in the message of each assertion about a command."""
        return f"<{self._access.host.name or 'this machine'} ({self.get_connection_type()})>"

    def get_connection_type(self) -> str:
        """``local``, ``ssh`` or ``docker``, as the inventory says."""
        return self._access.host.connection.kind

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """As testinfra, but where sudo wants a password it fails at once."""
        user = self.quote("-u %s ", sudo_user) if sudo_user else ""
        return f"sudo -n {user}" + str(self.quote("/bin/sh -c %s", command))

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command. Testinfra's ``encoding`` has no meaning here: what comes back is bytes."""
        text = str(self.get_command(command, *args))
        output = self._access.command(text)
        return self.result(output.status, text.encode(), output.stdout, output.stderr)


def pooled_host(access: Access) -> TestinfraHost:
    """The host as testinfra knows one.

    Raises:
        Unobserved: it cannot be reached.
    """
    access.reach()
    backend = PooledBackend(access)
    host = TestinfraHost(backend)
    backend.set_host(host)
    return host
