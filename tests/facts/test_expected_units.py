import pytest

from muster.facts.expected_units import expected_units, parse
from muster.probes import Command, DoesNotApply, Unobserved
from muster.targets import Host
from tests.facts.recordings import recorded, said

NAMES = ("steady", "broken.service", "nope", "-.mount")


def test_each_unit_has_its_state() -> None:
    units = parse(said(recorded("expected_units")), NAMES)
    assert (
        str(units)
        == "steady active (running), broken.service failed (failed), nope not found, -.mount active (mounted)"
    )
    assert units.inactive == ["broken.service failed (failed)", "nope not found"]


def test_where_systemd_does_not_run_no_unit_is_active() -> None:
    units = parse(said(recorded("failed_units", "without-systemd")), NAMES)
    assert units.inactive == [f"{name} no systemd" for name in NAMES]


def test_a_host_of_which_no_units_are_expected_is_skipped() -> None:
    with pytest.raises(DoesNotApply):
        parse(said("end\n"), ())


def test_an_answer_about_fewer_units_than_asked_for_is_none() -> None:
    with pytest.raises(Unobserved, match="tells of 4 units, 5 were asked for"):
        parse(said(recorded("expected_units")), (*NAMES, "more"))


def test_names_are_quoted() -> None:
    question = expected_units.probe(Host(name="web-1", units=("x; reboot",))).question
    assert isinstance(question, Command)
    assert "-- 'x; reboot' &&" in question.script
