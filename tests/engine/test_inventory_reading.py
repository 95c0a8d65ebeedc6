"""An inventory becomes targets: levels, ranges, variables, secrets, and several files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.applies import expects
from muster.databases import Sqlite
from muster.inventory import Inventory, load
from muster.targets import Container, DockerEngine, Host, HttpEndpoint

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "inventory.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def read(write: Write) -> Callable[..., Inventory]:
    return lambda text, **settings: load([write(text)], settings)


Read = Callable[..., Inventory]


def test_an_inventory_gives_each_host_then_what_is_under_it_and_the_top_level_last(read: Read) -> None:
    inventory = read("""
endpoints:
  website: {url: "https://www.example.net/"}
hosts:
  a: {containers: {web: }, databases: {quota: {url: "sqlite:////q.db"}}}
  b: {connection: local}
""")
    assert [target.id for target in inventory.targets] == ["a", "a/web", "a/quota", "b", "website"]
    assert [host.name for host in inventory.hosts] == ["a", "b"]
    assert inventory.host("b").connection.kind == "local"
    assert inventory.targets[-1].host is None


def test_every_field_of_a_host_reaches_its_target(read: Read, tmp_path: Path) -> None:
    (host,) = read("""
hosts:
  a:
    connection: {kind: ssh, user: ops, port: 2222, key_file: key, known_hosts: /known, host_key_check: false,
                 connect_timeout: 500ms, sudo: true}
    address: 10.0.0.1
    labels: {role: proxy, version: 1.10, asset: 007}
    timeout: 2m
    docker: {url: "unix:///run/podman.sock"}
    listening: [22, 53/udp, "127.0.0.1:8787/tcp", "[::1]:9000"]
    units: [nginx.service, "getty@tty1"]
""").hosts
    connection = host.connection
    assert (connection.kind, connection.address, connection.user, connection.port) == ("ssh", "10.0.0.1", "ops", 2222)
    assert (connection.key_file, connection.known_hosts) == (str(tmp_path / "key"), "/known")
    assert (connection.host_key_check, connection.connect_timeout, connection.sudo) == (False, 0.5, True)
    assert host.labels == {"role": "proxy", "version": "1.10", "asset": "007"}, "labels stay as they are written"
    assert host.timeout == 120
    assert host.docker == DockerEngine(url="unix:///run/podman.sock", expected=True)
    assert host.listening == ("22", "53/udp", "127.0.0.1:8787/tcp", "[::1]:9000")
    assert host.units == ("nginx.service", "getty@tty1")
    assert (host.position.line, host.position.column) == (3, 3)


def test_every_field_of_a_container_an_endpoint_and_a_database_reaches_its_target(read: Read) -> None:
    _, container, endpoint, database = read("""
hosts:
  a:
    containers:
      proxy: {match: "proxy*", ports: ["127.0.0.1:80->8787/tcp"], health: none, timeout: 3}
    endpoints:
      api:
        url: http://127.0.0.1:8787/healthz
        method: POST
        headers: {X-Version: 1.10}
        body: "{}"
        expect: {status: 201, json: {ok: true, at: 22:30, old: yes, none: null}}
        values: {memory: {path: $.memory.mb, unit: MB, warning: 1GB}}
        verify: false
    databases: {quota: {url: "sqlite:////opt/quota.db"}}
""").targets
    assert isinstance(container, Container)
    assert (container.match, container.ports, container.health) == ("proxy*", ("127.0.0.1:80->8787/tcp",), "none")
    assert container.timeout == 3
    assert isinstance(endpoint, HttpEndpoint)
    assert (endpoint.method, endpoint.headers, endpoint.body) == ("POST", (("X-Version", "1.10"),), "{}")
    assert endpoint.status == ((201, 201),)
    assert endpoint.json == {"ok": True, "at": "22:30", "old": "yes", "none": None}
    assert endpoint.values["memory"].path == "$.memory.mb"
    assert endpoint.values["memory"].limit.warning == 1000
    assert not endpoint.verify
    assert isinstance(database, Sqlite)
    assert database.url == "sqlite:////opt/quota.db"


@pytest.mark.parametrize(
    ("expect", "applies"),
    [("{}", True), ("{ok: true}", True), ("[]", True), ("false", True), ("null", False)],
)
def test_an_empty_expectation_of_json_is_an_expectation(read: Read, expect: str, applies: bool) -> None:
    (endpoint,) = read(f"endpoints: {{e: {{url: http://a/, expect: {{json: {expect}}}}}}}\n").targets
    assert expects("json")(endpoint) is applies
    assert not expects("values")(endpoint)


def test_a_later_level_beats_an_earlier_one_key_by_key(read: Read) -> None:
    host, endpoint = read("""
