"""What hosts let in: hosts with accounts, ports, logs, files and jobs of their own, some kept badly, some closed."""

from __future__ import annotations

import datetime
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import trustme

from tests.faults.cases import CALM, Case, Ran, critical, run, unknown, warning
from tests.faults.hosts import ssh
from tests.servers.docker import Engine
from tests.servers.processes import Background
from tests.servers.sshd import Account, CutOffHost, Sshd, cut_off_host
from tests.servers.systemd import RUNS, machine

PLACE = "${place}"
SETTINGS = {"PermitRootLogin": "no", "passwordauthentication": "No", "LoginGraceTime": "2m", "MaxAuthTries": "3"}


def expecting(name: str, *, files: str, **more: object) -> dict[str, Any]:
    """All that an inventory can say of a host's security, of the files below the folder ``files``."""
    below = f"{PLACE}/{files}"
    return {
        **ssh(name),
        "allowed_users": ["deploy", "${ops_user}", "${sudo_ops_user}"],
        "failed_logins": "1h",
        "closed_folders": [f"{below}/folder"],
        "files": {f"{below}/secret": {"owner": "root", "group": "root", "mode": "0600"}},
        "certificates": [f"{below}/server.crt"],
        "updates": True,
        "sshd": SETTINGS,
        "cron": ["backup-database.sh"],
        **more,
    }


#: The connection into the machine that systemd runs.
INSIDE = {"connection": {"kind": "docker", "address": "watched"}, "docker": {"url": "unix://${engine}"}}

CASES = (
    # good
    Case("kept", expecting("kept", files="kept", allowed_ports=["${kept_address}:${kept_port}"])),
    Case(
        "sudo",
        expecting("sudo", files="closed", connection={**ssh("sudo")["connection"], "sudo": True}),
    ),
    Case(
        "bare",
        {**ssh("bare"), "allowed_users": ["deploy", "${ops_user}", "${sudo_ops_user}"], "updates": True},
        {"security_updates_are_installed": unknown("there is no apt-get, dnf, yum or apk to ask", cause="missing")},
    ),
    Case("machine", {**INSIDE, "failed_logins": "1h", "limits": {"failed_logins": {"warning": 12}}}),
    Case("timers", {**INSIDE, "cron": ["backup-database.sh", "backup.timer"]}),
    # bad
    Case(
        "lax",
        expecting("lax", files="lax", listening=["${lax_port}"], allowed_ports=["127.0.0.1:9", "4321/udp"]),
        {
            "listening_ports_are_allowed": critical(
                "127.0.0.1:4321/tcp, 0.0.0.0:4444/tcp listening, expected 127.0.0.1:9, 4321/udp, ${lax_port} only"
            ),
            "accounts_are_allowed": critical("mallory (uid 1501), toor (uid 0) on the host, expected deploy, "),
            "failed_logins_are_few": warning(
                "failed_logins is 13 (13 failed logins in 1 hour: 127.0.0.1 13 (/var/log/messages))",
                "expected at most 10",
            ),
            "closed_folders_are_closed": critical(
                "3 paths writable by everyone", "/lax/folder/open.conf", "/lax/folder/open?line", "expected none"
            ),
            "files_keep_their_rules": critical("/lax/secret owner nobody, expected root; mode 0644, expected 0600"),
            "security_updates_are_installed": warning(
                "security_updates is 1 (1 package to upgrade, 1 for security: app; the lists are ",
                "expected at most 0",
            ),
            "sshd_is_set_as_expected": critical(
                "PermitRootLogin yes, expected no; passwordauthentication yes, expected No",
                "MaxAuthTries 6, expected 3",
            ),
            "certificate_files_are_valid": critical("/lax/server.crt is -1", "expected at least 7 d"),
            "expected_jobs_are_scheduled": critical("backup-database.sh in no scheduled job; "),
        },
    ),
    Case(
        "elsewhere",
        {
            **ssh("kept"),
            "allowed_ports": [],
            "allowed_users": [],
            "closed_folders": ["/nowhere"],
            "files": {"/nowhere": {"mode": "0600"}},
            "certificates": ["/nowhere.crt", f"{PLACE}/kept/secret", f"{PLACE}/kept/soon.crt"],
            "sshd": {"PermitTelepathy": "no"},
            "cron": ["backup-config.sh"],
        },
        {
            "listening_ports_are_allowed": critical("${kept_address}:${kept_port}/tcp listening, expected none"),
            "accounts_are_allowed": critical("deploy (uid 1500) on the host, expected no accounts of people"),
            "closed_folders_are_closed": unknown("/nowhere", "No such file", cause="missing"),
            "files_keep_their_rules": critical("/nowhere is not there"),
            "certificate_files_are_valid": critical(
                "/nowhere.crt is not there",
                "/kept/secret holds no certificate in PEM, expected a certificate",
                "certificate_days_left of ${place}/kept/soon.crt is 19",
            ),
            "sshd_is_set_as_expected": critical("PermitTelepathy not set, expected no"),
            "expected_jobs_are_scheduled": critical("backup-config.sh in no scheduled job; "),
        },
    ),
    Case(
        "failed-in-the-journal",
        {**INSIDE, "failed_logins": "1h", "cron": ["backup-config.sh"]},
        {
            "failed_logins_are_few": warning(
                "failed_logins is 12 (12 failed logins in 1 hour: 127.0.0.1 12 (journal)), expected at most 10"
            ),
            "expected_jobs_are_scheduled": critical("backup-config.sh in no scheduled job; 2 jobs in systemd"),
        },
    ),
    # not to be looked at
    Case(
        "closed",
        expecting("closed", files="closed"),
        {
            "failed_logins_are_few": unknown("/var/log/messages: permission denied", "group adm", cause="permission"),
            "closed_folders_are_closed": unknown("/closed/folder", "ermission denied", "sudo", cause="permission"),
            "files_keep_their_rules": unknown("/closed/secret", "ermission denied", "sudo", cause="permission"),
            "certificate_files_are_valid": unknown("/closed/server.crt", "ermission denied", cause="permission"),
            "sshd_is_set_as_expected": unknown(
                "/etc/ssh/sshd_config cannot be read", "as root, with sudo", cause="permission"
            ),
            "expected_jobs_are_scheduled": unknown(
                "backup-database.sh in no job of those that may be read; /etc/cron.d", "sudo", cause="permission"
            ),
        },
    ),
    Case(
        "closed-journal",
        {**ssh("journal"), "failed_logins": "1h"},
        {"failed_logins_are_few": unknown("journal: permission denied", "group adm", cause="permission")},
    ),
    Case(
        "defaults",
        {**ssh("open"), "sshd": {"PermitRootLogin": "no", "MaxSessions": "10"}},
        {
            "sshd_is_set_as_expected": unknown(
                "MaxSessions stands in no file of sshd, so its default counts", "sudo", cause="permission"
            )
        },
    ),
    Case(
        "without-logs",
        {**ssh("bare"), "failed_logins": "1h"},
        {"failed_logins_are_few": unknown("no journal, and no such file", cause="missing")},
    ),
)

