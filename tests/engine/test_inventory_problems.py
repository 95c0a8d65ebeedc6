"""What is wrong with an inventory is said with file, line and column, the nearest name and the way out."""
# ruff: noqa: E501 (each message stands in one piece, as people see it)

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.inventory import InventoryError, NothingSelected, load, select
from muster.limits import MEASURABLE, Measurable
from muster.targets import HttpEndpoint

HOST = "hosts: {a: {}}\n"
Problems = Callable[..., list[str]]


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problems:
    """Loads a text that is wrong; gives the lines that it is told off with."""
    monkeypatch.chdir(tmp_path)

    def problems(text: str | bytes, **settings: str) -> list[str]:
        Path("i.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(InventoryError) as raised:
            load([Path("i.yaml")], settings)
        assert str(raised.value) == "\n".join(map(str, raised.value.problems))
        return str(raised.value).splitlines()

    return problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Keys
        ("hots: {a: {}}\n", 'i.yaml:1:1: unknown key "hots"; did you mean "hosts"?'),
        (
            "hosts:\n  a:\n    conection: local\n",
            'i.yaml:3:5: unknown key "conection"; did you mean "connection"?',
        ),
        (
            "hosts: {a: {connection: {kind: ssh, usr: ops}}}\n",
            'i.yaml:1:37: unknown key "usr"; did you mean "user"?',
        ),
        (
            "hosts:\n  a:\n    endpoints:\n      e:\n        url: http://a/\n        expect: {stauts: 200}\n",
            'i.yaml:6:18: unknown key "stauts"; did you mean "status"?',
        ),
        (
            "hosts: {a: {limits: {x_percent: {warn: 3}}}}\n",
            'i.yaml:1:34: unknown key "warn"; did you mean "warning"?',
        ),
        (
            "defaults: {vars: {x: 1}}\n" + HOST,
            'i.yaml:1:12: unknown key "vars"; vars: stand at the top level, in groups and in hosts',
        ),
        (
            "hosts:\n  a: {}\n  b: {}\n  a: {}\n",
            'i.yaml:4:3: duplicate key "a"; it is on line 2 too',
        ),
        # Shapes
        ("hosts: [a, b]\n", "i.yaml:1:8: hosts is not a mapping (name: what is said of it)"),
        ("hosts: {a: [x]}\n", "i.yaml:1:12: a is not a mapping (key: value)"),
        ("hosts: {a: {units: nginx}}\n", 'i.yaml:1:20: units: "nginx" is not a list, such as [first, second]'),
        (
            "hosts: {a: {connection: {user: true}}}\n",
            'i.yaml:1:32: user: "true" is not text (put it in quotes)',
        ),
        ("hosts: {a: {connection: {sudo: perhaps}}}\n", 'i.yaml:1:32: sudo: "perhaps" is not true or false'),
        (
            "hosts: {a: {connection: {port: 70000}}}\n",
            'i.yaml:1:32: port: "70000" is out of range; it should be less than or equal to 65535',
        ),
        (
            "hosts: {a: {connection: loacl}}\n",
            'i.yaml:1:25: kind: "loacl" is none of local, ssh, docker, none; did you mean "local"?',
        ),
        # Units and limits
        (
            "hosts: {a: {timeout: 5sec}}\n",
            'i.yaml:1:22: timeout: "5sec" has the unknown unit "sec"; write 500ms, 5s, 2m, 1h or a number of seconds',
        ),
        (
            "hosts: {a: {timeout: -1}}\n",
            'i.yaml:1:22: timeout: "-1" is out of range; a duration is more than 0 and at most 1d',
        ),
        (
            "hosts: {a: {timeout: .nan}}\n",
            'i.yaml:1:22: timeout: ".nan" is out of range; a duration is more than 0 and at most 1d',
        ),
        (
            "hosts: {a: {limits: {wait_seconds: {warning: 5parsecs}}}}\n",
            'i.yaml:1:46: warning: "5parsecs" has the unknown unit "parsecs"; known here: ms, s, m, h, d',
        ),
        (
            "hosts: {a: {limits: {used_percent: {warning: 5GB}}}}\n",
            'i.yaml:1:46: warning: "5GB" has the unit "GB"; this one is in %',
        ),
        ("hosts: {a: {limits: {x: {warning: lots}}}}\n", 'i.yaml:1:35: warning: "lots" is not a number'),
        ("hosts: {a: {limits: {x: {warning: .inf}}}}\n", 'i.yaml:1:35: warning: ".inf" is not a number'),
        (
            "hosts: {a: {limits: {free_bytes: {warning: 9e307TiB}}}}\n",
            'i.yaml:1:44: warning: "9e307TiB" is out of range',
        ),
        # Homes that nobody has
        (
            "hosts: {a: {connection: {key_file: ~nobody-here/key}}}\n",
            "i.yaml:1:36: key_file: there is no such user, or without a home (~)",
        ),
        (
            'endpoints: {e: {url: http://a/, headers: {X: "${file:~nobody-here/key}"}}}\n',
            "i.yaml:1:46: the secret's file ~nobody-here/key: there is no such user, or without a home (~)",
        ),
        (
            "hosts: {a: {limits: {x: {warning: 9, critical: 8}}}}\n",
            "i.yaml:1:25: x: warning 9 above critical 8 would never be seen",
        ),
        (
            "defaults: {limits: {x: {warning: 9}}}\nhosts:\n  a: {limits: {x: {critical: 8}}}\n",
            "i.yaml:3:19: x: warning 9 above critical 8 would never be seen",
        ),
        (
            "hosts: {a: {limits: {x: {warning_below: 1, critical_below: 2}}}}\n",
            "i.yaml:1:25: x: warning_below 1 under critical_below 2 would never be seen",
        ),
        (
            "endpoints: {e: {url: http://a/, values: {v: {path: '$.queues[*]'}}}}\n",
            "i.yaml:1:52: path: \"$.queues[*]\" is not a path into JSON; write $.name, $.name[0].name or $['a name']",
        ),
        (
            "endpoints: {e: {url: http://a/, values: {v: {path: $.v, warning: 9, critical: 8}}}}\n",
            "i.yaml:1:45: v: warning 9 above critical 8 would never be seen",
        ),
        (
            "hosts: {a: {timeout: 25h}}\n",
            'i.yaml:1:22: timeout: "25h" is out of range; a duration is more than 0 and at most 1d',
        ),
        ("endpoints: {e: {url: }}\n", "i.yaml:1:22: url has no value; it should be text (put it in quotes)"),
        (
            f"hosts: {{a: {{timeout: {'x' * 200}}}}}\n",
            f'i.yaml:1:22: timeout: "{"x" * 100}..." is not a duration; write 500ms, 5s, 2m, 1h or a number of seconds',
        ),
        # Names
        (f"hosts: {{{'x' * 254}: {{}}}}\n", f'i.yaml:1:9: host "{"x" * 254}": is longer than 253 characters'),
        ("hosts: {'!a': {}}\n", 'i.yaml:1:9: host "!a": cannot begin with "!"'),
        (
            "groups: {proxies: {}}\nhosts: {a: {groups: [proxeis]}}\n",
            'i.yaml:2:22: unknown group "proxeis"; did you mean "proxies"?',
        ),
        (
            "hosts: {a/b: {}}\n",
            'i.yaml:1:9: host "a/b": cannot hold "/": names stand in test ids and patterns '
            "(letters, digits, - . _ : are fine)",
        ),
        (
            "hosts: {'a b': {}}\n",
            'i.yaml:1:9: host "a b": cannot hold a space: names stand in test ids and patterns '
            "(letters, digits, - . _ : are fine)",
        ),
        (
            "hosts: {'a\\u0007': {}}\n".replace("'", '"'),
            'i.yaml:1:9: host "a\\x07": has a character that cannot be printed',
        ),
        (
            "hosts: {'${x}': {}}\n",
            'i.yaml:1:9: host "${x}": a name cannot hold a variable: names are the same in every run',
        ),
        (
            "hosts: {a: {containers: {'x[1]': {}}}}\n",
            'i.yaml:1:26: "x[1]": cannot hold "[": names stand in test ids and patterns '
            "(letters, digits, - . _ : are fine)",
        ),
        (
            "hosts: {'a[1-3]': {}}\n",
            'i.yaml:1:9: host "a[1-3]": is not a range that is understood; write [01:40], [a:f] or, with a step, '
            "[0:10:5]",
        ),
        (
            "hosts: {'a[3:1]': {}}\n",
            'i.yaml:1:9: host "a[3:1]": [3:1] runs backwards; write the smaller end first',
        ),
        ("hosts: {'a[1:3:0]': {}}\n", 'i.yaml:1:9: host "a[1:3:0]": [1:3:0] has a step of 0'),
        (
            "hosts:\n  a1: {}\n  'a[1:3]': {}\n",
            'i.yaml:3:3: host "a1" is at i.yaml:2:3 too; keep one of them',
        ),
        (
            "hosts: {a: {}}\nendpoints:\n  a: {url: http://a/}\n",
            'i.yaml:3:3: endpoint "a" has the name of the host at i.yaml:1:9; give it another',
        ),
        # Targets
        ("endpoints: {e: {}}\n", 'i.yaml:1:13: endpoint "e" has no url; write url: https://...'),
        (
            "databases: {d: {}}\n",
            'i.yaml:1:13: database "d" has no url; write url: sqlite:////absolute/path or postgresql://...',
        ),
        (
            "endpoints: {e: {url: ftp://a/}}\n",
            'i.yaml:1:22: url: "ftp://a/" is not a URL that is understood; write http(s)://..., tcp://address:port, tls://address:port or dns:name',
        ),
        (
            "endpoints: {e: {url: 'http://a:99999/'}}\n",
            'i.yaml:1:22: url: "http://a:99999/" is not a URL: the port is not a number up to 65535',
        ),
        ("endpoints: {e: {url: 'http:///x'}}\n", 'i.yaml:1:22: url: "http:///x" is not a URL: it names no host'),
        (
            "endpoints: {e: {url: 'http://a/ b'}}\n",
            'i.yaml:1:22: url: "http://a/ b" is not a URL: it has a space or a control character in it',
        ),
        (
            "endpoints: {e: {url: 'http://u:pw@a/'}}\n",
            "i.yaml:1:22: a password stands in this url; take it from ${env:NAME} or ${file:/path}",
        ),
        (
            "databases: {d: {url: 'sqlite:///q.db'}}\n",
            'i.yaml:1:22: url: "sqlite:///q.db" is a relative path, and there is no folder that it is relative to; '
            "write sqlite:////absolute/path",
        ),
        (
            "databases: {d: {url: 'oracle://a/'}}\n",
            'i.yaml:1:22: url: "oracle://a/" is not a database that is understood; '
            "write sqlite:////absolute/path/of/the/file, postgresql://user@address:5432/name, mysql://... or redis://...",
        ),
        (
            "hosts: {a: {containers: {c: {ports: ['8787:8787']}}}}\n",
            'i.yaml:1:38: ports: "8787:8787" is not a port mapping; '
            "write it as docker ps does: 127.0.0.1:8787->8787/tcp",
        ),
        (
            "hosts: {a: {containers: {c: {ports: ['0.0.0.0:80->70000/tcp']}}}}\n",
            'i.yaml:1:38: ports: "0.0.0.0:80->70000/tcp" has a port above 65535',
        ),
        (
            "hosts: {a: {listening: [http]}}\n",
            'i.yaml:1:25: listening: "http" is not a port; write 8787, 53/udp or 127.0.0.1:8787/tcp',
        ),
        ("hosts: {a: {units: ['-x']}}\n", 'i.yaml:1:21: units: "-x" is not the name of a systemd unit'),
        (
            'endpoints: {e: {url: http://a/, headers: {X: "a\\r\\nb"}}}\n',
            'i.yaml:1:46: X: "a\\r\\nb" has a line end or another control character in it',
        ),
        (
            "endpoints: {e: {url: http://a/, values: {v: {unit: MB}}}}\n",
            'i.yaml:1:42: value "v" has no path; write path: $.v',
        ),
        ("databases: {d: {url: 'sqlite:////opt/'}}\n", 'i.yaml:1:22: url: "sqlite:////opt/" names no file'),
        # How hosts are reached
        (
            "hosts: {a: {docker: {url: 'tcp://a'}}}\n",
            'i.yaml:1:27: url: "tcp://a" needs an address and a port: tcp://address:port',
        ),
        (
            "hosts: {a: {connection: none, docker: {url: 'tcp://a:1', key_file: k}}}\n",
            "i.yaml:1:58: cert_file and key_file go together; give both",
        ),
        (
            "hosts: {a: {connection: {kind: local, port: 22}}}\n",
            "i.yaml:1:39: port has no meaning where kind is local; leave it out, or use kind: ssh",
        ),
        (
            "hosts:\n  bastion: {}\n  a: {connection: {via: bastoin}}\n",
            'i.yaml:3:25: via: unknown host "bastoin"; did you mean "bastion"?',
        ),
        (
            "hosts:\n  a: {connection: {via: b}}\n  b: {connection: {via: a}}\n",
            "i.yaml:2:25: via leads in a circle: a -> b -> a",
        ),
        (
            "defaults: {connection: {via: a}}\nhosts: {a: {}}\n",
            "i.yaml:1:30: via leads in a circle: a -> a; give a connection: {via: null}",
        ),
        (
            "hosts:\n  a: {connection: {via: b}}\n  b: {connection: local}\n",
            "i.yaml:2:25: via: b is not reached by ssh (its connection is local), so nothing can go through it",
        ),
        (
            "hosts: {a: {connection: none, containers: {c: {}}}}\n",
            "i.yaml:1:31: containers cannot be observed where connection is none; use ssh or local, "
            "or docker: {url: tcp://...}",
        ),
        (
            "hosts: {a: {connection: none, listening: [22]}}\n",
            "i.yaml:1:31: listening cannot be observed where connection is none; use ssh or local",
        ),
        (
            "hosts: {a: {docker: {url: 'tcp://10.0.0.1:2376', ca_file: ca.pem}}}\n",
            "i.yaml:1:27: a Docker engine with TLS cannot be asked through ssh; use unix:// there, or connection: none",
        ),
        (
            "hosts: {a: {connection: local, docker: {ca_file: ca.pem}}}\n",
            "i.yaml:1:41: ca_file is for TLS; it needs url: tcp://address:port",
        ),
        (
            "hosts: {a: {docker: {url: 10.0.0.1:2375}}}\n",
            'i.yaml:1:27: url: "10.0.0.1:2375" is not a Docker engine; '
            "write unix:///var/run/docker.sock or tcp://address:port",
        ),
        # Variables
        (
            'vars: {port: 1}\nhosts:\n  a: {timeout: "${prot}"}\n',
            'i.yaml:3:16: the variable "prot" is not set anywhere; did you mean "port"?',
        ),
        (
            'hosts:\n  a: {vars: {n: 1}}\n  b: {timeout: "${n}"}\n',
            'i.yaml:3:16: the variable "n" is not set for host b',
        ),
        (
            'vars: {a: "${b}", b: "${a}"}\nhosts: {h: {timeout: "${a}"}}\n',
            "i.yaml:1:22: the variable a leads back to itself: a -> b -> a",
        ),
        (
            'vars: {n: many}\nhosts: {h: {timeout: "${n}"}}\n',
            'i.yaml:2:22: timeout: "${n}" (here "many") is not a duration; '
            "write 500ms, 5s, 2m, 1h or a number of seconds",
        ),
        (
            'hosts: {h: {address: "${a"}}\n',
            'i.yaml:1:22: "${a": has a "${" that is not closed; write ${name}, or $${ for the characters themselves',
        ),
        (
            'hosts: {h: {address: "${a b}"}}\n',
            'i.yaml:1:22: "${a b}": ${a b} is not understood; write ${name}, ${env:NAME} or ${file:/path}',
        ),
        ("vars: {x: [1]}\n" + HOST, "i.yaml:1:11: the variable x needs a value: text, a number, true or false"),
        (
            "vars: {1x: 1}\n" + HOST,
            'i.yaml:1:8: "1x": a variable\'s name has letters, digits, - and _, a letter first',
        ),
        (
            "vars: {inventory_host: x}\n" + HOST,
            'i.yaml:1:8: "inventory_host": "inventory_host" is always the name of the host and cannot be set',
        ),
        (
            'vars: {g: x}\ngroups: {x: {}}\nhosts: {a: {groups: ["${g}"]}}\n',
            "i.yaml:3:22: a group cannot be a variable; write its name",
        ),
        (
            'endpoints: {e: {url: "http://${inventory_host}/"}}\n',
            'i.yaml:1:22: the variable "inventory_host" is not set at the top level',
        ),
    ],
)
def test_each_mistake_is_said_with_its_place_and_the_way_out(problems: Problems, text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_all_mistakes_are_said_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    found = problems("""
defaults: {tiemout: 5s}
groups: {g: {units: nginx}}
hosts:
  a: {groups: [h]}
  'b[': {}
  c: {groups: [g], timeout: "${nothing}"}
endpoints: {e: {url: x}}
hots: {}
""")
    assert [line.split(": ")[0] for line in found] == [
        "i.yaml:2:12", "i.yaml:3:21", "i.yaml:5:16", "i.yaml:6:3", "i.yaml:7:29", "i.yaml:8:22", "i.yaml:9:1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'hosts: {b: {connection: {via: nosuch}, containers: {q: {ports: ["8787"]}}}}\n',
            [
                'i.yaml:1:31: via: unknown host "nosuch"; known here: b',
                'i.yaml:1:65: ports: "8787" is not a port mapping; write it as docker ps does: 127.0.0.1:8787->8787/tcp',
            ],
        ),
        (
            "hosts: {a: {limits: {filesystem_used_percnt: {warn: 1}}}}\n",
            [
                'i.yaml:1:22: no check measures "filesystem_used_percnt"; did you mean "filesystem_used_percent"?',
                'i.yaml:1:47: unknown key "warn"; did you mean "warning"?',
            ],
        ),
        (
            "hosts: {a: {limits: {x: {warn: 1, warning: 95, critical: 90}}}}\n",
            [
                "i.yaml:1:25: x: warning 95 above critical 90 would never be seen",
                'i.yaml:1:26: unknown key "warn"; did you mean "warning"?',
            ],
        ),
        (
            "hosts: {a: {connection: none, listening: [http]}, b: {timeout: 0, connection: {via: a}}}\n",
            [
                "i.yaml:1:31: listening cannot be observed where connection is none; use ssh or local",
                'i.yaml:1:43: listening: "http" is not a port; write 8787, 53/udp or 127.0.0.1:8787/tcp',
                'i.yaml:1:64: timeout: "0" is out of range; a duration is more than 0 and at most 1d',
                "i.yaml:1:85: via: a is not reached by ssh (its connection is none), so nothing can go through it",
            ],
        ),
        (
            "hosts: {a: {timeout: 0, endpoints: {e: {method: GET}}}}\n",
            [
                'i.yaml:1:22: timeout: "0" is out of range; a duration is more than 0 and at most 1d',
                'i.yaml:1:37: endpoint "e" has no url; write url: https://...',
            ],
        ),
        (
            "hosts: {a: {}}\nendpoints: {a: {url: x}}\n",
            [
                'i.yaml:2:13: endpoint "a" has the name of the host at i.yaml:1:9; give it another',
                'i.yaml:2:22: url: "x" is not a URL that is understood; write http(s)://..., tcp://address:port, tls://address:port or dns:name',
            ],
        ),
        (
            'hosts: {a: {address: "${gone}", connection: {via: b}}}\n',
            [
                'i.yaml:1:22: the variable "gone" is not set anywhere; known here: inventory_host',
                'i.yaml:1:51: via: unknown host "b"; known here: a',
            ],
        ),
    ],
)
def test_a_mistake_hides_no_other(problems: Problems, text: str, expected: list[str]) -> None:
    assert problems(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "hosts: {a: {connection: loacl, docker: {url: 'tcp://a:1', ca_file: c}, containers: {c: {}}}}",
        "hosts: {a: {connection: {knid: none}, listening: [22]}}",
        "endpoints: {e: {ulr: http://a/}}",
        "endpoints: {e: {url: x}}",
        "endpoints: {e: {url: http://a/, values: {v: {pth: $.v}}}}",
        "endpoints: {e: {url: http://a/, values: {v: {path: $.v, unt: MB, warning: 1GB}}}}",
        "defaults: {limits: {x: {warning: 95}}}\nhosts: {a: {limits: {x: {warn: 1, critical: 90}}}}",
        "defaults: {limits: {x: {warning: 95}}}\nhosts: {a: {limits: {x: {warning: lots, critical: 90}}}}",
        "hosts: {a: {docker: {url: 'tpc://a:1', ca_file: c}, connection: none, containers: {c: {}}}}",
        "hosts: {a: {connection: none, docker: {url: 'tcp://a:1', key_file: k, cert_file: []}}}",
        "hosts: {a: {connection: {via: '${n}'}}}",
        "hosts: {a: {groups: [gone], endpoints: {e: {method: GET}}}}",
        "groups: {g: {endpoints: {e: {url: http://a/}}}}\nhosts: {a: {groups: g, endpoints: {e: {method: GET}}}}",
        "groups: {g: {timeout: [], endpoints: {e: {url: http://a/}}}}\nhosts: {a: {groups: [g], endpoints: {e: }}}",
        "groups: {g: [x]}\nhosts: {a: {groups: [g], endpoints: {e: }}}",
        "groups: {'a b': {}}\nhosts: {a: {}}",
        "hosts: {a: {connection: {via: '${a'}}}",
        "vars: {x: '${a'}\nhosts: {a: {timeout: '${x}'}}",
        "hosts: {a: {limits: {x: {warning: 9, critical: 8}}, endpoints: {e: {url: http://a/, limits: {y: }}}}}",
        "groups: {g: {connection: {key_file: '~${u}/k'}, timeout: '${t}', units: x}}\nhosts: {a: {}}",
    ],
)
def test_a_mistake_leads_to_no_other(problems: Problems, text: str) -> None:
    assert len(problems(text)) == 1


