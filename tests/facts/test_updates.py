from pathlib import Path

import pytest

from muster.facts.updates import Updates, parse, updates
from muster.probes import Unobserved
from muster.targets import Host
from tests.facts.asked_here import ask, asked
from tests.facts.recordings import recorded, said


def read(host: str) -> Updates:
    return parse(said(recorded("updates", host)))


def test_apt_tells_what_is_for_security() -> None:
    found = read("debian12")
    assert str(found) == "1 package to upgrade, 1 for security: app; the lists are 3 seconds old"
    assert found.security == ("app",)


def test_none_is_good_news() -> None:
    assert str(read("debian12-kept")).startswith("0 packages to upgrade; the lists are ")
    assert str(read("redhat9-none")) == "0 packages to upgrade; the lists are 1 day old"


def test_dnf_tells_what_is_for_security_each_package_once() -> None:
    found = read("redhat9")
    assert found.names == (
        "kernel",
        "kernel-core",
        "openssl",
        "python3-dnf-plugins-core",
        "NetworkManager-initscripts-updown",
    )
    assert found.security == ("kernel", "kernel-core", "openssl")


def test_a_real_dnf_is_read() -> None:
    found = read("dnf4.14")
    assert found.names == ("app", "lib-with-a-long-name-that-needs-many-columns", "tool")
    assert found.security == ("app",)


def test_a_repository_that_dnf_has_no_list_of_is_no_good_news_although_dnf_says_that_all_is_well() -> None:
    complaint = "Error: Cache-only enabled but no cache for 'baseos'\nIgnoring repositories: baseos\n"
    text = "dnf\n= updates\n= security\nstatus 0\nnow 1795204826\nlists \nend\n"
    with pytest.raises(Unobserved, match=r"Ignoring repositories: baseos: .* dnf makecache as root") as failure:
        parse(said(text, stderr=complaint))
    assert failure.value.cause == "missing"


def test_dnf_of_release_5_is_read() -> None:
    # From its documentation: https://dnf5.readthedocs.io/en/latest/commands/advisory.8.html
    text = """\
dnf
= updates
kernel-core.x86_64     6.11.5-300.fc41  updates
vim-common.x86_64      2:9.1.825-1.fc41 updates
Obsoleting packages
grub2-tools.x86_64     1:2.12-10.fc41   updates
= security
Name                   Type     Severity Package                            Issued
FEDORA-2024-d8d8a0f9b2 security Moderate kernel-core-6.11.5-300.fc41.x86_64 2024-10-22 04:12:07
FEDORA-2024-5a0c7e8a11 security None     vim-common-2:9.1.825-1.fc41.x86_64 2024-10-21 01:33:16
status 100
now 1795204826
lists 1795204824
end
"""
    assert parse(said(text)) == Updates("dnf", ("kernel-core", "vim-common"), ("kernel-core", "vim-common"), 2.0)


def test_what_dnf_says_of_the_kernel_that_runs_is_no_package() -> None:
    kernel = "Security: kernel-core-5.14.0-427.16.1.el9_4.x86_64 is an installed security update"
    text = f"dnf\n= updates\n\nbash.x86_64  5.1.8-9.el9  baseos\n{kernel}\n= security\nstatus 100\n"
    assert parse(said(f"{text}now 1715000000\nlists 1714900000\nend\n")).names == ("bash",)


def test_apk_does_not_tell_what_is_for_security() -> None:
    found = read("alpine3.19")
    assert found.names == ("busybox", "libcrypto3", "libssl3")
    assert found.security is None
    assert str(found) == (
        "3 packages to upgrade (apk does not tell which are for security); the lists are 6 days old"
    )


@pytest.mark.parametrize(
    ("line", "security"),
    [
        ("Inst openssl [3.0.2-0] (3.0.2-1 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])", 1),
        ("Inst bash [5.2.15-2+b7] (5.2.15-2+b10 Debian:12.12/stable [amd64])", 0),
        ("Inst linux-image-6.1.0-41-amd64 (6.1.158-1 Debian-Security:12/stable-security [amd64])", 1),
        ("Inst libc6 [2.36-9] (2.36-10 Debian-Security:12/stable-security [amd64]) [libc6:amd64 ]", 1),
    ],
)
def test_the_origin_tells_what_is_for_security(line: str, security: int) -> None:
    text = f"apt\n1 upgraded, 0 newly installed.\n{line}\nstatus 0\nnow 1795204055\nlists \nend\n"
    found = parse(said(text))
    assert len(found.names) == 1
    assert len(found.security or ()) == security
    assert str(found).endswith("the lists are of unknown age")


def test_a_host_without_a_package_manager_that_is_known_is_not_up_to_date() -> None:
    with pytest.raises(Unobserved, match="no apt-get, dnf, yum or apk to ask") as raised:
        parse(said("none\nend\n"))
    assert raised.value.cause == "missing"


@pytest.mark.parametrize(
    ("tool", "complaint", "cause", "says"),
    [
        ("apt", "apt has no package lists: apt-get update", "missing", "apt-get update"),
        ("apt", "E: Unmet dependencies. Try 'apt --fix-broken install'", "unreadable", "Unmet dependencies"),
        ("dnf", 'Error: Cache-only enabled but no cache for "baseos"', "missing", "look as root, with sudo: true"),
        ("apk", "WARNING: opening /lib/apk: No such file or directory", "missing", "apk update"),
    ],
)
def test_a_package_manager_that_cannot_tell_is_no_good_news(tool: str, complaint: str, cause: str, says: str) -> None:
    text = f"{tool}\nstatus 1\nnow 1715000000\nlists \nend\n"
    with pytest.raises(Unobserved, match=says) as failure:
        parse(said(text, stderr=f"{complaint}\n"))
    assert failure.value.cause == cause


def test_apk_without_lists_is_no_good_news_although_it_says_that_all_is_well() -> None:
    text = recorded("updates", "alpine3.19")
    with pytest.raises(Unobserved, match="apk update"):
        parse(said(text, stderr="WARNING: opening from cache https://mirror/main: No such file or directory\n"))


@pytest.mark.parametrize(("tool", "words"), [("dnf", "check-update"), ("apk", "version -l")])
def test_dnf_and_apk_are_asked_where_they_are_and_apt_is_not(tmp_path: Path, tool: str, words: str) -> None:
    # A stand-in that prints its arguments where the real one would print packages: that is no list of them.
    stand_in = tmp_path / "stand-in"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    output = ask(asked(updates.probe(Host(name="here")).question), "alpine", tmp_path, more={tool: str(stand_in)})
    assert output.text.startswith(f"{tool}\n")
    assert words in output.text
    with pytest.raises(Unobserved):
        parse(output)


def test_a_host_with_busybox_alone_has_no_package_manager(tmp_path: Path) -> None:
    with pytest.raises(Unobserved, match="to ask"):
        parse(ask(asked(updates.probe(Host(name="here")).question), "alpine", tmp_path))
