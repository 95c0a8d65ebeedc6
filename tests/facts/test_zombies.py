import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from muster.facts.zombies import Zombie, parse, zombies
from muster.probes import Command, Output, Unobserved
from muster.targets import Host
from tests.facts.recordings import recorded, said

NUMBERS = " 1 1 0 -1 4227084 95 0 0 0 0 0 0 0 20 0 1 0 1324830" + " 0" * 30


def process(pid: int, name: str, state: str = "S", parent: int = 1, threads: int = 1) -> str:
    return f"{pid} ({name}) {state} {parent}{NUMBERS.replace(' 20 0 1 ', f' 20 0 {threads} ')}\n"


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_zombies_are_found_with_their_parents_whatever_they_are_called(host: str) -> None:
    found = parse(said(recorded("zombies", host)))
    assert found.every == (
        Zombie(29867, "sleep", 29865, "sleep"),
        Zombie(29868, "sleep", 29865, "sleep"),
        Zombie(29871, "a) Z (b", 29869, "sleep"),
    )
    assert str(found) == (
        f"3 of {found.processes} processes a zombie: sleep (29867) of sleep (29865), sleep (29868) of sleep (29865), "
        "a) Z (b (29871) of sleep (29869)"
    )


@pytest.mark.parametrize("name", ["x) Z 1", "x\n7 (y) Z 1 1 1", "y) Z 1 1 1\n", "(((", "a b) S 1 (", "\n", ""])
def test_a_process_cannot_make_itself_or_another_a_zombie_by_its_name(name: str) -> None:
    found = parse(said(process(1, "init") + process(4, name) + process(9, "sh") + "end\n"))
    assert (len(found), found.processes) == (0, 3)


def test_a_process_whose_first_thread_has_ended_before_others_is_no_zombie() -> None:
    found = parse(said(process(1, "init") + process(4, "pool", "Z", threads=3) + "end\n"))
    assert str(found) == "no zombie among 2 processes"


def test_a_parent_that_ended_meanwhile_has_no_name() -> None:
    assert str(parse(said(process(1, "init") + process(4, "sh", "Z", 3) + "end\n"))).endswith(": sh (4) of ? (3)")


def test_a_host_without_processes_is_not_one_without_zombies() -> None:
    with pytest.raises(Unobserved, match="/proc has what is no process"):
        parse(said("end\n"))


def test_processes_that_may_not_be_seen_are_not_passed_over() -> None:
    with pytest.raises(Unobserved, match=r"/proc/1/stat: permission denied") as failure:
        parse(said("", status=1, stderr="/proc/1/stat: permission denied\n"))
    assert failure.value.cause == "permission"


@pytest.mark.needs("root")
def test_where_processes_of_others_are_hidden_nothing_is_known() -> None:
    question = zombies.probe(Host(name="here")).question
    assert isinstance(question, Command)
    # The first process stays root's; with one before it, sh starts the last in a process of its own.
    someone = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    hidden = f'mount -t proc -o hidepid=2 proc /proc && {someone} sh -c "$0" || exit'
    command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", hidden, question.script]
    done = subprocess.run(command, capture_output=True, check=False)
    with pytest.raises(Unobserved) as failure:
        parse(Output(done.stdout, done.stderr, done.returncode))
    assert failure.value.cause == "permission"


def test_a_real_zombie_is_found() -> None:
    question = zombies.probe(Host(name="here")).question
    assert isinstance(question, Command)
    with _zombie() as pid:
        done = subprocess.run(["sh", "-c", question.script], capture_output=True, check=True)
        assert pid in {each.pid for each in parse(Output(done.stdout)).every}


@contextmanager
def _zombie() -> Iterator[int]:
    ended = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        yield ended.pid
    finally:
        ended.wait()
