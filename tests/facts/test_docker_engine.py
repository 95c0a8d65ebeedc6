import pytest

from muster.facts.docker_engine import parse
from muster.probes import Attempt, DoesNotApply, Unobserved
from muster.questions.docker import EngineAnswer

VERSION = {"Version": "20.10.24+dfsg1", "ApiVersion": "1.41"}


def test_an_engine_that_answers_tells_its_version() -> None:
    answer = parse(EngineAnswer(Attempt("connected"), VERSION), expected=False)
    assert str(answer) == "Docker engine 20.10.24+dfsg1, API 1.41"
    assert answer.cause is None


def test_no_engine_where_none_is_expected_is_skipped() -> None:
    with pytest.raises(DoesNotApply, match="none is expected"):
        parse(EngineAnswer(Attempt("missing", "missing")), expected=False)


def test_no_engine_where_one_is_expected_is_observed() -> None:
    answer = parse(EngineAnswer(Attempt("missing", "missing", "no socket")), expected=True)
    assert (answer.cause, str(answer)) == ("missing", "Docker engine: missing: no socket")


@pytest.mark.parametrize("expected", [True, False])
def test_an_engine_that_died_is_observed_whether_expected_or_not(expected: bool) -> None:
    assert parse(EngineAnswer(Attempt("refused", "network")), expected).cause == "network"


@pytest.mark.parametrize("expected", [True, False])
def test_an_engine_that_may_not_be_asked_is_unknown(expected: bool) -> None:
    with pytest.raises(Unobserved) as failure:
        parse(EngineAnswer(Attempt("denied", "permission", "join the group docker")), expected)
    assert failure.value.cause == "permission"
    assert "join the group docker" in failure.value.message


@pytest.mark.parametrize("version", [None, {}, {"Version": 20, "ApiVersion": None}])
def test_what_gives_no_version_is_no_engine(version: dict[str, object] | None) -> None:
    with pytest.raises(Unobserved, match="does not give its version"):
        parse(EngineAnswer(Attempt("connected"), version), expected=True)
