"""What foreign clients rely on about queues and their relations, as far as tests/sql does not say it."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import NOBODY, T0, at, await_event, checkpoint, emit, expect_error, one, run, running, spawn

QUEUES = [
    "queue_name", "created_at", "storage_mode", "default_partition", "partition_lookahead", "partition_lookback", "cleanup_ttl",
    "cleanup_limit", "detach_mode", "detach_min_age",
]  # fmt: skip
# every function that takes a queue, with the other arguments it must have
ON_A_QUEUE = {
    "spawn_task": "%s, 'work', '1'",
    "claim_task": "%s, 'w'",
    "complete_run": f"%s, '{NOBODY}'",
    "schedule_run": f"%s, '{NOBODY}', now()",
    "fail_run": f"%s, '{NOBODY}', '1'",
    "cancel_task": f"%s, '{NOBODY}'",
    "retry_task": f"%s, '{NOBODY}'",
    "extend_claim": f"%s, '{NOBODY}', 5",
    "get_task_result": f"%s, '{NOBODY}'",
    "set_task_checkpoint_state": f"%s, '{NOBODY}', 's', '1', '{NOBODY}'",
    "get_task_checkpoint_state": f"%s, '{NOBODY}', 's'",
    "get_task_checkpoint_states": f"%s, '{NOBODY}', '{NOBODY}'",
    "await_event": f"%s, '{NOBODY}', '{NOBODY}', 's', 'e'",
    "emit_event": "%s, 'e'",
    "cleanup_tasks": "%s, 5",
    "cleanup_events": "%s, 5",
}
CHECKS_THE_NAME = {"get_task_result"}


@pytest.mark.parametrize("function", ON_A_QUEUE)
def test_a_queue_that_is_null_is_told_by_its_code(db: Database, function: str) -> None:
    with expect_error(*(("P0001", "Queue name must be provided") if function in CHECKS_THE_NAME else ("22004",))):
        run(db, f"select * from absurd.{function}({ON_A_QUEUE[function]})", None)


@pytest.mark.parametrize("function", ON_A_QUEUE)
def test_a_queue_that_is_not_there_is_a_missing_relation_whatever_it_is_called(db: Database, function: str) -> None:
    """Names are not validated here: one of 58 bytes is as unknown as any."""
    long = "n" * 58
    with expect_error(*(("P0001",) if function in CHECKS_THE_NAME else ("42P01",))):
        run(db, f"select * from absurd.{function}({ON_A_QUEUE[function]})", long)
    with expect_error("42P01"):
        run(db, f"select * from absurd.{function}({ON_A_QUEUE[function]})", "nowhere")


def test_the_table_of_queues_begins_with_absurds_columns(db: Database) -> None:
    row = one(db, "select * from absurd.queues")

    assert list(row)[: len(QUEUES)] == QUEUES
    assert (row["queue_name"], row["created_at"], row["storage_mode"], row["cleanup_limit"]) == ("q", T0, "unpartitioned", 1000)


def test_a_partitioned_queue_has_its_keys_with_its_tasks(db: Database) -> None:
    """absurd's i_<queue> would be a second home of a key: there is none."""
    run(db, "select absurd.create_queue('p', 'partitioned')")
    task = spawn(db, "p", idempotency_key="k")

    assert run(db, "select task_id, idempotency_key from absurd.t_p") == [{"task_id": task, "idempotency_key": "k"}]
    assert db.one("select to_regclass('absurd.i_p')") is None


def test_an_event_that_is_awaited_is_a_placeholder(db: Database) -> None:
    await_event(db, running(db), "awaited")
    db.clock.set(at(3))
    emit(db, "emitted", None)

    events = "select event_name, payload is null, jsonb_typeof(payload), extract(epoch from emitted_at)::int from absurd.e_q order by 1"
    assert db.rows(events) == [
        ("awaited", True, None, 0),
        ("emitted", False, "null", int(at(3).timestamp())),
    ]  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), [('"7"', 7), ('" 7 "', 7), ("7", 7)])
def test_a_limit_may_be_numeric_text(db: Database, given: str, kept: int) -> None:
    run(db, "select absurd.set_queue_policy('q', %s)", f'{{"cleanup_limit": {given}}}')

    assert one(db, "select cleanup_limit from absurd.get_queue_policy('q')") == {"cleanup_limit": kept}


def test_missing_views_are_made_again(db: Database) -> None:
    spawn(db)
    db.conn.execute("drop view absurd.t_q")
    run(db, "select absurd.ensure_queue_tables('q')")
    assert len(run(db, "select * from absurd.t_q")) == 1
    db.conn.execute("drop view absurd.w_q")
    run(db, "select absurd.create_queue('q')")

    assert run(db, "select * from absurd.w_q") == []


def test_a_queue_is_dropped_with_all_its_relations(db: Database) -> None:
    run(db, "select absurd.create_queue('p', 'partitioned')")
    task = running(db)
    checkpoint(db, task)
    await_event(db, task, step="t")
    for queue in ("q", "p"):
        run(db, "select absurd.drop_queue(%s)", queue)

    left = "select relname from pg_class where relnamespace = 'absurd'::regnamespace and relname ~ '^[trcewi]_[qp]$'"
    assert db.rows(left) == []
    assert run(db, "select * from absurd.list_queues()") == []


def test_a_dropped_queue_may_be_made_anew_and_is_empty(db: Database) -> None:
    await_event(db, running(db, idempotency_key="k"))
    run(db, "select absurd.drop_queue('q')")
    run(db, "select absurd.create_queue('q')")

    assert [run(db, f"select * from absurd.{letter}_q") for letter in "trcew"] == [[]] * 5
    assert one(db, "select created from absurd.spawn_task('q', 'work', '1', '{\"idempotency_key\": \"k\"}')") == {"created": True}


def test_clean_up_of_all_queues_is_by_name_and_in_whole_seconds(db: Database) -> None:
    for queue in ("z", "a"):
        run(db, "select absurd.create_queue(%s)", queue)
        run(db, 'select absurd.set_queue_policy(%s, \'{"cleanup_ttl": "2.9 seconds"}\')', queue)
        run(db, "select absurd.emit_event(%s, 'e')", queue)
    db.clock.set(at(2.5))

    cleaned: list[tuple[Any, ...]] = [tuple(row.values()) for row in run(db, "select * from absurd.cleanup_all_queues()")]
    assert cleaned == [("a", 0, 1), ("q", 0, 0), ("z", 0, 1)]