def test_what_is_in_a_file_that_cannot_be_read_is_not_missed_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("groups.yaml").write_text("groups: {web: }}\n")
    Path("hosts.yaml").write_text("hosts: {a: {groups: [web], timeout: '${t}'}}\nhots: {}\n")
    with pytest.raises(InventoryError) as raised:
        load([Path("groups.yaml"), Path("hosts.yaml")])
    assert [line[:15] for line in str(raised.value).splitlines()] == ["groups.yaml:1:1", "hosts.yaml:2:1:"]


def test_a_mistake_of_a_group_is_said_once_however_many_hosts_are_in_it(problems: Problems) -> None:
    assert (
        len(problems("groups: {g: {timeout: '${n}'}}\nhosts: {'a[1:500]': {groups: [g]}, b: {vars: {n: 1}}}\n")) == 1
    )


def test_a_measurement_one_letter_off_is_a_slip_and_another_name_is_the_users_own(
    problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MEASURABLE, "queue_waiting_percent", Measurable("%", "only here"))  # type: ignore[arg-type]
    assert problems("hosts: {a: {limits: {queue_waitng_percent: {warning: 1}}}}\n") == [
        'i.yaml:1:22: no check measures "queue_waitng_percent"; did you mean "queue_waiting_percent"?'
    ]
    Path("i.yaml").write_text("hosts: {a: {limits: {my_own_count: {warning: 1}}}}\n")
    assert load([Path("i.yaml")]).hosts[0].limits["my_own_count"].warning == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "i.yaml:1:1: is empty; an inventory names hosts, such as hosts: {here: {connection: local}}"),
        (
            b"# nothing\n---\n",
            "i.yaml:1:1: is empty; an inventory names hosts, such as hosts: {here: {connection: local}}",
        ),
        (b"hosts:\n  caf\xe9: {}\n", "i.yaml:2:6: is not UTF-8 text; save it as UTF-8"),
        (b"- a\n", "i.yaml:1:1: is not an inventory: the top level has to be a mapping (hosts:, groups:, ...)"),
        (
            b"hosts: {a: {}}\n---\nhosts: {}\n",
            "i.yaml:2:1: not YAML: but found another document expected a single document in the stream",
        ),
        (b"hosts: {a: *gone}\n", "i.yaml:1:12: not YAML: found undefined alias"),
        (
            b"hosts: {a: !!python/object:os.system {}}\n",
            "i.yaml:1:12: the tag tag:yaml.org,2002:python/object:os.system is not known; leave it out",
        ),
        (
            b"hosts: {a: {address: !secret x}}\n",
            "i.yaml:1:22: the tag !secret is not known; leave it out, or put text in quotes",
        ),
        (b"hosts: {? [a] : {}}\n", "i.yaml:1:11: a key has to be text"),
        (b"hosts: {a: {}}\ngroups: {}\n" + b"x: " + b"[" * 60, "i.yaml:3:52: nested deeper than 50 levels"),
        (b"[" * 100_000, "i.yaml:1:50: nested deeper than 50 levels"),
        (b"- " * 100_000, "i.yaml:1:99: nested deeper than 50 levels"),
        (
            b"hosts: {}\n",
            "i.yaml:1:1: the inventory has no targets; name some under hosts:, endpoints:, containers: or databases:",
        ),
    ],
)
def test_a_file_that_is_no_inventory_is_refused(problems: Problems, content: bytes, expected: str) -> None:
    assert problems(content) == [expected]


