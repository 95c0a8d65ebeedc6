import pytest

from muster.facts.sshd_settings import SshdSettings, parse
from muster.probes import DoesNotApply, Unobserved
from tests.facts.recordings import recorded, said

EXPECTED = {"PermitRootLogin": "no", "PASSWORDAUTHENTICATION": "No", "logingracetime": "2m", "MaxAuthTries": "3"}


def files(*lines: str) -> str:
    """What the files of sshd come to: a line that is no mark stands in them."""
    return "\n".join(("files", "+", *(each if each in "+-" else f" {each}" for each in lines), "-", "end", ""))


def test_what_sshd_says_of_itself_counts() -> None:
    found = parse(said(recorded("sshd_settings")), EXPECTED)
    assert found.effective
    assert found.differing(EXPECTED) == [
        "PermitRootLogin yes, expected no",
        "PASSWORDAUTHENTICATION yes, expected No",
        "MaxAuthTries 6, expected 3",
    ]
    assert parse(said(recorded("sshd_settings", "debian12-kept")), EXPECTED).differing(EXPECTED) == []


def test_lines_of_one_keyword_add_up() -> None:
    expected = {"ListenAddress": "[::]:22 0.0.0.0:22"}
    found = parse(said(recorded("sshd_settings")), expected)
    assert found.differing(expected) == []


def test_a_keyword_that_sshd_does_not_know_is_told() -> None:
    expected = {"PermitTelepathy": "no"}
    assert parse(said(recorded("sshd_settings")), expected).differing(expected) == [
        "PermitTelepathy not set, expected no"
    ]


def test_in_files_the_first_value_counts_also_of_what_they_include() -> None:
    expected = {"PermitRootLogin": "no", "MaxAuthTries": "3"}
    found = parse(said(recorded("sshd_settings", "debian12-files")), expected)
    assert not found.effective
    assert str(found) == "PermitRootLogin no, MaxAuthTries 3"


def test_what_stands_in_no_file_or_in_a_match_only_is_unknown() -> None:
    with pytest.raises(Unobserved, match=r"MaxSessions stands in no file of sshd.*sudo") as failure:
        parse(said(recorded("sshd_settings", "debian12-files")), {"PermitRootLogin": "no", "MaxSessions": "3"})
    assert failure.value.cause == "permission"


def test_what_is_wrong_in_a_file_is_told_although_another_keyword_is_unknown() -> None:
    expected = {"PermitRootLogin": "yes", "MaxSessions": "3"}
    found = parse(said(recorded("sshd_settings", "debian12-files")), expected)
    assert found.differing(expected) == ["PermitRootLogin no, expected yes"]


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["PermitRootLogin=no"], "no"),
        (['\tpermitrootlogin   "no"  # never'], "no"),
        (["#PermitRootLogin yes", "PermitRootLogin no"], "no"),
        (["Match all", "PermitRootLogin no"], "no"),
        (["Match User a", "PermitRootLogin yes", "Match all", "PermitRootLogin no"], "no"),
        (["Include a", "+", "Match User a", "PermitRootLogin yes", "-", "PermitRootLogin no"], "no"),
        (["Match User a", "+", "Match all", "PermitRootLogin yes", "-", "Match all", "PermitRootLogin no"], "no"),
    ],
)
def test_files_are_read_as_sshd_reads_them(lines: list[str], value: str) -> None:
    assert parse(said(files(*lines)), {"PermitRootLogin": value}).every == {"PermitRootLogin": value}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("without-password", "prohibit-password"), ("120", "2m"), ("1h30m", "5400"), ("a  b", "A B"), ("2m", "120s")],
)
def test_two_words_for_one_setting_are_equal(value: str, expected: str) -> None:
    assert SshdSettings({"Keyword": value}, True).differing({"Keyword": expected}) == []


def test_a_keyword_of_older_versions_is_that_of_newer_ones() -> None:
    expected = {"ChallengeResponseAuthentication": "no", "PubkeyAcceptedKeyTypes": "ssh-ed25519"}
    text = "effective\nport 22\nkbdinteractiveauthentication no\npubkeyacceptedalgorithms ssh-ed25519\nend\n"
    assert parse(said(text), expected).differing(expected) == []


def test_a_file_that_may_not_be_read_makes_all_unknown() -> None:
    text = files("PermitRootLogin no").replace("end", "! /etc/ssh/sshd_config.d/50-redhat.conf\nend")
    with pytest.raises(Unobserved, match=r"50-redhat.conf cannot be read, and sshd -T is for root: look as root"):
        parse(said(text), {"PermitRootLogin": "no"})
    with pytest.raises(Unobserved, match="sshd_config cannot be read"):
        parse(said("files\n! /etc/ssh/sshd_config\nend\n"), {"PermitRootLogin": "no"})


@pytest.mark.parametrize(
    ("stderr", "status", "cause"),
    [
        ("sshd: not found", 127, "missing"),
        ("Missing privilege separation directory: /run/sshd", 255, "unreadable"),
        ("/etc/ssh/sshd_config: line 5: Bad configuration option: PermitRoot", 255, "unreadable"),
    ],
)
def test_an_sshd_that_cannot_tell_is_no_good_news(stderr: str, status: int, cause: str) -> None:
    with pytest.raises(Unobserved, match=stderr) as failure:
        parse(said("effective\n", status=status, stderr=stderr + "\n"), {"PermitRootLogin": "no"})
    assert failure.value.cause == cause


def test_without_expectations_there_is_nothing_to_ask() -> None:
    with pytest.raises(DoesNotApply):
        parse(said(recorded("sshd_settings")), {})
