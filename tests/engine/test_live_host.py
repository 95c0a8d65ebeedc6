"""``host``: a testinfra `Host` over a host's pooled connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from muster.live import chosen_hosts
from muster.live.access import Access
from muster.live.host import pooled_host
from muster.probes import Unobserved
from muster.transports.batch import SYSTEM_PATH
from tests.engine.live_runs import LOCAL, access, inventory, reached_by, suite
from tests.engine.report_runs import run
from tests.servers.processes import wait_for
from tests.servers.sshd import Account, Sshd

#: A file as testinfra's own documentation writes them, without a word of ours.
UNMODIFIED = """
import pytest


@pytest.fixture(scope="module")
def passwd(host):
    return host.file("/etc/passwd")


def test_passwd_file(passwd):
    assert passwd.contains("root")
    assert passwd.user == "root"
    assert passwd.group == "root"
    assert passwd.mode == 0o644
    assert passwd.is_file


def test_package_is_installed(host):
    assert host.package("coreutils").is_installed
    assert host.package("coreutils").version[0].isdigit()


@pytest.mark.parametrize("name, uid", [("root", 0), ("daemon", 1)])
def test_users(host, name, uid):
    assert host.user(name).uid == uid
    assert host.user(name).exists


def test_what_the_system_is(host):
    assert host.system_info.type == "linux"
    assert host.sysctl("kernel.ostype") == "Linux"
    assert host.mount_point("/").exists
    assert host.addr("127.0.0.1").is_resolvable
    assert host.group("root").gid == 0
    assert not host.exists("no-such-program")
    assert host.process.filter(pid=1)


class TestCommands:
    def test_commands(self, host):
        cmd = host.run("echo out; echo error >&2; exit 3")
        assert (cmd.rc, cmd.stdout, cmd.stderr) == (3, "out\\n", "error\\n")
        assert host.check_output("echo %s", "it's; $HOME") == "it's; $HOME"
        assert host.run_test("false").failed
        assert host.run_expect([7], "exit 7").rc == 7
        with pytest.raises(AssertionError, match="Unexpected exit code 2"):
            host.run_test("exit 2")
        assert host.backend.get_hostname()
        assert host.get_host("local://").check_output("echo here") == "here"
