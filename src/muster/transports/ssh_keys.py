"""What all SSH connections share: key files, known hosts and ``~/.ssh/config``, each read once."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncssh

from muster.probes import Attempt, Cause
from muster.transports.link import NotReached

GLOBAL_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")


class Config:
    """``~/.ssh/config``, read once for the words in it; what they mean for a host is asyncssh's to find out."""

    def __init__(self) -> None:
        try:
            self._text: str | None = Path("~/.ssh/config").expanduser().read_text(errors="replace").lower()
        except OSError:
            self._text = None

    @property
    def is_there(self) -> bool:
        return self._text is not None

    def says(self, *words: str) -> bool:
        """Whether one of the words, or what it includes, may stand in it."""
        return self._text is not None and any(each in self._text for each in (*words, "include"))


class Keys:
    """What all connections share: key files and known hosts, each read once. ``config`` is the user's."""

    def __init__(self) -> None:
        self._pairs: dict[str, Any] = {}
        self._known: dict[str, asyncssh.SSHKnownHosts] = {}
        self.config = Config()

    def client(self, key_file: str | None) -> dict[str, Any]:
        """The options that say which keys to offer.

        Raises:
            NotReached: the key file cannot be read.
        """
        if key_file is None:
            return {} if self.config.is_there else {"client_keys": self._default}
        if key_file not in self._pairs:
            path = Path(key_file).expanduser()
            try:
                self._pairs[key_file] = {"client_keys": asyncssh.load_keypairs(str(path)), "agent_path": None}
            except OSError as error:
                if isinstance(error, FileNotFoundError):
                    raise _denied("missing", f"{key_file} is not there") from None
                raise _denied("permission", f"{key_file}: {error.strerror}") from None
            except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError, ValueError) as error:
                locked = isinstance(error, asyncssh.KeyEncryptionError) or "assphrase" in str(error)
                if not locked:
                    raise _denied("unreadable", f"{key_file}: {error}") from None
                self._pairs[key_file] = _from_agent(key_file, path)
        options: dict[str, Any] = self._pairs[key_file]
        return options

    def known_hosts(self, file: str | None) -> dict[str, Any]:
        """The option that says which host keys are trusted.

        Raises:
            NotReached: the known_hosts file that the inventory names cannot be read.
        """
        if file is None:
            return {} if self.config.says("knownhostsfile") else {"known_hosts": self._users_known_hosts}
        if file not in self._known:
            try:
                self._known[file] = asyncssh.read_known_hosts(str(Path(file).expanduser()))
            except (OSError, ValueError) as error:
                reason = (error.strerror if isinstance(error, OSError) else None) or error
                attempt = Attempt("host key not trusted", "permission", f"known_hosts {file}: {reason}")
                raise NotReached(attempt, f"ssh: {attempt}") from None
        return {"known_hosts": self._known[file]}

    @cached_property
    def _default(self) -> list[asyncssh.SSHKeyPair]:
        """The keys that ``ssh`` offers where nobody says which."""
        return list(asyncssh.SSHClientConnectionOptions(config=None).client_keys or ())

    def global_known_hosts(self) -> dict[str, Any]:
        """The option that trusts the host keys that all users of this machine trust, and no others."""
        return {"known_hosts": self._everybodys_known_hosts}

    @cached_property
    def _users_known_hosts(self) -> asyncssh.SSHKnownHosts:
        return _read(Path("~/.ssh/known_hosts").expanduser(), GLOBAL_KNOWN_HOSTS)

    @cached_property
    def _everybodys_known_hosts(self) -> asyncssh.SSHKnownHosts:
        return _read(GLOBAL_KNOWN_HOSTS)


def _read(*files: Path) -> asyncssh.SSHKnownHosts:
    return asyncssh.read_known_hosts([str(path) for path in files if path.is_file()])


def _from_agent(key_file: str, locked: Path) -> dict[str, Any]:
    """The options that take a key from the agent, and only that one where its public half says which it is."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        raise _denied("permission", f"{key_file} has a passphrase: unlock it with ssh-agent and ssh-add")
    public = locked.with_name(locked.name + ".pub")
    return {"agent_identities": [str(public)]} if public.is_file() else {}


def _denied(cause: Cause, what: str) -> NotReached:
    attempt = Attempt("denied", cause, f"key_file {what}")
    return NotReached(attempt, f"ssh: {attempt}")
