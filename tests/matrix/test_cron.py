"""What pg_cron does for a queue owes the same as the function that its job calls: with a stand-in for its schema, and with itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fixtures.database import Database, fresh_database
from fixtures.distribution import WITH_PG_CRON
from matrix.actors import CronJob, RawSql, Wrapper
from matrix.all_rows import ROWS
from matrix.expected_refusals import WITH_CRON
from matrix.run import run_matrix
from matrix.words import Columns, Row

STAND_IN = (
    "create schema cron",
    "create table cron.job (jobid bigint generated always as identity primary key, schedule text, command text, jobname text)",
    """create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as
       $$ insert into cron.job (jobname, schedule, command) values (job_name, schedule, command) returning jobid $$""",
    """create function cron.unschedule(job_id bigint) returns boolean language sql as
       $$ delete from cron.job where jobid = job_id returning true $$""",
)
JOBS = [row for row in ROWS if row.functions[0] in CronJob.JOBS and not row.refused] + [
    row for row in WITH_CRON if row.functions[0] in CronJob.JOBS
]


class Scheduled(CronJob):
    """enable_cron for the cell's queue, then the stored command."""

    def act(self, function: str, args: Columns, *, commit: bool = True) -> str:
        self._connection.execute("select absurd.enable_cron(%s)", (args["queue_name"],))
        self._connection.commit()
        return super().act(function, args, commit=commit)


class PgCron(CronJob):
    """enable_cron for the cell's queue, and then nothing but waiting: pg_cron itself runs the job, in a session of its own."""

    name = "pg_cron"
    application = None  # its background worker has none

    def act(self, function: str, args: Columns, *, commit: bool = True) -> str:
        self._connection.execute("select absurd.enable_cron(%s, p_cleanup_schedule => '* * * * *')", (args["queue_name"],))
        self._connection.commit()
        deadline = time.monotonic() + 150  # a job runs at the next full minute: seconds are not known to every release of pg_cron
        while time.monotonic() < deadline:
            ran = self._connection.execute(
                "select xid::text from absurd.absurd_event_log where queue_name = %s and event = 'task.purged'", (args["queue_name"],)
            ).fetchall()
            self._connection.commit()
            if ran:
                self._connection.execute("select absurd.disable_cron(%s)", (args["queue_name"],))
                self._connection.commit()
                return str(ran[0][0])
        raise AssertionError("pg_cron did not run the job")


@pytest.fixture(params=["a stand-in", *(["pg_cron"] if WITH_PG_CRON else [])])
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database in which the jobs can be stored."""
    if request.param == "pg_cron":
        database = request.getfixturevalue("cron_db")
        database.conn.execute("create extension pg_cron")
        yield database
        return
    with fresh_database(request.getfixturevalue("server")) as database:
        for statement in STAND_IN:
            database.conn.execute(statement)
        yield database


def problems(db: Database, rows: list[Row], *actors: type[RawSql | Wrapper | CronJob]) -> list[tuple[str, list[str]]]:
    cells = run_matrix(db.dsn, rows, [actor(db.dsn) for actor in actors])
    assert {cell.actor for cell in cells} == {actor.name for actor in actors}
    assert {cell.function for cell in cells} == {function for row in rows for function in row.functions}
    return [(cell.name, cell.problems) for cell in cells if cell.problems]


def test_the_stored_command_owes_what_its_function_owes(db: Database) -> None:
    assert {row.functions[0] for row in JOBS} == CronJob.JOBS.keys()

    assert problems(db, JOBS, Scheduled) == []


def test_the_functions_around_pg_cron_move_nothing_where_it_is(db: Database) -> None:
    assert problems(db, list(WITH_CRON), RawSql, Wrapper) == []


@pytest.mark.usefixtures("cron_awake")
def test_a_job_that_pg_cron_runs(cron_db: Database) -> None:
    """Column by column, as if somebody had called the function: only the session is pg_cron's."""
    cron_db.conn.execute("create extension pg_cron")
    rows = [row for row in ROWS if row.functions == ("cleanup_all_queues",) and row.scene == "completed, short retention"]

    assert problems(cron_db, rows, PgCron) == []
