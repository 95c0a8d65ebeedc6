"""How long statements take on average, by the performance schema of MySQL or MariaDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from muster.facts import mysql
from muster.need import need
from muster.probes import DoesNotApply, Probe, Unobserved
from muster.questions.servers import AskEach
from muster.targets import Mysql
from muster.text import amount, plural

#: What was called less often is no habit yet: an index that was made, a migration.
CALLS = 5

# Times are in picoseconds. Statements come without their values.
_SELECT = f"""
SELECT avg_timer_wait / 1e12 AS mean, count_star AS calls, LEFT(digest_text, 200) AS query
FROM performance_schema.events_statements_summary_by_digest
WHERE count_star >= {CALLS} AND (DATABASE() IS NULL OR schema_name = DATABASE())
ORDER BY 1 DESC LIMIT 20"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class MysqlStatement:
    """A statement without its values, how often it was called, and how long it took on average."""

    query: str
    mean_seconds: float
    calls: int

    def __str__(self) -> str:
        return f"{amount(self.mean_seconds, 's')} on average over {plural(self.calls, 'call')}: {self.query}"


@dataclass(frozen=True, slots=True)
class MysqlStatements:
    """The slowest statements of this database among those that are called again and again, slowest first."""

    slowest: tuple[MysqlStatement, ...]

    def __str__(self) -> str:
        return str(self.slowest[0]) if self.slowest else f"no statement was called {CALLS} times yet"


def parse(answers: tuple[Any, ...]) -> MysqlStatements:
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
    return MysqlStatements(
        tuple(
            MysqlStatement(mysql.beginning(query), float(mean), int(calls)) for mean, calls, query in answers[1].rows
        )
    )


@need(Mysql)
def mysql_statements(database: Mysql) -> Probe[MysqlStatements]:
    """The slowest statements of the database, where the performance schema collects them."""
    questions = (mysql.ask(database, "SELECT @@global.performance_schema"), mysql.ask(database, _SELECT))
    return Probe(AskEach(questions), parse)