defaults:
  connection: {user: ops, connect_timeout: 5s}
  labels: {a: defaults, b: defaults, c: defaults, d: defaults}
  limits: {filesystem_used_percent: {warning: 70, critical: 90}}
  timeout: 7
groups:
  first: {labels: {b: first, c: first}, endpoints: {e: {url: "http://a/", expect: {status: 200, json: {x: 1}}}}}
  second: {labels: {c: second}, connection: {user: root}}
hosts:
  h:
    groups: [first, second]
    labels: {d: host}
    limits: {filesystem_used_percent: {warning: 60}}
    endpoints: {e: {expect: {status: 204}, labels: {d: target}}}
""").targets
    assert host.labels == {"a": "defaults", "b": "first", "c": "second", "d": "host"}
    assert endpoint.labels == {**host.labels, "d": "target"}
    assert host.connection.user == "root"
    assert host.groups == ("first", "second")
    assert (endpoint.status, endpoint.json) == (((204, 204),), {"x": 1})
    assert endpoint.timeout == 7
    assert (host.limits["filesystem_used_percent"].warning, host.limits["filesystem_used_percent"].critical) == (
        60,
        90,
    )
    assert endpoint.limits == host.limits


def test_a_limit_says_which_line_it_came_from_and_only_what_is_written_is_there(write: Write) -> None:
    path = write("""
defaults: {limits: {filesystem_used_percent: {critical: 90}}}
hosts:
  a: {}
  b:
    limits:
      filesystem_used_percent: {warning: 80%}
      response_seconds: {critical: 1500ms}
""")
    first, second = load([path]).hosts
    assert first.limits["filesystem_used_percent"].source == f"{path}:2"
    assert second.limits["filesystem_used_percent"].source == f"{path}:7"
    assert second.limits["filesystem_used_percent"].warning == 80
    assert second.limits["response_seconds"].critical == 1.5
    assert set(first.limits) == {"filesystem_used_percent"}


def test_null_takes_back_what_an_outer_level_said(read: Read) -> None:
    bastion, inner = read("""
defaults: {connection: {via: bastion, user: ops}, limits: {load_per_core: {warning: 2, critical: 4}}}
hosts:
  bastion: {connection: {via: null, user: null}, limits: {load_per_core: {warning: null}}}
  inner: {}
""").hosts
    assert (bastion.connection.via, bastion.connection.user) == (None, None)
    assert inner.connection.via == "bastion"
    assert (bastion.limits["load_per_core"].warning, bastion.limits["load_per_core"].critical) == (None, 4)


def test_what_only_ssh_needs_is_left_out_of_other_connections(read: Read) -> None:
    (here,) = read("""
defaults: {connection: {user: ops, port: 2222, via: gone, sudo: true}}
hosts: {here: {connection: local}}
""").hosts
    assert (here.connection.user, here.connection.port, here.connection.via) == (None, None, None)
    assert here.connection.sudo


def test_a_host_is_reached_by_its_name_where_nothing_else_is_said(read: Read) -> None:
    assert read("hosts: {proxy.example.net: }").host("proxy.example.net").connection.address == "proxy.example.net"


def test_an_address_of_the_host_beats_one_of_its_connection_and_that_beats_its_name(read: Read) -> None:
    first, second = read("hosts: {a: {connection: {address: x}}, b: {connection: {address: x}, address: y}}").hosts
    assert (first.connection.address, second.connection.address) == ("x", "y")


def test_a_number_is_text_as_it_was_written_where_text_is_wanted(read: Read) -> None:
    host, endpoint = read("""
vars: {version: 1.10, user: 007}
hosts:
  a:
    connection: {user: "${user}"}
    labels: {version: "v${version}"}
    endpoints: {e: {url: "http://a/${version}", body: "${version}", expect: {json: "${version}"}}}
""").targets
    assert isinstance(host, Host)
    assert isinstance(endpoint, HttpEndpoint)
    assert (host.connection.user, host.labels["version"]) == ("007", "v1.10")
    assert (endpoint.url, endpoint.body, endpoint.json) == ("http://a/1.10", "1.10", 1.1)


def test_an_engine_is_expected_where_a_container_or_an_engine_is_named(read: Read) -> None:
    plain, engine, container = read("hosts: {a: {}, b: {docker: {}}, c: {containers: {x: {}}}}").hosts
    assert [plain.docker.expected, engine.docker.expected, container.docker.expected] == [False, True, True]


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("p-[08:11]", ["p-08", "p-09", "p-10", "p-11"]),
        ("p-[8:10]", ["p-8", "p-9", "p-10"]),
        ("p-[0:10:5]", ["p-0", "p-5", "p-10"]),
        ("[a:c].x", ["a.x", "b.x", "c.x"]),
        ("[A:B][1:2]", ["A1", "A2", "B1", "B2"]),
    ],
)
def test_a_range_stands_for_many_hosts(read: Read, written: str, names: list[str]) -> None:
    assert [host.name for host in read(f"hosts: {{'{written}': {{}}}}").hosts] == names


def test_a_variable_means_what_the_innermost_vars_say(read: Read) -> None:
    inventory = read("""
