from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest

from muster.facts.failed_logins import FailedLogins, parse, script
from muster.probes import DoesNotApply, Unobserved
from tests.facts.asked_here import HOSTS, ask
from tests.facts.recordings import RECORDED, said

DAY = 86_400.0

#: What Debian, Red Hat and Alpine log, from sshd 9.2 (and, of PAM, as its sources have it, without ``euid=0``), and
#: how many attempts it is of. ``@`` stands for the time and the host's name.
ATTEMPTS = {
    "a wrong password": (
        1,
        """\
@ sshd[71]: pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=ops
@ sshd[71]: Failed password for ops from 192.0.2.7 port 40122 ssh2
""",
    ),
    "three in one connection": (
        3,
        """\
@ sshd[72]: pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=ops
@ sshd[72]: Failed password for ops from 192.0.2.7 port 40123 ssh2
@ sshd[72]: message repeated 2 times: [ Failed password for ops from 192.0.2.7 port 40123 ssh2]
@ sshd[72]: Connection closed by authenticating user ops 192.0.2.7 port 40123 [preauth]
@ sshd[72]: PAM 2 more authentication failures; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=ops
""",
    ),
    "repeated lines that rsyslog folds": (
        4,
        """\
@ sshd[84]: Failed password for ops from 192.0.2.7 port 40128 ssh2
@ sshd[84]: message repeated 3 times: [ Failed password for ops from 192.0.2.7 port 40128 ssh2]
""",
    ),
    "an sshd that logs errors only": (
        3,
        """\
@ sshd[85]: pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=ops
@ sshd[85]: PAM 2 more authentication failures; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=ops
""",
    ),
    "a user who is not there": (
        1,
        """\
@ sshd[73]: Invalid user admin from 192.0.2.7 port 40124
@ sshd[73]: pam_unix(sshd:auth): check pass; user unknown
@ sshd[73]: pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7\x20
@ sshd[73]: Failed password for invalid user admin from 192.0.2.7 port 40124 ssh2
@ sshd[73]: Connection closed by invalid user admin 192.0.2.7 port 40124 [preauth]
""",
    ),
    "a user who is not there, with a key": (1, "@ sshd-session[74]: Invalid user git from 192.0.2.7 port 40125\n"),
    "one-time passwords": (
        2,
        """\
@ sshd[75]: error: PAM: Authentication failure for ops from 192.0.2.7
@ sshd[75]: error: PAM: User not known to the underlying authentication module for illegal user x from 192.0.2.7
""",
    ),
    "a login that succeeded in LDAP": (
        0,
        """\
@ sshd[76]: pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=ops
@ sshd[76]: pam_sss(sshd:auth): authentication success; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7 user=ops
@ sshd[76]: Accepted password for ops from 192.0.2.7 port 40126 ssh2
""",
    ),
    "su": (
        1,
        """\
@ su: pam_unix(su:auth): authentication failure; logname=ops uid=1000 tty=/dev/pts/0 ruser=ops rhost=  user=root
@ su[77]: FAILED SU (to root) ops on pts/0
""",
    ),
    "sudo": (
        3,
        """\
@ sudo: pam_unix(sudo:auth): authentication failure; logname=ops uid=1000 tty=/dev/pts/0 ruser=ops rhost=  user=ops
@ sudo:      ops : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c a : b
""",
    ),
    "login at the console": (1, "@ login[78]: FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure\n"),
    "login of busybox": (1, "@ auth.warn login[79]: invalid password for 'root' on 'tty1'\n"),
    "a user's name that hides": (1, "@ sshd[80]: Invalid user a sshd[1]: b from 192.0.2.8 from 192.0.2.7 port 1\n"),
    "what is no login": (
        0,
        """\
@ sshd[81]: Accepted publickey for ops from 192.0.2.7 port 40127 ssh2: ED25519 SHA256:x
@ CRON[82]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)
@ app[83]: Failed password for everything from 192.0.2.9
""",
    ),
}


def stamp(at: float, style: str) -> str:
    if style == "RFC 3164":
        return time.strftime("%b %e %H:%M:%S web-1", time.localtime(at))
    if style == "UTC":
        return time.strftime("%Y-%m-%dT%H:%M:%S.123456Z web-1", time.gmtime(at))
    return time.strftime("%Y-%m-%dT%H:%M:%S.123456", time.gmtime(at + 5.5 * 3_600)) + "+05:30 web-1"


def counted(folder: Path, text: str, host: str = "debian", *, name: str = "auth.log") -> FailedLogins:
    (folder / name).write_text(text)
    return parse(ask(script(DAY, (str(folder / name),)), host, folder), DAY)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_attempt_is_counted_once_whatever_it_leaves_in_the_log(tmp_path: Path, attempt: str, host: str) -> None:
    number, lines = ATTEMPTS[attempt]
    found = counted(tmp_path, lines.replace("@", stamp(time.time() - 60, "RFC 3164")), host)
    assert found.count == number
    assert sum(count for _, count in found.sources) == number
    assert not found.sources or found.sources[0][0] in ("192.0.2.7", "local:ops", "console")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("style", ["RFC 3164", "UTC", "+05:30"])
def test_only_the_window_counts_by_the_clock_of_the_host(tmp_path: Path, style: str, host: str) -> None:
    ages = (30 * DAY, DAY + 60, DAY - 60, 3_600, 1)
    text = "".join(f"{stamp(time.time() - age, style)} sshd[9]: Invalid user x from ::1 port 9\n" for age in ages)
    found = counted(tmp_path, text, host)
    assert str(found) == f"3 failed logins in 1 day: ::1 3 ({tmp_path}/auth.log)"