#: Nobody but ``deploy``, and whom the tests log in as; no job, no log, no packages but those below.
OWN = """
awk -F: '($3 < 1000 && $3 > 0) || $1 == "root" || $1 == "nobody" || $1 == "OPS" || $1 == "SUDO"' /etc/passwd \\
    >"$root/etc/passwd"
chroot "$root" useradd -M -u 1500 deploy
rm -rf "$root"/etc/cron* "$root"/var/spool/cron "$root"/var/log/auth.log* "$root"/var/log/secure* \\
    "$root"/var/log/messages* "$root"/etc/apt/sources.list* "$root"/var/lib/apt/lists "$root"/etc/ssh/sshd_config*
mkdir -p "$root"/etc/cron.d "$root"/etc/cron.daily "$root"/var/lib/apt/lists/partial "$root/etc/ssh/sshd_config.d"
cp "$folder/host" "$root/etc/ssh/ssh_host_ed25519_key"
printf 'Include sshd_config.d/*.conf\\nHostKey /etc/ssh/ssh_host_ed25519_key\\nMatch User x\\nMaxSessions 3\\n' \\
    >"$root/etc/ssh/sshd_config"
"""
SSHD_KEPT = """
printf 'PermitRootLogin no\\nPasswordAuthentication no\\nMaxAuthTries 3\\n' >"$root/etc/ssh/sshd_config.d/own.conf"
sed -i '/^HostKey/a PermitRootLogin yes' "$root/etc/ssh/sshd_config"
"""
SSHD_LAX = "printf 'PermitRootLogin yes\\nPasswordAuthentication yes\\n' >\"$root/etc/ssh/sshd_config.d/own.conf\"\n"
CRON_KEPT = """
echo '0 2 * * * root /opt/network-probe/scripts/backup-database.sh' >"$root/etc/cron.d/network-probe"
"""
#: Commented out; and, with a dot in its name, nothing that Debian's run-parts would run.
CRON_LAX = """
echo '#0 2 * * * root /opt/network-probe/scripts/backup-database.sh' >"$root/etc/cron.d/network-probe"
echo '#!/bin/sh' >"$root/etc/cron.daily/backup-database.sh"; chmod +x "$root/etc/cron.daily/backup-database.sh"
"""
ACCOUNTS_LAX = """
chroot "$root" useradd -M -u 1501 mallory
chroot "$root" useradd -M -o -u 0 toor
"""
#: A repository for security with a release of a package, which is installed in release 1.0; and apt's lists of it.
APT = """
printf 'Package: app\\nStatus: install ok installed\\nMaintainer: m\\nArchitecture: all\\nVersion: 1.0\\n\\n' \\
    >"$root/var/lib/dpkg/status"
mkdir "$root/srv/repository"
about='Package: app\\nMaintainer: m\\nArchitecture: all\\nVersion: RELEASE\\nFilename: a\\nSize: 1\\nSHA256: %064d\\n'
printf "$about" 0 >"$root/srv/repository/Packages"
set -- $(sha256sum <"$root/srv/repository/Packages") $(wc -c <"$root/srv/repository/Packages") "$@"
about='Origin: Debian\\nLabel: Debian-Security\\nSuite: stable-security\\nVersion: 12\\nSHA256:\\n %s %s Packages\\n'
printf "$about" "$1" "$3" >"$root/srv/repository/Release"
shift 3
echo 'deb [trusted=yes] file:/srv/repository ./' >"$root/etc/apt/sources.list"
chroot "$root" apt-get -q update >&2
"""
#: An sshd that logs, and somebody who guesses three passwords in each connection, for a user who is not there.
SSHD = "/usr/sbin/sshd -D -f /dev/null -h /etc/key -p 2222 -o ListenAddress=127.0.0.1 -o UsePAM=no -o PidFile=none"
GUESS = """
printf '#!/bin/sh\\necho guess\\n' >/root/guess; chmod +x /root/guess
until ssh-keyscan -p 2222 127.0.0.1 >/dev/null 2>&1; do sleep 0.05; done
for each in 1 2 3 4; do
    SSH_ASKPASS=/root/guess SSH_ASKPASS_REQUIRE=force ssh -F none -p 2222 -o UserKnownHostsFile=/dev/null \\
        -o StrictHostKeyChecking=no -o PubkeyAuthentication=no -o LogLevel=ERROR intruder@127.0.0.1 </dev/null
done
"""
#: The log of it, as busybox's syslogd keeps one, on a host with a /dev of its own; and one attempt of somebody else.
LOGGED = f"""
mount -t tmpfs dev "$root/dev"
for each in null zero full random urandom tty; do cp -a "/dev/$each" "$root/dev/"; done
cp "$folder/host" "$root/etc/key"
chroot "$root" busybox syslogd -n -O /var/log/messages &
until [ -S "$root/dev/log" ]; do sleep 0.05; done
chroot "$root" {SSHD} &
guessed=$!
cat >"$root/root/guess.sh" <<'END'
{GUESS}
ssh -F none -p 2222 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o BatchMode=yes other@127.0.0.1
END
chroot "$root" sh /root/guess.sh || :
kill $guessed; wait $guessed || :
"""
#: The same under systemd, which has what it prints in the journal; and a timer.
UNITS = {
    "guessed.service": "[Unit]\nDefaultDependencies=no\n[Service]\n"
    "ExecStartPre=/bin/sh -c 'mkdir -p /run/sshd; echo sshd:x:100:65534::/run/sshd:/bin/false >>/etc/passwd'\n"
    "ExecStartPre=/bin/sh -c 'mkdir -p /etc/alternatives; ln -sf /usr/bin/mawk /etc/alternatives/awk'\n"
    "ExecStartPre=/usr/bin/ssh-keygen -q -t ed25519 -N '' -f /etc/key\n"
    f"ExecStart={SSHD} -e\n",
    "backup.service": RUNS.replace("/bin/sleep 1000000", "/bin/true /opt/scripts/backup-database.sh"),
    "backup.timer": "[Unit]\nDefaultDependencies=no\n[Timer]\nOnCalendar=02:00\n",
    "weekly.timer": "[Unit]\nDefaultDependencies=no\n[Timer]\nOnCalendar=weekly\nUnit=backup.service\n",
}
#: What only root may look at.
CLOSED = """
touch "$root/var/log/messages"
chmod 600 "$root/var/log/messages" "$root/etc/ssh/sshd_config"
chmod 700 "$root/etc/cron.d"
"""
#: A journal that only root and its groups may read, in a host that systemd seems to run.
JOURNAL = """
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
mkdir -p "$root/run/systemd/system" "$root/var/log/journal/0123456789abcdef0123456789abcdef"
install -m 600 PLACE/system.journal "$root/var/log/journal/0123456789abcdef0123456789abcdef"
"""
#: What listens on the host that is kept badly: TCP to all and to the host itself, and UDP.
LISTEN = """
import socket, time
held = [socket.create_server(("0.0.0.0", 4444)), socket.create_server(("127.0.0.1", 4321))]
asked = socket.socket(type=socket.SOCK_DGRAM)
asked.bind(("0.0.0.0", 4321))
print("listening", flush=True)
time.sleep(1000000)
"""


