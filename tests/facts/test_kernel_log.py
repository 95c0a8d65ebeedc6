import re

import pytest

from muster.facts.kernel_log import MOST, KernelError, KernelLog, kernel_log, parse
from muster.probes import Command, DoesNotApply, Unobserved
from muster.targets import Host
from tests.facts.recordings import recorded, said

DAY = 86_400.0
IN_BUFFER = "buffer 1795203478 1000.00 2000.00\n{}end\n"


@pytest.mark.parametrize("host", ["debian12", "busybox", "debian12-journal"])
def test_errors_are_found_with_their_times(host: str) -> None:
    found = parse(said(recorded("kernel_log", host)), DAY)
    assert len(found) == 9
    assert [each.kind for each in found.errors[:3]] == ["filesystem", "memory", "filesystem"]
    assert re.match(r"9 in 1 day: filesystem: 2026-11-20 19:3\d:\d\d UTC EXT4-fs \(loop0\): Remounting", str(found))
    assert str(found).endswith("; and 6 more")


def test_red_hat_says_it_in_the_same_words_and_the_machine_itself_comes_first() -> None:
    found = parse(said(recorded("kernel_log", "redhat9")), DAY)
    assert [each.kind for each in found.errors] == ["hardware", "disk", "disk", "other", "memory"]
    assert found.worst[0] == "hardware: 2024-05-16 08:22:11 UTC mce: [Hardware Error]: Machine check events logged"


@pytest.mark.parametrize(("window", "count"), [(60.0, 1), (401.0, 2), (1000.0, 3)])
def test_what_was_before_the_window_does_not_count(window: float, count: int) -> None:
    lines = "<3>[    0.000000] a\n<3>[  600.000000] b\n<2>[  990.123456] c\n"
    assert len(parse(said(IN_BUFFER.format(lines)), window)) == count


def test_a_window_without_errors_says_so() -> None:
    assert str(parse(said("journal\nend\n"), 3600.0)) == "no error of the kernel in 1 hour"


def test_of_a_flood_it_is_told_that_there_is_more() -> None:
    flood = KernelLog(60.0, (KernelError(0.0, "x" * 900),) * MOST)
    assert str(flood).startswith("at least 1,000 in 1 minute: other: 1970-01-01 00:00:00 UTC xxx")
    assert len(str(flood)) < 800


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: be00000000800400", "hardware"),
        ("EDAC MC0: 1 UE memory read error on CPU_SrcID#0", "hardware"),
        ("critical medium error, dev nvme0n1, sector 42", "disk"),
        ("Buffer I/O error on dev sda1, logical block 0, async page read", "disk"),
        ("ata1.00: failed command: READ FPDMA QUEUED", "disk"),
        ("EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls", "filesystem"),
        ("XFS (dm-0): Metadata corruption detected", "filesystem"),
        ("BTRFS error (device sdb1): bdev /dev/sdb1 errs: wr 1", "filesystem"),
        ("Out of memory: Killed process 4711 (java)", "memory"),
        ("INFO: task jbd2/sda1-8:123 blocked for more than 120 seconds.", "lockup"),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [java:4711]", "lockup"),
        ("usb 1-1: device descriptor read/64, error -71", "other"),
    ],
)
def test_known_words_tell_what_an_error_is_about(text: str, kind: str) -> None:
    assert KernelError(0.0, text).kind == kind


def test_without_a_window_there_is_nothing_to_look_for() -> None:
    with pytest.raises(DoesNotApply, match="does not say how far back"):
        parse(said("journal\nend\n"), None)


@pytest.mark.parametrize(
    "complaint",
    ["dmesg: read kernel buffer failed: Operation not permitted", "dmesg: klogctl: Operation not permitted"],
    ids=["debian12", "busybox"],
)
def test_who_may_not_read_it_is_told_how_to(complaint: str) -> None:
    with pytest.raises(Unobserved, match=r"group systemd-journal or adm .* sudo: true") as failure:
        parse(said("", status=1, stderr=f"{complaint}\n"), DAY)
    assert failure.value.cause == "permission"


def test_without_dmesg_nothing_is_known() -> None:
    with pytest.raises(Unobserved) as failure:
        parse(said("", status=127, stderr="sh: dmesg: not found\n"), DAY)
    assert failure.value.cause == "missing"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (IN_BUFFER.format("<3>no time\n"), "a line without a time"),
        (IN_BUFFER.format("<3>[ 5000.000000] later\n"), "as in a container"),
        ("journal\n-- No entries --\nhello\nend\n", "no message of the kernel: hello"),
        ("journal\n2024-99-99T10:22:11+0200 host kernel: x\nend\n", "month"),
        ("somewhere\nend\n", "neither the journal nor"),
        ("journal\n", "not whole"),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_log_without_errors(text: str, says: str) -> None:
    with pytest.raises((Unobserved, ValueError), match=says):
        parse(said(text), DAY)


def test_the_window_is_asked_for_in_whole_seconds() -> None:
    question = kernel_log.probe(Host(name="here", kernel_log=0.5)).question
    assert isinstance(question, Command)
    assert " --since=-1s " in question.script
    assert question.slow
