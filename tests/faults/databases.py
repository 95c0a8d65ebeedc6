"""SQLite files, good and broken: on this machine, and on hosts with one tool, with the other, with neither."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.faults.cases import CALM, Case, Ran, critical, each, run, under, unknown, warning
from tests.servers import sqlite_files
from tests.servers.sshd import Account, Sshd

HERE, ONLY_SQLITE3, ONLY_PYTHON3, NEITHER, OPS, SUDO = (
    "here",
    "only-sqlite3",
    "only-python3",
    "neither",
    "ops",
    "sudo",
)


#: The checks that read only what the file system knows.
OF_FILE = ("database_size_is_within_limits", "database_write_ahead_log_is_small")


def file(name: str, **more: object) -> dict[str, object]:
    return {"url": f"sqlite:///${{folder}}/{name}.db", **more}


def damaged(says: str, *, cause: str = "wrong") -> dict[str, object]:
    """It cannot be opened, which is critical, once; so it cannot be checked. The size of its file is known."""
    return {
        "database_accepts_connections": critical(says, "expected a connection", cause=cause),
        "database_integrity": unknown(says, cause=cause),
    }


def nowhere(says: str, *, cause: str) -> dict[str, object]:
    """There is not even a file."""
    return damaged(says, cause=cause) | each(OF_FILE, unknown(says, cause=cause))


def unexamined(*says: str, cause: str) -> dict[str, object]:
    """It could not be looked at: nothing is known but the size of the file."""
    return each(("database_accepts_connections", "database_integrity"), unknown(*says, cause=cause))


def on(host: str) -> tuple[Case, ...]:
    """What every host must find, whatever it has to look with."""
    return (
        Case("good", file("good"), host=host),
        Case("wal", file("wal"), host=host),
        Case("wal-open", file("wal-open"), host=host),
        Case("missing", file("missing"), nowhere("missing.db: no such file", cause="missing"), host),
        Case("empty", file("empty"), damaged("empty.db: the file has 0 bytes"), host),
        Case("corrupt-header", file("corrupt-header"), damaged("does not begin as SQLite files do"), host),
        Case("folder", file("folder"), nowhere("folder.db: a folder is in its place", cause="wrong"), host),
        Case(
            "corrupt-index",
            file("corrupt-index"),
            {"database_integrity": critical("missing from index", "expected ok")},
            host,
        ),
        Case("corrupt-page", file("corrupt-page"), {"database_integrity": critical("expected ok")}, host),
        Case("truncated", file("truncated"), damaged("database disk image is malformed"), host),
        Case("locked", file("locked", timeout="4s"), damaged("no answer within 2 s", cause="timeout"), host),
    )


CASES = (
    *on(HERE),
    *on(ONLY_SQLITE3),
    *on(ONLY_PYTHON3),
    Case("good", file("good"), unexamined("neither sqlite3 nor python3", "install one", cause="missing"), NEITHER),
    Case("missing", file("missing"), nowhere("missing.db: no such file", cause="missing"), NEITHER),
    Case("empty", file("empty"), damaged("the file has 0 bytes"), NEITHER),
    Case("good", file("good"), host=OPS),
    Case("unreadable", file("unreadable"), unexamined("cannot be read by", "sudo", cause="permission"), OPS),
    Case("unreadable", file("unreadable"), host=SUDO),
    Case(
        "closed-folder",
        file("closed/good"),
        each(
            ("database_accepts_connections", "database_integrity", *OF_FILE),
            unknown("/closed (drwx------ root:root) cannot be searched by", cause="permission"),
        ),
        OPS,
    ),
    Case(
        "large",
        file("good", limits={"database_size_bytes": {"warning": "1kB"}}),
        {"database_size_is_within_limits": warning("expected at most")},
        HERE,
    ),
    Case(
        "small",
        file("good", limits={"database_size_bytes": {"critical_below": "1GB"}}),
        {"database_size_is_within_limits": critical("expected at least")},
        HERE,
    ),
)


def judged(folder: Path, ops: Account, sudo_ops: Account) -> Ran:
    """All of them in one run. What the files were ``before`` and ``after`` is noted: nothing may be written."""
    # Not in pytest's own folder: an account without rights has to reach it.
    place = Path(tempfile.mkdtemp(prefix="muster-databases-"))
    place.chmod(0o755)
    with ExitStack() as serving:
        serving.callback(shutil.rmtree, place)
        _make(place, serving)
        hosts = under("databases", CASES)
        hosts[HERE]["connection"] = "local"
        for name, options in (
            (ONLY_SQLITE3, {"without": ["python3"]}),
            (ONLY_PYTHON3, {"without": ["sqlite3"]}),
            (NEITHER, {"without": ["python3", "sqlite3"]}),
            (OPS, {"user": ops.name}),
            (SUDO, {"user": sudo_ops.name}),
        ):
            hosts[name]["connection"] = serving.enter_context(Sshd(**options)).connection()  # type: ignore[arg-type]
        hosts[SUDO]["connection"]["sudo"] = True
        before = _looked_at(place)
        inventory = {"defaults": {"limits": CALM}, "hosts": hosts}
        ran = run(folder, inventory, settings={"folder": place})
        return Ran(ran.code, ran.terminal, ran.folder, {"before": before, "after": _looked_at(place)})


def _make(place: Path, held: ExitStack) -> None:
    """Every file, good and broken."""
    for name, make in {
        "good": sqlite_files.good,
        "wal": sqlite_files.good_wal,
        "empty": sqlite_files.empty,
        "corrupt-header": sqlite_files.corrupt_header,
        "corrupt-page": sqlite_files.corrupt_page,
        "corrupt-index": sqlite_files.corrupt_index,
        "truncated": sqlite_files.truncated,
        "unreadable": sqlite_files.unreadable,
        "folder": sqlite_files.folder_in_its_place,
    }.items():
        make(place, f"{name}.db")
    held.enter_context(sqlite_files.locked(place, "locked.db"))
    held.enter_context(sqlite_files.good_wal_open(place, "wal-open.db"))
    closed = place / "closed"
    closed.mkdir(0o700)
    sqlite_files.good(closed)


def _looked_at(place: Path) -> dict[str, list[object]]:
    """Every file there, with what writing to it would change."""
    return {
        str(path.relative_to(place)): [
            path.stat().st_size,
            path.stat().st_mtime_ns,
            oct(path.stat().st_mode),
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None,
        ]
        for path in sorted(place.rglob("*"))
    }