vars: {port: 1, scheme: http, root: "${scheme}://127.0.0.1:${port}"}
groups:
  g: {vars: {port: 2}, endpoints: {e: {url: "${root}/"}}}
hosts:
  a: {groups: [g]}
  b: {groups: [g], vars: {port: 3}}
  c: {groups: [g], vars: {scheme: https}}
endpoints: {top: {url: "${root}/"}}
""")
    urls = [target.url for target in inventory.targets if isinstance(target, HttpEndpoint)]
    assert urls == ["http://127.0.0.1:2/", "http://127.0.0.1:3/", "https://127.0.0.1:2/", "http://127.0.0.1:1/"]


def test_set_beats_every_vars(write: Write) -> None:
    path = write("""
vars: {port: 1}
hosts:
  a: {vars: {port: 2}, endpoints: {e: {url: "http://a:${port}/", expect: {json: {port: "${port}"}}}}}
""")
    (_, endpoint) = load([path], {"port": "9000"}).targets
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.url == "http://a:9000/"
    assert endpoint.json == {"port": 9000}, "a variable alone keeps the type of its value"


def test_text_around_a_variable_makes_text_and_labels_are_always_text(read: Read) -> None:
    (_, endpoint) = read("""
hosts:
  a:
    vars: {on: true, n: 7}
    labels: {n: "${n}"}
    endpoints: {e: {url: "http://a/", expect: {json: ["${on}", "${n}", "x${on}", "$${n}", "$5"]}}}
""").targets
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.json == [True, 7, "xtrue", "${n}", "$5"]
    assert endpoint.labels == {"n": "7"}


def test_the_name_of_the_host_is_a_variable(read: Read) -> None:
    hosts = read("hosts: {'db-[1:2]': {address: '${inventory_host}.example.net'}}").hosts
    assert [host.connection.address for host in hosts] == ["db-1.example.net", "db-2.example.net"]


def test_a_user_may_have_a_variable_called_host(read: Read) -> None:
    _, endpoint = read("""
vars: {host: 10.1.1.1}
hosts: {a: {endpoints: {e: {url: "http://${host}/"}}}}
""").targets
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.url == "http://10.1.1.1/"


def test_secrets_come_from_the_environment_and_from_files(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_TEST_TOKEN", "hunter22")
    (tmp_path / "secret").write_text("s3cr3t word\n")
    inventory = load(
        [
            write("""
vars: {token: "${env:MUSTER_TEST_TOKEN}"}
hosts:
  a:
    endpoints:
      e: {url: "http://a/?token=${token}", headers: {Authorization: "Bearer ${file:secret}"}}
""")
        ]
    )
    endpoint = inventory.targets[1]
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.url == "http://a/?token=hunter22"
    assert endpoint.headers == (("Authorization", "Bearer s3cr3t word"),)
    assert inventory.secrets == {"hunter22", "s3cr3t word"}


def test_no_repr_shows_a_secret(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_TEST_TOKEN", "hunter22")
    text = (
        'hosts: {a: {endpoints: {e: {url: "http://a/${env:MUSTER_TEST_TOKEN}", body: "${env:MUSTER_TEST_TOKEN}"}}}}'
    )
    inventory = load([write(text)])
    shown = repr(inventory) + repr(inventory.targets) + str(inventory.targets[1])
    assert "hunter22" in inventory.secrets
    assert "hunter22" not in shown
    assert "a/e" in shown


def test_several_files_are_one_inventory(write: Write) -> None:
    groups = write(
        """
vars: {port: 1, other: x}
defaults: {labels: {env: test}, timeout: 3}
groups: {web: {endpoints: {e: {url: "http://a:${port}/"}}}}
""",
        "groups.yaml",
    )
    hosts = write("vars: {port: 2}\ndefaults: {timeout: 4}\nhosts: {a: {groups: [web]}}\n", "hosts.yaml")
    inventory = load([groups, hosts])
    endpoint = inventory.targets[1]
    assert isinstance(endpoint, HttpEndpoint)
    assert (endpoint.url, endpoint.timeout, endpoint.labels) == ("http://a:2/", 4, {"env": "test"})
    assert inventory.files == (str(groups), str(hosts))
    assert inventory.groups == {"web": ("a",)}


def test_anchors_and_merge_keys_are_followed(read: Read) -> None:
    first, second = read("""