def test_a_variable_in_a_flow_mapping_without_quotes_gets_the_way_out(problems: Problems) -> None:
    (found,) = problems("hosts: {a: {timeout: ${t}}}\n")
    assert found.startswith("i.yaml:1:")
    assert found.endswith('inside {...} or [...], put a text with ${...} in quotes: "${port}"')


@pytest.mark.parametrize(
    "text",
    [
        "hosts:\n\ta: {}\n",
        "hosts:\n  a: {}\n  \tb: {}\n",
        "hosts:\n  a:\n    address: x\n\tunits: []\n",
        "hosts:\n  a:\n\t  address: x\n",
        "hosts:\n  a: {timeout: 5}\n\tb: {timeout: '${t}'}\n",
    ],
)
def test_a_tab_that_is_no_indentation_gets_the_way_out(problems: Problems, text: str) -> None:
    (found,) = problems(text)
    assert found.endswith("; indent with spaces, not tabs")


def test_a_character_that_begins_nothing_and_is_no_tab_gets_no_hint_on_tabs(problems: Problems) -> None:
    (found,) = problems("hosts:\n\n  a: @x\t\n")
    assert "cannot start any token" in found
    assert "tabs" not in found


def test_aliases_of_aliases_are_refused_before_they_swell(problems: Problems) -> None:
    lines = ["x0: &x0 {a: 1}"] + [f"x{n}: &x{n} [" + ", ".join([f"*x{n - 1}"] * 10) + "]" for n in range(1, 10)]
    (found,) = problems(
        "hosts: {a: {endpoints: {e: {url: http://a/, expect: {json: *x9}}}}}\n".join(
            ["vars:\n  " + "\n  ".join(lines) + "\n", ""]
        )
    )
    assert "its aliases (*name) make it too large" in found


