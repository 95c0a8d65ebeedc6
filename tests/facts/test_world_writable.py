import os
from pathlib import Path

import pytest

from muster.facts.world_writable import TOLD, WorldWritable, parse, script
from muster.probes import DoesNotApply, Unobserved
from tests.facts.asked_here import HOSTS, ask
from tests.facts.recordings import recorded, said

FOLDERS = ("/srv/app/folder", "/etc/ssh")


def looked(folder: Path, host: str, *folders: str) -> WorldWritable:
    return parse(ask(script(folders), host, folder), folders)


def make(path: Path, mode: int) -> None:
    if path.name == "folder":
        path.mkdir()
    else:
        path.write_text("")
    path.chmod(mode)


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_what_was_recorded_is_read(host: str) -> None:
    found = parse(said(recorded("world_writable", host)), FOLDERS)
    assert found.count == 3
    assert str(found).startswith("3 paths writable by everyone: /srv/app/folder/")
    assert "/srv/app/folder/open?line" in found.paths  # its name has a line end


def test_none_is_good_news() -> None:
    assert str(parse(said(recorded("world_writable", "debian12-kept")), FOLDERS)) == "nothing is writable by everyone"


@pytest.mark.parametrize("host", HOSTS)
def test_files_and_folders_are_found_and_what_is_no_fault_is_not(tmp_path: Path, host: str) -> None:
    closed = tmp_path / "it's closed"
    closed.mkdir()
    for name, mode in {"kept": 0o664, "open": 0o602, "folder": 0o757, "0 0": 0o666, "a\x0b0 0\n": 0o666}.items():
        make(closed / name, mode)
    (closed / "sticky").mkdir()
    (closed / "sticky").chmod(0o1777)
    (closed / "link").symlink_to("open")
    os.mkfifo(closed / "pipe", 0o666)
    found = looked(tmp_path, host, str(closed))
    assert sorted(found.paths) == [f"{closed}/0 0", f"{closed}/a\x0b0 0?", f"{closed}/folder", f"{closed}/open"]
    assert found.count == 4


@pytest.mark.parametrize("host", HOSTS)
def test_a_folder_that_is_a_link_is_followed(tmp_path: Path, host: str) -> None:
    (tmp_path / "real").mkdir()
    make(tmp_path / "real" / "open", 0o666)
    (tmp_path / "closed").symlink_to("real")
    assert looked(tmp_path, host, str(tmp_path / "closed")).paths == (f"{tmp_path}/closed/open",)


@pytest.mark.parametrize("host", HOSTS)
def test_of_many_the_first_are_told_and_all_are_counted(tmp_path: Path, host: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for number in range(TOLD + 2):
            make(tmp_path / folder / f"f{number}", 0o666)
    found = looked(tmp_path, host, str(tmp_path / "one"), str(tmp_path / "two"))
    assert (len(found.paths), found.count) == (2 * TOLD, 2 * TOLD + 4)
    assert str(found).endswith(f" and {2 * TOLD + 4 - 5} more")


@pytest.mark.parametrize("host", HOSTS)
def test_a_folder_that_is_not_there_is_not_one_that_is_closed(tmp_path: Path, host: str) -> None:
    with pytest.raises(Unobserved, match="No such file") as failure:
        looked(tmp_path, host, str(tmp_path / "nowhere"))
    assert failure.value.cause == "missing"


def test_what_was_found_counts_although_not_all_could_be_looked_at() -> None:
    found = parse(said("/a/x\n1 1\nabsent ls: /b: No such file or directory\nend\n"), ("/a", "/b"))
    assert found.count == 1
    assert "not all could be looked at" in str(found)


def test_what_may_not_be_looked_at_is_no_good_news() -> None:
    with pytest.raises(Unobserved, match="sudo") as failure:
        parse(said("1 0\nend\n", stderr="find: '/a/b': Permission denied\n"), ("/a",))
    assert failure.value.cause == "permission"


@pytest.mark.parametrize("text", ["0 0\n0 0\nend\n", "end\n", "/a/x\n0 2\nend\n", "/a/x\n0 0\nend\n", "0 0\n"])
def test_an_answer_about_other_folders_is_no_fact(text: str) -> None:
    with pytest.raises(Unobserved):
        parse(said(text), ("/a",))


def test_without_folders_there_is_nothing_to_look_at() -> None:
    with pytest.raises(DoesNotApply):
        parse(said("end\n"), ())