def judged(folder: Path, engine: Engine, ops: Account, sudo_ops: Account) -> Ran:
    """All of them in one run. The names and ports of the hosts are noted."""
    # Not in pytest's own folder: an account without rights has to reach it.
    place = Path(tempfile.mkdtemp(prefix="muster-security-"))
    place.chmod(0o755)
    own = OWN.replace("OPS", ops.name).replace("SUDO", sudo_ops.name)
    kept = own + SSHD_KEPT + CRON_KEPT + APT.replace("RELEASE", "1.0")
    lax = own + SSHD_LAX + CRON_LAX + ACCOUNTS_LAX + APT.replace("RELEASE", "2.0") + LOGGED
    with ExitStack() as serving:
        serving.callback(shutil.rmtree, place)
        _make(place)
        start = serving.enter_context
        watched = machine(engine, "watched", UNITS, journal=True)
        watched.exec_run(["sh", "-c", GUESS])
        journal = watched.exec_run(["sh", "-c", "cat /run/log/journal/*/system.journal"]).output
        (place / "system.journal").write_bytes(journal)
        hosts: dict[str, Sshd] = {
            "kept": start(cut_off_host(changes=kept + 'touch "$root/var/log/auth.log"\n')),
            "lax": start(_listening(start(cut_off_host(changes=lax)), folder)),
            "closed": start(Sshd(user=ops.name, changes=kept + CLOSED)),
            "sudo": start(Sshd(user=sudo_ops.name, changes=kept + CLOSED)),
            "open": start(Sshd(user=ops.name, changes=kept)),
            "journal": start(Sshd(user=ops.name, changes=own + JOURNAL.replace("PLACE", str(place)))),
            "bare": start(Sshd(without=["apt-get", "getent"], changes=own)),
        }
        settings: dict[str, object] = {"engine": engine.socket}
        settings |= {"ops_user": ops.name, "sudo_ops_user": sudo_ops.name}
        for name, host in hosts.items():
            known = {"port": host.port, "user": host.user, "address": host.address, "folder": host.folder}
            settings |= {f"{name}_{part}": value for part, value in known.items()}
        inventory = {"defaults": {"limits": CALM}, "hosts": {case.name: case.entry for case in CASES}}
        # A file's path is a key here, in which no variable stands.
        ran = run(folder, json.dumps(inventory, indent=1).replace(PLACE, str(place)), settings=settings)
        return Ran(
            ran.code,
            ran.terminal,
            ran.folder,
            {name: str(value) for name, value in {**settings, "place": place}.items()},
        )


