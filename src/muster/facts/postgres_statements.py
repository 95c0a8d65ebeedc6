"""How long statements take on average, by pg_stat_statements."""

from __future__ import annotations

from functools import partial

from muster.databases import Postgres
from muster.facts import postgres, sql
from muster.facts.sql import SlowStatements, Statement
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.servers import Rows

# Before PostgreSQL 13 the columns were called mean_time and total_time. In milliseconds.
_SELECT = f"""
SELECT coalesce(j ->> 'mean_exec_time', j ->> 'mean_time')::float8 AS mean, (j ->> 'calls')::int8 AS calls,
    left(j ->> 'query', 200) AS query
FROM (SELECT to_jsonb(s) AS j FROM pg_stat_statements AS s
      WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.calls >= {sql.CALLS}) AS t
ORDER BY 1 DESC LIMIT 20"""  # noqa: S608


def parse(answer: Rows) -> SlowStatements:
    """Make the fact of rows of ``pg_stat_statements``."""
    return SlowStatements(
        tuple(Statement(sql.beginning(query), float(mean) / 1000, int(calls)) for mean, calls, query in answer.rows)
    )


def without(database: Postgres, failure: Unobserved) -> Unobserved | DoesNotApply:
    """Where the extension is not there, nothing is collected."""
    if failure.cause != "missing" or "pg_stat_statements" not in failure.message:
        return failure
    name = postgres.quoted(database.server.database or postgres.user(database))
    return DoesNotApply(
        "pg_stat_statements is not loaded, or not in this database: shared_preload_libraries = 'pg_stat_statements', "
        f"then CREATE EXTENSION pg_stat_statements in {name}"
    )


@need(Postgres)
def postgres_statements(database: Postgres) -> Probe[SlowStatements]:
    """The slowest statements of the database, where pg_stat_statements collects them."""
    asked = postgres.probe_all(database, _SELECT, parse)
    return Probe(asked.question, asked.parse, partial(without, database))
