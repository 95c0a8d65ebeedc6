"""The facts about SQLite files: the real script, run by real shells, on real files that are good and broken.

Each test runs with the ``sqlite3`` program, with ``python3`` in its stead, and in busybox's shell with busybox's
tools. Only what the script may count on is on its PATH.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muster.databases import Sqlite
from muster.facts import database_attempt, sqlite_file, sqlite_integrity
from muster.facts.sqlite import read, sqlite_path
from muster.facts.sqlite_file import SqliteFile
from muster.facts.sqlite_integrity import SqliteIntegrity
from muster.probes import Attempt, Output, Unobserved
from tests.servers import sqlite_files

TOOLS = ("cat", "dd", "id", "ls", "readlink", "stat")
NEEDS = (database_attempt.database_attempt, sqlite_file.sqlite_file, sqlite_integrity.sqlite_integrity)
KINDS = ("sqlite3", "python3", "busybox")


@dataclass(frozen=True, slots=True)
class Place:
    """A host as the script sees it: the shell and the folder that is its PATH; whose rights it has."""

    shell: tuple[str, ...]
    path: Path
    user: tuple[str, ...] = ()

    def answer(self, database: Sqlite, need: Any) -> Any:
        """What the script prints for this need, parsed."""
        probe = need.probe(database)
        command = [*self.user, *self.shell, "-c", probe.question.script]
        ran = subprocess.run(
            command, env={"PATH": str(self.path)}, stdin=subprocess.DEVNULL, capture_output=True, timeout=30
        )
        assert ran.stderr == b"", ran.stderr
        return probe.parse(Output(ran.stdout, ran.stderr, ran.returncode))

    def attempt(self, path: Path) -> Attempt:
        found = self.answer(database(path), database_attempt.database_attempt)
        assert isinstance(found, Attempt)
        return found

    def file(self, path: Path) -> SqliteFile:
        found = self.answer(database(path), sqlite_file.sqlite_file)
        assert isinstance(found, SqliteFile)
        return found

    def integrity(self, path: Path) -> SqliteIntegrity:
        found = self.answer(database(path), sqlite_integrity.sqlite_integrity)
        assert isinstance(found, SqliteIntegrity)
        return found


def database(path: Path | str, timeout: float = 0.4) -> Sqlite:
    return Sqlite(name="quota", url=f"sqlite:///{path}", timeout=timeout)


def program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def place(folder: Path, kind: str, *, user: tuple[str, ...] = ()) -> Place:
    """A PATH with the tools and, by kind, one program that reads SQLite or none."""
    path = folder / kind
    path.mkdir()
    busybox = kind == "busybox"
    for name in TOOLS:
        (path / name).symlink_to(program("busybox") if busybox else program(name))
    if kind == "sqlite3":
        (path / "sqlite3").symlink_to(program("sqlite3"))
    elif kind in ("python3", "busybox"):
        # A link would lead out of a virtual environment, to a Python that may lack its sqlite3 module.
        starter = path / "python3"
        starter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        starter.chmod(0o755)
    return Place((program("busybox"), "sh") if busybox else ("/bin/sh",), path, user)


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.needs("sqlite3")) for kind in KINDS])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("path"), request.param)


@pytest.fixture
def unprivileged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Path]]:
    """A host where the script has no rights, and a folder of its own that everybody can reach."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="muster-sqlite-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        yield place(folder, "sqlite3", user=(program(user[0]), *user[1:])), folder / "data"


def all_facts_are_unobserved(host: Place, path: Path, needs: Any = NEEDS) -> list[Unobserved]:
    failures = []
    for need in needs:
        with pytest.raises(Unobserved) as raised:
            host.answer(database(path), need)
        failures.append(raised.value)
    return failures


@contextlib.contextmanager
def nothing_changes(folder: Path) -> Iterator[None]:
    """Nobody writes, makes or removes a file in the folder."""

    def snapshot() -> dict[str, tuple[int, int, bytes]]:
        files = (each for each in folder.iterdir() if each.is_file())
        return {each.name: (each.stat().st_uid, each.stat().st_mtime_ns, each.read_bytes()) for each in files}

    before = snapshot()
    yield
    assert snapshot() == before


