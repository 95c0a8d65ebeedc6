from pathlib import Path

import pytest

from muster.facts.cron_jobs import CronJobs, cron_jobs, parse
from muster.probes import DoesNotApply, Unobserved
from muster.targets import Host
from tests.facts.asked_here import HOSTS, ask, asked
from tests.facts.recordings import recorded, said

BACKUP = ("backup-database.sh",)


def read(host: str) -> CronJobs:
    return parse(said(recorded("cron_jobs", host)), BACKUP)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("debian12-kept", "1 job in /etc/cron.d/network-probe"),
        ("debian12-user", "1 job in /etc/cron.d/network-probe"),
        ("debian12-systemd", "2 jobs in systemd"),
        ("redhat9", "8 jobs in /etc/anacrontab, /etc/cron.d/0hourly, /var/spool/cron/postgres, /etc/cron.hourly"),
        ("alpine", "6 jobs in /var/spool/cron/crontabs/root, /etc/periodic/daily"),
        ("busybox", "1 job in /etc/cron.daily"),
    ],
)
def test_a_job_is_found_wherever_it_stands(host: str, told: str) -> None:
    found = read(host)
    assert found.missing(BACKUP) == []
    assert str(found).startswith(told)


def test_a_line_that_is_commented_out_and_a_script_that_debian_leaves_out_are_no_jobs() -> None:
    found = read("debian12")
    assert found.missing(BACKUP) == list(BACKUP)
    assert str(found) == "0 jobs"


@pytest.mark.parametrize(
    ("line", "job"),
    [
        ("0 2 * * * root backup-database.sh", True),
        ("  @daily backup-database.sh", True),
        ("*/5 * * * * backup-database.sh", True),
        ("-0 2 * * * root backup-database.sh", True),
        ("# 0 2 * * * backup-database.sh", False),
        ("SCRIPT=backup-database.sh", False),
        ("backup-database.sh", False),
    ],
)
def test_what_is_a_job(line: str, job: bool) -> None:
    assert len(parse(said(f"@ /etc/crontab\n {line}\n\nend\n"), BACKUP).every) == job


@pytest.mark.parametrize(
    "denied",
    [
        "! /etc/cron.d",
        "@ crontab -l\n You (ops) are not allowed to use this program (crontab)",
        "@ crontab -l\n crontab: must be suid to work properly",
    ],
)
def test_what_is_nowhere_to_be_seen_is_unknown_where_not_all_may_be_read(denied: str) -> None:
    with pytest.raises(
        Unobserved, match=r"backup-database.sh in no job of those that may be read; .* look as root, with sudo: true"
    ):
        parse(said(f"{denied}\nend\n"), BACKUP)
    found = parse(said(f"@ /etc/crontab\n 0 2 * * * x backup-database.sh\n{denied}\nend\n"), BACKUP)
    assert found.missing(BACKUP) == []
    assert "not read: " in str(found)


def test_a_job_says_nothing_of_its_line() -> None:
    assert "password" not in str(
        parse(said("@ /etc/crontab\n 0 2 * * * x --password=y backup\n\nend\n"), ("backup",))
    )


@pytest.mark.parametrize("text", ["0 2 * * * backup-database.sh\nend\n", " 0 2 * * *\nend\n", "@ /etc/crontab\n"])
def test_an_answer_that_is_no_list_of_tables_is_no_fact(text: str) -> None:
    with pytest.raises(Unobserved):
        parse(said(text), BACKUP)


def test_without_expectations_there_is_nothing_to_look_for() -> None:
    with pytest.raises(DoesNotApply):
        parse(said("end\n"), ())


@pytest.mark.parametrize("host", HOSTS)
def test_this_machine_tells_its_jobs(tmp_path: Path, host: str) -> None:
    found = parse(ask(asked(cron_jobs.probe(Host(name="here", cron=("",))).question), host, tmp_path), ("",))
    assert str(found)
