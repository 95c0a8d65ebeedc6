"""MySQL and MariaDB: how both are asked by one text, and what both hold back from a user without rights.

``/*M! ... */`` is run by MariaDB only, ``/*!80000 ... */`` by MySQL 8 and later only, since MariaDB leaves out what
is for MySQL above 5.7 (https://mariadb.com/kb/en/comment-syntax/). What ``PROCESS`` is needed for, and is quietly
left out without it, is asked together with ``information_schema.innodb_trx``, which is refused without it.
"""

from __future__ import annotations

from muster.questions.servers import Rows

#: Now, by the clock that InnoDB writes its times by: the system's, whatever the session's time zone is.
NOW = "CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM')"

#: Counters of the server since it started, and one setting: a name and a value in each row.
STATUS = """
SELECT variable_name AS name, variable_value AS value
FROM /*M! information_schema.global_status */ /*!80000 performance_schema.global_status */
WHERE variable_name IN ('Threads_connected', 'Max_used_connections', 'Connections', 'Aborted_connects',
    'Connection_errors_max_connections')
UNION ALL SELECT 'max_connections', @@global.max_connections"""


def status(answer: Rows) -> dict[str, int]:
    """The counters that `STATUS` asks for, by name in small letters."""
    return {str(name).lower(): int(value) for name, value in answer.rows}
