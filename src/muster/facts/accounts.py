"""Accounts of people on a host, and other accounts with the rights of root."""

from __future__ import annotations

from msgspec import Struct

from muster.facts.reading import some, whole
from muster.need import need
from muster.probes import Command, Output, Probe, Unobserved
from muster.targets import Host
from muster.text import plural

# getent knows the accounts of LDAP and the like too, as far as those may be listed; not every Alpine has it.
_SCRIPT = "if command -v getent >/dev/null; then getent passwd; else cat /etc/passwd; fi && echo end"

#: Numbers that are given to people; between the two are those of dynamic services, and nobody (65534). Source:
#: Debian Policy 9.2.2, https://systemd.io/UIDS-GIDS, login.defs(5).
_OF_PEOPLE = (range(1_000, 61_184), range(65_536, 4_294_967_294))


class Account(Struct, frozen=True):
    """An account: its name, its number, and the shell that it logs in with. Source: passwd(5)."""

    name: str
    uid: int
    shell: str = ""

    def __str__(self) -> str:
        return f"{self.name} (uid {self.uid})"


class Accounts(Struct, frozen=True):
    """The accounts of people on a host, whatever their shell, and those beside ``root`` that have its number 0."""

    every: tuple[Account, ...]

    def beyond(self, allowed: tuple[str, ...]) -> list[str]:
        """Those whose name is not ``allowed``, or that have the rights of root by another name."""
        return [str(each) for each in self.every if each.uid == 0 or each.name not in allowed]

    def __str__(self) -> str:
        if not self.every:
            return "no accounts of people"
        return f"{plural(len(self.every), 'account')} of people: {some(map(str, self.every))}"


def parse(output: Output) -> Accounts:
    *lines, last = whole(output, "the list of accounts").splitlines()
    accounts = [_account(line) for line in lines if line]
    if last != "end" or not accounts:
        raise Unobserved("unreadable", "the list of accounts is not whole")
    return Accounts(tuple(each for each in accounts if _counts(each)))


def _account(line: str) -> Account:
    fields = line.split(":")
    if len(fields) != 7 or not fields[0] or not fields[2].isdecimal():
        raise Unobserved("unreadable", f"the list of accounts has a line that is none: {line[:80]}")
    return Account(fields[0], int(fields[2][:12]), fields[6])


def _counts(account: Account) -> bool:
    return (account.uid == 0 and account.name != "root") or any(account.uid in each for each in _OF_PEOPLE)


@need(Host)
def accounts(host: Host) -> Probe[Accounts]:
    """The accounts of people on the host, and those beside root that have its rights."""
    return Probe(Command(_SCRIPT, timeout=host.timeout, max_bytes=1_048_576), parse)
