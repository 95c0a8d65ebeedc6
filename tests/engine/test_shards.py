"""``--shard``: each target and each test is in one shard, whatever else there is; an empty shard is no failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from muster.scale.shards import Shard, home
from muster.targets import Host, Target
from tests.engine.report_runs import Made, run

SITE = '''
"""One judged check over hosts and one over endpoints, a live one, and three tests that are about no target."""

import pytest

from muster import Load, Response, check


@check(severity="info", remediation="top")
def test_load_is_known(load: Load) -> None:
    """The load is known."""


@check(severity="critical", remediation="start it")
def test_answer_is_known(response: Response) -> None:
    """The answer is known."""


def test_shell_is_there(host):
    assert host.exists("sh")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_without_target(number):
    pass
'''

#: Five hosts, one of them the gateway of another, and two targets of the top level. Nobody has to answer.
INVENTORY = """\
defaults: {connection: {connect_timeout: 2s}}
hosts:
  web-[1:4]:
    connection: {kind: local}
    endpoints:
      page: {url: "http://127.0.0.1:9/"}
  behind:
    connection: {kind: ssh, address: 127.0.0.1, port: 9, via: web-ssh}
  web-ssh:
    connection: {kind: ssh, address: 127.0.0.1, port: 9}
endpoints:
  website: {url: "http://127.0.0.1:9/"}
  other: {url: "http://127.0.0.1:9/"}
