import json

import pytest

from muster.facts.docker_containers import parse, without
from muster.probes import DoesNotApply, Unobserved
from tests.facts.recordings import RECORDED

LISTED = json.loads((RECORDED / "docker_containers" / "engine-20.10.json").read_text())


def test_containers_in_trouble_are_told_from_the_others() -> None:
    found = parse(LISTED)
    assert [each.name for each in found.every if each.troubled] == [
        "exited",
        "hostile",
        "oom",
        "restarting",
        "unhealthy",
    ]
    assert "exited: Exited (3) 5 seconds ago" in found.troubled


def test_state_health_and_exit_code_are_read() -> None:
    found = {each.name: each for each in parse(LISTED).every}
    assert (found["healthy"].state, found["healthy"].health) == ("running", "healthy")
    assert found["plain"].health == "none"
    assert (found["done"].exit_code, found["oom"].exit_code, found["plain"].exit_code) == (0, 137, None)
    assert found["created"].state == "created"


def test_a_person_sees_how_many_and_their_states() -> None:
    assert str(parse(LISTED)).startswith("12 containers, ")
    assert "6 running" in str(parse(LISTED))
    assert str(parse(LISTED)).endswith(" and 7 more")
    assert str(parse([])) == "no containers"


def listed(**changes: object) -> dict[str, object]:
    return {"Names": ["/job"], "Id": "0" * 64, "Image": "x", "State": "exited", "Status": "Exited (0) now", **changes}


@pytest.mark.parametrize(
    ("code", "troubled"), [(0, False), (143, False), (130, False), (137, True), (1, True), (-1, True)]
)
def test_a_container_that_was_told_to_stop_is_in_no_trouble(code: int, troubled: bool) -> None:
    assert parse([listed(Status=f"Exited ({code}) 2 hours ago")]).every[0].troubled is troubled


def test_a_dead_container_is_in_trouble() -> None:
    assert parse([listed(State="dead", Status="Dead")]).troubled == ["job: Dead"]


def test_a_container_without_a_name_goes_by_its_id() -> None:
    assert parse([listed(Names=None)]).every[0].name == "000000000000"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"message": "page not found"},
        [{}],
        [listed(State=None)],
        [listed(State="")],
        [listed(Status=None)],
        [listed(Status="Exited")],
        ["x"],
        None,
    ],
)
def test_what_is_no_list_of_containers_is_not_an_empty_one(answer: object) -> None:
    with pytest.raises((Unobserved, KeyError, TypeError)):
        parse(answer)  # type: ignore[arg-type]


def test_no_engine_where_none_is_expected_has_no_containers_to_look_at() -> None:
    assert isinstance(without(Unobserved("missing", "no socket"), expected=False), DoesNotApply)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Unobserved("missing", "no socket"), True),
        (Unobserved("permission", "denied"), False),
        (Unobserved("network", "refused"), False),
        (Unobserved("missing", "no key file", host_down=True), False),
    ],
)
def test_every_other_failure_stays_one(failure: Unobserved, expected: bool) -> None:
    assert without(failure, expected) is failure
