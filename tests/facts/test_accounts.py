from pathlib import Path

import pytest

from muster.facts.accounts import accounts, parse
from muster.probes import Unobserved
from muster.targets import Host
from tests.facts.asked_here import HOSTS, ask, asked
from tests.facts.recordings import recorded, said


def test_accounts_of_people_and_second_roots_are_found() -> None:
    found = parse(said(recorded("accounts")))
    assert str(found) == "3 accounts of people: deploy (uid 1500), mallory (uid 1501), toor (uid 0)"


def test_accounts_of_a_directory_are_found_too() -> None:
    assert [each.name for each in parse(said(recorded("accounts", "redhat9"))).every] == ["cloud-user", "alice"]
    assert [each.name for each in parse(said(recorded("accounts", "alpine"))).every] == ["ops"]


@pytest.mark.parametrize(
    ("uid", "counts"),
    [
        (1, False),
        (999, False),
        (1_000, True),
        (60_000, True),
        (61_184, False),
        (65_534, False),
        (65_536, True),
        (4_294_967_294, False),
    ],
)
def test_which_numbers_are_of_people(uid: int, counts: bool) -> None:
    found = parse(said(f"root:x:0:0::/root:/bin/sh\nsomeone:x:{uid}:1::/:/bin/sh\nend\n"))
    assert bool(found.every) is counts


def test_root_itself_is_no_account_of_a_person() -> None:
    assert str(parse(said("root:x:0:0::/root:/bin/sh\nend\n"))) == "no accounts of people"


def test_a_second_root_is_never_allowed() -> None:
    found = parse(said(recorded("accounts")))
    assert found.beyond(("deploy", "mallory", "toor")) == ["toor (uid 0)"]
    assert found.beyond(()) == ["deploy (uid 1500)", "mallory (uid 1501)", "toor (uid 0)"]


@pytest.mark.parametrize("line", ["+::::::", "root:x:0", ":x:1000:1000::/:/bin/sh", "a:x:many:1::/:/bin/sh"])
def test_a_line_that_is_no_account_is_no_good_news(line: str) -> None:
    with pytest.raises(Unobserved):
        parse(said(f"root:x:0:0::/root:/bin/sh\n{line}\nend\n"))


@pytest.mark.parametrize("host", HOSTS)
def test_this_machine_tells_its_accounts(tmp_path: Path, host: str) -> None:
    assert parse(ask(asked(accounts.probe(Host(name="here")).question), host, tmp_path)) is not None