"""

ON_ENDPOINTS = '''
from muster import Response, check


@check(severity="critical", remediation="start it")
def test_answer_is_known(response: Response) -> None:
    """The answer is known."""
'''
ONE_ENDPOINT = "hosts: {web-1: {connection: {kind: local}}}\nendpoints: {website: {url: 'http://127.0.0.1:9/'}}\n"

NAMES = [f"web-{number}.example.net" for number in range(1000)]


def split(names: Sequence[str], count: int) -> dict[str, int]:
    """The shard of each name; a name that is not in exactly one is an error."""
    shards = [Shard(number, count) for number in range(1, count + 1)]
    found = {}
    for name in names:
        (found[name],) = [shard.number for shard in shards if shard.has(name)]
    return found


@pytest.mark.parametrize("count", [1, 2, 7, 8, 1000])
def test_every_host_is_in_exactly_one_shard_whatever_else_there_is(count: int) -> None:
    whole = split(NAMES, count)
    assert split(NAMES[::-1], count) == whole
    assert split(NAMES[::3], count) == {name: whole[name] for name in NAMES[::3]}


def test_the_shards_are_of_about_one_size() -> None:
    sizes = [list(split(NAMES, 8).values()).count(number) for number in range(1, 9)]
    assert sum(sizes) == 1000
    assert 90 < min(sizes) <= max(sizes) < 160


def test_a_host_stays_where_it_is_in_every_version() -> None:
    """Runners of two versions would look at a host twice, or not at all."""
    assert split(["db-1", "web-7.example.net", "größe"], 8) == {"db-1": 6, "web-7.example.net": 8, "größe": 5}


def test_what_is_on_a_host_goes_with_it_and_what_is_on_none_by_its_own_name() -> None:
    hosts = [Host(name=name) for name in NAMES]
    on_them = [Target(name=f"page-{place}", host=host.name) for place, host in enumerate(hosts)]
    alone = [Target(name=f"site-{place}") for place in range(100)]
    targets: list[Target] = [*hosts, *on_them, *alone]
    shards = [Shard(number, 4).of(targets) for number in range(1, 5)]
    assert sorted(map(id, targets)) == sorted(id(target) for shard in shards for target in shard)
    for shard in shards:
        assert list(shard) == [target for target in targets if target in set(shard)]
        names = {target.name for target in shard if isinstance(target, Host)}
        assert {target.host for target in shard if target.host} == names
    assert home(alone[0]) == "site-0"


@pytest.mark.parametrize(
    "text",
    [
        *("0/8", "9/8", "3", "a/b", "-1/2", "3/0", "0/0", "1/100000000", "1/1001", "٣/8", "³/8", " 3/8", "3 / 8"),
        *("", "/", "3/", "/8", "03/8", "3/8\n", "3/8/9", "+3/8", "3.0/8", "1_0/20", "9" * 5000 + "/8"),
    ],
)
def test_what_is_no_shard_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"as 3/8$|the shards of 8 are 1/8 to 8/8$") as refused:
        Shard.parse(text)
    assert len(str(refused.value)) < 200


def test_a_shard_is_read_as_it_is_written() -> None:
    for text in ("1/1", "3/8", "8/8", "1000/1000"):
        assert str(Shard.parse(text)) == text


def test_a_bad_shard_ends_the_run_before_anything_is_contacted(tmp_path: Path) -> None:
    made = run(tmp_path, "--shard", "9/8", checks=SITE, inventory=INVENTORY)
    assert made.code == 2
    assert "--shard 9/8: the shards of 8 are 1/8 to 8/8" in made.terminal
    assert not made.folder.exists()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """All three shards of one run, in one folder of checks."""
    folder = tmp_path_factory.mktemp("shards")
    made = []
    for number in range(1, 4):
        each = run(folder, f"--shard={number}/3", f"--reports=shard-{number}", checks=SITE, inventory=INVENTORY)
        made.append(Made(each.code, each.terminal, folder / f"shard-{number}"))
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return run(tmp_path_factory.mktemp("whole"), checks=SITE, inventory=INVENTORY)


def cases(made: Made) -> list[str]:
    return [case.attrib["name"] for case in made.junit.iter("testcase")]


def verdicts(made: Made) -> list[tuple[str, str, str, str]]:
    return [(line["host"], line["target"], line["check"], line["verdict"]) for line in made.results]


def test_the_shards_together_are_the_whole_run(shards: list[Made], whole: Made) -> None:
    together = [case for shard in shards for case in cases(shard)]
    assert sorted(together) == sorted(cases(whole))
    assert len(together) == len(set(together)) == 6 + 6 + 6 + 3
    assert sorted(each for shard in shards for each in verdicts(shard)) == sorted(verdicts(whole))
    assert all(cases(shard) for shard in shards), "choose other names: every shard is to have something"


def test_the_targets_of_a_host_are_in_its_shard(shards: list[Made]) -> None:
    for number, shard in enumerate(shards, 1):
        for host, target, *_ in verdicts(shard):
            assert Shard(number, 3).has(host or target)


def test_the_header_says_how_much_is_in_the_shard(shards: list[Made]) -> None:
    counts = [len(Shard(number, 3).of(targets())) for number in range(1, 4)]
    for number, (shard, count) in enumerate(zip(shards, counts, strict=True), 1):
        assert f"\nshard {number}/3: {count} of 12 targets\n" in shard.terminal


def targets() -> list[Target]:
    hosts = [*(f"web-{number}" for number in range(1, 5)), "behind", "web-ssh"]
    pages = [Target(name="page", host=f"web-{number}") for number in range(1, 5)]
    return [*(Host(name=name) for name in hosts), *pages, Target(name="website"), Target(name="other")]


def test_a_gateway_may_be_in_another_shard(shards: list[Made]) -> None:
    assert not any(shard.has("behind") and shard.has("web-ssh") for shard in (Shard(1, 3), Shard(2, 3), Shard(3, 3)))
    line = next(line for shard in shards for line in shard.results if line["host"] == "behind")
    assert line["cause"] == "network"
    assert "web-ssh" in line["message"]


def test_the_parts_of_one_run_say_so(shards: list[Made]) -> None:
    said = [json.loads((shard.folder / "run.json").read_text("utf-8")) for shard in shards]
    assert [(each["shard"], each["shards"]) for each in said] == [(1, 3), (2, 3), (3, 3)]
    assert said[0]["selection"] == said[1]["selection"] == said[2]["selection"]
    assert len({each["run"] for each in said}) == 3
    for each, shard in zip(said, shards, strict=True):
        assert each["exit_code"] == shard.code
        assert each["verdicts"] == len(shard.results)
        assert each["started"] < each["finished"]


@pytest.mark.parametrize("options", [(), ("-n", "2"), ("--dry-run",)], ids=["alone", "workers", "dry run"])
def test_a_shard_without_anything_is_green_and_says_so(tmp_path: Path, options: Sequence[str]) -> None:
    inventory = "hosts: {web-1: {connection: {kind: local}}}\n"
    for number in (1, 2):
        made = run(tmp_path, f"--shard={number}/2", "-k", "load", *options, checks=SITE, inventory=inventory)
        assert made.code == 0
        empty = not Shard(number, 2).has("web-1")
        assert (f"muster: nothing of this run is in shard {number}/2" in made.terminal) is empty
        if "--dry-run" not in options:
            assert len(cases(made)) == len(made.results) == (0 if empty else 1)
            assert (made.folder / "report.html").is_file()


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_selection_that_is_empty_in_every_shard_is_no_success(tmp_path: Path, options: Sequence[str]) -> None:
    inventory = "hosts: {web-1: {connection: {kind: local}}}\n"
    for number in (1, 2):
        made = run(tmp_path, f"--shard={number}/2", "-k", "nosuch", *options, checks=SITE, inventory=inventory)
        assert made.code == 5
        assert "nothing was selected" in made.terminal
    made = run(tmp_path, "--shard=1/2", "--limit", "db-*", checks=SITE, inventory=inventory)
    assert made.code == 5


def test_a_file_of_checks_that_no_target_of_a_shard_has_is_green_there(tmp_path: Path) -> None:
    """Such a file is not even imported."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/test_endpoints.py").write_text(ON_ENDPOINTS, "utf-8")
    codes = []
    for number in range(1, 4):
        made = run(tmp_path, f"--shard={number}/3", checks="", inventory=ONE_ENDPOINT, more=[tmp_path / "more"])
        codes.append(made.code)
        assert (f"nothing of this run is in shard {number}/3" in made.terminal) is not Shard(number, 3).has("website")
    assert sorted(codes) == [0, 0, 3]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_test_that_is_named_may_be_in_another_shard(tmp_path: Path, options: Sequence[str]) -> None:
    (tmp_path / "test_named.py").write_text(SITE, "utf-8")
    inventory = "hosts: {web-1: {connection: {kind: local}}}\n"
    named = ("test_named.py::test_load_is_known[web-1]", "--deselect=test_sample.py", *options)
    found = []
    for number in (1, 2):
        made = run(tmp_path, f"--shard={number}/2", *named, checks=SITE, inventory=inventory)
        assert made.code == 0, made.terminal
        found.append(cases(made))
    assert sorted(found) == [[], ["test_load_is_known[web-1]"]]
    made = run(tmp_path, "--shard=1/2", "test_named.py::test_nosuch", checks=SITE, inventory=inventory)
    assert made.code == 4
    assert "not found" in made.terminal


