import pytest

from muster import fact
from muster.facts.command_output import parse
from muster.probes import Command, Output, Unobserved
from muster.targets import Host
from tests.facts.recordings import said


def script(text: str | list[str]) -> str:
    question = fact.command(text).probe(Host(name="here", timeout=3)).question
    assert isinstance(question, Command)
    assert question.timeout == 3
    return question.script


def test_text_is_shell_and_a_list_is_a_program_with_its_arguments() -> None:
    assert script("uname -r | tr a-z A-Z") == "uname -r | tr a-z A-Z"
    assert script(["grep", "-c", "a b; c", "/etc/hosts"]) == "grep -c 'a b; c' /etc/hosts"


def test_a_status_other_than_0_is_an_answer() -> None:
    found = parse(said("", status=3, stderr="first\nnot running\n"))
    assert (found.status, str(found)) == (3, "not running (exit status 3)")


def test_a_person_sees_the_first_line() -> None:
    assert str(parse(said("one\ntwo\nthree\n"))) == "one and 2 more lines"
    assert str(parse(said("\n"))) == "nothing printed"
    assert len(str(parse(said("x" * 5000)))) == 200


@pytest.mark.parametrize(("status", "cause"), [(126, "permission"), (127, "missing")])
def test_a_command_that_cannot_be_run_is_unknown(status: int, cause: str) -> None:
    with pytest.raises(Unobserved) as failure:
        parse(said("", status=status, stderr="sh: nonesuch: oh\n"))
    assert failure.value.cause == cause


def test_an_answer_that_is_too_long_is_unknown() -> None:
    with pytest.raises(Unobserved, match="more than the 3 B that are read"):
        parse(Output(b"abc", truncated=True))


@pytest.mark.parametrize("text", ["", "  ", []])
def test_nothing_is_no_command(text: str | list[str]) -> None:
    with pytest.raises(ValueError, match="no command"):
        fact.command(text)


def test_a_long_line_is_cut_where_it_can_be_seen() -> None:
    assert str(parse(said("x" * 300 + "\n"))) == "x" * 199 + "…"
