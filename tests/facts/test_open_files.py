import pytest

from muster.facts.open_files import OpenFiles, parse
from muster.probes import Unobserved
from tests.facts.recordings import recorded, said


@pytest.mark.parametrize(("host", "count"), [("debian12", 1198), ("busybox", 1173)])
def test_open_files_are_counted(host: str, count: int) -> None:
    assert parse(said(recorded("open_files", host))) == OpenFiles(count, 9_223_372_036_854_775_807)


def test_files_that_were_closed_again_are_not_open() -> None:
    # Before Linux 2.6 the kernel told how many of its records were free (proc(5), file-nr).
    found = parse(said("5000\t1000\t8000\n"))
    assert found.used_percent == 50
    assert str(found) == "4,000 files open of at most 8,000"


def test_the_largest_number_there_is_stands_for_no_limit() -> None:
    assert str(OpenFiles(495, 2**63 - 1)) == "495 files open, without a limit"


@pytest.mark.parametrize("text", ["5000\t1000\t0\n", "5000\t1000\n", "5000 1000 8000\n", "5\t-1\t8\n"])
def test_numbers_that_make_no_sense_are_no_open_files(text: str) -> None:
    with pytest.raises(Unobserved, match="does not tell how many files are open"):
        parse(said(text))
