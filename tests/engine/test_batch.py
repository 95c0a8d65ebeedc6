"""The batch: one script for all commands of a host, and the parser of what it prints."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

from muster.probes import Command, Output
from muster.transports.batch import Frames, build

NONCE = "0123456789abcdef0123456789abcdef"
SHELLS = {"dash": ["dash"], "bash": ["bash"], "posix bash": ["bash", "--posix"], "busybox": ["busybox", "ash"]}


class Heard:
    """What a parser told about a batch."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self.began: list[int] = []
        self.outputs: dict[int, Output] = {}
        self.overflowed: list[Output] = []
        self.frames = Frames(
            commands,
            NONCE,
            clock=lambda: 5.0,
            wall=lambda: 1_700_000_000.0,
            began=self.began.append,
            finished=self.outputs.__setitem__,
            overflowed=lambda: self.overflowed.append(self.frames.cut()),
        )
        self.frames.sent_at = 1_600_000_000.0


def run(
    commands: Sequence[Command],
    shell: Sequence[str] = ("dash",),
    piece: int = 65_536,
    errors_first: bool = True,
    **more: object,
) -> Heard:
    """Run a batch through a real shell and feed the parser so many bytes at a time."""
    script = build(commands, NONCE, **more)  # type: ignore[arg-type]
    ran = subprocess.run([*shell, "-s"], input=script, capture_output=True, timeout=30, check=True)
    heard = Heard(commands)
    streams = [(heard.frames.stderr, ran.stderr), (heard.frames.stdout, ran.stdout)]
    for feed, data in streams if errors_first else reversed(streams):
        for start in range(0, len(data), piece):
            feed(data[start : start + piece])
    return heard


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_every_shell_gives_each_command_its_own_output_and_status(shell: list[str]) -> None:
    commands = [
        Command("echo one; echo complaint >&2"),
        Command("exit 3"),
        Command("if then"),
        Command("printf 'no newline'"),
        Command("cat; echo $#"),
        Command('echo "it\'s $((40 + 2))"'),
        Command("x=left; cd /; set -e; false; echo never"),
        Command('echo "[${x-unset}]"; pwd >&2'),
    ]
    heard = run(commands, shell)

    found = [heard.outputs[number] for number in range(len(commands))]
    assert [each.stdout for each in found] == [
        *(b"one\n", b"", b"", b"no newline", b"0\n", b"it's 42\n", b"", b"[unset]\n"),
    ]
    assert [each.status for each in found if each is not found[2]] == [0, 3, 0, 0, 0, 1, 0]
    assert found[2].status != 0
    assert found[0].stderr == b"complaint\n"
    assert b"yntax" in found[2].stderr
    assert heard.began == list(range(len(commands)))


@pytest.mark.parametrize("errors_first", [True, False])
@pytest.mark.parametrize("piece", [1, 7, 40, 65_536])
def test_the_parser_does_not_care_in_which_pieces_and_order_it_hears(piece: int, errors_first: bool) -> None:
    commands = [Command("printf '\\n\\n01\\n'"), Command("printf 'a\\0b\\377\\n'; echo err >&2"), Command("true")]
    heard = run(commands, piece=piece, errors_first=errors_first)

    assert [heard.outputs[number].stdout for number in range(3)] == [b"\n\n01\n", b"a\0b\xff\n", b""]
    assert heard.outputs[1].stderr == b"err\n"


def test_output_that_is_longer_than_wanted_is_cut() -> None:
    commands = [Command("printf 12345678901", max_bytes=10), Command("printf 1234567890", max_bytes=10)]
    first, second = run(commands).outputs.values()

    assert (first.stdout, first.truncated, first.status) == (b"1234567890", True, 0)
    assert (second.stdout, second.truncated, second.status) == (b"1234567890", False, 0)


