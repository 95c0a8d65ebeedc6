"""What a target says is hostile: it breaks no report, it is never markup, and secrets are in none of them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.engine.report_runs import Made, rows, run

HOSTILE = r'''
from dataclasses import dataclass

from muster import Command, Host, Measure, Output, Probe, Unobserved, check, need

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>]]><!-- & \"'</td></tr>"
CONTROL = "\x00\x07\x1b[31mred\x1b]0;title\x07 \x85 \u202egnp.exe \ufffe \udc80 \r\n"


@dataclass(frozen=True)
class Log:
    text: str

    def __str__(self):
        return self.text


@need(Host)
def log(host: Host) -> Probe[Log]:
    """The last lines of a log that somebody else writes."""
    script = r"""printf '\000\007\033[31mred\033]0;title\007\377\200 ]]>&<b>bold</b>\n<script>alert(3)</script>'"""
    return Probe(Command(script), lambda output: Log(output.text))


@need(Host)
def hidden(host: Host) -> Probe[Log]:
    """A log that cannot be read."""

    def refuse(output: Output) -> Log:
        raise Unobserved("unreadable", MARKUP + CONTROL)

    return Probe(Command("true"), refuse)


@need(Host)
def endless(host: Host) -> Probe[Log]:
    """A log without an end."""
    return Probe(Command("true"), lambda output: Log("<i>" * 100_000))


@check(severity="critical", remediation=MARKUP)
def test_log_is_shown(log: Log) -> None:
    """What a log says is shown."""


@check(severity="critical", remediation=MARKUP, runbook="logs.md#hostile")
def test_log_is_clean(log: Log) -> None:
    """The log <b>is</b> & stays "clean"."""
    raise AssertionError(f"{log}, {MARKUP}{CONTROL}")


@check(severity="warning", remediation="none")
def test_log_is_quiet(log: Log) -> None:
    """The log is quiet."""
    raise AssertionError(CONTROL + MARKUP)


@check(severity="critical", remediation="none")
def test_log_is_readable(hidden: Log) -> None:
    """The log can be read."""


@check(severity="critical", remediation="none")
def test_log_ends(endless: Log) -> None:
    """The log has an end."""
    raise AssertionError(str(endless))


@check(severity="critical", remediation="none")
def test_log_is_small(log: Log, measure: Measure) -> None:
    """The log is small."""
    measure("space_used_percent", 99, of=MARKUP + CONTROL)


def test_live(host) -> None:
    print(MARKUP + CONTROL)
    assert not host.name if hasattr(host, "name") else False, MARKUP + CONTROL


def test_no_check_at_all() -> None:
    print(MARKUP + CONTROL)
    raise AssertionError(MARKUP + CONTROL)
'''

SECRET = "p4ss/w&rd <€>"
SECRETS = r'''
import os
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from muster import Command, Host, Measure, Output, Probe, Unobserved, check, need

SAID = f"token {os.environ['TOKEN']} as {quote(os.environ['TOKEN'], safe='')}"


@dataclass(frozen=True)
class Echo:
    text: str

    def __str__(self):
        return self.text


@need(Host)
def echo(host: Host) -> Probe[Echo]:
    """A target that says what it was told."""
    return Probe(Command('printf %s "$TOKEN"'), lambda output: Echo(output.text + SAID))


@need(Host)
def refused(host: Host) -> Probe[Echo]:
    """A target that refuses, and says what."""

    def refuse(output: Output) -> Echo:
        raise Unobserved("permission", SAID)

    return Probe(Command("true"), refuse)


@check(severity="critical", remediation="none")
def test_echo_is_heard(echo: Echo, measure: Measure) -> None:
    """An echo is heard."""
    measure("space_used_percent", 1, of=SAID)


@check(severity="critical", remediation="none")
def test_echo_is_right(echo: Echo) -> None:
    """An echo is right."""
    raise AssertionError(SAID)


@check(severity="critical", remediation="none")
def test_echo_breaks(echo: Echo) -> None:
    """A check that breaks on an echo."""
    raise ValueError(SAID)


@check(severity="critical", remediation="none")
def test_echo_is_allowed(refused: Echo) -> None:
    """An echo is allowed."""


@pytest.fixture
def untidy():
    yield
    print(SAID)
    raise RuntimeError(SAID)


def test_live(host) -> None:
    local = SAID
    print(SAID)
    assert host is None, local


def test_live_that_breaks(host) -> None:
    raise OSError(SAID)


def test_live_that_is_skipped(host) -> None:
    pytest.skip(SAID)


def test_live_that_is_untidy(host, untidy) -> None:
    print(SAID)


def test_no_check_at_all() -> None:
    print(SAID)
    assert SAID == ""
'''
INVENTORY = "hosts: {here: {connection: {kind: local}}}\n"
WITH_SECRET = """\
hosts:
  here:
    connection: {kind: local}
    endpoints: {door: {url: "http://127.0.0.1:1/", headers: {authorization: "Bearer ${env:TOKEN}"}}}
