import pytest

from muster.facts.swap import parse
from muster.probes import DoesNotApply, Unobserved
from tests.facts.recordings import recorded, said


def test_swap_in_use_is_told_in_percent() -> None:
    swap = parse(said(recorded("memory", "redhat6")))
    assert swap.used_percent == 50
    assert str(swap) == "1008.0 MiB of 2.0 GiB swap free, 50 % used"


def test_a_host_without_swap_is_skipped() -> None:
    with pytest.raises(DoesNotApply, match="no swap"):
        parse(said(recorded("memory")))


@pytest.mark.parametrize("text", ["SwapTotal: 0 kB\n", "SwapTotal: 5 kB\nSwapFree: 6 kB\n", "MemTotal: 5 kB\n"])
def test_an_answer_that_does_not_tell_both_numbers_is_not_a_host_without_swap(text: str) -> None:
    with pytest.raises(Unobserved, match="does not say how much swap"):
        parse(said(text))