hosts:
  a: &a {labels: {x: "1"}, timeout: 3}
  b: {<<: *a, timeout: 4}
""").hosts
    assert (first.timeout, second.timeout) == (3, 4)
    assert second.labels == {"x": "1"}


def test_a_group_that_no_host_is_in_may_have_open_variables(read: Read) -> None:
    assert read("""
groups: {spare: {endpoints: {e: {url: "http://${nobody}/", timeout: "${later}", body: "${env:NOT_SET_AT_ALL}"}}}}
hosts: {a: {}}
""").groups == {"spare": ()}


def test_the_digest_is_of_what_the_files_and_set_say_and_of_no_secret(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        'vars: {n: 1}\nhosts: {a: {endpoints: {e: {url: "http://a/${n}", body: "${env:MUSTER_TEST_TOKEN}"}}}}'
    )
    monkeypatch.setenv("MUSTER_TEST_TOKEN", "hunter22")
    first = load([path]).digest
    monkeypatch.setenv("MUSTER_TEST_TOKEN", "another one")
    assert load([path]).digest == first
    assert load([path], {"n": "2"}).digest != first
    assert load([write("hosts: {b: {}}")]).digest != first


def test_ten_thousand_hosts_are_read_and_share_what_is_equal(read: Read) -> None:
    inventory = read(
        "groups: {g: {limits: {load_per_core: {warning: 2}}, containers: {c: {}}}}\nhosts:\n"
        + "".join(f"  h{n}: {{groups: [g], address: 10.0.{n // 256}.{n % 256}}}\n" for n in range(9_000))
        + "  r-[0001:1000]: {groups: [g]}\n"
    )
    assert len(inventory.hosts) == 10_000
    assert len(inventory.targets) == 20_000
    assert inventory.host("h8999").connection.address == "10.0.35.39"
    assert inventory.host("r-0042").position == inventory.host("r-0043").position
    assert len({id(host.limits) for host in inventory.hosts}) == 1
    assert len({id(target) for target in inventory.targets}) == 20_000


@pytest.mark.parametrize("name", ["local", "one-api", "quota-proxy"])
def test_the_inventories_that_ship_are_right(name: str) -> None:
    path = Path(__file__).parents[2] / "inventories" / f"{name}.yaml"
    assert load([path]).targets


def test_the_script_of_the_quota_proxy_guide_is_replaced_by_its_inventory() -> None:
    path = Path(__file__).parents[2] / "inventories" / "quota-proxy.yaml"
    host, container, endpoint, database = load([path], {"host": "10.0.0.9", "port": "9000", "timeout": "2"}).targets
    assert host.kind == "host"
    assert isinstance(container, Container)
    assert container.ports == ("127.0.0.1:9000->8787/tcp",)
    assert isinstance(endpoint, HttpEndpoint)
    assert (endpoint.url, endpoint.timeout) == ("http://10.0.0.9:9000/healthz", 2)
    assert (endpoint.status, endpoint.json) == (((200, 200),), {"ok": True})
    assert isinstance(database, Sqlite)
    assert database.url == "sqlite:////opt/roc/quota-proxy/data/quota.db"


@pytest.mark.parametrize("timeout", ["10", "10s", "10000ms"])
def test_a_duration_that_is_set_may_have_a_unit(timeout: str) -> None:
    path = Path(__file__).parents[2] / "inventories" / "quota-proxy.yaml"
    assert load([path], {"timeout": timeout}).targets[2].timeout == 10


def test_a_limit_in_seconds_may_be_in_milliseconds(read: Read) -> None:
    (host,) = read("hosts: {a: {limits: {response_seconds: {warning: 500ms, critical: 2}}}}\n").hosts
    assert (host.limits["response_seconds"].warning, host.limits["response_seconds"].critical) == (0.5, 2)


def test_without_libyaml_the_same_is_read_and_the_same_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("hosts: {a: &a {labels: {x: 1.10}}, b: *a}\n")
    (tmp_path / "deep.yaml").write_text("[" * 1000)
    (tmp_path / "bad.yaml").write_text("hosts: {a: ]\n")
    text = """
import sys, yaml
yaml.__with_libyaml__ = False
from pathlib import Path
from muster.inventory import InventoryError, load
print(load([Path("good.yaml")]).host("b").labels)
for name in ("deep.yaml", "bad.yaml"):
    try:
        load([Path(name)])
    except InventoryError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[:2] == ["{'x': '1.10'}", "deep.yaml:1:50: nested deeper than 50 levels"], (
        done.stderr
    )
    assert done.stdout.splitlines()[2].startswith("bad.yaml:1:12: not YAML: ")


def test_importing_the_inventory_imports_neither_pydantic_nor_yaml() -> None:
    text = "import sys, muster.inventory; sys.exit('pydantic' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