def test_a_run_that_ends_early_is_told_from_a_whole_one(tmp_path: Path) -> None:
    made = run(tmp_path, "--shard=1/1", checks="import os\ndef test_stops(): os._exit(9)\n")
    assert made.code == 9
    said = json.loads((made.folder / "run.json").read_text("utf-8"))
    assert said["finished"] is None
    made = run(tmp_path, "--shard=1/1", "-x", checks="def test_a(): assert 0\ndef test_b(): pass\n")
    assert json.loads((made.folder / "run.json").read_text("utf-8"))["stopped"] is True


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """At the beginning of a run and at its end."""
    reports = tmp_path / "reports"
    fills = f"import os\ndef test_fills(): os.symlink('/dev/full', {str(reports / '.run.json.new')!r})\n"
    made = run(tmp_path, "--shard=1/1", checks=fills)
    assert made.code == 4
    assert f"the reports are not whole: {reports}: No space left on device" in made.terminal
    assert json.loads((reports / "run.json").read_text("utf-8"))["finished"] is None
    made = run(tmp_path, "--shard=1/1", checks=fills)
    assert made.code == 4
    assert f"cannot write reports to {reports}: No space left on device" in made.terminal


def test_a_shard_of_no_inventory_is_refused(tmp_path: Path) -> None:
    """Else every shard would run everything."""
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={tmp_path}", "--shard=1/2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--shard is for a run over an inventory: name one with --inventory FILE" in done.stdout + done.stderr


def test_no_secret_and_no_value_of_set_is_in_the_account(tmp_path: Path) -> None:
    inventory = "vars: {port: '1', pass: \"${env:PROBE}\"}\n" + INVENTORY.replace(":9/", ":${port}/", 1)
    inventory += "  third: {url: 'http://127.0.0.1:9/', auth: {user: a, password: '${pass}'}}\n"
    options = ("--shard=1/1", "--set", "port=54321", "-k", "nosuch")
    made = run(tmp_path, *options, checks=SITE, inventory=inventory, environment={"PROBE": "hunter2hunter2"})
    assert made.code == 5, made.terminal
    text = (made.folder / "run.json").read_text("utf-8")
    assert "hunter2" not in text
    assert "54321" not in text


def test_a_run_without_shards_leaves_no_account_of_one(tmp_path: Path) -> None:
    run(tmp_path, "--shard=1/1", checks="def test_a(): pass\n")
    made = run(tmp_path, checks="def test_a(): pass\n")
    assert made.code == 0
    assert not (made.folder / "run.json").exists()
