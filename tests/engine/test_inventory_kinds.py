"""Every kind of target in an inventory: what reaches it, and what is refused with its place and the way out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muster.databases import Mysql, Postgres, Query, Redis, Server, Sqlite, Table
from muster.inventory import Inventory, InventoryError, load
from muster.limits import Limit
from muster.targets import (
    Container,
    DnsEndpoint,
    FileRule,
    Host,
    HttpEndpoint,
    JsonRule,
    LogPattern,
    Process,
    TcpEndpoint,
    TlsEndpoint,
)

Read = Callable[[str], Inventory]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_TEST_TOKEN", "opensesame")

    def made(text: str) -> Inventory:
        Path("i.yaml").write_text(text)
        return load([Path("i.yaml")], {})

    return made


def only(inventory: Inventory, kind: type[Any]) -> Any:
    (found,) = [target for target in inventory.targets if isinstance(target, kind)]
    return found


def problems(read: Read, text: str) -> list[str]:
    with pytest.raises(InventoryError) as refused:
        read(text)
    return str(refused.value).splitlines()


def without_source(limit: Limit | None) -> tuple[float | None, ...]:
    assert limit is not None
    return limit.warning, limit.critical, limit.warning_below, limit.critical_below


def test_what_is_expected_of_a_host_reaches_it(read: Read) -> None:
    host = only(
        read(
            """
hosts:
  a:
    connection: local
    allowed_ports: [22, 53/udp, "127.0.0.1:5432"]
    allowed_users: [ops]
    files: {/etc/shadow: {owner: root, group: shadow, mode: "0640"}, /etc/hosts: {}}
    closed_folders: [/etc/network-probe]
    certificates: [/etc/ssl/certs/server.crt]
    sshd: {PermitRootLogin: no, MaxAuthTries: 4}
    cron: [backup-database.sh]
    failed_logins: 24h
    kernel_log: 90d
    updates: true
"""
        ),
        Host,
    )
    assert host.allowed_ports == ("22", "53/udp", "127.0.0.1:5432")
    assert host.allowed_users == ("ops",)
    assert host.files == {"/etc/shadow": FileRule(owner="root", group="shadow", mode=0o640), "/etc/hosts": FileRule()}
    assert (host.closed_folders, host.certificates) == (("/etc/network-probe",), ("/etc/ssl/certs/server.crt",))
    assert (host.sshd, host.cron) == ({"PermitRootLogin": "no", "MaxAuthTries": "4"}, ("backup-database.sh",))
    assert (host.failed_logins, host.kernel_log, host.updates) == (86_400, 90 * 86_400, True)


def test_an_empty_list_of_what_may_be_is_not_the_same_as_none(read: Read) -> None:
    text = "hosts: {a: {connection: local, allowed_ports: %s}}\n"
    assert only(read(text % "[]"), Host).allowed_ports == ()
    assert only(read(text % "null"), Host).allowed_ports is None
    assert only(read("hosts: {a: {connection: local}}\n"), Host).allowed_ports is None


def test_what_is_expected_of_a_container_reaches_it(read: Read) -> None:
    container = only(
        read(
            """
hosts:
  a:
    containers:
      one-api:
        image: "one-api:1.*"
        digest: sha256:%s
        restart: on-failure:3
        mounts: ["/srv/data:/data", "logs:/logs:ro"]
        privileges: [root, "cap:SYS_ADMIN"]
        logs:
          high-goroutine: {pattern: "High goroutine", window: 168h, warning: 0}
          errors: {level: error}
"""
            % ("0" * 64)
        ),
        Container,
    )
    assert (container.image, container.restart, container.digest) == (
        "one-api:1.*",
        "on-failure:3",
        "sha256:" + "0" * 64,
    )
    assert container.mounts == ("/srv/data:/data", "logs:/logs:ro")
    assert container.privileges == ("root", "cap:SYS_ADMIN")
    assert container.logs["high-goroutine"] == LogPattern(
        pattern="High goroutine", window=604_800, limit=Limit(warning=0, source="i.yaml:12")
    )
    assert (container.logs["errors"].level, container.logs["errors"].window) == ("error", 3600)


def test_what_is_expected_of_an_http_endpoint_reaches_it(read: Read) -> None:
    endpoint = only(
        read(
            """
