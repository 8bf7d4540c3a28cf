"""worker_sync hands out work, again when the answer was lost, at a cost that does not grow with the operations."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim, claim_one, log, make_queue, op, running, spawn, state, statuses, sync

WORKER = str(uuid.UUID(int=1))


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def take(db: Database, qty: int, call: int = 1, *, resend: bool = False, ops: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return sync(db, ops or [], instance=WORKER, call=call, resend=resend, version="9", claim={"qty": qty, "lease": 30})


def ids(answer: dict[str, Any]) -> list[str]:
    return [c["task_id"] for c in answer["claims"]]


def test_claims_carry_all_that_a_worker_needs_to_go_on(db: Database) -> None:
    task = running(db, max_attempts=4, headers={"h": 1})
    sync(db, [op("checkpoint", task, step="a", state={"x": 1}), op("fail", task, reason={"name": "E"}, retry_in=0)])

    (got,) = take(db, 5)["claims"]

    assert {k: got[k] for k in ("task_id", "attempt", "task_name", "params", "headers", "max_attempts", "claim_epoch")} == {
        "task_id": str(task.task_id),
        "attempt": 2,
        "task_name": "work",
        "params": 1,
        "headers": {"h": 1},
        "max_attempts": 4,
        "claim_epoch": 2,
    }
    assert got["checkpoints"] == {"a": {"state": {"x": 1}, "status": "committed"}}
    assert (got["workflow_run_id"], got["parent_task_id"], got["deadline"]) == (str(task.task_id), None, None)
    stored = "select claimed_by, claim_instance::text, claim_call, worker_version from absurd.task"
    assert db.one(stored) == ("w1", WORKER, 1, "9")


def test_each_task_comes_with_its_own_steps(db: Database) -> None:
    tasks = [running(db), running(db)]
    for task, step in zip(tasks, ("one", "other"), strict=True):
        sync(db, [op("checkpoint", task, step=step, state=1), op("release", task)])
    spawn(db)

    assert [list(c["checkpoints"]) for c in take(db, 3)["claims"]] == [["one"], ["other"], []]


def test_more_says_whether_the_claim_came_back_full(db: Database) -> None:
    for _ in range(3):
        spawn(db)

    assert [take(db, 2)["more"], take(db, 2, 2)["more"], take(db, 2, 3)["more"]] == [True, False, False]


def test_work_freed_by_a_call_may_be_claimed_by_the_same_call(db: Database) -> None:
    task = running(db)

    answer = take(db, 1, ops=[op("release", task)])

    assert ids(answer) == [str(task.task_id)]
    assert db.verify() == []


def test_a_lost_answer_is_told_again_claims_included(db: Database) -> None:
    done, slept = running(db), running(db)
    for _ in range(3):
        spawn(db)
    request = [op("checkpoint", done, step="s", state=1), op("complete", done, result=2), op("sleep", slept, seconds=9)]
    first = take(db, 2, 7, ops=request)

    again = take(db, 2, 7, resend=True, ops=request)

    assert statuses(first) == ["ok", "ok", "ok"]
    assert statuses(again) == ["already", "already", "already"]
    assert sorted(ids(again)) == sorted(ids(first))
    assert {c["claim_epoch"] for c in again["claims"]} == {1}
    assert db.one("select count(*) from absurd.task where state = 'pending'") == 1
    assert db.verify() == []


def test_a_resend_fills_up_to_the_quantity_and_never_beyond(db: Database) -> None:
    for _ in range(5):
        spawn(db)
    first = take(db, 2, 7)

    again = take(db, 3, 7, resend=True)

    assert set(ids(first)) < set(ids(again))
    assert len(ids(again)) == 3


def test_a_resend_returns_nothing_that_was_lost_meanwhile(db: Database) -> None:
    spawn(db)
    db.clock.freeze()
    first = take(db, 1, 7)
    db.clock.advance(timedelta(seconds=31))
    heir = claim_one(db, worker="w2")

    again = take(db, 1, 7, resend=True)

    assert ids(first) == [str(heir.task_id)]
    assert ids(again) == []


PAUSE = """
alter function absurd._marks rename to marks_itself;
create function absurd._marks(text, jsonb, jsonb, uuid[], timestamptz) returns jsonb language plpgsql as $$ begin
  if current_setting('application_name') = 'paused' then perform pg_advisory_xact_lock(1); end if;
  return absurd.marks_itself($1, $2, $3, $4, $5);
