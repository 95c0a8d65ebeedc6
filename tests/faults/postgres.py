"""PostgreSQL databases, good and broken: sessions that block each other, dead rows, replicas that stopped, damage.

One primary has a database for each fault of a database, and is followed by replicas; what is broken of a whole
server is broken of another one, which is ``worn``. Muster logs in as a user with the rights that the runbook names
and no others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg

from tests.faults.cases import Case, Ran, critical, each, run, unknown, warning
from tests.servers.http import HttpServer
from tests.servers.postgres import Postgres, impostor
from tests.servers.processes import refusing_port, silent_port, wait_for
from tests.servers.redis_server import RedisServer
from tests.servers.sshd import Account, Sshd

SECRET = "secret-of-muster"
ELSEWHERE = "elsewhere"

#: Every check of a PostgreSQL database but whether it accepts connections, and those that the inventory asks for.
EVERY = (
    "database_server_has_connections_left",
    "postgres_checksums_are_on",
    "postgres_followers_keep_up",
    "postgres_log_is_archived",
    "postgres_no_session_idles_in_a_transaction",
    "postgres_nobody_waits_for_locks",
    "postgres_pages_are_sound",
    "postgres_queries_end_in_time",
    "postgres_replica_keeps_up",
    "postgres_replica_streams",
    "postgres_size_is_within_limits",
    "postgres_slots_retain_little",
    "postgres_statements_are_fast",
    "postgres_tables_are_analyzed",
    "postgres_tables_are_vacuumed",
    "postgres_tables_hold_few_dead_rows",
    "postgres_transaction_ids_last",
    "postgres_transactions_end_in_time",
)

#: What only a member of pg_monitor sees, on a primary.
HIDDEN = (
    "database_server_has_connections_left",
    "postgres_followers_keep_up",
    "postgres_no_session_idles_in_a_transaction",
    "postgres_nobody_waits_for_locks",
    "postgres_queries_end_in_time",
    "postgres_slots_retain_little",
    "postgres_statements_are_fast",
    "postgres_transactions_end_in_time",
)


def at(port: str, database: str = "calm", user: str = "muster", **more: object) -> dict[str, object]:
    return {"url": f"postgresql://{user}@127.0.0.1:${{{port}}}/{database}", "password": "${env:PASSWORD}", **more}


def down(*says: str, cause: str) -> dict[str, object]:
    """It cannot be logged in to, which is critical, once; nothing else of it is known."""
    return {
        "database_accepts_connections": critical(*says, "expected a connection", cause=cause),
        **each(EVERY, unknown(*says, cause=cause)),
    }


CASES = (
    Case("calm", at("primary", min_version="12", role="primary")),
    Case("calm", at("primary", tls=True, ca_file="${ca}"), host=ELSEWHERE),
    Case(
        "by-socket", {**at("primary"), "url": "postgresql://muster@:${primary}/calm?host=${folder}"}, host=ELSEWHERE
    ),
    Case("replica", at("replica", role="replica")),
    Case(
        "busy",
        at(
            "primary",
            "busy",
            limits={
                "idle_in_transaction_seconds": {"warning": "0.1s"},
                "lock_wait_seconds": {"critical": "0.1s"},
                "longest_query_seconds": {"warning": "0.1s"},
                "longest_transaction_seconds": {"warning": "0.1s"},
                "statement_mean_seconds": {"warning": "0.005s"},
            },
        ),
        {
            "postgres_no_session_idles_in_a_transaction": warning(
                "pid ${holder} (app, forgetful, idle in transaction) for",
                "UPDATE jobs SET state = 1",
                "at most 0.1 s",
            ),
            "postgres_nobody_waits_for_locks": critical(
                "pid ${waiter} (app) waits", "for pid ${holder} (app, idle in transaction): UPDATE jobs SET state = 2"
            ),
            "postgres_queries_end_in_time": warning(
                "pid ${sleeper} (app, report, active) for", "SELECT pg_sleep(600)"
            ),
            "postgres_transactions_end_in_time": warning("pid ${holder}", "at most 0.1 s"),
            "postgres_statements_are_fast": warning("on average over 5 calls: SELECT pg_sleep($1)"),
        },
    ),
    Case(
        "bloat",
        at(
            "primary",
            "bloat",
            limits={
                "table_unvacuumed_seconds": {"warning": "0.1s"},
                "table_unanalyzed_seconds": {"warning": "0.1s"},
                "database_size_bytes": {"critical": "1MB"},
            },
        ),
        {
            "postgres_tables_hold_few_dead_rows": warning(
                "table_dead_percent of public.task_results is 75 %", "15,000 of 20,000 rows dead", "at most 40 %"
            ),
            "postgres_tables_are_vacuumed": warning("table_unvacuumed_seconds of public.task_results"),
            "postgres_tables_are_analyzed": warning("table_unanalyzed_seconds of public.task_results"),
            "postgres_size_is_within_limits": critical("expected at most"),
        },
    ),
    Case(
        "damaged",
        at("primary", "damaged"),
        {"postgres_pages_are_sound": critical("1 page with a wrong checksum", "expected none")},
    ),
    Case(
        "followed",
        at("primary", limits={"replication_lag_bytes": {"warning": "1B"}, "slot_retained_bytes": {"critical": "1B"}}),
        {
            "postgres_followers_keep_up": warning("replication_lag_bytes of paused", "streaming"),
            "postgres_slots_retain_little": critical("slot_retained_bytes of forgotten", "inactive"),
        },
    ),
    Case(
        "paused",
        at("paused", limits={"replication_lag_seconds": {"warning": "0.01s"}}),
        {"postgres_replica_keeps_up": warning("behind, replay is paused")},
    ),
    Case(
        "orphan",
        at("orphan", role="primary"),
        {
            "postgres_replica_streams": critical("receives from no primary, expected streaming"),
            "postgres_replica_keeps_up": unknown("replayed no transaction since it started", cause="missing"),
            "database_server_has_its_role": critical("replica, expected primary"),
        },
    ),
    Case(
        "worn",
        at("worn", "postgres", min_version="99", limits={"transaction_ids_used_percent": {"critical": 1e-9}}),
        {
            "database_version_is_supported": warning("expected 99 or later"),
            "database_server_has_connections_left": critical("9 of 12 connections in use, of which 3 are reserved"),
            "postgres_log_is_archived": critical("could not be archived", "expected the last attempt to succeed"),
            "postgres_checksums_are_on": warning("checksums are off, expected on"),
            "postgres_transaction_ids_last": critical("transactions old"),
        },
    ),
    Case(
        "full",
        at("full", "postgres"),
        down("too many connections: 127.0.0.1:${full}: ", "connection", cause="wrong"),
    ),
    Case(
        "without-rights",
        at("primary", user="stranger"),
        each(HIDDEN, unknown("stranger sees only what is its own: GRANT pg_monitor TO stranger", cause="permission")),
    ),
    Case(
        "wrong-password",
        at("primary") | {"password": "${env:WRONG}"},
        down('password authentication failed for user "muster"', cause="permission"),
    ),
    Case("no-such-user", at("primary", user="nobody"), down("password authentication failed", cause="permission")),
    Case("no-such-database", at("primary", "nowhere"), down('database "nowhere" does not exist', cause="missing")),
    Case("without-tls", at("worn", "postgres", tls=True), down("the server speaks no TLS", cause="wrong")),
    Case("untrusted", at("primary", tls=True), down("TLS failed", cause="wrong")),
    Case("refused", at("refused"), down("refused", "after 2 tries", cause="network")),
    Case("silent", at("silent", timeout="1s"), down("connected, but no answer in 1 s", cause="timeout")),
    Case("web", at("web", timeout="2s"), down("not PostgreSQL: it answers 'HTTP/1.", cause="wrong")),
    Case("redis", at("redis", timeout="2s"), down("not PostgreSQL: it answers", "-ERR", cause="wrong")),
    Case("garbage", at("garbage"), down("not PostgreSQL", cause="wrong")),
    Case("closed", at("refused"), down("127.0.0.1:${refused}", cause="network"), host=ELSEWHERE),
)


def judged(folder: Path, ops: Account) -> Ran:
    """All of them in one run."""
    with ExitStack() as serving:
        known, noted = _serve(serving)
        hosts: dict[str, dict[str, object]] = {
            ELSEWHERE: {"connection": serving.enter_context(Sshd(user=ops.name)).connection()}
        }
        hosts[ELSEWHERE]["databases"] = {case.name: case.entry for case in CASES if case.host}
        top = {case.name: case.entry for case in CASES if not case.host}
        environment = {"PASSWORD": SECRET, "WRONG": "not-" + SECRET}
        ran = run(folder, {"databases": top, "hosts": hosts}, settings=known, environment=environment)
        return Ran(ran.code, ran.terminal, ran.folder, known | noted)


def _serve(serving: ExitStack) -> tuple[dict[str, object], dict[str, object]]:
    """Start all servers and break what is to be broken: what the inventory has to know of them, and some pids."""
    primary = Postgres(
        {
            "archive_mode": "on",
            "archive_command": "/bin/true",
            "shared_preload_libraries": "pg_stat_statements",
            "wal_keep_size": "64MB",
        },
        tls=True,
        checksums=True,
    )
    serving.enter_context(primary)
    _damage(primary)
    primary.sql(
        "CREATE ROLE stranger LOGIN PASSWORD 'secret-of-muster'",
        "CREATE ROLE app LOGIN PASSWORD 'secret-of-app'",
        "SELECT pg_create_physical_replication_slot('forgotten', true)",
    )
    _rights(primary)
    for name in ("calm", "busy", "bloat"):
        primary.sql(f"CREATE DATABASE {name}")
        primary.sql("CREATE EXTENSION pg_stat_statements", database=name)
    _fill(primary, "calm", "VACUUM ANALYZE task_results")
    _fill(
        primary,
        "bloat",
        "ALTER TABLE task_results SET (autovacuum_enabled = off)",
        "DELETE FROM task_results WHERE id > 5000",
    )
    replica, paused, orphan = _replicas(primary, serving)
    known: dict[str, object] = {
        "primary": primary.port,
        "ca": str(primary.ca_file),
        "folder": str(primary.folder),
        "replica": replica.port,
        "paused": paused.port,
        "orphan": orphan.port,
        "worn": _worn(serving),
        "full": _full(serving),
        "refused": serving.enter_context(refusing_port()),
        "silent": serving.enter_context(silent_port()),
        "web": serving.enter_context(HttpServer()).port,
        "redis": serving.enter_context(RedisServer()).port,
        "garbage": serving.enter_context(impostor(b"", b"\x00\xff\x1b[31m" * 4096)),
    }
    return known, serving.enter_context(_busy(primary))


def _rights(server: Postgres) -> None:
    """The rights that the runbook names, and no others."""
    server.sql(f"CREATE ROLE muster LOGIN PASSWORD '{SECRET}'", "GRANT pg_monitor TO muster")


def _fill(server: Postgres, database: str, *then: str) -> None:
    rows = "INSERT INTO task_results SELECT x, now() FROM generate_series(1, 20000) AS x"
    server.sql("CREATE TABLE task_results (id int, execution_time timestamptz)", rows, database=database)
    for statement in then:
        server.sql(statement, database=database)


def _damage(server: Postgres) -> None:
    """Change a page of a table behind the server's back, and have it read."""
    server.sql("CREATE DATABASE damaged")
    made = ("CREATE TABLE kept (x int)", "INSERT INTO kept VALUES (1)", "CHECKPOINT")
    ((path,),) = server.sql(*made, "SELECT pg_relation_filepath('kept')", database="damaged")
    server.stop()
    with (server.data / path).open("r+b") as file:
        file.seek(4096)
        file.write(b"damage")
    server.start()
    with suppress(psycopg.Error):
        server.sql("SELECT * FROM kept", database="damaged")


