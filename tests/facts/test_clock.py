import pytest

from muster.facts.clock import parse
from muster.probes import Unobserved
from tests.facts.recordings import recorded, said

HOST_MIDDLE = (1795192653.240548516 + 1795192653.250944800) / 2


def answer(ahead: float, on_the_way: float, host: str = "debian12"):
    """The recorded answer, had it come from a host that is ``ahead``, after so long on the way, evenly both ways."""
    there = 1795192653.250944800 - 1795192653.240548516
    middle = HOST_MIDDLE - ahead
    return parse(
        said(
            recorded("clock", host),
            started_at=middle - there / 2 - on_the_way / 2,
            answered_at=middle + there / 2 + on_the_way / 2,
        )
    )


@pytest.mark.parametrize("ahead", [3.25, -3.25])
def test_the_offset_is_that_of_the_middle_of_the_question(ahead: float) -> None:
    clock = answer(ahead, on_the_way=0.5)
    assert clock.offset_seconds == pytest.approx(ahead, abs=1e-5)
    assert clock.doubt_seconds == pytest.approx(0.25, abs=1e-5)
    assert clock.least_offset_seconds == pytest.approx(3.0, abs=1e-5)


def test_a_slow_answer_from_a_right_clock_raises_no_alarm() -> None:
    # All of the four seconds went by on the way back.
    clock = parse(said(recorded("clock"), started_at=1795192653.240548516, answered_at=1795192653.250944800 + 4))
    assert clock.offset_seconds == pytest.approx(-2, abs=1e-5)
    assert clock.least_offset_seconds == pytest.approx(0, abs=1e-5)


def test_the_kernel_says_whether_the_clock_is_synchronised() -> None:
    assert str(answer(0.004, 0.02)) == "0.00 s ahead of ours, give or take 0.01 s, not synchronised"
    assert (
        parse(
            said(
                "1795192653.5\n1795192653.5\n".replace(".5", ".500000000"),
                started_at=1795192653.0,
                answered_at=1795192654.0,
            )
        ).synchronised
        is None
    )


def test_busybox_without_nanoseconds_is_known_to_the_second() -> None:
    clock = parse(said(recorded("clock", "busybox"), started_at=1795192708.4, answered_at=1795192708.6))
    assert clock.offset_seconds == pytest.approx(0, abs=1e-5)
    assert clock.doubt_seconds == pytest.approx(0.6, abs=1e-5)
    assert clock.synchronised is None


def test_an_answer_that_took_too_long_tells_nothing() -> None:
    with pytest.raises(Unobserved, match=r"after 30\.0 s: too late") as failure:
        parse(said(recorded("clock"), started_at=1795192630.0, answered_at=1795192660.0))
    assert failure.value.cause == "timeout"


def test_without_our_own_times_there_is_no_offset() -> None:
    with pytest.raises(Unobserved) as failure:
        parse(said(recorded("clock")))
    assert failure.value.cause == "internal"
