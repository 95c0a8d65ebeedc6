import pytest

from muster.facts.oom_kills import OomKills, parse
from muster.probes import Unobserved
from tests.facts.recordings import recorded, said


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_kills_are_counted(host: str) -> None:
    assert parse(said(recorded("oom_kills", host))) == OomKills(59)


@pytest.mark.parametrize(("count", "told"), [(0, "0 processes"), (1, "1 process"), (1234, "1,234 processes")])
def test_kills_are_told(count: int, told: str) -> None:
    assert str(OomKills(count)) == f"{told} killed for want of memory since the kernel started"


def test_a_kernel_that_does_not_count_is_not_one_that_killed_nothing() -> None:
    with pytest.raises(Unobserved, match=r"older than 4\.13") as failure:
        parse(said("end\n"))
    assert failure.value.cause == "missing"


@pytest.mark.parametrize(
    "text", ["oom_kill 5\n", "oom_kill\nend\n", "oom_kill -5\nend\n", "oom_kill 5\noom_kill 6\nend\n"]
)
def test_an_answer_that_is_not_whole_is_no_count(text: str) -> None:
    with pytest.raises(Unobserved, match="does not tell"):
        parse(said(text))
