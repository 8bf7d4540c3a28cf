"""What pg_cron does for a queue owes the same as the function that its job calls."""

from __future__ import annotations

import time

import psycopg
import pytest

from fixtures.database import Database
from matrix.actors import CronJob
from matrix.all_rows import ROWS
from matrix.run import run_matrix
from matrix.scenes import SCENES, Scene

STAND_IN = (
    "create schema cron",
    "create table cron.job (jobid bigint generated always as identity primary key, schedule text, command text, jobname text)",
    """create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as
       $$ insert into cron.job (jobname, schedule, command) values (job_name, schedule, command) returning jobid $$""",
    """create function cron.unschedule(job_id bigint) returns boolean language sql as
       $$ delete from cron.job where jobid = job_id returning true $$""",
)


class Scheduled(CronJob):
    """enable_cron for the cell's queue, then the stored command."""

    def act(self, function: str, args: dict[str, object], *, commit: bool = True) -> str:
        self._connection.execute("select absurd.enable_cron(%s)", (args["queue_name"],))
        self._connection.commit()
        return super().act(function, args, commit=commit)


def test_the_stored_command_owes_what_its_function_owes(db: Database) -> None:
    for statement in STAND_IN:
        db.conn.execute(statement)
    rows = [row for row in ROWS if row.functions[0] in CronJob.JOBS]

    cells = run_matrix(db.dsn, rows, [Scheduled(db.dsn)])

    assert {cell.function for cell in cells} == CronJob.JOBS.keys()
    assert [(cell.name, cell.problems) for cell in cells if cell.problems] == []


def test_a_job_that_pg_cron_runs(db: Database) -> None:
    try:
        db.conn.execute("create extension pg_cron")
    except psycopg.Error as error:
        pytest.skip(f"pg_cron is not installed for this database: {error.diag.message_primary}")
    scene = Scene(db.conn, "q")
    scene.one("select absurd.create_queue('q')")
    SCENES["completed, short retention"](scene)
    scene.clock(10)
    scene.one("select absurd.enable_cron('q', p_cleanup_schedule => '* * * * *')")

    deadline = time.monotonic() + 90  # a job runs at the next full minute: seconds are not known to every release of pg_cron
    while not db.rows("select from absurd.absurd_event_log where event = 'task.purged'") and time.monotonic() < deadline:
        pass
    assert db.rows("select via from absurd.absurd_event_log where event = 'task.purged'") == [("cleanup_all_queues > cleanup_tasks",)]
    assert db.verify() == []
