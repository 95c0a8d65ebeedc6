"""The facts about what a container was made of and may do, from inspections that a real engine (20.10) gave."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from muster.facts import (
    container_image,
    container_log_setup,
    container_log_size,
    container_mounts,
    container_privileges,
    container_restart_policy,
)
from muster.probes import Unobserved
from muster.questions.docker import ContainerLogFile, InspectContainer, LogFile, Matches
from muster.targets import Container

RECORDED = Path(__file__).parent / "recorded" / "container_config"
PARSERS = [
    container_image.parse,
    container_log_setup.parse,
    container_mounts.parse,
    container_privileges.parse,
    container_restart_policy.parse,
]
#: When the recorded containers had been there for two days and a little.
LATER = datetime(2026, 11, 22, 20, tzinfo=UTC).timestamp()


def recorded(name: str) -> Matches:
    inspected: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return Matches((inspected["Name"].lstrip("/"),), inspected, LATER)


def changed(name: str, part: str, **more: Any) -> Matches:
    """A recorded inspection in which a part (empty: the whole) says something else."""
    matches = recorded(name)
    assert matches.inspected is not None
    inspected = dict(matches.inspected)
    if part:
        inspected[part] = {**inspected[part], **more}
    else:
        inspected |= more
    return Matches(matches.names, inspected, matches.engine_time)


def test_all_of_them_ask_the_question_that_the_state_asks() -> None:
    target = Container(name="quota-proxy", match="quota-proxy*")
    needs = (
        container_image.container_image,
        container_log_setup.container_log_setup,
        container_mounts.container_mounts,
        container_privileges.container_privileges,
        container_restart_policy.container_restart_policy,
    )
    assert {each.probe(target).question for each in needs} == {InspectContainer("quota-proxy*")}
    assert container_log_size.container_log_size.probe(target).question == ContainerLogFile("quota-proxy*")


# The image


def test_the_image_its_id_and_the_age_of_the_container() -> None:
    found = container_image.parse("*", recorded("plain"))
    assert found.image == "quota-proxy:1.4"
    assert found.digests == ("sha256:2d38114bcd3d137ae9cbb2f22a179049dd3cb80d0f55bfde534a30c3729c2bd1",)
    assert 2 * 86_400 < found.age_seconds < 2.1 * 86_400
    assert str(found) == f"quota-proxy:1.4 ({found.digests[0]}), made 2 days ago"


def test_the_digest_that_a_name_pins_and_that_of_the_manifest_are_digests_too() -> None:
    pinned = changed("plain", "Config", Image="registry/x:1@sha256:aa")
    assert container_image.parse("*", pinned).digests[1:] == ("sha256:aa",)
    # Docker Engine API 1.48: engines that keep images as containerd does tell the manifest.
    stored = changed("plain", "", ImageManifestDescriptor={"digest": "sha256:bb", "size": 1})
    assert container_image.parse("*", stored).digests[1:] == ("sha256:bb",)


@pytest.mark.parametrize(
    ("image", "glob", "fits"),
    [
        ("quota-proxy:1.4", "quota-proxy:1.*", True),
        ("quota-proxy:1.4", "quota-proxy", False),
        ("quota-proxy", "quota-proxy:latest", True),
        ("quota-proxy", "quota-proxy", True),
        ("quota-proxy:latest", "quota-proxy", True),
        ("registry:5000/quota-proxy", "registry:5000/quota-proxy:latest", True),
        ("quota-proxy:1.4", "QUOTA-proxy:1.4", False),
    ],
)
def test_an_image_is_named_by_a_glob(image: str, glob: str, fits: bool) -> None:
    assert container_image.parse("*", changed("plain", "Config", Image=image)).is_named(glob) is fits


def test_a_container_of_the_future_has_no_age() -> None:
    matches = recorded("plain")
    with pytest.raises(Unobserved, match="made 2 days in the future"):
        container_image.parse("*", Matches(matches.names, matches.inspected, LATER - 5 * 86_400 + 5 * 3600))


def test_age_goes_by_our_clock_where_the_engine_does_not_say() -> None:
    now = datetime.now(UTC).isoformat()
    matches = changed("plain", "", Created=now)
    assert container_image.parse("*", Matches(matches.names, matches.inspected)).age_seconds < 60


# The restart policy


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ({"Name": "", "MaximumRetryCount": 0}, "no"),
        ({"Name": "no"}, "no"),
        ({"Name": "always", "MaximumRetryCount": 0}, "always"),
        ({"Name": "on-failure", "MaximumRetryCount": 0}, "on-failure"),
        ({"Name": "on-failure", "MaximumRetryCount": 3}, "on-failure:3"),
    ],
)
def test_a_restart_policy_is_written_as_docker_takes_it(said: Any, policy: str) -> None:
    found = container_restart_policy.parse("*", changed("plain", "HostConfig", RestartPolicy=said))
    assert (found.policy, str(found)) == (policy, f"restart policy {policy}")


def test_the_recorded_restart_policies() -> None:
    assert container_restart_policy.parse("*", recorded("careful")).policy == "unless-stopped"
    assert container_restart_policy.parse("*", recorded("plain")).policy == "no"


# The mounts


def test_mounts_are_paths_and_volumes() -> None:
    found = container_mounts.parse("*", recorded("host-access"))
    assert str(found) == "/var/run/docker.sock:/var/run/docker.sock, data:/data:ro"
    assert str(container_mounts.parse("*", recorded("plain"))) == "no mounts"


@pytest.mark.parametrize(
    "expected",
    ["data:/data", "data:/data:ro", "data:/data/", "/var/run/docker.sock:/var/run/docker.sock:rw"],
)
def test_mounts_that_are_there_are_found(expected: str) -> None:
    assert container_mounts.parse("*", recorded("host-access")).lacks([expected]) == ()


@pytest.mark.parametrize(
    "expected", ["data:/data:rw", "data:/srv", "other:/data", "/data:/data", "/var/run/docker.sock:/x", "data"]
)
def test_mounts_that_are_not_there_are_lacking(expected: str) -> None:
    assert container_mounts.parse("*", recorded("host-access")).lacks([expected]) == (expected,)


def test_a_thousand_mounts_do_not_make_a_message_of_a_thousand() -> None:
    mounts = [{"Type": "bind", "Source": f"/s{n}", "Destination": f"/d{n}", "RW": True} for n in range(1000)]
    assert str(container_mounts.parse("*", changed("plain", "", Mounts=mounts))).endswith("and 980 more")


# The privileges


def test_privileges_are_those_of_the_benchmark() -> None:
    found = container_privileges.parse("*", recorded("host-access"))
    assert found.names == ("root", "host-network", "host-pid", "host-ipc", "docker.sock")
    assert str(found) == "root, host-network, host-pid, host-ipc, docker.sock, no-new-privileges"
    asked = container_privileges.parse("*", recorded("privileged"))
    assert asked.names == ("root", "privileged", "cap:SYS_ADMIN", "cap:NET_ADMIN")
    assert container_privileges.parse("*", recorded("plain")).names == ("root",)
    careful = container_privileges.parse("*", recorded("careful"))
    assert (careful.names, str(careful)) == ((), "no privileges")


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "root:staff", "00", ":1000"])
def test_these_users_are_root(user: str) -> None:
    assert container_privileges.parse("*", changed("careful", "Config", User=user)).names == ("root",)


@pytest.mark.parametrize("user", ["1000", "1000:0", "node", "nobody:root", "10"])
def test_these_users_are_not(user: str) -> None:
    assert container_privileges.parse("*", changed("careful", "Config", User=user)).names == ()


@pytest.mark.parametrize(
    ("source", "has"),
    [
        ("/run/user/1000/docker.sock", True),
        ("/var/run", True),
        ("/var/run/", True),
        ("/", True),
        ("/var/run/docker.sock.d", False),
        ("/srv", False),
        ("/run/other", False),
    ],
)
def test_who_has_the_folder_has_the_socket(source: str, has: bool) -> None:
    mounts = [{"Type": "bind", "Source": source, "Destination": "/x", "RW": False}]
    found = container_privileges.parse("*", changed("careful", "", Mounts=mounts))
    assert found.names == (("docker.sock",) if has else ())


@pytest.mark.parametrize(
    ("added", "names"),
    [
        (["CAP_SYS_ADMIN"], ("cap:SYS_ADMIN",)),
        (["ALL"], ("cap:ALL",)),
        (["NET_BIND_SERVICE", "CHOWN"], ()),
        (["sys_ptrace"], ("cap:SYS_PTRACE",)),
        (None, ()),
    ],
)
def test_capabilities_that_all_containers_have_are_none_that_were_added(added: Any, names: Any) -> None:
    assert container_privileges.parse("*", changed("careful", "HostConfig", CapAdd=added)).names == names


@pytest.mark.parametrize(
    ("options", "closed"),
    [
        (["no-new-privileges"], True),
        (["no-new-privileges:true"], True),
        (["no-new-privileges=true"], True),
        (["no-new-privileges:false"], False),
        (["label=disable"], False),
        (None, False),
    ],
)
def test_no_new_privileges_is_told(options: Any, closed: bool) -> None:
    found = container_privileges.parse("*", changed("careful", "HostConfig", SecurityOpt=options))
    assert found.no_new_privileges is closed


def test_what_is_accepted_is_not_beyond() -> None:
    found = container_privileges.parse("*", recorded("privileged"))
    assert found.beyond(()) == found.names
    assert found.beyond(("root", "cap:NET_ADMIN")) == ("privileged", "cap:SYS_ADMIN")
    assert found.beyond(("root", "privileged")) == ()
    assert found.beyond(("cap:ALL",)) == ("root", "privileged")


# The log


@pytest.mark.parametrize(
    ("setup", "bounded", "says"),
    [
        ({"Type": "json-file", "Config": {}}, False, "logs to json-file without max-size"),
        ({"Type": "json-file", "Config": None}, False, "logs to json-file without max-size"),
        ({"Type": "json-file", "Config": {"max-file": "3"}}, False, "logs to json-file without max-size"),
        ({"Type": "json-file", "Config": {"max-size": "-1"}}, False, "logs to json-file without max-size"),
        ({"Type": "json-file", "Config": {"max-size": "10m"}}, True, "logs to json-file, 1 x 10m"),
        ({"Type": "local", "Config": {}}, True, "logs to local"),
        ({"Type": "journald", "Config": {}}, True, "logs to journald"),
        ({"Type": "none", "Config": {}}, True, "logs to none"),
    ],
)
def test_a_log_is_bounded_by_its_driver_or_its_options(setup: Any, bounded: bool, says: str) -> None:
    found = container_log_setup.parse("*", changed("plain", "HostConfig", LogConfig=setup))
    assert (found.is_bounded, str(found)) == (bounded, says)


def test_the_recorded_logs() -> None:
    assert str(container_log_setup.parse("*", recorded("careful"))) == "logs to json-file, 3 x 10m"
    assert not container_log_setup.parse("*", recorded("plain")).is_bounded
    assert str(container_log_setup.parse("*", recorded("no-log"))) == "logs to none"


def test_the_size_of_a_log_is_told_where_there_is_a_file() -> None:
    assert str(container_log_size.parse("*", LogFile(recorded("plain"), 4_404_019))) == "log of 4.2 MiB"
    with pytest.raises(Unobserved, match="its log driver none names no file"):
        container_log_size.parse("*", LogFile(recorded("no-log"), None))
    with pytest.raises(Unobserved, match="no container matches"):
        container_log_size.parse("*", LogFile(Matches((), None)))


# What makes no sense


@pytest.mark.parametrize("parse", PARSERS)
def test_what_hangs_on_a_missing_container_is_unobserved(parse: Any) -> None:
    with pytest.raises(Unobserved, match=r"no container matches quota\*") as raised:
        parse("quota*", Matches((), None))
    assert raised.value.cause == "missing"


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "garbage",
    [{}, {"Name": "/x", "HostConfig": None, "Config": None}, {"Name": "/x", "HostConfig": {}, "Mounts": 7}],
)
def test_an_inspection_that_makes_no_sense_gives_no_fact(parse: Any, garbage: Any) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        parse("*", Matches(("x",), garbage))


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.iterdir()))
def test_every_fact_says_in_one_line_what_was_observed(parse: Any, name: str) -> None:
    said = str(parse("*", recorded(name)))
    assert said.isprintable()
    assert said


def test_what_a_container_is_told_is_harmless() -> None:
    matches = changed("plain", "Config", Image="x\x1b[2J\n" + "y" * 4000)
    assert str(container_image.parse("*", matches)).isprintable()
    assert len(str(container_image.parse("*", matches))) < 500