def test_a_good_file_is_sound(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.good(tmp_path)
    path.chmod(0o640)
    assert str(host.attempt(path)) == "connected: 1 table"
    assert host.integrity(path) == SqliteIntegrity()
    found = host.file(path)
    assert (found.size_bytes, found.wal_bytes, found.mode) == (path.stat().st_size, 0, "-rw-r-----")
    assert not found.wal_mode
    assert found.owner == f"{path.owner()}:{path.group()}"
    assert found.modified_at is not None
    assert found.modified_at.timestamp() == int(path.stat().st_mtime)
    assert str(found).startswith(f"{path.stat().st_size / 1024:.1f} KiB, -rw-r----- {path.owner()}:")


@pytest.mark.parametrize(
    "name",
    [
        "a b.db",
        'it\'s "quoted".db',
        "what?#%20.db",
        "$(id)`id`*[a].db",
        "-rf.db",
        "line\nend.db",
        "ends\n",
        "配额.db",
    ],
)
def test_any_name_of_a_file_will_do(host: Place, tmp_path: Path, name: str) -> None:
    path = sqlite_files.good_wal(tmp_path, name)
    assert host.attempt(path).connected
    assert host.integrity(path).ok
    assert host.file(path).path == str(path)


def test_a_file_that_is_not_there_is_missing(host: Place, tmp_path: Path) -> None:
    for path in (sqlite_files.missing(tmp_path), tmp_path / "no" / "folder.db", sqlite_files.good(tmp_path) / "x.db"):
        found = host.attempt(path)
        assert (found.cause, str(found)) == ("missing", f"missing: {path}: no such file")
        failures = all_facts_are_unobserved(host, path, NEEDS[1:])
        assert [(each.cause, each.message) for each in failures] == [("missing", str(found))] * 2


def test_a_missing_file_whose_path_speaks_of_permissions_is_missing(host: Place, tmp_path: Path) -> None:
    found = host.attempt(tmp_path / "Permission denied" / "permissions.db")
    assert (found.outcome, found.cause) == ("missing", "missing")


def test_an_empty_file_is_no_database(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.empty(tmp_path)
    assert (host.attempt(path).cause, host.attempt(path).outcome) == ("wrong", "empty")
    assert host.file(path).size_bytes == 0
    assert "the file has 0 bytes" in all_facts_are_unobserved(host, path, NEEDS[2:])[0].message


def test_what_is_no_regular_file_is_no_database(host: Place, tmp_path: Path) -> None:
    pipe, listener = tmp_path / "pipe", socket.socket(socket.AF_UNIX)
    os.mkfifo(pipe)
    listener.bind(str(tmp_path / "socket"))
    with listener:
        for path in (sqlite_files.folder_in_its_place(tmp_path), pipe, tmp_path / "socket"):
            found = host.attempt(path)
            assert (found.cause, found.outcome) == ("wrong", "not a database")
            failures = all_facts_are_unobserved(host, path, NEEDS[1:])
            assert [(each.cause, each.message) for each in failures] == [("wrong", str(found))] * 2


def test_a_file_with_a_wrong_beginning_is_no_database(host: Place, tmp_path: Path) -> None:
    found = host.attempt(sqlite_files.corrupt_header(tmp_path))
    assert (found.cause, found.outcome) == ("wrong", "not a database")


def test_a_file_that_was_cut_off_is_corrupt(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.truncated(tmp_path)
    found = host.attempt(path)
    assert (found.cause, found.outcome) == ("wrong", "corrupt")
    assert "malformed" in found.detail
    assert str(found) == all_facts_are_unobserved(host, path, NEEDS[2:])[0].message


def test_damage_amid_the_file_is_found_by_the_integrity_check(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.corrupt_page(tmp_path)
    assert host.attempt(path).connected
    found = host.integrity(path)
    assert not found.ok
    assert len(str(found)) > len("integrity_check: ")
    assert "ok" not in found.faults


def test_a_missing_index_entry_is_found_by_the_integrity_check(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.good(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as holder:
        holder.execute("CREATE TABLE t (a)")
        holder.execute("CREATE INDEX i ON t (a)")
        holder.execute("PRAGMA writable_schema = ON")
        holder.execute("UPDATE sqlite_master SET sql = 'CREATE INDEX i ON t (a) WHERE a > 5' WHERE name = 'i'")
        holder.commit()
    with contextlib.closing(sqlite3.connect(path)) as holder:
        holder.executemany("INSERT INTO t VALUES (?)", [(number % 5,) for number in range(40)])
        holder.execute("PRAGMA writable_schema = ON")
        holder.execute("UPDATE sqlite_master SET sql = 'CREATE INDEX i ON t (a)' WHERE name = 'i'")
        holder.commit()
    found = host.integrity(path)
    assert found.faults[0].endswith("missing from index i")
    assert len(found.faults) == sqlite_integrity.FAULTS
    assert str(found).endswith("(and 7 more)")


def test_a_locked_database_is_waited_for_and_then_said_to_be_locked(host: Place, tmp_path: Path) -> None:
    with sqlite_files.locked(tmp_path) as path:
        found = host.attempt(path)
        assert (found.cause, found.outcome) == ("timeout", "locked")
        assert "no answer within 0.2 s" in found.detail
        assert [each.cause for each in all_facts_are_unobserved(host, path, NEEDS[2:])] == ["timeout"]
        assert host.file(path).size_bytes > 0


def test_the_lock_is_waited_for_less_long_than_the_target_allows() -> None:
    question = database_attempt.database_attempt.probe(database("/x.db", timeout=60)).question
    assert question.timeout == 60
    assert ".timeout 5000" in question.script


def test_a_file_in_wal_mode_that_nobody_has_open_is_left_as_it_is(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.good_wal(tmp_path)
    with nothing_changes(tmp_path):
        assert host.attempt(path).connected
        assert host.integrity(path).ok
        assert host.file(path).wal_mode


def test_an_empty_wal_file_left_behind_does_not_matter(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.good_wal(tmp_path)
    Path(f"{path}-wal").touch()
    with nothing_changes(tmp_path):
        assert host.attempt(path).connected


def test_changes_that_are_in_the_wal_file_only_are_read(host: Place, tmp_path: Path) -> None:
    with sqlite_files.good_wal_open(tmp_path) as path, nothing_changes(tmp_path):
        assert host.attempt(path).connected
        assert host.integrity(path).ok
        found = host.file(path)
        assert found.wal_bytes > 0
        assert found.total_bytes == path.stat().st_size + found.wal_bytes
        assert " in its -wal, " in str(found)


def test_the_wal_file_of_a_link_is_beside_what_it_leads_to(host: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with sqlite_files.good_wal_open(tmp_path) as path, nothing_changes(tmp_path):
        link = tmp_path / "elsewhere" / "link.db"
        link.symlink_to(path)
        assert host.attempt(link).connected
        assert host.file(link).wal_bytes > 0
        assert [each.name for each in link.parent.iterdir()] == ["link.db"]


def test_changes_in_a_wal_file_that_a_killed_writer_left_are_read(host: Place, tmp_path: Path) -> None:
    with sqlite_files.good_wal_open(tmp_path) as path:
        pass
    assert Path(f"{path}-shm").exists()
    with nothing_changes(tmp_path):
        assert host.attempt(path).connected
        assert host.integrity(path).ok


def test_a_wal_file_that_cannot_be_read_without_writing_is_not_read(host: Place, tmp_path: Path) -> None:
    with sqlite_files.good_wal_open(tmp_path) as path:
        pass
    Path(f"{path}-shm").unlink()
    with nothing_changes(tmp_path):
        for failure in all_facts_are_unobserved(host, path, (NEEDS[0], NEEDS[2])):
            assert "-wal holds changes and there is no -shm" in failure.message


def test_the_transaction_of_a_crashed_writer_is_not_rolled_back(host: Place, tmp_path: Path) -> None:
    path = sqlite_files.good(tmp_path)
    crash = (
        "import sqlite3, os, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "d.execute('PRAGMA cache_size = 1'); d.execute('BEGIN'); d.execute('UPDATE quota SET note = used');"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", crash, str(path)], check=True)
    assert Path(f"{path}-journal").stat().st_size > 0
    with nothing_changes(tmp_path):
        for failure in all_facts_are_unobserved(host, path, (NEEDS[0], NEEDS[2])):
            assert "a writer crashed" in failure.message


def test_without_sqlite3_and_python3_only_the_file_itself_is_observed(tmp_path: Path) -> None:
    path, host = sqlite_files.good(tmp_path), place(tmp_path, "neither")
    for failure in all_facts_are_unobserved(host, path, (NEEDS[0], NEEDS[2])):
        assert failure.cause == "missing"
        assert "neither sqlite3 nor python3" in failure.message
        assert "install one" in failure.message
    assert host.file(path).size_bytes == path.stat().st_size
    assert host.attempt(tmp_path / "gone.db").outcome == "missing"


@pytest.mark.needs("root", "sqlite3")
def test_a_file_that_may_not_be_read_is_unobserved_and_not_missing(unprivileged: tuple[Place, Path]) -> None:
    host, folder = unprivileged
    path = sqlite_files.unreadable(folder)
    for failure in all_facts_are_unobserved(host, path, (NEEDS[0], NEEDS[2])):
        assert failure.cause == "permission"
        assert failure.message.startswith(f"{path} (---------- root:root) cannot be read by ")
        assert "give it the right" in failure.message
    assert host.file(path).size_bytes == path.stat().st_size


@pytest.mark.needs("root", "sqlite3")
def test_a_file_in_a_closed_folder_is_unobserved_and_not_missing(unprivileged: tuple[Place, Path]) -> None:
    host, folder = unprivileged
    closed = folder / "closed"
    (closed / "inner").mkdir(parents=True)
    path = sqlite_files.good(closed / "inner")
    closed.chmod(0o700)
    for failure in all_facts_are_unobserved(host, path):
        assert failure.cause == "permission"
        assert failure.message.startswith(f"{closed} (drwx------ root:root) cannot be searched by ")


@pytest.mark.needs("root", "sqlite3")
def test_a_wal_file_that_may_not_be_read_is_named(unprivileged: tuple[Place, Path]) -> None:
    host, folder = unprivileged
    with sqlite_files.good_wal_open(folder) as path:
        Path(f"{path}-wal").chmod(0o600)
        failure = all_facts_are_unobserved(host, path, NEEDS[:1])[0]
    assert failure.message.startswith(f"{path}-wal cannot be read by ")


@pytest.mark.needs("root", "sqlite3")
def test_an_open_wal_database_is_read_without_the_right_to_write(unprivileged: tuple[Place, Path]) -> None:
    host, folder = unprivileged
    with sqlite_files.good_wal_open(folder) as path, nothing_changes(folder):
        assert host.attempt(path).connected
        assert host.integrity(path).ok


@pytest.mark.parametrize(
    "url", ["sqlite:///relative.db", "sqlite://host/x.db", "postgresql:///x", "/x.db", "sqlite:////a\0b", ""]
)
def test_what_is_no_url_of_a_file_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:////absolute/path"):
        sqlite_path(url)


def test_the_path_of_a_url_stands_as_it_is() -> None:
    assert sqlite_path("sqlite:////opt/a%20b?c#d.db") == "/opt/a%20b?c#d.db"


def test_a_dry_run_shows_what_is_asked_and_not_the_whole_script() -> None:
    question = sqlite_integrity.sqlite_integrity.probe(database("/opt/my data/quota.db")).question
    shown = "sh: sqlite3 -readonly (else python3) '/opt/my data/quota.db' 'PRAGMA integrity_check(10)'"
    assert question.describe() == shown


@pytest.mark.parametrize("garbage", [b"", b"hello", b"kind", b"\xff\xfe\x00", b"user root\n"])
def test_output_that_makes_no_sense_is_unobserved(garbage: bytes) -> None:
    for need in NEEDS:
        with pytest.raises(Unobserved) as raised:
            need.probe(database("/x.db")).parse(Output(garbage, b"sh: killed"))
        assert (raised.value.cause, raised.value.message) == ("unreadable", "sh: killed")


GOOD = (
    b"user ops\nmode -rw-r--r--\nowner ops:ops\nsize 8192\nmodified 1700000000\n"
    b"kind file\ntool sqlite3\nstatus 0\n\n1\nok\n"
)


def test_output_that_was_cut_off_is_never_taken_for_good() -> None:
    for end in range(len(GOOD) - 1):
        with contextlib.suppress(Unobserved, ValueError):
            found = sqlite_integrity.parse(database("/x.db"), Output(GOOD[:end]))
            assert not found.ok, GOOD[:end]
    assert sqlite_integrity.parse(database("/x.db"), Output(GOOD)).ok


def test_a_status_that_is_not_zero_is_never_taken_for_good() -> None:
    failed = GOOD.replace(b"status 0", b"status 139")
    with pytest.raises(Unobserved):
        sqlite_integrity.parse(database("/x.db"), Output(failed.replace(b"ok\n", b"")))
    with pytest.raises(Unobserved):
        sqlite_integrity.parse(database("/x.db"), Output(failed))
    assert read(database("/x.db"), Output(failed)).error
