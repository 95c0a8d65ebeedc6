"""The templates of docs/ci.md: right by the schemas of GitHub and GitLab, and run here as those would."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.report_runs import CHECKS
from tests.servers.sshd import Sshd

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/ci.md").read_text("utf-8")
TEXTS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
GATE, GITLAB_GATE, NIGHTLY, GITLAB_NIGHTLY = ([*TEXTS, "", "", "", ""])[:4]
SCHEMAS = {"vendor.github-workflows": (GATE, NIGHTLY), "vendor.gitlab-ci": (GITLAB_GATE, GITLAB_NIGHTLY)}

#: So many shards stand for the eight of the templates.
SHARDS = 3
#: The code of what the checks of `CHECKS` come to.
BAD = 1


def read(text: str) -> dict[str, Any]:
    # YAML 1.1 takes the key "on" for true.
    found: dict[str, Any] = yaml.load(text, yaml.BaseLoader)
    return found


def commands(template: Mapping[str, Any]) -> Iterator[str]:
    """Every text that a shell is given."""
    for job in template.get("jobs", {}).values():
        yield from (step["run"] for step in job["steps"] if "run" in step)
    for job in template.values():
        if isinstance(job, dict) and "script" in job:
            yield "\n".join([*job.get("before_script", []), *job["script"]])


def test_there_are_two_templates_for_each() -> None:
    assert len(TEXTS) == 4
    assert all("jobs:" in text for text in (GATE, NIGHTLY))
    assert all("stages:" in text for text in (GITLAB_GATE, GITLAB_NIGHTLY))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_template_is_right_by_the_schema(tmp_path: Path, schema: str) -> None:
    for place, text in enumerate(SCHEMAS[schema]):
        (tmp_path / f"{place}.yml").write_text(text, "utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *tmp_path.glob("*.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", TEXTS, ids=["gate", "gitlab gate", "nightly", "gitlab nightly"])
def test_every_command_is_one_that_a_shell_can_read(text: str) -> None:
    found = list(commands(read(text)))
    assert len(found) >= 2
    for each in found:
        done = subprocess.run(["bash", "-n"], input=each, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


def test_actions_are_pinned_to_a_major_version() -> None:
    used = re.findall(r"uses: (.*)", PAGE)
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", each) for each in used)


def test_no_expression_stands_in_a_command() -> None:
    """What it gives would be read by the shell; it goes through the environment."""
    for text in TEXTS:
        assert not [each for each in commands(read(text)) if "${{" in each]


@pytest.fixture
def site(ssh_host: Sshd, tmp_path: Path) -> Path:
    """The repository of a site: five hosts, one machine."""
    folder = tmp_path / "site"
    (folder / "checks").mkdir(parents=True)
    (folder / "inventories").mkdir()
    (folder / "requirements.txt").write_text("# pytest-muster is here already\n", "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = checks\naddopts = -p no:cacheprovider\n", "utf-8")
    (folder / "deploy.sh").write_text("#!/bin/sh\ntouch deployed\n", "utf-8")
    (folder / "deploy.sh").chmod(0o755)
    (folder / "checks/test_sample.py").write_text(CHECKS + "\n\ndef test_about_no_target():\n    pass\n", "utf-8")
    (folder / "inventories/site.yaml").write_text(
        f"vars: {{password: '${{env:PROBE_PASSWORD}}'}}\n"
        f"defaults: {{connection: {{address: 127.0.0.1, port: {ssh_host.port}, user: {ssh_host.user}}}}}\n"
        "hosts: {'web-[1:5]': {labels: {probe: known}, endpoints: {page: {url: 'http://127.0.0.1:9/', "
        "auth: {user: ops, password: '${password}'}}}}}\n",
        "utf-8",
    )
    return folder


class Runner:
    """A machine of a CI's: it runs the jobs of a template in copies of ``site``, and keeps their artefacts."""

    def __init__(self, template: str, site: Path, sshd: Sshd) -> None:
        self.jobs = read(template)
        self._site = site
        self._place = site.parent
        self.artefacts = site.parent / "artefacts"
        self.artefacts.mkdir()
        self._agents: list[Path] = []
        (self._place / "key").write_text(sshd.key_file.read_text(), "utf-8")
        self._values = {
            "secrets.SSH_KEY": sshd.key_file.read_text().rstrip("\n"),
            "vars.SSH_KNOWN_HOSTS": sshd.known_hosts.read_text().rstrip("\n"),
            "secrets.PROBE_PASSWORD": "hunter2hunter2",
        }
        self._variables = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "SSH_KEY": str(self._place / "key"),
            "SSH_KNOWN_HOSTS": str(sshd.known_hosts),
            "PROBE_PASSWORD": "hunter2hunter2",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def github(self, name: str, shard: int = 1) -> tuple[int, str]:
        """Run a job to its end: its exit code, and what it printed."""
        job = self.jobs["jobs"][name]
        folder, variables = self._begin(f"{name}-{shard}")
        values = {**self._values, "matrix.shard": str(shard), "strategy.job-total": str(SHARDS)}
        if "SSH_AUTH_SOCK" in job.get("env", {}):
            variables["SSH_AUTH_SOCK"] = f"{folder}.sock"
        code, said = 0, ""
        for step in job["steps"]:
            if code and step.get("if") != "always()":
                continue
            given = {
                key: expanded(value, values) for key, value in {**step.get("with", {}), **step.get("env", {})}.items()
            }
            if "run" in step:
                secrets = {key: given[key] for key in step.get("env", {})}
                code, out = self._shell(step["run"], folder, {**variables, **secrets})
                said += out
            elif "/upload-artifact@" in step["uses"]:
                no_hidden = shutil.ignore_patterns(".*")
                if (folder / given["path"]).exists():  # else the action warns
                    shutil.copytree(folder / given["path"], self.artefacts / given["name"], ignore=no_hidden)
            elif "/download-artifact@" in step["uses"]:
                for each in self.artefacts.iterdir():
                    if fnmatch(each.name, given["pattern"]):
                        shutil.copytree(each, folder / given["path"] / each.name)
        return code, said

    def gitlab(self, name: str, shard: int = 1) -> tuple[int, str]:
        """The same; a job finds the artefacts of those before it."""
        job = self.jobs[name]
        folder, variables = self._begin(f"{name}-{shard}")
        shutil.copytree(self.artefacts, folder, dirs_exist_ok=True)
        numbers = {"CI_NODE_INDEX": str(shard), "CI_NODE_TOTAL": str(SHARDS)}
        script = "\n".join([*job.get("before_script", []), *job["script"]])
        code, said = self._shell(script, folder, {**variables, **numbers})
        assert job["artifacts"]["when"] == "always"
        for path in job["artifacts"]["paths"]:
            shutil.copytree(folder / path, self.artefacts / path, dirs_exist_ok=True)
        assert (folder / job["artifacts"].get("reports", {}).get("junit", ".")).exists()
        return code, said

    def _begin(self, name: str) -> tuple[Path, dict[str, str]]:
        folder = Path(shutil.copytree(self._site, self._place / name))
        home = self._place / f"home-{name}"
        home.mkdir()
        # ssh-agent makes its socket there where it is not told another.
        return folder, {**self._variables, "HOME": str(home), "TMPDIR": str(home)}

    def _shell(self, script: str, folder: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        command = ["bash", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**variables, "RUNNER": str(self._place)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    def close(self) -> None:
        """End the agents that jobs left behind, as the end of a CI's machine does."""
        mark = f"RUNNER={self._place}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command, environment = (process / "comm").read_text(), (process / "environ").read_bytes()
            except OSError:
                continue
            if command == "ssh-agent\n" and mark in environment.split(b"\0"):
                os.kill(int(process.name), signal.SIGTERM)
                os.waitpid(int(process.name), 0)


def expanded(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: values[found[1]], text)


@pytest.fixture
def runner(request: pytest.FixtureRequest, site: Path, ssh_host: Sshd) -> Iterator[Runner]:
    made = Runner(request.param, site, ssh_host)
    # What a job leaves behind is this process's to wait for, prctl(2): PR_SET_CHILD_SUBREAPER.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    yield made
    made.close()
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


def cases(report: Path) -> list[str]:
    """The names of all test cases. Every host was logged in to: what it says is right."""
    lines = [json.loads(line) for line in (report / "results.jsonl").read_text("utf-8").splitlines()]
    said = [line["host"] for line in lines if (line["check"], line["verdict"]) == ("words_are_said", "ok")]
    assert sorted(said) == [f"web-{number}" for number in range(1, 6)]
    return sorted(case.attrib["name"] for case in ET.parse(report / "junit.xml").iter("testcase"))


EVERY = sorted(
    [
        "test_about_no_target",
        *(
            f"test_{check}[web-{host}]"
            for host in range(1, 6)
            for check in (
                *("words_are_said", "words_are_three", "words_are_loud", "secrets_are_known", "point_is_seen"),
                *("disks_have_space", "check_breaks"),
            )
        ),
    ]
)


@pytest.mark.parametrize("runner", [NIGHTLY], indirect=True, ids=["github"])
def test_the_nightly_run_of_github_has_everything(runner: Runner) -> None:
    assert runner.jobs["jobs"]["check"]["strategy"]["fail-fast"] == "false"
    assert runner.jobs["jobs"]["merge"]["if"] == "always()"
    codes = [runner.github("check", number)[0] for number in range(1, SHARDS + 1)]
    assert codes == [BAD, BAD, 0], "choose names that leave a shard empty"
    code, said = runner.github("merge")
    assert code == BAD, said
    assert cases(runner.artefacts / "muster") == EVERY
    assert "3 shards; they ran from" in said
    assert (runner.artefacts / "muster" / "report.html").is_file()


@pytest.mark.parametrize("runner", [NIGHTLY], indirect=True, ids=["github"])
def test_the_nightly_run_of_github_without_a_shard_says_which(runner: Runner) -> None:
    for number in range(2, SHARDS + 1):
        runner.github("check", number)
    code, said = runner.github("merge")
    assert (code, "missing: shard 1/3" in said) == (2, True), said


@pytest.mark.parametrize("runner", [GITLAB_NIGHTLY], indirect=True, ids=["gitlab"])
def test_the_nightly_run_of_gitlab_has_everything(runner: Runner) -> None:
    assert runner.jobs["merge"]["when"] == "always"
    codes = [runner.gitlab("check", number)[0] for number in range(1, SHARDS + 1)]
    assert codes == [BAD, BAD, 0]
    code, said = runner.gitlab("merge")
    assert code == BAD, said
    assert cases(runner.artefacts / "reports") == EVERY


@pytest.mark.parametrize("runner", [GATE], indirect=True, ids=["github"])
def test_the_gate_of_github_stops_a_deploy_that_is_not_right(runner: Runner) -> None:
    code, said = runner.github("gate")
    assert code == BAD, said
    assert cases(runner.artefacts / "muster") == EVERY


@pytest.mark.parametrize("runner", [GITLAB_GATE], indirect=True, ids=["gitlab"])
def test_the_gate_of_gitlab_stops_a_deploy_that_only_warns(runner: Runner, site: Path) -> None:
    loud = CHECKS.partition('@check(severity="critical", remediation="say it again"')[0]
    warns = '''
@check(severity="warning", remediation="speak up")
def test_words_are_loud(words: Words) -> None:
    """The host speaks loudly."""
    assert words.said.isupper(), f"{words}, expected capitals"
'''
    (site / "checks/test_sample.py").write_text(loud + warns, "utf-8")
    code, said = runner.gitlab("gate")
    assert code == BAD, said
    assert "5 warning" in said
    (site / "checks/test_sample.py").write_text(loud + warns.replace("isupper", "islower"), "utf-8")
    shutil.rmtree(runner.artefacts / "reports")
    code, said = runner.gitlab("gate", 2)
    assert code == 0, said
