"""Why does this task stand still? Each reason is brought about, and found with the next command to type."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest


class Tasks:
    """Brings tasks into states, as workers would."""

    def __init__(self, db: Any) -> None:
        self.db = db

    def spawn(self, name: str = "pay", **options: Any) -> UUID:
        found: UUID = self.db.one("select task_id from absurd.spawn_task('default', %s, '{}', %s::text::jsonb)", name, json.dumps(options))
        return found

    def claim(self, worker: str = "w1", lease: int = 30) -> tuple[UUID, UUID, int]:
        row: tuple[UUID, UUID, int] = self.db.one(
            "select task_id, run_id, claim_epoch from absurd.claim_tasks('default', %s, %s, 1)", worker, lease
        )
        return row

    def fail(self, message: str = "card refused") -> None:
        _, run, _ = self.claim()
        reason = json.dumps({"name": "Refused", "message": message})
        self.db.rows("select absurd.fail_run('default', %s, %s::text::jsonb)", run, reason)

    def await_event(self, event: str, timeout: int | None = None) -> None:
        task, run, epoch = self.claim()
        self.db.rows("select absurd.await_event('default', %s, %s, 'approval', %s, %s, %s)", task, run, event, timeout, epoch)

    def sync(self, task: UUID, epoch: int, op: dict[str, Any]) -> None:
        request = {"queue": "default", "worker": "w1", "instance": str(UUID(int=1)), "call": 1, "claim": 0}
        request["ops"] = [{"n": 1, "task_id": str(task), "epoch": epoch, **op}]
        (answer,) = self.db.one("select absurd.worker_sync(%s::text::jsonb)", json.dumps(request))["ops"]
        assert answer["status"] == "ok", answer


@pytest.fixture
def tasks(tollway: Any, db: Any) -> Tasks:
    db.clock.freeze()
    return Tasks(db)


@pytest.fixture
def explain(tollway: Any) -> Any:
    """The weightiest answer about a task; its reason is checked."""

    def run(task: Any, reason: str, *others: str) -> Any:
        ended = tollway("explain", str(task), "--json")
        assert ended.code == 0, ended.err
        (found,) = ended.documents
        assert [answer["reason"] for answer in found["answers"]] == [reason, *others]
        assert all(answer["next"] for answer in found["answers"])
        plain = tollway("explain", str(task))
        assert all(answer["says"] in plain.out and answer["next"] in plain.out for answer in found["answers"])
        return found["answers"][0]

    return run


def test_an_unknown_id_names_a_near_one(tasks: Tasks, tollway: Any) -> None:
    task = tasks.spawn()
    mistyped = str(task)[:12] + ("0" if str(task)[12] != "0" else "1") + str(task)[13:]

    ended = tollway("explain", mistyped)

    assert ended.code == 2
    assert f"did you mean '{task}'?" in ended.err


def test_a_beginning_or_a_run_id_is_enough(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()

    explain(str(task)[:23], "no_worker")
    explain(tasks.db.one("select absurd.run_id_of(%s, 1)", task), "no_worker")


def test_an_ambiguous_beginning_lists_the_ids(tasks: Tasks, tollway: Any) -> None:
    first, second = tasks.spawn(), tasks.spawn()

    ended = tollway("explain", str(first)[:8])

    assert ended.code == 2
    assert str(first) in ended.err
    assert str(second) in ended.err


def test_no_worker_is_seen_on_its_queue(tasks: Tasks, explain: Any) -> None:
    answer = explain(tasks.spawn(), "no_worker")

    assert answer["next"] == "tollway worker MODULE:APP --queue default"


def test_it_waits_for_its_turn_behind_others(tasks: Tasks, explain: Any) -> None:
    tasks.spawn("running")
    tasks.claim("busy one")
    tasks.spawn("before")
    task = tasks.spawn()

    answer = explain(task, "its_turn")

    assert "1 tasks of queue default come before it" in answer["says"]
    assert "1 workers are busy on queue default, 0 wait for work" in answer["facts"][0]


def test_an_idle_worker_is_seen(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    tasks.db.rows("select absurd.worker_idle('default', %s, 15)", UUID(int=1))

    assert "It is the next of queue default" in explain(task, "its_turn")["says"]
    tasks.db.clock.advance(timedelta(seconds=16))
    explain(task, "no_worker")


def test_a_delayed_start(tasks: Tasks, explain: Any) -> None:
    assert "may run in 60 min" in explain(tasks.spawn(delay_seconds=3600), "delayed_start")["says"]


def test_a_back_off_with_the_last_error(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn(retry_strategy={"kind": "fixed", "base_seconds": 300}, max_attempts=3)
    tasks.fail("card refused")

    answer = explain(task, "backing_off")

    assert "as attempt 2 of 3, in 5 min" in answer["says"]
    assert answer["facts"] == ["The last error: Refused: card refused"]


def test_an_event_that_nobody_emitted(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    tasks.await_event("approved:7")
    tasks.db.rows("select absurd.create_queue('other')")
    tasks.db.rows("select absurd.emit_event('other', 'approved:7', '1')")
    tasks.db.rows("select absurd.emit_event('default', 'aproved:7', '1')")

    answer = explain(task, "waiting_for_event")

    assert "waits for event 'approved:7'" in answer["says"]
    assert answer["next"] == "tollway event emit approved:7 JSON --queue default"
    assert any("emitted on queue other" in fact for fact in answer["facts"])
    assert any("did you mean 'aproved:7'?" in fact for fact in answer["facts"])
    assert "It has no time-out." in answer["facts"]


def test_another_task_that_has_not_ended(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn("parent")
    _, _, epoch = tasks.claim()
    child = tasks.spawn("child")
    tasks.sync(task, epoch, {"op": "await_task", "step": "$result:child", "task": str(child)})

    answer = explain(task, "waiting_for_task")

    assert f"task {child}, which (child, queue default) is pending" in answer["says"]
    assert answer["next"] == f"tollway explain {child}"


def test_a_sleep_with_its_last_step(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    _, run, epoch = tasks.claim()
    tasks.db.rows("select absurd.set_task_checkpoint_state('default', %s, 'charge', '1', %s, null, %s)", task, run, epoch)
    tasks.db.rows("select absurd.schedule_run('default', %s, absurd.current_time() + interval '2 days', %s)", run, epoch)

    answer = explain(task, "sleeping_until")

    assert "wakes in 2.0 d" in answer["says"]
    assert answer["facts"] == ["Its last step was 'charge'."]


def test_it_runs_and_who_has_it(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    tasks.claim("host:17")
    tasks.db.clock.advance(timedelta(seconds=5))

    answer = explain(task, "running")

    assert "host:17 holds it (epoch 1), claimed 5.0 s ago" in answer["says"]
    assert "lease until in 25.0 s" in answer["facts"][0]
    assert answer["facts"][0].endswith(": if its worker is dead, another one takes it up then.")


def test_a_lease_that_ran_out(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    tasks.claim("dead one")
    tasks.db.clock.advance(timedelta(seconds=31))

    answer = explain(task, "lease_expired")

    assert "dead one is gone or stuck" in answer["says"]
    assert "No other worker is seen on queue default, so nobody sweeps." in answer["facts"]


def test_a_row_that_another_transaction_locks(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    holder = tasks.db.connect(autocommit=False, application_name="a forgotten psql")
    holder.execute("select 1 from absurd.task where task_id = %s for update", (task,))

    answer = explain(task, "row_locked", "no_worker")

    assert f"process {holder.info.backend_pid} of postgres (a forgotten psql)" in answer["says"]
    assert any("for update" in fact for fact in answer["facts"])
    assert str(holder.info.backend_pid) in answer["next"]
    holder.rollback()
    explain(task, "no_worker")


@pytest.mark.parametrize("mode", ["access exclusive", "share row exclusive"])
def test_a_table_that_another_transaction_locks(tasks: Tasks, tollway: Any, mode: str) -> None:
    task = tasks.spawn()
    holder = tasks.db.connect(autocommit=False)
    holder.execute(f"lock table absurd.task in {mode} mode")

    (found,) = tollway("explain", str(task), "--json").documents

    assert found["answers"][0]["reason"] == "table_locked"
    assert str(holder.info.backend_pid) in found["answers"][0]["says"]


def test_a_name_that_no_worker_knows(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn("renamed")
    for _ in range(2):
        _, _, epoch = tasks.claim()
        soon = tasks.db.one("select (absurd.current_time() + interval '8 s')::text")
        tasks.sync(task, epoch, {"op": "put_back", "until": soon})
        tasks.db.clock.advance(timedelta(seconds=9))

    answer = explain(task, "unknown_name", "no_worker")

    assert "'renamed': it was put back 2 times, last by w1" in answer["says"]


def test_a_cancellation_rule_ahead_and_due(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn(cancellation={"max_delay": 60})

    explain(task, "no_worker", "rule_ahead")
    tasks.db.clock.advance(timedelta(seconds=61))
    assert "the next claim on queue default cancels it" in explain(task, "rule_due", "no_worker")["says"]


def test_a_wake_up_that_was_missed(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    tasks.await_event("go")
    with tasks.db.conn.transaction():
        tasks.db.conn.execute("alter table absurd.event disable trigger user")
        tasks.db.conn.execute("update absurd.event set emitted_at = absurd.current_time(), payload = '1'")
        tasks.db.conn.execute("alter table absurd.event enable trigger user")

    assert explain(task, "missed_wake_up")["next"] == "tollway repair --apply"


def test_it_completed(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    _, run, _ = tasks.claim()
    tasks.db.rows("select absurd.complete_run('default', %s, '1')", run)

    explain(task, "completed")


def test_it_failed_and_how_to_retry(tasks: Tasks, explain: Any, tollway: Any) -> None:
    task = tasks.spawn(max_attempts=1)
    tasks.fail("card refused")

    answer = explain(task, "failed")
    assert "attempt 1 of 1: Refused: card refused" in answer["says"]
    assert answer["next"] == f"tollway task retry {task}"
    assert tollway(*answer["next"].split()[1:]).code == 0
    explain(task, "no_worker")


def test_it_was_cancelled_and_by_whom(tasks: Tasks, explain: Any, tollway: Any) -> None:
    task = tasks.spawn()
    tollway("task", "cancel", str(task), "--reason", "ordered twice")

    answer = explain(task, "cancelled")

    assert "by postgres via cancel_task" in answer["says"]
    assert "ordered twice" in answer["says"]


def test_it_was_purged(tasks: Tasks, explain: Any) -> None:
    task = tasks.spawn()
    tasks.db.rows("select absurd.drop_queue('default')")

    assert "by postgres via drop_queue" in explain(task, "purged")["says"]


def test_a_schema_of_another_release_comes_first(tasks: Tasks, tollway: Any) -> None:
    task = tasks.spawn()
    tasks.db.rows("insert into absurd.schema_migration values (99, 'later', '') returning 1")

    ended = tollway("explain", str(task), "--json")

    assert ended.code == 3
    assert ended.documents[0]["answers"][0]["reason"] == "schema_behind"


def test_a_reader_of_the_database_may_ask(tasks: Tasks, db: Any, bare: Any) -> None:
    """Explaining takes no lock and no right to write."""
    task = tasks.spawn()
    db.conn.execute("create role curious login in role tollway_reader")
    try:
        ended = bare("explain", str(task), "--dsn", psycopg.conninfo.make_conninfo(db.dsn, user="curious"))
        assert (ended.code, ended.err) == (0, "")
    finally:
        db.conn.execute("drop role curious")
        assert sys.exc_info()[0] is None
