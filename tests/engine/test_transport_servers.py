"""Database servers: how logging in goes, what a session may do, and what it costs that a server is hostile."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from muster.databases import Server
from muster.probes import Attempt, Unobserved
from muster.questions.servers import AskServer, Select, ServerAnswer
from muster.targets import Host
from muster.transports import postgres as speaker
from muster.transports import servers
from muster.transports.local import LocalLink
from muster.transports.servers import Servers
from tests.engine.asking import answer, failure, files_are_closed, local, observe, open_files, ssh
from tests.servers.http import HttpServer
from tests.servers.postgres import Postgres, impostor
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.needs("postgres")

SECRET = "secret-of-muster"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres({"log_connections": "on"}, tls=True) as server:
        server.sql(
            f"CREATE ROLE muster LOGIN PASSWORD '{SECRET}'",
            "CREATE DATABASE trusting",
            "CREATE DATABASE clear",
            "CREATE DATABASE forbidden",
            "CREATE TABLE kept (x int)",
            "GRANT SELECT, INSERT ON kept TO muster",
            "CREATE TABLE closed (x int)",
        )
        yield server


@pytest.fixture(params=["here", "over SSH"])
def host(request: pytest.FixtureRequest) -> Host:
    return local() if request.param == "here" else ssh(request.getfixturevalue("ssh_host"))


def attempt(place: Host, server: Server, timeout: float = 10.0) -> Attempt:
    found = answer(place, AskServer(server, timeout))
    assert isinstance(found, ServerAnswer)
    assert SECRET not in str(found)
    return found.attempt


def select(server: Server, statement: str, **more: Any) -> Select:
    return Select(server, statement, **more)


# Logging in.


def test_a_server_is_logged_in_to_and_names_its_version(host: Host, postgres: Postgres) -> None:
    found = answer(host, AskServer(postgres.server()))
    assert found.attempt.connected
    assert int(found.version.split(".")[0]) >= 12


def test_a_server_is_reached_by_its_unix_socket(host: Host, postgres: Postgres) -> None:
    assert attempt(host, postgres.server(socket=str(postgres.socket))).connected


REFUSALS = [
    ({"password": "wrong"}, "denied", "permission", 'password authentication failed for user "muster"'),
    ({"password": None}, "denied", "permission", "the server asks for a password, and the inventory names none"),
    ({"user": "nobody"}, "denied", "permission", 'password authentication failed for user "nobody"'),
    ({"database": "forbidden"}, "denied", "permission", "pg_hba.conf rejects connection"),
    ({"database": "nowhere"}, "no such database", "missing", 'database "nowhere" does not exist'),
    ({"database": "clear"}, "denied", "permission", "asks for the password in clear"),
    ({"address": "nowhere.invalid"}, "no such name", "network", "nowhere.invalid"),
    ({"socket": "/nowhere/.s.PGSQL.1"}, "missing", "missing", "/nowhere"),
]


@pytest.mark.parametrize(("more", "outcome", "cause", "says"), REFUSALS, ids=[str(each[0]) for each in REFUSALS])
def test_why_a_login_fails(
    host: Host, postgres: Postgres, more: dict[str, Any], outcome: str, cause: str, says: str
) -> None:
    found = attempt(host, postgres.server(**more))
    assert (found.outcome, found.cause) == (outcome, cause)
    assert says in found.detail


def test_a_port_that_refuses_is_tried_twice(host: Host, postgres: Postgres, refused_port: int) -> None:
    found = attempt(host, postgres.server(port=refused_port))
    assert (found.outcome, found.cause, found.tries) == ("refused", "network", 2)
    assert str(refused_port) in found.detail


def test_a_port_that_says_nothing_times_out(host: Host, postgres: Postgres, silent_port: int) -> None:
    found = attempt(host, postgres.server(port=silent_port), timeout=0.7)
    assert str(found) == "timed out: connected, but no answer in 0.7 s"


@pytest.mark.parametrize(
    ("says", "outcome", "cause"),
    [
        (b"no such database: probe", "no such database", "missing"),
        (b"SASL authentication failed", "denied", "permission"),
        (b"no more connections allowed (max_client_conn)", "too many connections", "wrong"),
        (b"server login has been failing", "failed", "wrong"),
    ],
)
def test_what_a_pooler_refuses_is_known_by_its_words(
    postgres: Postgres, says: bytes, outcome: str, cause: str
) -> None:
    fields = b"SFATAL\x00C08P01\x00M" + says + b"\x00\x00"
    with impostor(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields) as port:
        found = attempt(local(), postgres.server(port=port))
    assert (found.outcome, found.cause) == (outcome, cause)
    assert says.decode() in found.detail


def test_a_server_that_is_full_says_so(postgres: Postgres) -> None:
    with Postgres({"max_connections": "2", "superuser_reserved_connections": "1"}) as small:
        small.sql(f"CREATE ROLE muster LOGIN PASSWORD '{SECRET}'")
        with small.connect(), suppress(Exception):
            found = attempt(local(), small.server())
        assert (found.outcome, found.cause) == ("too many connections", "wrong")


def test_the_password_of_a_server_is_in_no_text_about_it() -> None:
    server = Server(engine="postgresql", user="ops", password="open-sesame", address="db.example.net", port=5432)
    asked = AskServer(server)
    said = f"{server!r} {server} {asked!r} {asked.describe()}"
    assert said.count("db.example.net:5432") == 4
    assert "sesame" not in said


def test_the_environment_gives_no_password_away(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGCHANNELBINDING", "require")
    assert attempt(local(), postgres.server(password=None)).outcome == "denied"
    assert attempt(local(), postgres.server()).connected


def test_a_link_that_forwards_nothing_says_nothing_of_the_server(
    postgres: Postgres, start_sshd: Callable[..., Sshd]
) -> None:
    found = failure(ssh(start_sshd(forwarding=False)), AskServer(postgres.server()))
    assert found.cause == "permission"
    assert "AllowTcpForwarding" in found.message


# TLS.


def test_the_password_goes_over_tls(host: Host, postgres: Postgres) -> None:
    server = postgres.server(address="localhost", tls=True, ca_file=str(postgres.ca_file))
    seen = select(server, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert answer(host, seen).rows == ((True,),)


def test_over_tls_a_password_may_be_asked_for_in_clear(postgres: Postgres) -> None:
    server = postgres.server(address="localhost", tls=True, ca_file=str(postgres.ca_file), database="clear")
    assert attempt(local(), server).connected


def test_a_certificate_that_nobody_trusts_is_refused(host: Host, postgres: Postgres) -> None:
    found = attempt(host, postgres.server(address="localhost", tls=True))
    assert (found.outcome, found.cause) == ("TLS failed", "wrong")
    assert "unable to get local issuer certificate" in found.detail


def test_a_certificate_is_not_looked_at_where_nobody_wants_it(postgres: Postgres) -> None:
    assert attempt(local(), postgres.server(tls=True, verify=False)).connected


def test_a_server_without_tls_says_so(postgres: Postgres) -> None:
    with impostor(b"N") as port:
        found = attempt(local(), postgres.server(port=port, tls=True))
    assert str(found) == "TLS failed: the server speaks no TLS"


def test_a_ca_file_that_is_missing_is_no_fault_of_the_server(postgres: Postgres) -> None:
    found = failure(local(), AskServer(postgres.server(tls=True, ca_file="/nowhere/ca.pem")))
    assert (found.cause, found.message) == ("missing", "ca_file /nowhere/ca.pem: No such file or directory")


# What it answers.


def test_rows_come_with_their_columns_and_types(host: Host, postgres: Postgres) -> None:
    found = answer(host, select(postgres.server(), "SELECT 1 AS a, 'x' AS b, true AS c, NULL AS d, 0.5::float8 AS e"))
    assert found.columns == ("a", "b", "c", "d", "e")
    assert found.rows == ((1, "x", True, None, 0.5),)
    assert not found.truncated


def test_more_rows_than_were_asked_for_are_cut_off(postgres: Postgres) -> None:
    found = answer(local(), select(postgres.server(), "SELECT generate_series(1, 100) AS x", max_rows=3))
    assert found.rows == ((1,), (2,), (3,))
    assert found.truncated


def test_a_users_expression_is_one_short_column_and_two_rows_at_most(postgres: Postgres) -> None:
    statement = "SELECT repeat('x', 9000), 2 FROM generate_series(1, 9) -- and so on;"
    found = answer(local(), select(postgres.server(), statement, expression=True))
    assert found.rows == (("x" * 64,),) * 2


WRITES = [
    "SELECT 1; DROP TABLE kept",
    "INSERT INTO kept VALUES (1)",
    "WITH w AS (INSERT INTO kept VALUES (1) RETURNING x) SELECT x FROM w",
    "SELECT 1) AS q(v); INSERT INTO kept VALUES (1); --",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT pg_create_physical_replication_slot('kept')",
]


@pytest.mark.parametrize("expression", [True, False])
@pytest.mark.parametrize("statement", WRITES)
def test_nothing_can_be_written(postgres: Postgres, statement: str, expression: bool) -> None:
    found = failure(local(), select(postgres.server(), statement, expression=expression))
    assert found.cause in ("wrong", "permission")
    assert postgres.sql("SELECT count(*) FROM kept") == [(0,)]


def test_what_may_not_be_read_is_a_missing_permission(postgres: Postgres) -> None:
    found = failure(local(), select(postgres.server(), "SELECT x FROM closed"))
    assert (found.cause, found.message) == ("permission", "PostgreSQL: permission denied for table closed")


def test_a_table_that_is_missing_is_missing(postgres: Postgres) -> None:
    assert failure(local(), select(postgres.server(), "SELECT x FROM nowhere")).cause == "missing"


def test_text_that_is_no_utf_8_is_shown_all_the_same(postgres: Postgres) -> None:
    postgres.sql("CREATE DATABASE bytes TEMPLATE template0 ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C'")
    server = postgres.server(database="bytes")
    assert answer(local(), select(server, r"SELECT E'a\xff'")).rows == (("a\\xff",),)


def test_a_server_that_is_too_old_is_named(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker, "OLDEST", 99)
    found = failure(local(), select(postgres.server(), "SELECT 1"))
    assert "is too old: this is known of 99 and later" in found.message
    assert answer(local(), select(postgres.server(), "SELECT 1", expression=True)).rows == (("1",),)


# One session.


def logins(server: Postgres) -> int:
    return server.log.count("connection authorized: user=muster")


def test_all_questions_go_over_one_connection(host: Host, postgres: Postgres) -> None:
    before = logins(postgres)
    server = postgres.server()
    asked = [AskServer(server), *(select(server, f"SELECT {number}") for number in range(8))]
    found = observe(host, *asked)
    assert [each.failure for each in found] == [None] * 9
    assert logins(postgres) == before + 1


def test_a_login_that_failed_is_not_tried_again(postgres: Postgres) -> None:
    before = postgres.log.count('password authentication failed for user "muster"')
    server = postgres.server(password="wrong")
    found = observe(local(), *(select(server, f"SELECT {number}") for number in range(4)))
    assert {str(each.failure) for each in found} == {
        f'postgresql at {server}: denied: {server}: password authentication failed for user "muster"'
    }
    assert postgres.log.count('password authentication failed for user "muster"') == before + 1


def test_a_statement_that_takes_too_long_costs_itself_only(postgres: Postgres) -> None:
    before = logins(postgres)
    server = postgres.server()
    slow, quick = observe(
        local(), select(server, "SELECT pg_sleep(60)", timeout=0.5, expression=True), select(server, "SELECT 1")
    )
    assert isinstance(slow.failure, Unobserved)
    assert slow.failure.cause == "timeout"
    assert quick.value.rows == ((1,),)
    assert logins(postgres) == before + 1


def test_a_table_that_somebody_holds_is_not_waited_for(postgres: Postgres) -> None:
    with postgres.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE kept")
        found = failure(local(), select(postgres.server(), "SELECT count(*) FROM kept"))
    assert found.cause == "timeout"
    assert "another session has held a lock on it for more than 1 s" in found.message


def test_a_session_that_hangs_is_replaced_once(postgres: Postgres) -> None:
    server = postgres.server()
    frozen: list[int] = []

    async def freeze(asking: Servers) -> None:
        (row,) = (await asking.ask(select(server, "SELECT pg_backend_pid()"))).rows
        os.kill(row[0], signal.SIGSTOP)
        frozen.append(row[0])
        with pytest.raises(Unobserved, match=r"did not answer in 0\.3 s"):
            await asking.ask(select(server, "SELECT 1", timeout=0.3))

    async def ask() -> None:
        asking = Servers(LocalLink())
        await freeze(asking)
        await freeze(asking)
        with pytest.raises(Unobserved, match="lost: 2 sessions with it broke or did not answer in time"):
            await asking.ask(select(server, "SELECT 1"))
        await asking.close()

    try:
        asyncio.run(ask())
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert len(set(frozen)) == 2


def test_a_session_that_the_server_ends_is_replaced(postgres: Postgres) -> None:
    server = postgres.server()

    async def ask() -> tuple[Any, ...]:
        asking = Servers(LocalLink())
        (row,) = (await asking.ask(select(server, "SELECT pg_backend_pid()"))).rows
        postgres.sql(f"SELECT pg_terminate_backend({row[0]}, 1000)")
        with pytest.raises(Unobserved):
            await asking.ask(select(server, "SELECT 1"))
        rows: tuple[Any, ...] = (await asking.ask(select(server, "SELECT 2"))).rows
        await asking.close()
        return rows

    assert asyncio.run(ask()) == ((2,),)


def test_few_sessions_stay_open_that_nobody_waits_for(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "KEPT", 1)
    names = ("postgres", "trusting", "template1")
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'muster'"

    async def ask() -> tuple[Any, ...]:
        asking = Servers(LocalLink())
        for name in (*names, *names):
            await asking.ask(select(postgres.server(database=name), "SELECT 1"))
        (row,) = (await asking.ask(select(postgres.server(), ours))).rows
        await asking.close()
        return row  # type: ignore[no-any-return]

    assert asyncio.run(ask()) in ((1,), (2,))


def test_nothing_is_left_behind(postgres: Postgres, ssh_host: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    observe(ssh(ssh_host), AskServer(postgres.server()))
    before = open_files()
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        observe(ssh(ssh_host), AskServer(postgres.server()), AskServer(postgres.server(password="wrong")))
        assert list(Path(folder).iterdir()) == []
    files_are_closed(before)


# Servers that are no PostgreSQL, or mean harm.

IMPOSTORS = [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it answers 'HTTP/1.1 400 Bad Request'"),
    (b"-ERR unknown command\r\n", "it answers '-ERR unknown command'"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "it answers 'SSH-2.0-OpenSSH_9.2'"),
    (b"J\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00", "MariaDB"),
    (b"R\xff\xff\xff\xff", "it answers"),
]


@pytest.mark.parametrize(("says", "told"), IMPOSTORS, ids=[each[1] for each in IMPOSTORS])
@pytest.mark.parametrize("more", [{}, {"tls": True, "verify": False}], ids=["plain", "tls"])
def test_a_server_of_another_kind_is_told_apart(
    postgres: Postgres, says: bytes, told: str, more: dict[str, Any]
) -> None:
    with impostor(says) as port:
        found = attempt(local(), postgres.server(port=port, **more), timeout=3)
    if more and says[:1] == b"S":
        assert found.outcome == "TLS failed"
    else:
        assert (found.outcome, found.cause) == ("not PostgreSQL", "wrong")
        assert told in found.detail


@pytest.mark.parametrize("more", [{}, {"tls": True, "verify": False}], ids=["plain", "tls"])
def test_a_server_that_waits_for_a_line_is_told_apart_too(
    host: Host, postgres: Postgres, web: HttpServer, more: dict[str, Any]
) -> None:
    found = attempt(host, postgres.server(port=web.port, **more), timeout=0.7)
    assert (found.outcome, found.cause) == ("not PostgreSQL", "wrong")
    assert found.detail.startswith("it answers 'HTTP/1.")


def test_a_postgres_that_hangs_is_not_taken_for_something_else(postgres: Postgres) -> None:
    with Postgres() as hung:
        hung.signal(signal.SIGSTOP)
        try:
            found = attempt(local(), hung.server(), timeout=0.5)
        finally:
            hung.signal(signal.SIGCONT)
    assert str(found) == "timed out: connected, but no answer in 0.5 s"


def test_a_server_that_closes_at_once_is_tried_twice(postgres: Postgres) -> None:
    with impostor(b"") as port:
        found = attempt(local(), postgres.server(port=port))
    assert (found.outcome, found.cause, found.tries) == ("reset", "network", 2)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example"])
@pytest.mark.parametrize("engine", ["postgresql", "mysql", "redis"])
def test_a_name_that_is_none_is_told_without_noise(engine: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    found = attempt(local(), Server(engine=engine, address=name, port=5432))
    assert (found.outcome, found.cause) == ("no such name", "network")
    assert caplog.text == ""


def test_a_server_that_breaks_off_before_tls_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    """It resets the connection in place of the one byte that it is asked for."""
    with impostor(b"", resets=True) as port:
        found = attempt(local(), Server(engine="postgresql", port=port, tls=True))
    assert (found.outcome, found.cause) == ("reset", "network")
    assert caplog.text == ""


WELCOME = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
READY = b"Z\x00\x00\x00\x05I"
FLOODS = [
    (b"", b"\x00" * 65_536, "not PostgreSQL"),
    (WELCOME, b"N\x00\x00\xff\xffM" + b"x" * 65_528 + b"\x00\x00", "too much"),
    (b"", WELCOME * 4_096, "failed"),
    (WELCOME, b"S\x00\x00\x00\x08a\x00b\x00" * 8_192, "too much"),
    (WELCOME + READY, b"D\x00\x00\x00\x04" * 8_192, "too much"),
    (WELCOME + READY, b"1\x00\x00\x00\x04" * 8_192, "too much"),
]


@pytest.mark.parametrize(("says", "forever", "outcome"), FLOODS, ids=range(len(FLOODS)))
def test_a_server_that_never_ends_costs_a_bounded_amount(
    host: Host, postgres: Postgres, says: bytes, forever: bytes, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker, "MOST", 1 << 20)
    with impostor(says, forever) as port:
        found = attempt(host, postgres.server(port=port), timeout=8)
    assert found.outcome == outcome, found


def test_the_bound_is_for_each_answer(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker, "MOST", 1 << 20)
    asked = [select(postgres.server(), f"SELECT repeat('x', {900_000 + number})") for number in range(4)]
    assert [each.failure for each in observe(local(), *asked)] == [None] * 4


def test_an_answer_beyond_the_bound_ends_the_session(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker, "MOST", 1 << 20)
    server = postgres.server()
    found = failure(local(), select(server, "SELECT repeat('x', 3000000)"))
    assert (found.cause, found.message) == ("unreadable", f"{server}: too much: it sent more than 1 MiB")
