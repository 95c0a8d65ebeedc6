import pytest

from muster.facts.failed_units import parse
from muster.probes import DoesNotApply, Unobserved
from tests.facts.recordings import recorded, said


def test_failed_units_are_named() -> None:
    units = parse(said(recorded("failed_units")))
    assert str(units) == "1 unit failed: broken.service"


def test_none_is_good_news() -> None:
    assert str(parse(said(recorded("failed_units", "debian12-none")))) == "no unit has failed"


def test_a_host_without_systemd_is_skipped() -> None:
    with pytest.raises(DoesNotApply, match="systemd does not run here"):
        parse(said(recorded("failed_units", "without-systemd")))


def test_an_older_systemd_marks_failed_units_with_a_dot() -> None:
    # systemd 219 of Red Hat Enterprise Linux 7, from its documentation.
    assert parse(said("● kdump.service loaded failed failed Crash recovery\nend\n")).names == ("kdump.service",)


def test_a_bus_that_does_not_answer_is_no_good_news() -> None:
    with pytest.raises(Unobserved, match="Failed to connect to bus"):
        parse(said("", status=1, stderr="Failed to connect to bus: Connection refused\n"))


@pytest.mark.parametrize(
    "text", ["\n", "broken.service loaded failed failed x\n", "ssh.service loaded active running x\nend\n"]
)
def test_a_list_that_is_not_whole_is_no_good_news(text: str) -> None:
    with pytest.raises((Unobserved, ValueError)):
        parse(said(text))