endpoints:
  api:
    url: http://127.0.0.1/
    auth: {user: ops, password: "${env:MUSTER_TEST_TOKEN}"}
    serves: rabbitmq
    parts: {$.services.*: [healthy], "$.checks[*].status": [pass, ok]}
    expect:
      status: [200-299, 304]
      at: {$.version: {type: string}, $.ready: true, $.secret: {present: false}, $.none: {equals: null}}
      text: welcome
      matches: "build [0-9]+"
      headers: {Content-Type: application/json*, X-Frames: 1}
      redirect: https://*
"""
        ),
        HttpEndpoint,
    )
    encoded = base64.b64encode(b"ops:opensesame").decode()
    assert endpoint.headers == (("Authorization", f"Basic {encoded}"),)
    assert endpoint.status == ((200, 299), (304, 304))
    assert endpoint.rules == {
        "$.version": JsonRule(type="string"),
        "$.ready": JsonRule(equals=True, compares=True),
        "$.secret": JsonRule(present=False),
        "$.none": JsonRule(equals=None, compares=True),
    }
    assert endpoint.parts == {"$.services.*": ("healthy",), "$.checks[*].status": ("pass", "ok")}
    assert (endpoint.text, endpoint.matches, endpoint.redirect) == ("welcome", "build [0-9]+", "https://*")
    assert endpoint.answer_headers == {"content-type": "application/json*", "x-frames": "1"}
    assert endpoint.serves == "rabbitmq"


def test_a_bearer_token_is_a_secret_and_becomes_a_header(read: Read) -> None:
    inventory = read("endpoints: {api: {url: 'http://a/', auth: {bearer: '${env:MUSTER_TEST_TOKEN}'}}}\n")
    assert only(inventory, HttpEndpoint).headers == (("Authorization", "Bearer opensesame"),)
    assert "opensesame" in inventory.secrets


def test_other_endpoints_are_told_by_their_url(read: Read) -> None:
    inventory = read(
        """
endpoints:
  closed: {url: "tcp://[::1]:23", expect: {open: false}}
  mail: {url: "tls://mail.example.net:25", starttls: smtp, server_name: mx.example.net, expect: {protocol: TLSv1.2}}
  name: {url: "dns://127.0.0.1:5353/www.example.net?type=aaaa", expect: {answers: ["::1"]}}
  here: {url: "dns:localhost"}
"""
    )
    closed, mail = only(inventory, TcpEndpoint), only(inventory, TlsEndpoint)
    assert (closed.address, closed.port, closed.open) == ("::1", 23, False)
    assert (mail.address, mail.port, mail.starttls, mail.server_name, mail.protocol) == (
        *("mail.example.net", 25, "smtp"),
        *("mx.example.net", "TLSv1.2"),
    )
    name, here = [target for target in inventory.targets if isinstance(target, DnsEndpoint)]
    assert (name.name_asked, name.type, name.server, name.port, name.answers) == (
        *("www.example.net", "AAAA", "127.0.0.1"),
        *(5353, ("::1",)),
    )
    assert (here.name_asked, here.type, here.server, here.answers) == ("localhost", "A", None, None)


def test_a_database_is_told_by_its_url(read: Read) -> None:
    inventory = read(
        """
databases:
  file: {url: "sqlite:////srv/x.db", queries: {users: {select: "SELECT count(*) FROM users", critical_below: 1}}}
  probe:
    url: postgresql://muster@db.example.net/network_probe
    password: ${env:MUSTER_TEST_TOKEN}
    tls: true
    ca_file: ca.pem
    min_version: 15
    role: primary
    tables:
      task_results:
        {time: execution_time, newest: {warning: 10m, critical: 1h}, keep: 90d, rows: {warning_below: 1}}
  socket: {url: "mariadb:///shop?host=/run/mysqld/mysqld.sock", user: ops}
  cache: {url: "redis://[::1]/3", verify: false, keys: {"session:*": {warning: 10000}}}