"""


@pytest.fixture(params=["local", "ssh"])
def reached(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Access]:
    with reached_by(request.param, request, tmp_path) as host:
        yield host


def test_an_unmodified_testinfra_file_runs_on_an_inventory(tmp_path: Path, ssh_host: Sshd) -> None:
    hosts = inventory(here=LOCAL, far={"connection": ssh_host.connection()})
    made = run(tmp_path, checks=UNMODIFIED, inventory=hosts)
    assert made.code == 0, made.terminal
    ran = {(each["host"], each["check"]) for each in made.results if each["verdict"] == "ok"}
    assert len(made.results) == 12
    assert {host for host, _ in ran} == {"here", "far"}


def test_many_live_tests_on_one_host_make_one_login(tmp_path: Path, start_sshd: Callable[..., Sshd]) -> None:
    server = start_sshd()
    checks = "\n".join(f"def test_{number}(host, http, measure):\n    host.run('true')" for number in range(8))
    more = tmp_path / "test_other.py"
    more.write_text("def test_other(host):\n    host.check_output('id')", encoding="utf-8")
    checks += "\n\ndef test_a_fact(memory):\n    assert memory.total_bytes > 0"
    made = run(tmp_path, checks=checks, inventory=inventory(far={"connection": server.connection()}), more=[more])
    assert [each["verdict"] for each in made.results] == ["ok"] * 10, made.terminal
    assert server.logins == 1


def test_status_and_output_are_exact(reached: Access) -> None:
    output = pooled_host(reached).run("printf 'a\\000\\377\\n\\n'; printf '\\n\\000b' >&2; exit 201")
    assert (output.rc, output.stdout_bytes, output.stderr_bytes) == (201, b"a\0\xff\n\n", b"\n\0b")


def test_a_test_may_ask_how_the_host_is_connected(reached: Access) -> None:
    assert pooled_host(reached).backend.get_connection_type() == reached.host.connection.kind


def test_a_command_that_failed_says_where_it_ran(tmp_path: Path) -> None:
    checks = "def test_it(host):\n    assert host.run('echo why >&2; exit 3').rc == 0"
    made = run(tmp_path, checks=checks, inventory=inventory(here=LOCAL))
    (told,) = (each["message"] for each in made.results)
    assert "CommandResult(backend=<here (local)>, exit_status=3, command=b'echo why >&2; exit 3'" in told
    assert "object at" not in told


def test_a_long_output_and_a_long_complaint_are_whole(reached: Access) -> None:
    long = "head -c 1000000 /dev/zero"
    output = pooled_host(reached).run(f"{long}; {long} >&2")
    assert (output.stdout_bytes, output.stderr_bytes) == (bytes(1_000_000), bytes(1_000_000))


def test_a_command_runs_as_after_a_login_and_sees_nothing_of_ours(reached: Access) -> None:
    host = pooled_host(reached)
    assert host.check_output("echo [$LC_ALL$name$text$1$#]; cat; echo $0") == "[0]\nsh"
    assert host.run("section").rc == 127
    assert SYSTEM_PATH not in host.check_output("echo $PATH"), "what a batch adds is still there"


def test_what_a_command_says_to_its_shell_is_in_no_process_list(reached: Access) -> None:
    everything = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'"
    said = pooled_host(reached).run(f": n0b0dy; {everything} | grep -c 'n0[b]0dy'; {everything} | grep -cx 'sh'")
    secret, shells = map(int, said.stdout.split())
    assert secret == 0
    assert shells > 0


def test_a_text_that_looks_like_the_end_of_ours_is_part_of_the_command(reached: Access) -> None:
    assert pooled_host(reached).check_output("cat <<END\nEND_\nEND\necho 'a\nEND\nb'") == "END_\na\nEND\nb"


def test_sudo_makes_another_user_of_it(tmp_path: Path, start_sshd: Callable[..., Sshd], sudo_ops: Account) -> None:
    server = start_sshd(user=sudo_ops.name)
    with access(tmp_path, {"connection": server.connection()}) as reached:
        host = pooled_host(reached)
        names = [host.check_output("id -un")]
        with host.sudo():
            names.append(host.check_output("id -un"))
            with host.sudo("daemon"):
                names.append(host.check_output("id -un"))
        names.append(host.check_output("id -un"))
    assert names == [sudo_ops.name, "root", "daemon", sudo_ops.name]


def test_sudo_of_the_connection_counts_for_live_commands(
    tmp_path: Path, start_sshd: Callable[..., Sshd], sudo_ops: Account
) -> None:
    server = start_sshd(user=sudo_ops.name)
    with access(tmp_path, {"connection": server.connection(sudo=True)}) as reached:
        assert pooled_host(reached).check_output("id -un") == "root"


def test_sudo_without_the_right_fails_at_once(tmp_path: Path, start_sshd: Callable[..., Sshd], ops: Account) -> None:
    server = start_sshd(user=ops.name)
    with access(tmp_path, {"connection": server.connection()}) as reached:
        host = pooled_host(reached)
        with host.sudo():
            output = host.run("true")
    assert (output.rc, output.stderr) == (1, "sudo: a password is required\n")


def test_a_command_that_never_ends_is_ended_and_unknown(reached: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Access, "seconds", 0.5)
    host = pooled_host(reached)
    with pytest.raises(Unobserved) as caught:
        host.run("sleep 86399; true")
    assert (caught.value.cause, caught.value.host_down) == ("timeout", False)
    assert caught.value.message == "no answer in 0.5 s: sh: sleep 86399; true"
    running = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 8639[9]'"
    wait_for(lambda: host.run(running).stdout == "0\n", "the end of the command")


def test_a_command_that_prints_without_end_is_ended_and_unknown(reached: Access) -> None:
    with pytest.raises(Unobserved) as caught:
        pooled_host(reached).run("yes")
    assert (caught.value.cause, caught.value.message) == ("unreadable", "more than 6 MiB of output: sh: yes")


def test_a_host_that_cannot_be_reached_is_tried_once_and_unknown(tmp_path: Path, refused_port: int) -> None:
    down = {"connection": {"kind": "ssh", "address": "127.0.0.1", "port": refused_port, "user": "ops"}}
    with suite(tmp_path, down=down) as made:
        reached = Access(made, made.targets[0])  # type: ignore[arg-type]
        raised = []
        for _ in range(2):
            with pytest.raises(Unobserved) as caught:
                pooled_host(reached)
            raised.append(caught.value)
    for each in raised:
        assert (each.cause, each.host_down) == ("network", True)
        assert each.message == f"ssh: refused: 127.0.0.1:{refused_port} (after 2 tries)"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (None, None),
        (["web_*"], {"web_1", "web_2"}),
        (["role=db", "web_2"], {"db_1", "web_2"}),
        (["ssh://ops@web_1:2222", "ansible://db_1?force_ansible=True"], {"web_1", "db_1"}),
        (["ansible://all"], {"web_1", "web_2", "db_1"}),
        (["web_*,!web_1"], {"web_2"}),
        ([], set()),
    ],
)
def test_testinfra_hosts_are_patterns_over_the_inventory(
    tmp_path: Path, entries: list[str] | None, expected: set[str] | None
) -> None:
    module = ModuleType("test_it")
    if entries is not None:
        vars(module)["testinfra_hosts"] = entries
    web = {**LOCAL, "labels": {"role": "web"}}
    with suite(tmp_path, web_1=web, web_2=web, db_1={**LOCAL, "labels": {"role": "db"}}) as made:
        chosen = chosen_hosts(module, made)
    assert (chosen if chosen is None else {host.name for host in chosen}) == expected


def test_testinfra_hosts_choose_the_hosts_of_a_file(tmp_path: Path) -> None:
    checks = "testinfra_hosts = ['web_*']\ndef test_it(host):\n    assert host.run('true').rc == 0"
    made = run(tmp_path, checks=checks, inventory=inventory(web_1=LOCAL, db_1=LOCAL))
    assert [each["host"] for each in made.results] == ["web_1"], made.terminal


def test_testinfra_hosts_that_match_nothing_are_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    checks = "testinfra_hosts = ['web_11']\ndef test_it(host):\n    pass"
    made = run(tmp_path, checks=checks, inventory=inventory(web_1=LOCAL, db=LOCAL))
    assert made.code == 2
    said = f'{tmp_path}/test_sample.py: testinfra_hosts: "web_11" matches no target; did you mean "web_1"?'
    assert said in made.terminal.splitlines()
    assert not (made.folder / "results.jsonl").exists(), "nothing is judged beside a pattern that is wrong"


def test_testinfra_hosts_beyond_the_limit_are_left_out(tmp_path: Path) -> None:
    checks = "testinfra_hosts = ['web']\ndef test_it(host):\n    pass\ndef test_ok():\n    pass"
    made = run(tmp_path, "--limit", "db", checks=checks, inventory=inventory(web=LOCAL, db=LOCAL))
    assert (made.code, made.results) == (0, [])
    assert "1 passed, 1 deselected" in made.terminal


def test_without_an_inventory_testinfra_keeps_its_own_host(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(host):\n    assert type(host.backend).__name__ == 'LocalBackend'")
    done = pytester.runpytest_subprocess("-v")
    done.stdout.fnmatch_lines(["*test_it?local? PASSED*"])


def test_testinfras_hosts_option_is_refused_where_it_would_be_overlooked(tmp_path: Path) -> None:
    checks = "def test_it(host):\n    pass"
    made = run(tmp_path, "--hosts", "ssh://elsewhere", checks=checks, inventory=inventory(here=LOCAL))
    assert made.code == 2
    assert "--hosts is for testinfra alone; over an inventory, use --limit" in made.terminal