@pytest.mark.parametrize("text", ["hosts: &a {b: *a}\n", "hosts: {a: &a {<<: *a}}\n"])
def test_an_alias_that_holds_itself_is_refused(problems: Problems, text: str) -> None:
    (found,) = problems(text)
    assert found.startswith("i.yaml:1:")
    assert "itself" in found


def test_what_cannot_be_read_is_said_without_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as raised:
        load([tmp_path / "gone.yaml", tmp_path])
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/gone.yaml:1:1: cannot be read: No such file or directory",
        f"{tmp_path}:1:1: is a folder; name the YAML file itself",
    ]


def test_a_range_of_a_million_by_mistake_costs_nothing(problems: Problems) -> None:
    for text, count in (
        ("p-[1:1000000]", "1,000,000"),
        ("p-[1:999999999999]x[1:999999999999]", "999,999,999,998,000,000,000,001"),
    ):
        assert problems(f"hosts:\n  '{text}': {{}}\n  a: {{}}\n")[0].startswith(
            f"i.yaml:2:3: this stands for {count} hosts"
        )


def test_a_host_a_group_and_a_target_may_be_in_one_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "groups: {g: {}}\nhosts: {a: {}}\nendpoints: {e: {url: http://a/}}\n"
    Path("one.yaml").write_text(text)
    Path("two.yaml").write_text(text)
    with pytest.raises(InventoryError) as raised:
        load([Path("one.yaml"), Path("two.yaml")])
    assert str(raised.value).splitlines() == [
        'two.yaml:1:10: group "g" is at one.yaml:1:10 too; keep one of them',
        'two.yaml:2:9: host "a" is at one.yaml:2:9 too; keep one of them',
        'two.yaml:3:13: endpoint "e" is at one.yaml:3:13 too; keep one of them',
    ]