"""
    )
    assert only(inventory, Sqlite).queries["users"] == Query(
        select="SELECT count(*) FROM users", limit=Limit(critical_below=1, source="i.yaml:3")
    )
    probe, socket, cache = only(inventory, Postgres), only(inventory, Mysql), only(inventory, Redis)
    assert probe.server == Server(
        engine="postgresql",
        address="db.example.net",
        port=5432,
        user="muster",
        password="opensesame",
        database="network_probe",
        tls=True,
        ca_file="ca.pem",
    )
    assert (probe.min_version, probe.role) == ("15", "primary")
    table = probe.tables["task_results"]
    assert isinstance(table, Table)
    assert (table.time, table.keep) == ("execution_time", 90 * 86_400)
    assert (without_source(table.newest), without_source(table.rows)) == (
        (600, 3600, None, None),
        (None, None, 1, None),
    )
    assert (socket.server.socket, socket.server.user, socket.server.database) == (
        "/run/mysqld/mysqld.sock",
        "ops",
        "shop",
    )
    assert (cache.server.address, cache.server.port, cache.server.database, cache.server.verify) == (
        *("::1", 6379),
        *("3", False),
    )
    assert without_source(cache.keys["session:*"]) == (10_000, None, None, None)


def test_a_unix_socket_of_postgresql_is_named_by_its_folder_as_libpq_does(read: Read) -> None:
    for host in ("/run/postgresql", "/run/postgresql/", "/run/postgresql/.s.PGSQL.5433"):
        inventory = read(f"databases: {{p: {{url: 'postgresql://muster@:5433/x?host={host}'}}}}\n")
        assert only(inventory, Postgres).server.socket == "/run/postgresql/.s.PGSQL.5433"


def test_a_password_is_in_no_text_about_a_server(read: Read) -> None:
    inventory = read("databases: {p: {url: 'postgresql://muster@a/x', password: '${env:MUSTER_TEST_TOKEN}'}}\n")
    probe = only(inventory, Postgres)
    assert "opensesame" not in f"{probe!r} {probe.server!r} {probe.server} {inventory!r}"


def test_processes_are_under_a_host(read: Read) -> None:
    inventory = read(
        """
hosts:
  a:
    processes:
      ss-001: {unit: shadowsocks@001.service, listening: [8388], limits: {process_restarts: {warning: 5}}}
      agent: {pid_file: /run/nspass.pid, state: stopped}
      worker: {command: 'worker[.]py --id 1'}