def _make(place: Path) -> None:
    """The files of the hosts that are kept well, badly, and closed to all but root."""
    now = datetime.datetime.now(datetime.UTC)
    authority = trustme.CA()

    def certificate(file: Path, days: float) -> None:
        ends = now + datetime.timedelta(days=days)
        issued = authority.issue_cert("web.example", not_before=now - datetime.timedelta(days=90), not_after=ends)
        chain = [each.bytes() for each in issued.cert_chain_pems]
        file.write_bytes(issued.private_key_pem.bytes() + b"".join(chain) + authority.cert_pem.bytes())

    for name, mode, days in (("kept", 0o600, 60.5), ("lax", 0o644, -1.5), ("closed", 0o600, 60.5)):
        below = place / name
        (below / "folder" / "sticky").mkdir(parents=True)
        (below / "folder" / "sticky").chmod(0o1777)
        (below / "folder" / "app.conf").write_text("x")
        (below / "secret").write_text("x")
        (below / "secret").chmod(mode)
        certificate(below / "server.crt", days)
    certificate(place / "kept" / "soon.crt", 19.5)
    shutil.chown(place / "lax" / "secret", "nobody")
    for name in ("open.conf", "open\nline", "open"):
        path = place / "lax" / "folder" / name
        path.mkdir() if name == "open" else path.write_text("x")
        path.chmod(0o777)
    (place / "closed").chmod(0o700)


@contextmanager
def _listening(host: CutOffHost, folder: Path) -> Iterator[Sshd]:
    """The host, with what listens there beside its sshd."""
    held = Background(["ip", "netns", "exec", host.namespace, sys.executable, "-c", LISTEN], folder / "listen.log")
    try:
        held.wait_for(lambda: "listening" in held.printed())
        yield host
    finally:
        held.stop()
