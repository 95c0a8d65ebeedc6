"""Rows of databases: what is written still comes, what is too old goes, and queries give the numbers they should."""

from muster import Database, Measure, NewestRows, QueryValues, RowCounts, check, expects


@check(
    severity="critical",
    remediation="Look at what writes to the table: does it run, can it write, has it anything to write?",
    runbook="databases.md#no-new-rows",
    applies=expects("tables"),
)
def test_newest_rows_are_fresh(target: Database, newest_rows: NewestRows, measure: Measure) -> None:
    """The newest row of each table is as new as it should be.

    A service that still answers and writes nothing any more looks well from everywhere else.
    """
    for table, age in newest_rows.ages.items():  # those without a row are below
        measure("newest_row_seconds", age, of=table, limit=target.tables[table].newest)
    assert not newest_rows.empty, f"no row at all in {', '.join(newest_rows.empty)}, expected new ones"
    newest_rows.complete()


@check(
    severity="warning",
    remediation="Look at what deletes old rows (a cron job, an event, a worker): does it run, and does it keep up?",
    runbook="databases.md#rows-are-kept-for-too-long",
    applies=expects("tables"),
)
def test_old_rows_are_deleted(expired_rows: RowCounts, measure: Measure) -> None:
    """No row is older than it may become.

    What is kept longer than was agreed is a liability, and a table that only grows fills the disk.
    """
    for table, count in expired_rows.counts.items():  # all of which the inventory says how long to keep them
        measure("expired_rows", count, of=table)
    expired_rows.complete()


@check(
    severity="warning",
    remediation="Count its rows by day: since when does it grow, or lack rows? Look at what writes it",
    runbook="databases.md#too-many-or-too-few-rows",
    applies=expects("tables"),
)
def test_row_counts_are_within_limits(target: Database, row_counts: RowCounts, measure: Measure) -> None:
    """Each table has as many rows as it should.

    A queue that nobody empties grows; a table that was emptied by mistake takes its service down.
    """
    for table, count in row_counts.counts.items():  # all of which the inventory bounds the rows
        measure("table_rows", count, of=table, limit=target.tables[table].rows)
    row_counts.complete()


@check(
    severity="warning",
    remediation="Run the query by hand, and look at the rows that it counts",
    runbook="databases.md#a-query-is-beyond-its-limit",
    applies=expects("queries"),
)
def test_query_values_are_within_limits(target: Database, query_values: QueryValues, measure: Measure) -> None:
    """Each query gives a number that is within its limits.

    What they count is what whoever wrote the inventory wants to be told of.
    """
    for name, value in query_values.values.items():  # one for each query, or the fact is not complete
        query = target.queries[name]
        measure("query_value", value, of=name, unit=query.unit, limit=query.limit)
    query_values.complete()
