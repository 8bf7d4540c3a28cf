"""The jobs of pg_cron: with a stand-in for its schema, the one table and the two functions that the engine relies on; and with
pg_cron itself, where a server of the distribution has it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fixtures.database import Database, fresh_database
from fixtures.distribution import WITH_PG_CRON
from sql.helpers import Q, expect_error, prepare, run

JOB = "create table cron.job (jobid bigint generated always as identity primary key, schedule text, command text, jobname text)"
SCHEDULE = """create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as
              $$ insert into cron.job (jobname, schedule, command) values (job_name, schedule, command) returning jobid $$"""
UNSCHEDULE = """create function cron.unschedule(job_id bigint) returns boolean language sql as
                $$ delete from cron.job where jobid = job_id returning true $$"""
SCOPE = hashlib.md5(Q.encode(), usedforsecurity=False).hexdigest()[:12]


@pytest.fixture(params=["a stand-in", *(["pg_cron"] if WITH_PG_CRON else [])])
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param == "pg_cron":
        yield request.getfixturevalue("cron_db")
        return
    with fresh_database(request.getfixturevalue("server")) as database:
        yield database


@pytest.fixture(autouse=True)
def queues(db: Database) -> None:
    prepare(db)


@pytest.fixture
def cron(db: Database, request: pytest.FixtureRequest) -> None:
    itself = "pg_cron" in request.node.callspec.id
    for statement in ("create extension pg_cron",) if itself else ("create schema cron", JOB, SCHEDULE, UNSCHEDULE):
        db.conn.execute(statement)


def test_pg_cron_itself_was_there() -> None:
    if not WITH_PG_CRON:
        pytest.skip("no server with pg_cron is installed; on Debian: apt-get install postgresql-15-cron")

    assert (WITH_PG_CRON[-1] / "initdb").exists()


def jobs(db: Database) -> list[Any]:
    return db.rows("select jobname, schedule, command from cron.job order by jobid")


@pytest.mark.parametrize("function", ["enable_cron", "disable_cron", "schedule_detach_jobs"])
@pytest.mark.parametrize(
    ("there", "missing"),
    [(0, "cron.job"), (1, "cron.job"), (2, "cron.schedule"), (3, "cron.unschedule")],
)
def test_without_pg_cron_it_is_said_what_is_missing(db: Database, function: str, there: int, missing: str) -> None:
    for statement in ("create schema cron", JOB, SCHEDULE, UNSCHEDULE)[:there]:
        db.conn.execute(statement)

    with expect_error("P0001", f"pg_cron is not available (missing {missing})"):
        run(db, f"select * from absurd.{function}()")


@pytest.mark.usefixtures("cron")
def test_a_queue_gets_its_three_jobs(db: Database) -> None:
    answer = [tuple(r.values()) for r in run(db, "select * from absurd.enable_cron(%s)", Q)]

    assert answer == [(f"absurd_partitions_{SCOPE}", 1), (f"absurd_cleanup_{SCOPE}", 2), (f"absurd_detach_plan_{SCOPE}", 3)]
    assert jobs(db) == [
        (f"absurd_partitions_{SCOPE}", "5 * * * *", "select absurd.ensure_partitions('q');"),
        (f"absurd_cleanup_{SCOPE}", "17 * * * *", "select * from absurd.cleanup_all_queues('q');"),
        (f"absurd_detach_plan_{SCOPE}", "29 * * * *", "select * from absurd.schedule_detach_jobs('q');"),
    ]


@pytest.mark.usefixtures("cron")
@pytest.mark.parametrize("queue", [None, "it's -- odd"])
def test_each_job_can_be_run(db: Database, queue: str | None) -> None:
    if queue:
        run(db, "select absurd.create_queue(%s)", queue)
    run(db, "select * from absurd.enable_cron(%s, '1 * * * *', '2 * * * *', '3 * * * *')", queue)

    assert [schedule for _, schedule, _ in jobs(db)] == ["1 * * * *", "2 * * * *", "3 * * * *"]
    for _, _, command in jobs(db):
        db.conn.execute(command)
    if queue is None:
        assert jobs(db)[0][::2] == ("absurd_partitions_all", "select absurd.ensure_partitions(null::text);")


@pytest.mark.usefixtures("cron")
def test_enabling_again_replaces_the_jobs(db: Database) -> None:
    run(db, "select * from absurd.enable_cron(%s)", Q)
    again = [tuple(r.values())[1] for r in run(db, "select * from absurd.enable_cron(%s, p_cleanup_schedule => '0 3 * * *')", Q)]

    assert again == [4, 5, 6]
    assert [schedule for _, schedule, _ in jobs(db)] == ["5 * * * *", "0 3 * * *", "29 * * * *"]


@pytest.mark.usefixtures("cron")
def test_a_queues_jobs_and_those_of_all_queues_do_not_touch_each_other(db: Database) -> None:
    run(db, "select absurd.enable_cron()")
    run(db, "select absurd.enable_cron(%s)", Q)
    foreign = f"absurd_detach_runX{SCOPE}_1"
    for name in (f"absurd_detach_run_{SCOPE}_a_b", f"absurd_drop_run_{SCOPE}_a_b", "absurd_drop_run_all_a_b", foreign):
        db.conn.execute("select cron.schedule(%s, '* * * * *', 'select')", (name,))

    removed = [r["job_name"] for r in run(db, "select * from absurd.disable_cron(%s)", Q)]

    kinds = ("cleanup", "detach_plan", "partitions")
    assert removed == sorted([*(f"absurd_{k}_{SCOPE}" for k in kinds), f"absurd_detach_run_{SCOPE}_a_b", f"absurd_drop_run_{SCOPE}_a_b"])
    assert sorted(j[0] for j in jobs(db)) == sorted([*(f"absurd_{k}_all" for k in kinds), "absurd_drop_run_all_a_b", foreign])
    assert len(run(db, "select * from absurd.disable_cron()")) == 4
    assert [j[0] for j in jobs(db)] == [foreign]
    assert run(db, "select * from absurd.disable_cron()") == []


@pytest.mark.usefixtures("cron")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'nosuch'", 'Queue "nosuch" does not exist'),
        ("'nosuch', null", 'Queue "nosuch" does not exist'),
        ("'q', null", "Partition schedule must be provided"),
        ("'q', '1 * * * *', ' '", "Cleanup schedule must be provided"),
        ("'q', p_detach_schedule => ''", "Detach schedule must be provided"),
    ],
)
def test_what_cannot_be_a_job_is_refused(db: Database, arguments: str, message: str) -> None:
    with expect_error("P0001", message):
        run(db, f"select * from absurd.enable_cron({arguments})")

    assert jobs(db) == []


def test_arguments_are_judged_before_pg_cron_is(db: Database) -> None:
    with expect_error("P0001", "Cleanup schedule must be provided"):
        run(db, "select * from absurd.enable_cron('q', p_cleanup_schedule => null)")


@pytest.mark.usefixtures("cron")
def test_there_is_nothing_to_detach(db: Database) -> None:
    assert run(db, "select * from absurd.schedule_detach_jobs()") == []
    assert jobs(db) == []
    with expect_error("P0001", 'Queue "nosuch" does not exist'):
        run(db, "select * from absurd.schedule_detach_jobs('nosuch')")


@pytest.mark.usefixtures("cron")
def test_a_dropped_partition_takes_its_jobs_along(db: Database) -> None:
    db.conn.execute("create table absurd.t_q_627 (id int)")
    for name in ("absurd_detach_run_x", "absurd_drop_run_x", "absurd_drop_run_y"):
        db.conn.execute("select cron.schedule(%s, '* * * * *', 'select')", (name,))

    assert db.one("select absurd.drop_detached_partition('t_q_627', 'absurd_drop_run_x')") is True
    assert [j[0] for j in jobs(db)] == ["absurd_drop_run_y"]


@pytest.mark.usefixtures("cron")
def test_the_jobs_are_the_callers(db: Database) -> None:
    """The owner of the functions cannot log in: a job of its own would never run."""
    name = f"m_{db.one('select current_database()')}"
    db.conn.execute("alter table cron.job add column if not exists username text default current_user")
    db.conn.execute(f"create role {name} login in role tollway_operator")
    try:
        db.conn.execute(f"grant usage on schema cron to {name}; grant all on cron.job to {name}")
        with db.connect(user=name) as operator:
            operator.execute("select absurd.enable_cron('q')")
        assert db.rows("select distinct username from cron.job") == [(name,)]
        with db.connect(user=name) as operator:
            operator.execute("select absurd.disable_cron('q')")
        assert jobs(db) == []
    finally:
        db.conn.execute(f"drop owned by {name}; drop role {name}")


def test_an_operator_without_the_right_is_told_so_by_the_database(db: Database, cron: None) -> None:
    name = f"m_{db.one('select current_database()')}"
    db.conn.execute(f"create role {name} login in role tollway_operator")
    try:
        with db.connect(user=name) as operator, pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema cron"):
            operator.execute("select absurd.enable_cron('q')")
    finally:
        db.conn.execute(f"drop owned by {name}; drop role {name}")


@pytest.mark.usefixtures("cron")
def test_a_dropped_queue_leaves_its_jobs(db: Database) -> None:
    """They are the caller's; disable_cron removes them, also when the queue is gone."""
    run(db, "select absurd.enable_cron('q')")
    run(db, "select absurd.drop_queue('q')")
    assert len(jobs(db)) == 3
    run(db, "select absurd.disable_cron('q')")

    assert jobs(db) == []