"""


@pytest.fixture(scope="module", params=["quick", "ordinary"])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    options = ["--no-quick-path"] if request.param == "ordinary" else []
    return run(tmp_path_factory.mktemp("hostile"), *options, checks=HOSTILE, inventory=INVENTORY)


@pytest.fixture(scope="module", params=["quick", "ordinary"])
def secretive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    options = ["--no-quick-path"] if request.param == "ordinary" else []
    options += ["-o", "junit_logging=all", "-rA", "--tb=long", "--showlocals", "-vv"]
    folder = tmp_path_factory.mktemp("secretive")
    return run(folder, *options, checks=SECRETS, inventory=WITH_SECRET, environment={"TOKEN": SECRET})


def test_hostile_text_does_not_break_junit(hostile: Made) -> None:
    cases = {case.get("name"): case for case in hostile.junit.iter("testcase")}
    assert len(cases) == 8
    failure = cases["test_log_is_clean[here]"].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "<script>alert(1)</script>" in failure.text
    assert r"\x00\x07\x1b[31mred" in failure.text


def test_hostile_text_is_one_line_of_json_each(hostile: Made) -> None:
    results = {line["check"]: line for line in hostile.results}
    assert len(results) == 7
    for line in results.values():
        assert line["message"].isprintable(), line
        assert len(line["message"]) <= 2_100
    assert r"\udc80" in results["log_is_clean"]["message"]


def test_hostile_text_is_no_markup_in_html(hostile: Made) -> None:
    shown = rows(hostile.page)
    assert len(shown) == 8
    for row in shown:
        markup = "".join((*row["resultsTableRow"], row["log"])).lower()
        for element in ("<script", "<img", "<i>", "<b>bold"):
            assert element not in markup, row
    assert hostile.page.count("<script>") == 2, "pytest-html's own and ours"
    log = next(row["log"] for row in shown if "is_clean" in row["testId"])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in log or "expected" in log


def test_hostile_text_reaches_the_terminal_without_controls(hostile: Made) -> None:
    text = hostile.terminal
    controls = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn")} - {"\n"}
    assert not controls, controls


def test_an_endless_text_is_cut(hostile: Made) -> None:
    assert len(hostile.page) < 400_000
    assert (hostile.folder / "results.jsonl").stat().st_size < 40_000


@pytest.mark.parametrize("name", ["junit.xml", "report.html", "results.jsonl", "terminal"])
def test_no_secret_is_in_any_report(secretive: Made, name: str) -> None:
    text = secretive.terminal if name == "terminal" else (secretive.folder / name).read_text("utf-8")
    assert "***" in text
    # Forms that escaping for XML, HTML and JSON would give it are searched by its first, plain part.
    for form in ("p4ss", quote(SECRET, safe="")):
        at = text.find(form)
        assert at < 0, text[max(0, at - 300) : at + 100]


def test_the_run_with_a_secret_has_all_its_verdicts(secretive: Made) -> None:
    verdicts = {line["check"]: line["verdict"] for line in secretive.results}
    assert verdicts == {
        "echo_is_heard": "ok",
        "echo_is_right": "critical",
        "echo_breaks": "unknown",
        "echo_is_allowed": "unknown",
        "live": "critical",
        "live_that_breaks": "unknown",
        "live_that_is_skipped": "skipped",
        "live_that_is_untidy": "ok",
    }


def test_a_secret_of_every_shape_is_taken_out(tmp_path: Path) -> None:
    from muster.text import Redactor

    redact = Redactor(["ab/c", "ab/cd", ""])
    assert redact("ab/cd and ab%2Fc and ab%2Fcd") == "*** and *** and ***"


def test_a_secret_is_taken_out_as_others_write_it() -> None:
    import base64
    import html

    from muster.text import Redactor

    secret = "p/ss & <wörd>"
    redact = Redactor([secret, "line one\nline  two", "\udcff\udcfe is no text"])
    for user in ("u", "us", "use"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            said = redact(encode(f"{user}:{secret}".encode()).decode())
            assert "***" in said
            assert len(said) <= len("***") + 8
    assert redact(html.escape(secret)) == "***"
    assert redact("p\\/ss & <w\\u00f6rd>") == "***"
    assert redact("p%2fss%20%26%20%3cw%c3%b6rd%3e") == "***"
    assert redact("p/ss%20&%20%3Cw%C3%B6rd%3E") == "***"
    assert redact("a line one line two b") == "a *** b"
    assert redact("%FF%FE is") == "%FF%FE is"


def test_the_beginning_of_a_secret_that_was_cut_off_is_taken_out() -> None:
    from muster.text import Redactor, printable

    redact = Redactor(["hunter2-very-secret"])
    for length in range(12, 60):
        text = printable("it says: {hunter2-very-secret} and more and more and more", length)
        assert "hunt" not in redact(text), f"cut to {length} characters"
    assert redact("hunting … hunter2-very-secret-… hunter2… x…") == "hunting … ***-… ***… x…"