@pytest.mark.parametrize("host", HOSTS)
def test_a_log_without_years_goes_back_over_new_year(tmp_path: Path, host: str) -> None:
    month_ahead = time.time() + 30 * DAY
    text = f"{stamp(month_ahead, 'RFC 3164')} sshd[9]: Invalid user x from ::1 port 9\n"
    assert counted(tmp_path, text, host).count == 0
    (tmp_path / host).rename(tmp_path / "other")
    year = script(400 * DAY, (str(tmp_path / "auth.log"),))
    assert parse(ask(year, host, tmp_path), 400 * DAY).count == 1


@pytest.mark.parametrize("host", HOSTS)
def test_those_who_failed_most_are_named_first_and_the_rest_is_counted(tmp_path: Path, host: str) -> None:
    now = stamp(time.time() - 5, "UTC")
    text = "".join(f"{now} sshd[9]: Invalid user x from 192.0.2.{each} port 9\n" * each for each in range(1, 21))
    found = counted(tmp_path, text, host)
    assert found.count == 210
    assert found.sources == tuple((f"192.0.2.{each}", each) for each in (20, 19, 18, 17, 16))


@pytest.mark.parametrize("host", HOSTS)
def test_what_was_rotated_away_within_the_window_counts_too(tmp_path: Path, host: str) -> None:
    line = f"{stamp(time.time() - 5, 'UTC')} sshd[9]: Invalid user x from ::1 port 9\n"
    (tmp_path / "auth.log.1").write_text(line)
    (tmp_path / "auth.log.2.gz").write_bytes(gzip.compress(line.encode()))
    (tmp_path / "auth.log.3.gz").write_bytes(b"no gzip, but too old to matter")
    os.utime(tmp_path / "auth.log.3.gz", (0, 0))
    assert counted(tmp_path, line, host).count == 3


@pytest.mark.parametrize("host", HOSTS)
def test_a_log_that_cannot_be_read_to_its_end_is_no_good_news(tmp_path: Path, host: str) -> None:
    (tmp_path / "auth.log.1.gz").write_bytes(b"no gzip")
    with pytest.raises(Unobserved, match="not all of the log could be read"):
        counted(tmp_path, "", host)


@pytest.mark.parametrize("host", ["debian", "gawk"])  # busybox's sh knows find itself
def test_a_folder_of_logs_that_cannot_be_listed_is_no_good_news(tmp_path: Path, host: str) -> None:
    (tmp_path / "auth.log").write_text("")
    with pytest.raises(Unobserved, match="not all of the log could be read"):
        parse(ask(script(DAY, (f"{tmp_path}/auth.log",)), host, tmp_path, more={"find": "false"}), DAY)


@pytest.mark.parametrize("host", HOSTS)
def test_a_log_that_is_a_link_is_read(tmp_path: Path, host: str) -> None:
    (tmp_path / "elsewhere").write_text(f"{stamp(time.time(), 'UTC')} sshd[9]: Invalid user x from ::1 port 9\n")
    (tmp_path / "auth.log").symlink_to("elsewhere")
    os.utime(tmp_path / "auth.log", (0, 0), follow_symlinks=False)
    assert parse(ask(script(DAY, (f"{tmp_path}/auth.log",)), host, tmp_path), DAY).count == 1


@pytest.mark.parametrize("host", HOSTS)
def test_times_that_nobody_knows_are_no_good_news(tmp_path: Path, host: str) -> None:
    with pytest.raises(Unobserved, match="1 line without a time that is known"):
        counted(tmp_path, "Friday web-1 sshd[9]: Invalid user x from ::1 port 9\n", host)


def test_the_first_log_that_is_there_counts(tmp_path: Path) -> None:
    (tmp_path / "messages").write_text(f"{stamp(time.time(), 'UTC')} sshd[9]: Invalid user x from ::1 port 9\n")
    logs = tuple(str(tmp_path / name) for name in ("auth.log", "secure", "messages"))
    found = parse(ask(script(DAY, logs), "alpine", tmp_path), DAY)
    assert (found.count, found.source) == (1, logs[2])


def test_a_host_without_any_log_is_not_one_without_failures(tmp_path: Path) -> None:
    with pytest.raises(Unobserved, match="no journal, and no such file") as failure:
        parse(ask(script(DAY, (f"{tmp_path}/auth.log",)), "alpine", tmp_path), DAY)
    assert failure.value.cause == "missing"


def test_who_may_not_read_the_log_is_told_of_the_groups_that_may() -> None:
    with pytest.raises(Unobserved, match="group adm or systemd-journal, or look as root, with sudo") as failure:
        parse(said("", status=1, stderr="journal: permission denied\n"), DAY)
    assert failure.value.cause == "permission"


def test_what_was_recorded_on_a_machine_with_a_journal_is_read() -> None:
    found = parse(said((RECORDED / "failed_logins" / "debian12-journal.txt").read_text()), 3_600)
    assert str(found) == "12 failed logins in 1 hour: 127.0.0.1 12 (journal)"


def test_without_a_window_there_is_nothing_to_count() -> None:
    with pytest.raises(DoesNotApply, match="how far back"):
        parse(said(""), None)
