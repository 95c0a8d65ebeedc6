"""``results.jsonl``: one line per verdict, of one shape, there as soon as it is judged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from muster.report.results import Results
from muster.verdict import Check, Name, Severity, Verdict
from tests.engine.report_runs import Made, run


class Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    warning: float | None = None
    critical: float | None = None
    warning_below: float | None = None
    critical_below: float | None = None
    source: str | None = None


class Measured(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    value: float
    unit: str
    of: str
    limits: Limits


class Line(BaseModel):
    """The agreement with whoever reads the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    run: str
    check: str
    kind: str
    host: str
    target: str
    labels: dict[str, str]
    verdict: Name
    severity: Severity
    title: str
    message: str
    observed: str
    remediation: str
    runbook: str
    cause: str | None
    host_down: bool
    measurements: list[Measured]
    observed_at: str | None
    duration_seconds: float


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return run(tmp_path_factory.mktemp("results"), "--html", "elsewhere.html")


def test_each_line_has_the_agreed_shape(made: Made) -> None:
    lines = [Line.model_validate(line) for line in made.results]
    assert len({line.run for line in lines}) == 1
    assert [line.check for line in lines] == [
        "words_are_said",
        "words_are_three",
        "words_are_loud",
        "secrets_are_known",
        "point_is_seen",
        "disks_have_space",
        "check_breaks",
    ]
    for line in lines:
        assert list(line.model_dump()) == list(Line.model_fields)
        assert line.observed_at is not None
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.observed_at), line
        assert line.labels == {"role": "proxy", "site": "a & b"}
        assert (line.cause is not None) == (line.verdict in ("critical", "unknown", "warning"))


def test_a_good_line_says_what_was_observed(made: Made) -> None:
    assert made.results[0]["message"] == "two words"


def test_a_measurement_says_its_limits_and_where_they_came_from(made: Made) -> None:
    measured = made.results[5]["measurements"]
    assert [(each["of"], each["value"], each["unit"]) for each in measured] == [
        ("/", 12.5, "%"),
        ("/var", 85, "%"),
        ("/home", 97.25, "%"),
        ("/boot", 5 * 1024**2, "B"),
        ("", 2, ""),
    ]
    source = measured[0]["limits"]["source"]
    assert re.fullmatch(r"inventory\.yaml:\d+", source), source
    assert measured[0]["limits"] == {"warning": 80, "critical": 90, "source": source}
    assert measured[4]["limits"] == {}


def test_an_html_report_of_the_users_own_is_left_where_they_want_it(made: Made) -> None:
    assert sorted(each.name for each in made.folder.iterdir()) == [".lock", "junit.xml", "results.jsonl"]
    assert "Muster: 2 critical, 2 unknown, 1 warning" in (made.folder.parent / "elsewhere.html").read_text("utf-8")


def test_a_line_is_on_disk_before_the_next_is_judged(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl", "a run")
    check = Check("door_is_open", "The door is open", "critical")
    for count, message in enumerate(("closed", "fermée"), 1):
        results.add(Verdict(check, "host", "here", "here", {}, "critical", message))
        lines: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "results.jsonl").open()]
        assert len(lines) == count
    results.close()
    assert lines[1]["message"] == "fermée"


def test_the_reports_go_where_they_are_told(tmp_path: Path) -> None:
    made = run(tmp_path, "--reports", "deep/er", "-k", "words_are_said")
    assert made.code == 0
    assert {each.name for each in (tmp_path / "deep" / "er").iterdir()} == {
        ".lock",
        "junit.xml",
        "report.html",
        "results.jsonl",
    }
