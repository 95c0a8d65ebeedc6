import pytest

from muster.facts.load import parse
from muster.probes import Unobserved
from tests.facts.recordings import recorded, said


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_load_and_cores_are_read(host: str) -> None:
    assert parse(said(recorded("load", host))).cores == 2


def test_the_five_minute_average_is_shared_among_the_cores() -> None:
    load = parse(said("8.40 6.00 2.10 3/812 4711\n4\n"))
    assert load.per_core == 1.5
    assert str(load) == "load 8.40, 6.00, 2.10 on 4 cores"


@pytest.mark.parametrize("text", ["8.40 6.00 2.10 3/812 4711\n0\n", "8.40 6.00 2.10 3/812 4711\n", "4\n"])
def test_without_cores_or_averages_there_is_no_load(text: str) -> None:
    with pytest.raises(Unobserved):
        parse(said(text))
