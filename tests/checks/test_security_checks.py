"""Each check on what hosts let in, called with facts made by hand: right, and wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from checks import test_security as security
from muster import (
    Accounts,
    CertificateFiles,
    CronJobs,
    FailedLogins,
    FileRules,
    Host,
    ListeningPorts,
    Measure,
    SshdSettings,
    Updates,
    WorldWritable,
    expects,
)
from muster.facts.accounts import Account
from muster.facts.certificate_files import CertificateFile
from muster.facts.cron_jobs import Job
from muster.facts.listening_ports import Port

LISTENING = ListeningPorts((Port(22, "tcp", "0.0.0.0"), Port(5432, "tcp", "127.0.0.1")))
PEOPLE = Accounts((Account("ops", 1000), Account("toor", 0)))
JOBS = CronJobs((Job("/etc/crontab", "0 2 * * * root /opt/backup-database.sh"),))


@pytest.fixture
def measure() -> Measure:
    return Measure()


def breaches(measure: Measure) -> list[tuple[str, str | None]]:
    return [(taken.of or taken.name, taken.breach) for taken in measure.taken]


def test_ports_that_may_listen_are_right() -> None:
    security.test_listening_ports_are_allowed(Host(name="a", allowed_ports=("22", "127.0.0.1:5432")), LISTENING)


def test_a_port_that_must_listen_may() -> None:
    host = Host(name="a", allowed_ports=("22",), listening=("5432",))
    security.test_listening_ports_are_allowed(host, LISTENING)


def test_each_port_that_may_not_listen_is_named() -> None:
    expected = r"0\.0\.0\.0:22/tcp, 127\.0\.0\.1:5432/tcp listening, expected 443 only"
    with pytest.raises(AssertionError, match=expected):
        security.test_listening_ports_are_allowed(Host(name="a", allowed_ports=("443",)), LISTENING)


def test_where_none_may_listen_each_is_wrong() -> None:
    with pytest.raises(AssertionError, match=r"127\.0\.0\.1:5432/tcp listening, expected none\n"):
        security.test_listening_ports_are_allowed(Host(name="a", allowed_ports=()), LISTENING)


@pytest.mark.parametrize("field", ["allowed_ports", "allowed_users"])
def test_an_empty_list_of_what_is_allowed_is_an_expectation_and_none_is_not(field: str) -> None:
    assert expects(field)(Host(name="a", **{field: ()}))
    assert not expects(field)(Host(name="a"))


@pytest.mark.parametrize(
    "field", ["cron", "closed_folders", "certificates", "files", "sshd", "updates", "failed_logins"]
)
def test_what_the_inventory_does_not_speak_of_is_not_looked_at(field: str) -> None:
    assert not expects(field)(Host(name="a"))


def test_people_who_may_have_an_account_are_right() -> None:
    security.test_accounts_are_allowed(Host(name="a", allowed_users=("ops",)), Accounts(PEOPLE.every[:1]))


def test_others_are_named() -> None:
    with pytest.raises(AssertionError, match=r"^toor \(uid 0\) on the host, expected ops only"):
        security.test_accounts_are_allowed(Host(name="a", allowed_users=("ops",)), PEOPLE)
    with pytest.raises(
        AssertionError, match=r"ops \(uid 1000\), toor \(uid 0\) on the host, expected no accounts of people"
    ):
        security.test_accounts_are_allowed(Host(name="a", allowed_users=()), PEOPLE)


@pytest.mark.parametrize(("count", "breach"), [(0, None), (10, None), (11, "warning")])
def test_many_failed_logins_are_told(measure: Measure, count: int, breach: str | None) -> None:
    security.test_failed_logins_are_few(FailedLogins(count, 86_400, (("192.0.2.7", count),), "journal"), measure)
    assert breaches(measure) == [("failed_logins", breach)]
    assert "192.0.2.7" in measure.taken[0].seen


def test_closed_folders_are_right() -> None:
    security.test_closed_folders_are_closed(WorldWritable((), 0))


def test_what_everyone_may_write_to_is_named() -> None:
    with pytest.raises(AssertionError, match="2 paths writable by everyone: /a/b, /a/c, expected none"):
        security.test_closed_folders_are_closed(WorldWritable(("/a/b", "/a/c"), 2))


def test_files_that_are_as_their_rules_are_right() -> None:
    security.test_files_keep_their_rules(FileRules(()))


def test_files_that_are_not_are_named() -> None:
    with pytest.raises(AssertionError, match=r"^/a mode 0644, expected 0640, /b is not there"):
        security.test_files_keep_their_rules(FileRules((), ("/a mode 0644, expected 0640", "/b is not there")))


@pytest.mark.parametrize(("names", "breach"), [((), None), (("openssl",), "warning")])
def test_security_updates_are_told(measure: Measure, names: tuple[str, ...], breach: str | None) -> None:
    security.test_security_updates_are_installed(Updates("apt", ("bash", *names), names, 60.0), measure)
    assert breaches(measure) == [
        ("updates", None),
        ("security_updates", breach),
        ("package_lists_age_days", None),
    ]


def test_what_apk_does_not_tell_is_not_measured_and_old_lists_are_told(measure: Measure) -> None:
    security.test_security_updates_are_installed(Updates("apk", ("bash",), None, 8 * 86_400.0), measure)
    assert breaches(measure) == [("updates", None), ("package_lists_age_days", "warning")]


def test_sshd_that_is_set_as_expected_is_right() -> None:
    host = Host(name="a", sshd={"PermitRootLogin": "no"})
    security.test_sshd_is_set_as_expected(host, SshdSettings({"PermitRootLogin": "no"}, True))


def test_sshd_that_is_set_otherwise_is_told() -> None:
    host = Host(name="a", sshd={"PermitRootLogin": "no"})
    with pytest.raises(AssertionError, match=r"^PermitRootLogin yes, expected no"):
        security.test_sshd_is_set_as_expected(host, SshdSettings({"PermitRootLogin": "yes"}, True))


@pytest.mark.parametrize(("days", "breach"), [(31.0, None), (29.0, "warning"), (6.0, "critical"), (-1.0, "critical")])
def test_a_certificate_that_ends_soon_is_told(measure: Measure, days: float, breach: str | None) -> None:
    found = CertificateFile("/a.crt", 1, "CN=a", datetime(2026, 1, 1, tzinfo=UTC), days)
    security.test_certificate_files_are_valid(CertificateFiles((found,)), measure)
    assert breaches(measure) == [("/a.crt", breach)]


def test_a_file_without_a_certificate_is_told_beside_the_others(measure: Measure) -> None:
    found = CertificateFile("/a.crt", 1, "CN=a", datetime(2026, 1, 1, tzinfo=UTC), 60.0)
    with pytest.raises(AssertionError, match="/b is not there, expected a certificate"):
        security.test_certificate_files_are_valid(CertificateFiles((found,), ("/b is not there",)), measure)
    assert breaches(measure) == [("/a.crt", None)]


def test_jobs_that_are_scheduled_are_right() -> None:
    security.test_expected_jobs_are_scheduled(Host(name="a", cron=("backup-database.sh",)), JOBS)


def test_a_job_that_is_not_is_named() -> None:
    expected = "backup-config.sh in no scheduled job; 1 job in /etc/crontab, expected a job with each"
    with pytest.raises(AssertionError, match=expected):
        security.test_expected_jobs_are_scheduled(
            Host(name="a", cron=("backup-database.sh", "backup-config.sh")), JOBS
        )