end $$;
"""


def test_a_resend_never_tells_the_epoch_of_another_worker(db: Database) -> None:
    """The lease ends, and another claims the task, between its being found and its being read."""
    spawn(db)
    db.conn.execute(PAUSE)
    db.clock.freeze()
    take(db, 1, 7)
    request = json.dumps(
        {"queue": Q, "worker": "w1", "instance": WORKER, "call": 7, "resend": True, "ops": [], "claim": {"qty": 1, "lease": 30}}
    )
    with Session(db) as holder, Session(db) as worker:
        holder.run("select pg_advisory_lock(1)")
        worker.run("set application_name = 'paused'")
        asking = worker.start("select absurd.worker_sync(%s)", request)
        worker.waits_for(holder)
        db.clock.advance(timedelta(seconds=31))
        heir = claim_one(db, worker="w2")
        holder.run("select pg_advisory_unlock(1)")
        answer = asking.result(10)[0][0]

    assert heir.epoch == 2
    assert answer["claims"] == []


def test_a_resend_after_the_lease_claims_the_task_anew_and_tells_it_once(db: Database) -> None:
    spawn(db)
    db.clock.freeze()
    take(db, 2, 7)
    db.clock.advance(timedelta(seconds=31))

    (again,) = take(db, 2, 7, resend=True)["claims"]

    assert (again["claim_epoch"], again["attempt"]) == (2, 2)
    assert db.verify() == []


def test_another_process_gets_no_claims_by_the_same_call_number(db: Database) -> None:
    spawn(db)
    take(db, 1, 7)

    other = sync(db, [], instance=str(uuid.UUID(int=2)), call=7, resend=True, claim={"qty": 1, "lease": 30})

    assert other["claims"] == []


def test_a_call_that_was_rolled_back_happens_when_it_is_sent_again(db: Database) -> None:
    task = running(db)
    spawn(db)
    request = [op("complete", task, result=1)]
    with db.conn.transaction(force_rollback=True):
        take(db, 1, 7, ops=request)

    again = take(db, 1, 7, resend=True, ops=request)

    assert statuses(again) == ["ok"]
    assert len(ids(again)) == 1
    assert db.verify() == []


def mixed(db: Database, each: int) -> list[dict[str, Any]]:
    """So many operations of every kind, each of a running task of its own."""
    kinds: dict[str, dict[str, Any]] = {
        "checkpoint": {"step": "s", "state": 1},
        "complete": {"result": 1},
        "fail": {"reason": {"name": "E"}},
        "sleep": {"seconds": 60},
        "await": {"step": "s", "event": "e"},
        "await_task": {"step": "s", "task": spawn(db, delay_seconds=999)},
        "emit": {"event": "f", "payload": 1},
        "put_back": {"seconds": 60},
        "release": {},
    }
    db.one("select count(*) from absurd.spawn_tasks(%s, %s)", Q, json.dumps([{"task_name": "t"}] * each * len(kinds)))
    tasks = claim(db, qty=each * len(kinds))
    return [op(kind, tasks[i * each + n], **fields) for i, (kind, fields) in enumerate(kinds.items()) for n in range(each)]


def writes(db: Database, ops: list[dict[str, Any]]) -> int:
    """How many statements write while one worker_sync call runs, those of its functions and triggers included."""
    db.conn.execute("create sequence if not exists public.writes; grant usage on sequence public.writes to public")
    db.conn.execute(
        """create or replace function public.count_write() returns trigger language plpgsql as
           $$ begin perform nextval('public.writes'); return null; end $$"""
    )
    for table in ("task", "event", "checkpoint", "run", "wait", "workflow_run", "absurd_event_log", "follow_up"):
        db.conn.execute(
            f"create or replace trigger a_count before insert or update or delete on absurd.{table} "
            "for each statement execute function public.count_write()"
        )
    before = db.one("select nextval('public.writes')")
    assert set(statuses(sync(db, ops))) == {"ok"}
    return int(db.one("select nextval('public.writes')")) - before - 1


@pytest.mark.parametrize("kind", ["checkpoint", "complete", "fail", "sleep", "await", "await_task", "put_back", "release", "emit"])
def test_a_call_takes_no_more_statements_for_many_operations_than_for_two(db: Database, kind: str) -> None:
    few = writes(db, [o for o in mixed(db, 2) if o["op"] == kind])
    many = writes(db, [o for o in mixed(db, 60) if o["op"] == kind])

    assert few > 0
    assert many <= few  # less, when the event is there already


def test_the_count_of_statements_sees_a_loop_control(db: Database) -> None:
    """What the test above relies on: a function that works row by row takes more statements for more rows."""
    source = db.one("select pg_get_functiondef('absurd._sync_checkpoints'::regproc)")
    loop = """declare v absurd.sync_op; begin
      foreach v in array p_ops loop
        insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch)
        values (v.task_id, v.step, p_queue_name, v.value, v.attempt, v.epoch);
      end loop; end"""
    head, tail = source.split("$function$")[0], source.split("$function$")[2]
    db.conn.execute(f"{head} $function$ {loop} $function$ {tail}")

    def two_steps_each(tasks: int) -> list[dict[str, Any]]:  # one step alone takes another way
        steps = [o for o in mixed(db, tasks) if o["op"] == "checkpoint"]
        return steps + [{**o, "step": "second"} for o in steps]

    few = writes(db, two_steps_each(2))
    many = writes(db, two_steps_each(60))

    assert many - few == 2 * 58


def test_a_large_mixed_call_answers_each_operation_and_leaves_all_true(db: Database) -> None:
    ops = mixed(db, 20)

    answer = sync(db, ops)

    assert set(statuses(answer)) == {"ok"}
    assert [o["n"] for o in answer["ops"]] == list(range(len(ops)))
    assert db.verify() == []


def test_r14_three_hundred_dead_leases_are_recovered_within_three_calls(db: Database) -> None:
    """The sweep does not handle only as many as the claim asks for."""
    db.clock.freeze()
    db.one("select count(*) from absurd.spawn_tasks(%s, %s)", Q, json.dumps([{"task_name": "t", "options": {"max_attempts": 2}}] * 300))
    assert len(claim(db, qty=300, lease=30)) == 300
    db.clock.advance(timedelta(seconds=31))

    for call in range(3):
        take(db, 1, call)

    assert db.one("select count(*) from absurd.task where attempt = 2") == 300
    assert db.verify() == []


def awaiting(db: Database, task: Task, event: str = "e", **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = sync(db, [op("await", task, step="s", event=event, **fields)])["ops"][0]
    return answer


@pytest.mark.parametrize("order", ["before", "after", "in the same call, before", "in the same call, after"])
def test_an_event_and_its_await_meet_in_every_order(db: Database, order: str) -> None:
    emitter, waiter = running(db), running(db)
    emit, wait = op("emit", emitter, event="e", payload={"v": 1}), op("await", waiter, step="s", event="e")
    calls = {"before": [[emit], [wait]], "after": [[wait], [emit]]}.get(order, [[emit, wait] if order.endswith("before") else [wait, emit]])

    for ops in calls:
        sync(db, ops)
    if state(db, waiter.task_id) == "pending":
        assert claim_one(db).task_id == waiter.task_id
        (epoch,) = db.rows("select claim_epoch from absurd.task where task_id = %s", waiter.task_id)[0]
        waiter = Task(waiter.task_id, waiter.run_id, epoch, waiter.attempt)
    answer = awaiting(db, waiter)

    assert (answer["outcome"], answer["payload"]) == ("event", {"v": 1})
    assert db.rows("select state, status from absurd.checkpoint") == [({"v": 1}, "committed")]
    assert db.verify() == []


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
@pytest.mark.parametrize("order", ["before", "after", "together"])
def test_a_task_and_its_awaiter_meet_in_every_order(db: Database, order: str, end: str) -> None:
    if order == "together" and end == "cancel":
        end = "complete"
    awaited, waiter = running(db), running(db)
    wait = op("await_task", waiter, step="s", task=awaited.task_id)
    ends = {"complete": [op("complete", awaited, result=5)], "fail": [op("fail", awaited, reason={"name": "E"}, retryable=False)]}

    def finish() -> None:
        if end == "cancel":
            db.one("select absurd.cancel_task(%s, %s) is null", Q, awaited.task_id)
        else:
            sync(db, ends[end])

    if order == "before":
        finish()
        answer = sync(db, [wait])
    else:
        if order == "together":
            answer = sync(db, [wait, *ends[end]])
        else:
            answer = sync(db, [wait])
            finish()
        if order == "together" and end == "complete":
            assert state(db, waiter.task_id) == "running"  # a completion that is its task's only operation comes first
        else:
            assert answer["ops"][0]["outcome"] == "suspended"
            assert state(db, waiter.task_id) == "pending"
            heir = claim_one(db)
            answer = sync(db, [op("await_task", heir, step="s", task=awaited.task_id)])

    assert answer["ops"][0]["outcome"] == "ended"
    assert answer["ops"][0]["payload"]["state"] == {"complete": "completed", "fail": "failed", "cancel": "cancelled"}[end]
    assert db.verify() == []


@pytest.mark.parametrize("wait", ["await", "await_task"])
def test_a_time_out_is_a_checkpoint_and_stays_one(db: Database, wait: str) -> None:
    db.clock.freeze()
    task = running(db)
    target = {"event": "e"} if wait == "await" else {"task": spawn(db, delay_seconds=9999)}
    assert sync(db, [op(wait, task, step="s", timeout=10, **target)])["ops"][0]["outcome"] == "suspended"
    db.clock.advance(timedelta(seconds=11))
    task = claim_one(db)

    first = sync(db, [op(wait, task, step="s", timeout=10, **target)])["ops"][0]
    db.one("select absurd.emit_event(%s, 'e') is null", Q)
    second = sync(db, [op(wait, task, step="s", timeout=10, **target)])["ops"][0]

    assert (first["outcome"], second["outcome"]) == ("timed_out", "timed_out")
    assert db.rows("select status from absurd.checkpoint where task_id = %s", task.task_id) == [("timed_out",)]
    assert log(db, task.task_id) == ["task.spawned", "run.claimed", "run.suspended", "run.claimed"]
    assert db.verify() == []


def test_one_emission_wakes_all_who_wait(db: Database) -> None:
    db.one("select count(*) from absurd.spawn_tasks(%s, %s)", Q, json.dumps([{"task_name": "t"}] * 500))
    tasks = claim(db, qty=500)
    sync(db, [op("await", t, step="s", event="e") for t in tasks])

    db.one("select absurd.emit_event(%s, 'e', '1') is null", Q)

    assert db.one("select count(*) from absurd.task where state = 'pending'") == 500
    assert db.one("select detail ->> 'woken' from absurd.absurd_event_log where event = 'event.emitted'") == "500"
    assert db.verify() == []


def rows_read(db: Database) -> int:
    """Entries that all statements so far have read of all tables and indexes."""
    db.conn.execute("select pg_stat_force_next_flush()")
    return int(
        db.one(
            "select (select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes)"
            " from (select pg_stat_clear_snapshot()) s"
        )
    )


@pytest.mark.parametrize("kind", ["checkpoint", "complete", "fail", "sleep", "await", "await_task", "emit", "spawn", "claim"])
def test_what_a_call_reads_does_not_grow_with_the_tables(db: Database, kind: str) -> None:
    """A worker connects to an empty database, plans its statements once, and stays."""
    awaited = spawn(db, delay_seconds=3600)

    def call(n: int) -> None:
        fields: dict[str, dict[str, Any]] = {
            "fail": {"reason": {}, "retry_in": 600},
            "sleep": {"seconds": 600},
            "await": {"event": f"e{n}"},
            "await_task": {"task": awaited},
            "emit": {"event": f"e{n}"},
            "spawn": {"task_name": "kid", "options": {"delay_seconds": 600}},
        }
        task = running(db)
        before = rows_read(db)
        if kind == "claim":
            assert take(db, 1, n)["claims"] == []
        else:
            assert statuses(sync(db, [op(kind, task, **{"step": "s", **fields.get(kind, {})})])) == ["ok"]
        cost.append(rows_read(db) - before)

    cost: list[int] = []
    for n in range(8):  # long enough for generic plans
        call(n)
    with Session(db) as other:
        other.run(
            "insert into absurd.event (queue_name, event_name, payload, emitted_at)"
            " select 'q', 'x' || n, '1', absurd.current_time() from generate_series(1, 3000) n"
        )
        other.run(
            "select count(*) from absurd.spawn_tasks('q', (select jsonb_agg(%s::jsonb) from generate_series(1, 3000)))",
            '{"task_name": "t", "options": {"delay_seconds": 3600}}',
        )
    call(8)

    assert cost[-1] < cost[-2] + 500
