import subprocess
from pathlib import Path

import pytest

from muster import fact
from muster.facts.file_state import FileState, parse
from muster.probes import Command, Output, Unobserved
from muster.targets import Host
from tests.facts.recordings import recorded, said


def ask(path: str, shell: tuple[str, ...] = ("sh", "-c")) -> FileState:
    probe = fact.file(path).probe(Host(name="here"))
    assert isinstance(probe.question, Command)
    ran = subprocess.run([*shell, probe.question.script], capture_output=True, env={"LC_ALL": "C"}, check=False)
    return probe.parse(Output(ran.stdout, ran.stderr, ran.returncode))


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_owner_mode_size_and_time_are_read(host: str) -> None:
    found = parse(said(recorded("file_state", host)), "/etc/shadow")
    assert (found.kind, found.owner, found.group, found.mode, found.size) == ("file", "root", "shadow", 0o640, 650)
    assert found.modified == 1795192564
    assert str(found) == "/etc/shadow: file, root:shadow, mode 0640, 650 B"


@pytest.mark.parametrize("name", ["plain", "a b", "it's; $(touch x) `touch y`", "-n", "é\nnew line"])
def test_any_name_is_asked_for_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("12345")
    assert ask(f"{tmp_path}/{name}").size == 5
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("shell", [("dash", "-c"), ("busybox", "sh", "-c"), ("bash", "-c")])
def test_a_link_is_followed_and_named(tmp_path: Path, shell: tuple[str, ...]) -> None:
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("folder")
    found = ask(f"{tmp_path}/link", shell)
    assert (found.kind, found.mode, found.link_target) == ("directory", 0o750, "folder")


@pytest.mark.parametrize("shell", [("dash", "-c"), ("busybox", "sh", "-c")])
@pytest.mark.parametrize("path", ["gone", "file/below"])
def test_what_is_not_there_is_observed(tmp_path: Path, path: str, shell: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    found = ask(f"{tmp_path}/{path}", shell)
    assert not found.exists
    assert str(found) == f"{tmp_path}/{path} is not there"


@pytest.mark.parametrize(
    "complaint",
    ["stat: cannot statx '/root/x': Permission denied", "stat: can't stat '/root/x': Permission denied"],
)
def test_what_may_not_be_looked_at_is_unknown(complaint: str) -> None:
    with pytest.raises(Unobserved) as failure:
        parse(said("", status=1, stderr=f"{complaint}\n"), "/root/x")
    assert failure.value.cause == "permission"


def test_a_host_without_stat_does_not_lack_the_file() -> None:
    with pytest.raises(Unobserved) as failure:
        parse(said("", status=127, stderr="sh: stat: not found\n"), "/etc/hosts")
    assert failure.value.cause == "missing"


@pytest.mark.parametrize("path", ["", "etc/hosts", "~/x", "/nul\0"])
def test_a_path_must_be_absolute(path: str) -> None:
    with pytest.raises(ValueError, match="no absolute path"):
        fact.file(path)
