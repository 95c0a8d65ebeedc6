"""Dealing hosts to workers, without any."""

from __future__ import annotations

from collections import Counter

from muster.shares import LIVE, WORKERS_PER_GATEWAY, Roster, deal
from muster.verdict import Check


def owner_itself(owner: str) -> str:
    return owner


def test_all_of_an_owner_go_to_one_worker_and_none_is_lost() -> None:
    owners = [f"host-{number % 7}" for number in range(1_000)]
    shares = deal(owners, [1] * 1_000, 3, owner_itself)
    assert sorted(place for share in shares for place in share) == list(range(1_000))
    takers = Counter(owner for share in shares for owner in {owners[place] for place in share})
    assert set(takers.values()) == {1}
    assert all(shares), "seven hosts are enough for three workers"


def test_live_tests_are_spread_like_judged_ones() -> None:
    # Every fourth host has a live test: to deal in turn would give all of them to one worker.
    kinds = [[(f"host-{host}", 1)] * 20 if host % 4 else [(f"host-{host}", LIVE)] for host in range(32)]
    tests = [test for kind in kinds for test in kind]
    owners, weights = zip(*tests, strict=True)
    shares = deal(owners, weights, 4, owner_itself)
    assert [sum(weights[place] == LIVE for place in share) for share in shares] == [2] * 4
    assert {sum(weights[place] for place in share) for share in shares} == {sum(weights) // 4}


def test_workers_that_have_nothing_to_do_have_an_empty_share() -> None:
    assert deal(["a", "a"], [1, 1], 3, owner_itself) == [[0, 1], [], []]
    assert deal([], [], 2, owner_itself) == [[], []]


def test_hosts_behind_one_gateway_go_to_few_workers() -> None:
    owners = [f"{'behind' if number % 2 else 'free'}-{number}" for number in range(400)]
    shares = deal(owners, [1] * 400, 20, lambda owner: owner.startswith("behind") or owner)
    behind = [sum(owners[place].startswith("behind") for place in share) for share in shares]
    assert sum(map(bool, behind)) == WORKERS_PER_GATEWAY
    assert sum(behind) == 200


def test_a_roster_survives_the_way_to_another_process() -> None:
    check = Check("fine", "It is fine", "info", "mend it", "hosts.md#fine")
    roster = Roster([0, 1, -1], [0, 0, -1], [check], [True], {"databases": 3})
    assert Roster.from_json(roster.to_json()) == roster
    assert [roster.is_quick(place) for place in range(3)] == [True, True, False]