def test_set_needs_a_variable_that_there_is(problems: Problems) -> None:
    assert problems("vars: {port: 1}\n" + HOST, prot="2") == ['--set prot: no such variable; did you mean "port"?']


def test_an_unset_secret_is_said_even_where_nothing_uses_it(
    problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MUSTER_TEST_TOKEN", raising=False)
    assert problems('vars: {t: "${env:MUSTER_TEST_TOKEN}"}\n' + HOST) == [
        "i.yaml:1:11: the environment variable MUSTER_TEST_TOKEN is not set; set it, "
        "or leave ${env:MUSTER_TEST_TOKEN} out"
    ]


def test_an_unset_secret_in_a_target_is_said_without_what_follows_from_it(problems: Problems) -> None:
    (found,) = problems("endpoints: {e: {url: '${env:MUSTER_NOT_SET}'}}\n")
    assert found.startswith("i.yaml:1:22: the environment variable MUSTER_NOT_SET is not set")


@pytest.mark.parametrize(("value", "fault"), [("", "is empty"), ("abc", "is shorter than 4 characters")])
def test_a_secret_too_short_to_keep_out_of_reports_is_refused(
    problems: Problems, monkeypatch: pytest.MonkeyPatch, value: str, fault: str
) -> None:
    monkeypatch.setenv("MUSTER_TEST_TOKEN", value)
    (found,) = problems("endpoints: {e: {url: http://a/, body: '${env:MUSTER_TEST_TOKEN}'}}\n")
    assert found == (
        f"i.yaml:1:39: the secret ${{env:MUSTER_TEST_TOKEN}} {fault}, so it could not be kept out of reports; "
        "for what is not secret, use vars and --set"
    )


def test_a_file_of_a_secret_is_an_ordinary_file_of_bounded_size(problems: Problems, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"x" * 65_537)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd\xfc")
    for name, fault in (
        ("pipe", "pipe is not an ordinary file"),
        ("long", "long is longer than 64 KiB"),
        ("binary", "binary is not UTF-8 text"),
        ("gone", "gone cannot be read: No such file or directory"),
    ):
        assert problems(f"endpoints: {{e: {{url: http://a/, body: '${{file:{name}}}'}}}}\n") == [
            f"i.yaml:1:39: the secret's file {fault}"
        ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("hosts: {a: {labels: {x: '${env:MUSTER_TEST_TOKEN}'}}}", "labels"),
        ("vars: {t: '${env:MUSTER_TEST_TOKEN}'}\nhosts: {a: {labels: {x: 'v${t}'}}}", "labels"),
        ("hosts: {a: {containers: {c: {match: '${env:MUSTER_TEST_TOKEN}'}}}}", "match"),
        ("hosts: {a: {units: ['${env:MUSTER_TEST_TOKEN}']}}", "units"),
        ("endpoints: {e: {url: http://a/, labels: {x: '${env:MUSTER_TEST_TOKEN}'}}}", "labels"),
        ("databases: {d: {url: 'sqlite:////${env:MUSTER_TEST_TOKEN}'}}", "the url of a database"),
    ],
)
def test_a_secret_is_refused_where_it_would_be_seen(
    problems: Problems, monkeypatch: pytest.MonkeyPatch, text: str, place: str
) -> None:
    monkeypatch.setenv("MUSTER_TEST_TOKEN", "hunter22")
    (found,) = problems(text)
    assert f"a secret cannot stand in {place}, it would be seen; use vars and --set" in found


