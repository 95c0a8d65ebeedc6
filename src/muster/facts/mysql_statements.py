"""How long statements take on average, by the performance schema of MySQL or MariaDB."""

from __future__ import annotations

from typing import Any

from muster.databases import Mysql
from muster.facts import sql
from muster.facts.sql import SlowStatements, Statement
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.servers import AskEach

# Times are in picoseconds. Statements come without their values.
_SELECT = f"""
SELECT avg_timer_wait / 1e12 AS mean, count_star AS calls, LEFT(digest_text, 200) AS query
FROM performance_schema.events_statements_summary_by_digest
WHERE count_star >= {sql.CALLS} AND (DATABASE() IS NULL OR schema_name = DATABASE())
ORDER BY 1 DESC LIMIT 20"""  # noqa: S608


def parse(answers: tuple[Any, ...]) -> SlowStatements:
    """Make the fact of whether anything is collected, and of what is.

    Raises:
        DoesNotApply: nothing is.
        Unobserved: one of the two was not answered.
    """
    for answer in answers:
        if isinstance(answer, Unobserved):
            raise answer
        if answer is answers[0] and not answer.rows[0][0]:
            raise DoesNotApply("nothing is collected: start the server with performance_schema = ON")
    return SlowStatements(
        tuple(Statement(sql.beginning(query), float(mean), int(calls)) for mean, calls, query in answers[1].rows)
    )


@need(Mysql)
def mysql_statements(database: Mysql) -> Probe[SlowStatements]:
    """The slowest statements of the database, where the performance schema collects them."""
    questions = (sql.ask(database, "SELECT @@global.performance_schema"), sql.ask(database, _SELECT))
    return Probe(AskEach(questions), parse)
