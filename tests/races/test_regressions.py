"""What is wrong in the engine whose interface this one keeps: a test for each defect, by its number.

tests/regressions/table.toml says where each of them is.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Session, claim, claim_one, log, make_queue, op, refused, running, spawn, sqlstate, state, statuses, sync


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def failed(db: Database, **options: Any) -> Any:
    task = running(db, **options)
    sync(db, [op("fail", task, reason={"name": "E"}, retryable=False)])
    return task.task_id


def test_r6_clean_up_does_not_delete_a_task_that_a_retry_has_revived(db: Database) -> None:
    """By schedule: the retry is not committed when clean-up looks."""
    task_id = failed(db)
    db.clock.freeze()
    db.clock.advance(timedelta(days=60))
    with Session(db) as operator:
        operator.run("begin")
        operator.run("select * from absurd.retry_task('q', %s)", task_id)
        assert db.one("select absurd.cleanup_tasks('q', 0)") == 0
        operator.run("commit")

    assert db.one("select absurd.cleanup_tasks('q', 0)") == 0
    assert state(db, task_id) == "pending"
    assert db.verify() == []


def test_r6_a_retry_that_waits_for_clean_up_says_that_the_task_is_gone(db: Database) -> None:
    task_id = failed(db)
    db.clock.freeze()
    db.clock.advance(timedelta(days=60))
    with Session(db) as cleaner, Session(db) as operator:
        cleaner.run("begin")
        assert cleaner.run("select absurd.cleanup_tasks('q', 0)") == [(1,)]
        call = operator.start("select * from absurd.retry_task('q', %s)", task_id)
        operator.waits_for(cleaner)
        cleaner.run("commit")

        assert sqlstate(call) == "P0001"
    assert db.verify() == []


SPAWN = "select task_id, created from absurd.spawn_task('q', 'work', '1', '{\"idempotency_key\": \"k\"}')"
SPAWN_MANY = 'select task_id, created from absurd.spawn_tasks(\'q\', \'[{"task_name": "work", "options": {"idempotency_key": "k"}}]\')'


@pytest.mark.parametrize("call", [SPAWN, SPAWN_MANY])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_r8_a_spawn_that_waits_for_another_with_its_key_answers_with_a_task(db: Database, call: str, end: str) -> None:
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        ((first, _),) = one.run(call)
        second = two.start(call)
        two.waits_for(one)
        one.run(end)
        ((task_id, created),) = second.result(20)

    assert created is (end == "rollback")
    assert (task_id == first) is (end == "commit")
    assert db.one("select task_id from absurd.task") == task_id
    assert db.verify() == []


@pytest.mark.parametrize("call", [SPAWN, SPAWN_MANY])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_r8_a_spawn_that_waits_for_clean_up_answers_with_a_task(db: Database, call: str, end: str) -> None:
    """In absurd it answered with a null id and no error."""
    old = failed(db, idempotency_key="k")
    db.clock.freeze()
    db.clock.advance(timedelta(days=60))
    with Session(db) as cleaner, Session(db) as client:
        cleaner.run("begin")
        assert cleaner.run("select absurd.cleanup_tasks('q', 0)") == [(1,)]
        spawning = client.start(call)
        client.waits_for(cleaner)
        cleaner.run(end)
        ((task_id, created),) = spawning.result(20)

    assert (created, task_id == old) == ((True, False) if end == "commit" else (False, True))
    assert state(db, task_id) == ("pending" if created else "failed")
    assert db.verify() == []


@pytest.mark.parametrize("document", ["x", 1, [1], {"max_delay": "x"}, {"max_duration": {"a": 1}}, {"max_delay": 1e300}])
def test_r10_a_malformed_cancellation_is_refused_at_the_door(db: Database, document: Any) -> None:
    outcome = refused(db, "select * from absurd.spawn_task('q', 't', '1', %s)", json.dumps({"cancellation": document}))

    assert outcome == "TW301"
    running(db)


@pytest.mark.parametrize(
    "document", ["x", [1], {"max_delay": "x"}, {"max_duration": {"a": 1}}, {"max_delay": 1e300}, {"max_duration": -1e300}]
)
def test_r10_one_that_got_in_all_the_same_stops_no_claims(db: Database, document: Any) -> None:
    """Written past the door by the owner: others are claimed, recovered and cancelled as ever."""
    bad = [spawn(db, priority=-1) for _ in range(2)]
    late, good = spawn(db, cancellation={"max_delay": 5}), spawn(db)
    db.conn.execute("update absurd.task set cancellation = %s where task_id = any(%s)", (json.dumps(document), bad))
    db.clock.freeze()
    db.clock.advance(timedelta(minutes=1))

    claimed = [t.task_id for _ in range(4) for t in claim(db, qty=1)]

    assert good in claimed
    assert state(db, late) == "cancelled"
    db.clock.advance(timedelta(minutes=1))
    assert good in [t.task_id for t in claim(db, qty=5)]
    assert db.verify() == []


def test_r10_the_sweep_looks_at_what_is_due_and_at_nothing_else(db: Database) -> None:
    """Its scan had no limit and no index: a claim took 56 ms at 50,000 pending."""
    db.one("select count(*) from absurd.spawn_tasks('q', %s)", json.dumps([{"task_name": "t", "options": {"delay_seconds": 9999}}] * 3000))
    db.conn.execute("analyze absurd.task")
    read = (
        "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relid = 'absurd.task'::regclass"
    )

    with db.conn.transaction():
        before = db.one(read)
        assert claim(db) == []
        after = db.one(read)

    assert after - before < 100


RETRIES: list[Any] = [
    {"kind": "fixed", "base_seconds": "x"},
    {"kind": "fixed", "base_seconds": 1e300},
    {"kind": "exponential", "factor": "nan"},
    {"kind": "who"},
    "x",
]


@pytest.mark.parametrize("document", RETRIES)
def test_r11_a_malformed_retry_strategy_is_refused_at_the_door(db: Database, document: Any) -> None:
    assert refused(db, "select * from absurd.spawn_task('q', 't', '1', %s)", json.dumps({"retry_strategy": document})) == "AB003"


@pytest.mark.parametrize("document", RETRIES)
def test_r11_one_that_got_in_all_the_same_harms_only_its_own_task(db: Database, document: Any) -> None:
    """Written past the door by the owner: the sweep fails that task, and goes on."""
    bad, good = running(db), running(db)
    db.conn.execute("update absurd.task set retry_strategy = %s where task_id = %s", (json.dumps(document), bad.task_id))
    db.clock.freeze()
    db.clock.advance(timedelta(minutes=5))

    assert claim_one(db).task_id == good.task_id
    assert state(db, bad.task_id) == "failed"
    assert db.verify() == []


@pytest.mark.parametrize("document", RETRIES)
def test_r11_a_failure_under_such_a_document_ends_its_task_and_spoils_no_other_operation(db: Database, document: Any) -> None:
    bad, good = running(db), running(db)
    db.conn.execute("update absurd.task set retry_strategy = %s where task_id = %s", (json.dumps(document), bad.task_id))

    assert statuses(sync(db, [op("fail", bad, reason={"name": "E"}), op("complete", good, result=1)])) == ["ok", "ok"]

    assert (state(db, bad.task_id), state(db, good.task_id)) == ("failed", "completed")
    assert db.verify() == []


def test_r12_a_stalled_transaction_on_one_task_stops_nobody_else(db: Database) -> None:
    """Claims, sweeps, heartbeats, releases and worker_sync pass it by; none of them waits."""
    db.clock.freeze()
    held = running(db)
    spawn(db)
    other, pending = claim_one(db, lease=600), spawn(db)
    db.clock.advance(timedelta(minutes=5))  # the held task's lease is over, and its row cannot be had
    claims = json.dumps([{"task_id": str(t.task_id), "epoch": t.epoch} for t in (held, other)])
    with Session(db) as stalled:
        stalled.run("begin")
        stalled.run("select from absurd.task where task_id = %s for update", held.task_id)
        db.conn.execute("set statement_timeout = '10s'")

        assert db.rows("select status from absurd.heartbeat('q', %s, 60)", claims) == [("busy",), ("ok",)]
        assert [t.task_id for t in claim(db, qty=5)] == [pending]
        assert statuses(sync(db, [op("complete", held), op("complete", other)])) == ["busy", "ok"]
        assert db.rows("select status from absurd.release_claims('q', %s)", claims) == [("busy",), ("lost",)]
        assert db.one("select absurd.cleanup_tasks('q', 0)") == 0
        stalled.run("rollback")

    assert [t.task_id for t in claim(db)] == [held.task_id]
    assert db.verify() == []


def test_r12_a_held_task_whose_rule_has_come_stops_no_claim(db: Database) -> None:
    """The sweep of cancellation rules passes it by, and ends it the next time."""
    db.clock.freeze()
    held, free = spawn(db, cancellation={"max_delay": 5}), spawn(db, cancellation={"max_delay": 5})
    other = spawn(db)
    db.clock.advance(timedelta(minutes=1))
    with Session(db) as stalled:
        stalled.run("begin")
        stalled.run("select from absurd.task where task_id = %s for update", held)

        assert [t.task_id for t in claim(db, qty=5)] == [other]
        assert (state(db, held), state(db, free)) == ("pending", "cancelled")
        stalled.run("rollback")

    assert claim(db) == []
    assert state(db, held) == "cancelled"
    assert db.verify() == []


def test_what_one_claim_is_following_up_another_passes_by(db: Database) -> None:
    """Two claims at once: the second neither waits for the first nor does the same again."""
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent.task_id))
    with Session(db) as holder, Session(db) as first:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", child)
        sync(db, [op("fail", parent, retryable=False)])
        holder.run("rollback")
        assert db.one("select count(*) from absurd.follow_up") == 1
        first.run("begin")
        first.run("select * from absurd.claim_task('q', 'w1')")

        assert claim(db) == []
        assert state(db, child) == "pending"
        first.run("commit")

    assert state(db, child) == "cancelled"
    assert log(db, child).count("task.cancelled") == 1
    assert db.rows("select from absurd.follow_up") == []
    assert db.verify() == []


def test_a_cancellation_whose_row_is_still_held_is_kept_for_the_next_claim(db: Database) -> None:
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent.task_id))
    with Session(db) as holder:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", child)
        sync(db, [op("fail", parent, retryable=False)])

        assert claim(db) == []  # and does not wait
        assert db.rows("select task_id, kind from absurd.follow_up") == [(child, "cancel")]
        holder.run("rollback")

    assert claim(db) == []
    assert state(db, child) == "cancelled"
    assert db.verify() == []


def test_a_heartbeat_never_waits_and_a_held_row_counts_as_alive(db: Database) -> None:
    """Its own worker holds it, in ctx.transaction: that must not look like a lost lease."""
    tasks = [running(db) for _ in range(3)]
    claims = json.dumps([{"task_id": str(t.task_id), "epoch": t.epoch} for t in tasks])
    with Session(db) as worker, Session(db) as heart:
        worker.run("begin")
        worker.run("select from absurd.task where task_id = any(%s) for no key update", [t.task_id for t in tasks[:2]])

        assert heart.run("select status from absurd.heartbeat('q', %s, 60)", claims) == [("busy",), ("busy",), ("ok",)]

        worker.run("rollback")


def test_r14_three_hundred_expired_leases_take_three_claims_of_one(db: Database) -> None:
    db.clock.freeze()
    db.one("select count(*) from absurd.spawn_tasks('q', %s)", json.dumps([{"task_name": "t"}] * 300))
    claim(db, qty=300)
    db.clock.advance(timedelta(seconds=31))

    for _ in range(3):
        claim_one(db)

    assert db.one("select count(*) from absurd.task where attempt = 1") == 0


def test_r16_a_retry_by_an_operator_starts_the_clock_of_max_duration_anew(db: Database) -> None:
    db.clock.freeze()
    task_id = failed(db, cancellation={"max_duration": 60}, max_attempts=1)
    db.clock.advance(timedelta(hours=1))
    db.rows("select * from absurd.retry_task('q', %s)", task_id)

    assert claim_one(db).task_id == task_id
    db.clock.advance(timedelta(seconds=61))
    claim(db)
    assert state(db, task_id) == "cancelled"
    assert db.verify() == []


def test_r25_an_expired_task_beyond_max_duration_ends_once(db: Database) -> None:
    """It went running, cancelled, failed inside one claim that returned no row."""
    db.clock.freeze()
    task = running(db, cancellation={"max_duration": 10}, max_attempts=1)
    spawn(db)
    db.clock.advance(timedelta(minutes=5))

    assert len(claim(db, qty=1)) == 1

    assert log(db, task.task_id) == ["task.spawned", "run.claimed", "task.cancelled"]
    assert db.one("select via from absurd.absurd_event_log where task_id = %s and seq = 3", task.task_id) == "claim_tasks > claim_task"
    assert db.verify() == []


READ_AT_ONCE = """select t.task_id, t.wake_event, t.event_payload from absurd.claim_task('q', 'w2', 30, 5) c
                  join absurd.task t on t.task_id = c.task_id"""
CLAIMS = {
    "claim_task": "select task_id, wake_event, event_payload from absurd.claim_task('q', 'w2', 30, 5)",
    "claim_tasks": "select task_id, wake_event, event_payload from absurd.claim_tasks('q', 'w2', 30, 5)",
    "worker_sync": """select (c ->> 'task_id')::uuid, c ->> 'wake_event', nullif(c -> 'event_payload', 'null') from jsonb_array_elements(
                      absurd.worker_sync('{"queue": "q", "worker": "w2", "claim": {"qty": 5, "lease": 30}}')::jsonb -> 'claims') c""",
}


def claimed_during_an_emission(db: Database, query: str) -> list[Any]:
    """What a claim says of the task that waits, when the event comes after the claim began and before it takes the task."""
    expired = running(db)
    waits = running(db)
    sync(db, [op("await", waits, step="s", event="e")])
    db.clock.freeze()
    db.clock.advance(timedelta(minutes=1))
    with Session(db) as holder, Session(db) as claimer:
        holder.run("begin")
        holder.run("select from absurd.workflow_run where workflow_run_id = %s for update", expired.task_id)
        claiming = claimer.start(query)
        claimer.waits_for(holder)  # its sweep has the expired lease in hand
        db.one("select absurd.emit_event('q', 'e', '1') is null")
        holder.run("rollback")
        rows = {row[0]: list(row[1:]) for row in claiming.result(20)}
    assert rows.keys() == {expired.task_id, waits.task_id}
    return rows[waits.task_id]


@pytest.mark.parametrize("query", CLAIMS.values(), ids=CLAIMS)
def test_r21_a_claim_tells_of_the_event_that_came_meanwhile(db: Database, query: str) -> None:
    """Its last SELECT could still say that the wait goes on: what a claim returns is read after its rows were locked."""
    assert claimed_during_an_emission(db, query) == [None, 1]
    assert db.verify() == []


def test_r21_read_in_the_statement_that_locks_it_is_stale_control(db: Database) -> None:
    assert claimed_during_an_emission(db, READ_AT_ONCE) == ["e", None]


@pytest.mark.parametrize(
    "call", ["select * from absurd.spawn_task('q', 't', '1')", "select * from absurd.spawn_tasks('q', '[{\"task_name\": \"t\"}]')"]
)
def test_a_spawn_that_waited_for_drop_queue_leaves_no_task_behind(db: Database, call: str) -> None:
    with Session(db) as operator, Session(db) as client:
        operator.run("begin")
        operator.run("select absurd.drop_queue('q')")
        spawning = client.start(call)
        client.waits_for(operator)
        operator.run("commit")

        assert sqlstate(spawning) == "42P01"
    assert db.rows("select from absurd.task") == []
    assert db.verify() == []


def test_an_emission_under_way_while_a_queue_is_dropped_does_not_count_in_its_successor(db: Database) -> None:
    with Session(db) as emitter, Session(db) as operator:
        emitter.run("begin")
        emitter.run("select absurd.emit_event('q', 'e', '\"old\"')")
        drop = operator.start("select absurd.drop_queue('q')")
        operator.waits_for(emitter)
        emitter.run("commit")
        assert sqlstate(drop) is None
    make_queue(db)
    task = running(db)

    answer = sync(db, [op("await", task, step="s", event="e")])

    assert answer["ops"][0]["outcome"] == "suspended"
    assert db.verify() == []


def test_an_emission_that_waited_for_drop_queue_is_told_so(db: Database) -> None:
    with Session(db) as operator, Session(db) as emitter:
        operator.run("begin")
        operator.run("select absurd.drop_queue('q')")
        emission = emitter.start("select absurd.emit_event('q', 'e', '1')")
        emitter.waits_for(operator)
        operator.run("commit")

        assert sqlstate(emission) == "42P01"
    assert db.rows("select from absurd.event") == []
    assert db.verify() == []


def test_drop_queue_waits_for_a_spawn_and_takes_its_task_along(db: Database) -> None:
    with Session(db) as client, Session(db) as operator:
        client.run("begin")
        client.run("select * from absurd.spawn_task('q', 't', '1')")
        drop = operator.start("select absurd.drop_queue('q')")
        operator.waits_for(client)
        client.run("commit")
        assert sqlstate(drop) is None

    assert db.rows("select from absurd.task") == []
    assert db.one("select detail ->> 'tasks' from absurd.absurd_event_log where event = 'queue.dropped'") == "1"
    assert db.verify() == []


def test_without_the_gates_look_at_the_queue_a_spawn_leaves_an_orphan_control(db: Database) -> None:
    source = db.one("select pg_get_functiondef('absurd._gate_project'::regproc)")
    assert "if v_found <" in source
    db.conn.execute(source.replace("if v_found <", "if false and v_found <"))
    with Session(db) as operator, Session(db) as client:
        operator.run("begin")
        operator.run("select absurd.drop_queue('q')")
        spawning = client.start("select * from absurd.spawn_task('q', 't', '1')")
        client.waits_for(operator)
        operator.run("commit")
        assert sqlstate(spawning) is None

    assert "queue_is_there" in {row[0] for row in db.verify()}