def test_a_command_that_prints_too_much_is_noticed_before_it_ends() -> None:
    heard = Heard([Command("yes", max_bytes=10)])
    heard.frames.stdout(f"\n{NONCE} hello 77\n".encode() + b"y\n" * 4)
    assert not heard.overflowed
    heard.frames.stdout(b"y\n" * 40)
    assert [(each.stdout, each.truncated) for each in heard.overflowed] == [(b"y\ny\ny\ny\ny\n", True)]


def test_of_a_long_complaint_the_end_is_kept() -> None:
    heard = run([Command("yes 'spam and eggs' | head -c 1000000 >&2; echo >&2; echo the reason >&2")])

    assert heard.outputs[0].complaint == "the reason"
    assert len(heard.outputs[0].stderr) == Command("").stderr_bytes


def test_what_a_login_shell_says_first_is_noise() -> None:
    heard = Heard([Command("echo hi")])
    heard.frames.stdout(b"Welcome!\n0123456789abcdef begin 0\n" + b"last login: never")
    assert heard.frames.noise.endswith(b"never")
    heard.frames.stdout(f"\n{NONCE} hello 77\nhi\n\n{NONCE} end 0 0\n".encode())
    heard.frames.stderr(f"stty: not a tty\n\n{NONCE} hello 77\n\n{NONCE} end 0 0\n".encode())

    assert heard.outputs[0] == Output(b"hi\n", b"", 0, False, 0.0, 1_600_000_000.0, 1_700_000_000.0)
    assert heard.frames.group == 77


def test_a_batch_that_breaks_off_keeps_what_was_complete() -> None:
    commands = [Command("echo one"), Command("echo two")]
    script = build(commands, NONCE)
    ran = subprocess.run(["sh", "-s"], input=script, capture_output=True, timeout=30, check=True)
    for end in range(len(ran.stdout)):
        heard = Heard(commands)
        heard.frames.stderr(ran.stderr)
        heard.frames.stdout(ran.stdout[:end])
        assert set(heard.outputs.values()) <= {
            Output(b"one\n", b"", 0, False, 0.0, 1_600_000_000.0, 1_700_000_000.0),
            Output(b"two\n", b"", 0, False, 0.0, 1_600_000_000.0, 1_700_000_000.0),
        }


@pytest.mark.parametrize(
    "hostile",
    [
        b"\n" + NONCE.encode() + b" " + b"x" * 100_000,
        b"\n" + NONCE.encode() + b" hello 7\n\n" + NONCE.encode() + b" end 99999999999999999999 0\n",
        b"\n" + NONCE.encode() + b" end 0 0\n" * 3,
        b"\n" + NONCE.encode() + b" hello -1\n\n" + NONCE.encode() + b" end -1 0\n",
        b"\n" + NONCE.encode() + b" end \xb2 0\n",
        b"\xff\x00" * 50_000,
        (b"\n" + NONCE.encode()) * 1_000,
    ],
)
def test_a_host_that_writes_marks_of_its_own_breaks_nothing(hostile: bytes) -> None:
    heard = Heard([Command("true")])
    for feed in (heard.frames.stdout, heard.frames.stderr):
        feed(hostile)
    assert not heard.outputs


def test_a_script_that_arrives_only_in_part_runs_nothing(tmp_path: object) -> None:
    script = build([Command("echo ran"), Command("echo ran")], NONCE)
    cut = script[: script.index(b"echo ran") + 10]
    ran = subprocess.run(["sh", "-s"], input=cut, capture_output=True, timeout=30, check=False)
    assert b" end " not in ran.stdout


def test_programs_of_administrators_and_extra_folders_are_found() -> None:
    heard = run([Command("echo $PATH; echo $LC_ALL")], path="/opt/a b")
    path, locale = heard.outputs[0].text.splitlines()
    assert path.split(":")[-1] == "/opt/a b"
    assert "/usr/sbin" in path.split(":")
    assert locale == "C"


def test_no_command_finds_the_input_of_the_batch() -> None:
    heard = run([Command("cat; read -r line || echo empty"), Command("echo next")])
    assert heard.outputs[0].stdout == b"empty\n"
    assert heard.outputs[1].stdout == b"next\n"