def _replicas(primary: Postgres, serving: ExitStack) -> tuple[Postgres, Postgres, Postgres]:
    """One that follows, one that does not replay what it gets, and one that gets nothing."""
    replica = serving.enter_context(Postgres({"cluster_name": "replica"}, replica_of=primary, slot="replica"))
    paused = serving.enter_context(Postgres({"cluster_name": "paused"}, replica_of=primary, slot="paused"))
    orphan = serving.enter_context(Postgres({"primary_conninfo": ""}, replica_of=primary))
    streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    wait_for(lambda: primary.sql(streaming) == [(2,)], "two replicas that stream")
    primary.sql("CREATE TABLE written_before AS SELECT 1 AS x")
    replayed = "SELECT pg_last_xact_replay_timestamp() IS NOT NULL"
    wait_for(lambda: paused.sql(replayed) == [(True,)], "a transaction that is replayed")
    paused.sql("SELECT pg_wal_replay_pause()")
    primary.sql("CREATE TABLE written_since AS SELECT generate_series(1, 1000)")
    behind = "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
    wait_for(lambda: paused.sql(behind) == [(True,)], "a replica that is behind")
    wait_for(lambda: replica.sql(behind) == [(False,)], "a replica that is not")
    return replica, paused, orphan


def _worn(serving: ExitStack) -> int:
    """A server whose connections are all taken but one, and whose archive takes nothing. Returns its port."""
    worn = serving.enter_context(
        Postgres({"max_connections": "12", "archive_mode": "on", "archive_command": "/bin/false"})
    )
    _rights(worn)
    worn.sql("CREATE TABLE kept (x int)", "SELECT pg_switch_wal()")
    failed = "SELECT failed_count > 0 FROM pg_stat_archiver"
    wait_for(lambda: worn.sql(failed) == [(True,)], "a segment that cannot be archived")
    for _ in range(8):
        serving.enter_context(closing(worn.connect()))
    return worn.port