"""
    )
    unit, pid_file, command = [target for target in inventory.targets if isinstance(target, Process)]
    assert (unit.unit, unit.listening, unit.state, unit.id) == (
        *("shadowsocks@001.service", ("8388",)),
        *("running", "a/ss-001"),
    )
    assert (pid_file.pid_file, pid_file.state) == ("/run/nspass.pid", "stopped")
    assert command.command == "worker[.]py --id 1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("processes: {p: {}}\n", "i.yaml:1:1: processes stand under a host, a group or defaults"),
        (
            "hosts: {a: {processes: {p: {}}}}\n",
            'i.yaml:1:25: process "p" is found by nothing; write unit, pid_file or command',
        ),
        (
            "hosts: {a: {processes: {p: {unit: x, command: y}}}}\n",
            'i.yaml:1:25: process "p" has unit and command; keep one',
        ),
        (
            "hosts: {a: {processes: {p: {command: '('}}}}\n",
            'i.yaml:1:38: command: "(" is not a regular expression: missing ), unterminated subpattern at position 0',
        ),
        (
            "hosts: {a: {processes: {p: {command: '(a+)+$'}}}}\n",
            'i.yaml:1:38: command: "(a+)+$" repeats a group that holds a repeat or a choice, which takes forever on '
            "some lines; write it without",
        ),
        (
            "hosts: {a: {containers: {c: {logs: {x: {pattern: '((a)*b){2,}'}}}}}}\n",
            'i.yaml:1:50: pattern: "((a)*b){2,}" repeats a group that holds a repeat or a choice, which takes '
            "forever on some lines; write it without",
        ),
        (
            "hosts: {a: {files: {/x: {mode: 640}}}}\n",
            'i.yaml:1:32: mode: "640" is not text (put it in quotes)',
        ),
        ("hosts: {a: {files: {x: {}}}}\n", 'i.yaml:1:21: "x": is not an absolute path'),
        (
            "hosts: {a: {containers: {c: {logs: {l: {warning: 1}}}}}}\n",
            'i.yaml:1:37: log "l" needs a pattern or a level',
        ),
        (
            "hosts: {a: {connection: none, processes: {p: {unit: x}}}}\n",
            "i.yaml:1:31: processes cannot be observed where connection is none; use ssh or local",
        ),
        (
            "endpoints: {e: {url: 'tcp://a:1', method: POST}}\n",
            "i.yaml:1:35: method has no meaning for tcp; it is for http or https",
        ),
        (
            "endpoints: {e: {url: 'http://a/', expect: {open: true}}}\n",
            "i.yaml:1:44: open has no meaning for http; it is for tcp",
        ),
        (
            "endpoints: {e: {url: 'tcp://a'}}\n",
            'i.yaml:1:22: url: "tcp://a" is not an address and a port; write tcp://address:port',
        ),
        (
            "endpoints: {e: {url: 'dns:a?type=MX'}}\n",
            'i.yaml:1:22: url: "dns:a?type=MX" names no server, and a host\'s own resolver knows no MX; write '
            "dns://server/name?type=MX",
        ),
        (
            "endpoints: {e: {url: 'dns://b/a?type=ANY'}}\n",
            'i.yaml:1:22: url: "dns://b/a?type=ANY" has the unknown type ANY; known are A, AAAA, CAA, CNAME, DS, '
            "HTTPS, MX, NS, PTR, SOA, SRV, TLSA, TXT",
        ),
        (
            "endpoints: {e: {url: 'http://a/', auth: {bearer: abcdef}}}\n",
            "i.yaml:1:50: a bearer stands here; take it from ${env:NAME} or ${file:/path}",
        ),
        (
            "endpoints: {e: {url: 'http://a/', expect: {status: 2xx}}}\n",
            'i.yaml:1:52: status: "2xx" is no status code; write 200, "200-299" or [200, 204]',
        ),
        (
            "endpoints: {e: {url: 'http://a/', parts: {$.services: [ok]}}}\n",
            'i.yaml:1:43: "$.services": names one place, and not parts; write * for all of them: $.services.*',
        ),
        (
            "databases: {d: {url: 'postgresql://a/x', password: hunter22}}\n",
            "i.yaml:1:52: a password stands here; take it from ${env:NAME} or ${file:/path}",
        ),
        (
            "databases: {d: {url: 'postgresql://a/x?sslmode=require'}}\n",
            'i.yaml:1:22: url: "postgresql://a/x?sslmode=require" has the parameter "sslmode", which is not '
            "understood here; write tls: true beside it",
        ),
        (
            "databases: {d: {url: 'sqlite:////x', keys: {'a*': {warning: 1}}}}\n",
            "i.yaml:1:38: keys has no meaning for sqlite; it is for redis",
        ),
        (
            "databases: {d: {url: 'redis://a/name'}}\n",
            'i.yaml:1:22: url: "redis://a/name" has no number of a database behind the port: redis://address:6379/0',
        ),
        (
            "databases: {d: {url: 'mysql://a/x', tables: {t: {keep: 1d}}}}\n",
            'i.yaml:1:46: table "t" has no time; name the column that says when a row was written',
        ),
        (
            "databases: {d: {url: 'mysql://a/x', queries: {q: {warning: 1}}}}\n",
            'i.yaml:1:47: query "q" has no select; write select: SELECT count(*) FROM ...',
        ),
        (
            "databases: {d: {url: 'mysql://a/x', tables: {t: {time: c, newest: {warning: 2h, critical: 1h}}}}}\n",
            "i.yaml:1:67: newest: warning 7200 above critical 3600 would never be seen",
        ),
    ],
)
def test_a_mistake_is_said_with_its_place_and_the_way_out(read: Read, text: str, said: str) -> None:
    assert problems(read, text) == [said]


def test_a_query_that_is_not_a_select_is_refused_when_the_inventory_loads(read: Read) -> None:
    text = "databases: {d: {url: 'mysql://a/x', queries: {q: {select: 'DELETE FROM t'}}}}\n"
    (said,) = problems(read, text)
    assert said.startswith("i.yaml:1:59: select:")
    assert "SELECT" in said