@pytest.mark.parametrize(
    "field",
    [
        "timeout: '${t}'",
        "method: 'x ${t}'",
        'headers: {X: "a\\n${t}"}',
        "verify: '${t}'",
        "values: {v: {path: '${t}'}}",
        "ca_file: ['${t}']",
    ],
)
def test_no_problem_shows_a_secret(problems: Problems, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setenv("MUSTER_TEST_TOKEN", "hunter22")
    found = problems(f"vars: {{t: '${{env:MUSTER_TEST_TOKEN}}'}}\nendpoints: {{e: {{url: 'x${{t}}', {field}}}}}\n")
    assert len(found) == 2
    assert "hunter22" not in "\n".join(found)


def test_of_many_mistakes_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "i.yaml"
    path.write_text("hosts:\n" + "".join(f"  h{n}: {{connection: {{via: b{n}}}}}\n" for n in range(2_000)))
    with pytest.raises(InventoryError) as raised:
        load([path])
    lines = str(raised.value).splitlines()
    assert len(raised.value.problems) == 2_000
    assert [line.split(": ")[0] for line in lines[:50]] == [f"{path}:{n}:{26 + (n > 11)}" for n in range(2, 52)]
    assert lines[50:] == ["and 1,950 more"]


def test_a_number_of_a_million_digits_is_told_off_at_once(problems: Problems) -> None:
    (told,) = problems(f"hosts: {{a: {{timeout: '{'1' * 1_000_000} x y'}}}}\n")
    assert "is not a duration" in told


def test_a_setting_that_is_no_text_is_told(problems: Problems) -> None:
    (told,) = problems('hosts: {a: {labels: {role: "${role}"}}}\n', role="a\udcff")
    assert told.startswith("i.yaml:1:28: role: ")
    assert told.isprintable()


def test_what_nothing_matches_is_told_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / "i.yaml").write_text('hosts: {a: {labels: {role: "\\x9b31m\\u202e"}}}\n')
    with pytest.raises(NothingSelected) as raised:
        select(load([tmp_path / "i.yaml"]), "role=\x1b[2Jproxy")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("secret", ["${env:MUSTER_TEST_PASSWORD}", "${file:password}"])
def test_a_password_in_a_url_may_come_from_outside(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_TEST_PASSWORD", "hunter2")
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "i.yaml").write_text(f'endpoints: {{e: {{url: "http://ops:{secret}@a/"}}}}\n')
    (endpoint,) = load([tmp_path / "i.yaml"]).targets
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.url == "http://ops:hunter2@a/"
