import pytest

from muster.facts.uptime import parse
from tests.facts.recordings import recorded, said


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_uptime_and_start_agree(host: str) -> None:
    uptime = parse(said(recorded("uptime", host)))
    assert uptime.seconds > 1000
    assert str(uptime).endswith("since 2026-11-20 15:57 UTC")


def test_a_person_reads_days() -> None:
    assert str(parse(said("266400.05 9.00\nbtime 1794903120\n"))) == "Up 3 days, since 2026-11-17 08:12 UTC"
