import subprocess
import time

import pytest

from muster.facts.cpu import Cpu, cpu, parse
from muster.probes import Output, Sample, Samples, Unobserved
from muster.targets import Host
from tests.facts.recordings import recorded, said


def samples(first: str, second: str) -> Samples:
    return Samples(said(first), said(second))


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_what_the_processors_did_lies_between_two_looks(host: str) -> None:
    # Since the start they were in use for 41 % of the time.
    found = parse(samples(recorded("cpu", host), recorded("cpu", "debian12-later")))
    assert found.used_percent == pytest.approx({"debian12": 35.92, "busybox": 36.72}[host], abs=0.01)
    assert found.steal_percent == 0


def test_waiting_for_a_disk_is_not_use_and_what_is_stolen_is() -> None:
    found = parse(samples("cpu  10 0 10 100 10 0 0 10 0 0\n", "cpu  20 5 10 130 30 3 2 40 9 9\n"))
    assert found == Cpu(used_percent=50.0, iowait_percent=20.0, steal_percent=30.0)
    assert str(found) == "50 % of the processors used, 20 % waits for disks, 30 % stolen"


def test_an_idle_counter_that_goes_back_a_little_counts_as_none() -> None:
    found = parse(samples("cpu  10 0 0 100 50 0 0 0\n", "cpu  20 0 0 190 49 0 0 0\n"))
    assert found == Cpu(10.0, 0.0, 0.0)


def test_counters_that_stand_still_tell_nothing() -> None:
    with pytest.raises(Unobserved, match="stood still"):
        parse(samples("cpu  0 0 0 0 0 0 0 0 0 0\n", "cpu  0 0 0 0 0 0 0 0 0 0\n"))


@pytest.mark.parametrize("text", ["cpu  1 2 3 4\n", "cpu  1 2 3 4 5 6 7 -8\n", "cpu0 1 2 3 4 5 6 7 8\n"])
@pytest.mark.parametrize("turn", [0, 1])
def test_a_line_without_all_counters_tells_nothing(text: str, turn: int) -> None:
    told = [recorded("cpu"), recorded("cpu")]
    told[turn] = text
    with pytest.raises(Unobserved, match="/proc/stat does not tell"):
        parse(samples(*told))


@pytest.mark.parametrize("shell", [["dash", "-c"], ["busybox", "sh", "-c"]], ids=["dash", "busybox"])
def test_this_machine_answers(shell: list[str]) -> None:
    question = cpu.probe(Host(name="here")).question
    assert isinstance(question, Sample)

    def look() -> Output:
        return Output(subprocess.run([*shell, question.script], capture_output=True, check=True).stdout)

    first = look()
    time.sleep(0.05)
    found = parse(Samples(first, look()))
    assert 0 <= found.used_percent <= 100
