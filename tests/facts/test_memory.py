import pytest

from muster.facts.memory import parse
from muster.probes import Unobserved
from tests.facts.recordings import recorded, said


def test_what_the_kernel_says_is_available_counts_as_free() -> None:
    memory = parse(said(recorded("memory")))
    assert memory.total_bytes == 24_684_084 * 1024
    assert memory.used_percent == pytest.approx(100 * (1 - memory.available_bytes / memory.total_bytes))
    assert str(memory).endswith(f"of 23.5 GiB available, {memory.used_percent:.0f} % used")


def test_an_old_kernel_gets_an_estimate_that_says_so() -> None:
    memory = parse(said(recorded("memory", "redhat6")))
    assert memory.available_bytes == (117_960 + 95_464 + 501_448 - 1_448) * 1024
    assert memory.estimated
    assert str(memory) == "about 696.7 MiB of 996.2 MiB available, 30 % used"


@pytest.mark.parametrize(
    "text",
    [
        "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
        "MemTotal: 100 kB\nMemAvailable: 200 kB\n",
        "MemTotal: 100 kB\nMemFree: 50 kB\n",
        "MemTotal: lots\nMemAvailable: 5 kB\n",
    ],
)
def test_numbers_that_make_no_sense_are_no_memory(text: str) -> None:
    with pytest.raises(Unobserved, match="does not say how much memory"):
        parse(said(text))


def test_an_answer_that_ends_in_the_middle_of_a_line_breaks_off() -> None:
    with pytest.raises(Unobserved, match="breaks off, 38 B in"):
        parse(said("MemTotal: 100 kB\nMemAvailable: 50 kB\nA"))


def test_a_file_that_may_not_be_read_is_unknown_for_lack_of_a_right() -> None:
    with pytest.raises(Unobserved, match=r"cat: /proc/meminfo: Permission denied \(exit status 1\)") as failure:
        parse(said("", status=1, stderr="cat: /proc/meminfo: Permission denied\n"))
    assert failure.value.cause == "permission"
