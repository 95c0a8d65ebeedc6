from datetime import UTC, datetime
from pathlib import Path

import pytest

from muster.facts.certificate_files import CertificateFiles, parse, script
from muster.probes import DoesNotApply, Unobserved
from tests.facts.asked_here import HOSTS, ask
from tests.facts.recordings import recorded, said

NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)
PATH = ("/srv/app/server.crt",)


def pem() -> str:
    lines = recorded("certificate_files", "debian12-kept").splitlines()
    return "".join(f"{line[1:]}\n" for line in lines if line.startswith(" "))


def read(folder: Path, host: str, text: str, now: datetime = NOW) -> CertificateFiles:
    (folder / "a.crt").write_text(text)
    paths = (str(folder / "a.crt"),)
    return parse(ask(script(paths), host, folder), paths, now)


@pytest.mark.parametrize(("host", "days"), [("debian12", -2), ("busybox", -2), ("debian12-kept", 60)])
def test_the_certificate_that_ends_first_counts(host: str, days: int) -> None:
    found = parse(said(recorded("certificate_files", host)), PATH, NOW)
    assert found.wrong == ()
    assert found.every[0].count == 2
    assert round(found.every[0].days_left) == days
    assert f"({days} days), the first of 2 to end" in str(found)


@pytest.mark.parametrize("host", HOSTS)
def test_no_private_key_leaves_the_host(tmp_path: Path, host: str) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n"
    (tmp_path / "a.crt").write_text(f"{key}{pem()}{key}subject=CN = x\r\n")
    output = ask(script((str(tmp_path / "a.crt"),)), host, tmp_path)
    assert b"PRIVATE" not in output.stdout + output.stderr
    assert b"MIIEvQIBADAN" not in output.stdout
    assert parse(output, (str(tmp_path / "a.crt"),), NOW).every[0].count == 2


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no certificate in PEM"),
        ("\x30\x82\x01", "holds no certificate in PEM"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "holds a certificate that cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n", "holds a certificate that cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nstatus 0\n-----END CERTIFICATE-----\n", "holds a certificate that cannot"),
    ],
)
def test_a_file_without_a_certificate_is_told(tmp_path: Path, text: str, says: str, host: str) -> None:
    found = read(tmp_path, host, text)
    assert found.every == ()
    assert says in found.wrong[0]


def test_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, "debian", pem().replace("\n", "\r\n")).every[0].count == 2


def test_a_certificate_of_the_future_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, "debian", pem(), datetime(2020, 1, 1, tzinfo=UTC))
    assert "is not valid before 2026-08-" in found.wrong[0]


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_that_is_not_there_and_a_folder_in_its_place_are_told(tmp_path: Path, host: str) -> None:
    paths = (str(tmp_path / "nowhere"), str(tmp_path))
    found = parse(ask(script(paths), host, tmp_path), paths, NOW)
    assert found.wrong == (f"{tmp_path}/nowhere is not there", f"{tmp_path} is no file")


@pytest.mark.parametrize(
    "text",
    [
        "sed: can't read /a: Permission denied\n\nstatus 2\nend\n",
        "absent ls: cannot access '/a': Permission denied\nend\n",
    ],
)
def test_a_file_that_may_not_be_read_is_no_good_news(text: str) -> None:
    with pytest.raises(Unobserved, match="Permission denied; look as root, with sudo") as failure:
        parse(said(text), ("/a",))
    assert failure.value.cause == "permission"


@pytest.mark.parametrize("text", ["end\n", "\nstatus 0\n\nstatus 0\nend\n", "\nstatus 0\n"])
def test_an_answer_about_other_files_is_no_fact(text: str) -> None:
    with pytest.raises(Unobserved):
        parse(said(text), ("/a",))


def test_without_files_there_is_nothing_to_look_at() -> None:
    with pytest.raises(DoesNotApply):
        parse(said("end\n"), ())
