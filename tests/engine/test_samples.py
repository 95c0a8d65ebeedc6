"""Samples, which share one wait, and slow commands, which keep nothing waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from muster.observations import Observations
from muster.probes import Command, Sample, Samples, Unobserved
from tests.engine.asking import gatherer, local, need, observe, plan, ssh
from tests.servers.sshd import Sshd


def test_all_samples_of_a_host_share_one_wait(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    observe(local(), *(Sample(f"echo {name} >>{asked}") for name in "abc"))
    assert asked.read_text().split() == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.needs("sshd")
def test_a_sample_holds_both_answers_and_a_second_lies_between_them(ssh_host: Sshd) -> None:
    (found,) = observe(ssh(ssh_host), Sample("cat /proc/uptime; echo oh >&2; exit 3"))
    assert isinstance(found.value, Samples)
    first, second = found.value.first, found.value.second
    assert float(second.text.split()[0]) - float(first.text.split()[0]) >= 1
    assert (first.status, second.status, first.complaint) == (3, 3, "oh")
    assert found.seconds >= 1, "how long it took, with the second between"


def test_a_sample_that_stalls_costs_itself_only() -> None:
    stalled, fine = observe(local(), Sample("sleep 1000", timeout=0.3), Sample("echo hi"))
    assert isinstance(stalled.failure, Unobserved)
    assert stalled.failure.cause == "timeout"
    assert (fine.value.first.text, fine.value.second.text) == ("hi\n", "hi\n")


def test_a_sample_that_stalls_the_second_time_only_is_not_observed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (found,) = observe(local(), Sample(f"[ ! -e {mark} ] || sleep 1000; : >{mark}", timeout=0.3))
    assert isinstance(found.failure, Unobserved)
    assert found.failure.cause == "timeout"


def test_a_slow_command_keeps_no_other_waiting(tmp_path: Path) -> None:
    """The slow one ends when the quick one has run, although it was asked first."""
    host, mark = local(), tmp_path / "mark"
    waits = f"until [ -e {mark} ]; do sleep 0.01; done; echo slow"
    needs = need(Command(waits, slow=True)), need(Command(f": >{mark}; echo quick"))
    observations = Observations()
    with gatherer(host) as asking:
        asking.gather_now(plan({host: needs}), observations)
    assert [observations.get(host, each).value.text for each in needs] == ["slow\n", "quick\n"]


def test_what_lands_of_samples_is_told_once() -> None:
    host, told = local(), []
    with gatherer(host) as asking:
        wanted = plan({host: (need(Sample("echo 1")), need(Sample("echo 2")))})
        asking.gather_now(wanted, Observations(), lambda _, count: told.append(count))
    assert told == [1, 1]
