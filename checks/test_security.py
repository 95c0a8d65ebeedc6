"""Security and configuration of hosts: what listens, who may log in, and how files and programs are set."""

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
    check,
    expects,
)


@check(
    severity="critical",
    remediation="ss -tulpn | grep PORT (as root it names the program); stop it, or add the port to allowed_ports",
    runbook="security.md#port-is-not-allowed",
    applies=expects("allowed_ports"),
)
def test_listening_ports_are_allowed(target: Host, listening_ports: ListeningPorts) -> None:
    """No port listens but those that may.

    Each is a way in; one that nobody planned is a mistake or a guest.
    """
    allowed = (*(target.allowed_ports or ()), *target.listening)
    beyond = listening_ports.beyond(allowed)
    expected = f"{', '.join(allowed)} only" if allowed else "none"
    assert not beyond, f"{', '.join(beyond)} listening, expected {expected}"


@check(
    severity="critical",
    remediation="getent passwd NAME; last NAME; passwd -l NAME, or add it to allowed_users where it belongs there",
    runbook="security.md#account-is-not-allowed",
    applies=expects("allowed_users"),
)
def test_accounts_are_allowed(target: Host, accounts: Accounts) -> None:
    """Nobody has an account but those who may.

    A second account with the number of root, or one that nobody asked for, is how a guest comes back.
    """
    allowed = target.allowed_users or ()
    beyond = accounts.beyond(allowed)
    expected = f"{', '.join(allowed)} only" if allowed else "no accounts of people"
    assert not beyond, f"{', '.join(beyond)} on the host, expected {expected}"


@check(
    severity="warning",
    remediation="journalctl -t sshd --since=-1day, or less /var/log/auth.log; shut out who tries",
    runbook="security.md#logins-fail",
    applies=expects("failed_logins"),
)
def test_failed_logins_are_few(failed_logins: FailedLogins, measure: Measure) -> None:
    """Few logins fail.

    Many are somebody who guesses passwords, or a program that uses an old one.
    """
    measure("failed_logins", failed_logins.count, seen=str(failed_logins))


@check(
    severity="critical",
    remediation="chmod o-w PATH; find out who wrote there: ls -l --time-style=full-iso PATH",
    runbook="security.md#everyone-may-write",
    applies=expects("closed_folders"),
)
def test_closed_folders_are_closed(world_writable: WorldWritable) -> None:
    """Nothing under the closed folders is writable by everyone.

    Whoever can log in, or runs a program there, can change what others run and trust.
    """
    assert not world_writable.count, f"{world_writable}, expected none"


@check(
    severity="critical",
    remediation="chown OWNER:GROUP PATH; chmod MODE PATH, as the message says",
    runbook="security.md#file-has-another-owner-or-mode",
    applies=expects("files"),
)
def test_files_keep_their_rules(file_rules: FileRules) -> None:
    """Files have the owner, the group and the mode that they should.

    A key that others can read is no secret, and a configuration that they can write is theirs.
    """
    assert not file_rules.wrong, ", ".join(file_rules.wrong)


@check(
    severity="warning",
    remediation="apt-get update && apt-get upgrade, dnf upgrade --security, or apk upgrade; restart what uses them",
    runbook="security.md#updates-are-due",
    applies=expects("updates"),
)
def test_security_updates_are_installed(updates: Updates, measure: Measure) -> None:
    """No security update is left to install, as far as the host's own package lists tell.

    What is mended in public is attacked in public.
    """
    measure("updates", len(updates.names))
    if updates.security is not None:
        measure("security_updates", len(updates.security), seen=str(updates))
    if updates.lists_age_seconds is not None:
        measure("package_lists_age_days", updates.lists_age_seconds / 86_400)


@check(
    severity="critical",
    remediation="sshd -T | grep -i KEYWORD; set it in /etc/ssh/sshd_config; sshd -t && systemctl reload ssh",
    runbook="security.md#sshd-is-set-otherwise",
    applies=expects("sshd"),
)
def test_sshd_is_set_as_expected(target: Host, sshd_settings: SshdSettings) -> None:
    """sshd is set as it should be.

    It is the door of the host; one word opens it to passwords, or to root.
    """
    differing = sshd_settings.differing(target.sshd)
    assert not differing, "; ".join(differing)


@check(
    severity="critical",
    remediation="openssl x509 -in PATH -noout -subject -enddate; certbot renew, then restart what serves it",
    runbook="security.md#certificate-file-ends-soon",
    applies=expects("certificates"),
)
def test_certificate_files_are_valid(certificate_files: CertificateFiles, measure: Measure) -> None:
    """The certificates in files do not expire soon.

    Clients refuse an expired one, all at the same second.
    """
    for file in certificate_files.every:  # of none, the fact tells why
        measure("certificate_days_left", file.days_left, of=file.path)
    assert not certificate_files.wrong, f"{', '.join(certificate_files.wrong)}, expected a certificate"


@check(
    severity="critical",
    remediation="crontab -l; ls -l /etc/cron.d /etc/cron.daily; systemctl list-timers; put the job back where it was",
    runbook="security.md#job-is-not-scheduled",
    applies=expects("cron"),
)
def test_expected_jobs_are_scheduled(target: Host, cron_jobs: CronJobs) -> None:
    """Every job that should be scheduled is.

    A backup that nobody starts is missed on the day that it is needed.
    """
    missing = cron_jobs.missing(target.cron)
    assert not missing, f"{', '.join(missing)} in no scheduled job; {cron_jobs}, expected a job with each"