def _full(serving: ExitStack) -> int:
    """A server that takes no more connections of anybody's. Returns its port."""
    full = serving.enter_context(Postgres({"max_connections": "4", "max_wal_senders": "0"}))
    _rights(full)
    for _ in range(4):
        serving.enter_context(closing(full.connect()))
    return full.port


@contextmanager
def _busy(server: Postgres) -> Iterator[dict[str, object]]:
    """Sessions that are in each other's way; their pids."""
    server.sql(
        "CREATE TABLE jobs (state int)", "INSERT INTO jobs VALUES (0)", "GRANT ALL ON jobs TO app", database="busy"
    )
    as_app = {"user": "app", "password": "secret-of-app", "host": "127.0.0.1"}
    for _ in range(5):
        server.sql("SELECT pg_sleep(0.02)", database="busy")
    with (
        closing(server.connect("busy", application_name="forgetful", **as_app)) as holder,
        closing(server.connect("busy", **as_app)) as waiter,
        closing(server.connect("busy", application_name="report", **as_app)) as sleeper,
    ):
        holder.execute("BEGIN")
        holder.execute("UPDATE jobs SET state = 1")
        threads = [
            threading.Thread(target=_suffer, args=(waiter, "UPDATE jobs SET state = 2")),
            threading.Thread(target=_suffer, args=(sleeper, "SELECT pg_sleep(600)")),
        ]
        for thread in threads:
            thread.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_for(lambda: server.sql(waits) == [(1,)], "a session that waits for a lock")
        pids = {"holder": holder, "waiter": waiter, "sleeper": sleeper}
        yield {name: session.info.backend_pid for name, session in pids.items()}
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
        for thread in threads:
            thread.join()


def _suffer(session: psycopg.Connection[object], statement: str) -> None:
    with suppress(psycopg.Error):
        session.execute(statement.encode())
