"""Call every public function of our schema on its main paths: what `audit verify --scratch` watches. Argument: a DSN.

Also a check by itself: each path's outcome is asserted, absurd.verify() must find nothing, and what the guards must refuse
is tried, so a schema with a broken gate makes it fail.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

import psycopg

CLOCK = Path(__file__).resolve().parents[3] / "src" / "tollway" / "sql" / "test_clock" / "current_time.sql"
Q = "q"
EXPECTED = ("clock_is_the_databases",)
INSTANCE = str(uuid.uuid4())


class Driver:
    """One connection, and the functions in few words."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.conn = psycopg.connect(dsn, autocommit=True, options="-c statement_timeout=15s")
        self.calls = 0
        self.urgent = 0

    def rows(self, query: str, *params: Any) -> list[Any]:
        cursor = self.conn.execute(query, params)
        return cursor.fetchall() if cursor.description else []

    def one(self, query: str, *params: Any) -> Any:
        (row,) = self.rows(query, *params)
        return row[0] if len(row) == 1 else row

    def advance(self, seconds: float) -> None:
        self.rows("update absurd.test_clock set now = absurd.current_time() + make_interval(secs => %s)", seconds)

    def spawn(self, options: dict[str, Any] | None = None, name: str = "work") -> Any:
        return self.one("select task_id from absurd.spawn_task(%s, %s, '1', %s)", Q, name, json.dumps(options or {}))

    def running(self, options: dict[str, Any] | None = None) -> tuple[Any, Any, int]:
        """A task of its own that runs: id, run and epoch."""
        self.urgent -= 1  # the newest first
        task = self.spawn({"priority": self.urgent, **(options or {})})
        claimed = self.rows("select task_id, run_id, claim_epoch from absurd.claim_tasks(%s, 'w', 30, 1)", Q)
        assert [c[0] for c in claimed] == [task], (claimed, task)
        return tuple(claimed[0])

    def state(self, task: Any) -> str:
        return str(self.one("select state from absurd.task where task_id = %s", task))

    def sync(self, ops: list[dict[str, Any]], claim: int = 0) -> dict[str, Any]:
        self.calls += 1
        request = {"queue": Q, "worker": "w", "instance": INSTANCE, "call": self.calls, "ops": ops}
        if claim:
            request["claim"] = {"qty": claim, "lease": 30}
        answer: dict[str, Any] = self.one("select absurd.worker_sync(%s)", json.dumps(request))
        assert [o["status"] for o in answer.get("ops", [])] == ["ok"] * len(ops), answer
        return answer


def op(kind: str, task: tuple[Any, Any, int], /, **fields: Any) -> dict[str, Any]:
    return {"op": kind, "task_id": str(task[0]), "epoch": task[2], **fields}


def classic(d: Driver) -> None:
    """The functions that absurd's SDKs call."""
    done = d.running()
    d.rows("select absurd.set_task_checkpoint_state(%s, %s, 's', '1', %s, 10)", Q, done[0], done[1])
    d.rows("select * from absurd.get_task_checkpoint_state(%s, %s, 's')", Q, done[0])
    d.rows("select * from absurd.get_task_checkpoint_states(%s, %s, %s)", Q, done[0], done[1])
    d.rows("select absurd.extend_claim(%s, %s, 60)", Q, done[1])
    d.rows("select * from absurd.heartbeat(%s, %s, 60)", Q, json.dumps([{"task_id": str(done[0]), "epoch": done[2]}]))
    d.rows("select absurd.complete_run(%s, %s, '{}')", Q, done[1])
    assert d.state(done[0]) == "completed"
    d.rows("select * from absurd.get_task_result(%s, %s)", Q, done[0])
    named = [d.spawn({"idempotency_key": "once", "delay_seconds": 10}) for _ in range(2)]
    assert named[0] == named[1]
    d.rows("select absurd.cancel_task(%s, %s)", Q, named[0])

    failed = d.running({"max_attempts": 1})
    d.rows("select absurd.fail_run(%s, %s, '{}')", Q, failed[1])
    assert d.state(failed[0]) == "failed"
    d.rows("select * from absurd.retry_task(%s, %s)", Q, failed[0])
    assert d.state(failed[0]) == "pending"
    d.rows("select absurd.cancel_task(%s, %s)", Q, failed[0])
    assert d.state(failed[0]) == "cancelled"

    later = d.running()
    d.rows("select absurd.schedule_run(%s, %s, absurd.current_time() + interval '1 hour')", Q, later[1])
    assert d.state(later[0]) == "sleeping"
    back = d.running()
    d.rows("select * from absurd.release_claims(%s, %s)", Q, json.dumps([{"task_id": str(back[0]), "epoch": back[2]}]))
    assert d.state(back[0]) == "pending"
    d.rows("select absurd.cancel_task(%s, %s)", Q, back[0])


def waits(d: Driver) -> None:
    """Events, time-outs, and a cancelled parent."""
    waiter = d.running()
    d.rows("select * from absurd.await_event(%s, %s, %s, 's', 'e', 60)", Q, waiter[0], waiter[1])
    assert d.state(waiter[0]) == "sleeping"
    d.rows("select absurd.emit_event(%s, 'e', '1')", Q)
    assert d.state(waiter[0]) == "pending"
    d.rows("select absurd.cancel_task(%s, %s)", Q, waiter[0])
    d.rows("insert into absurd.event values (%s, 'written by hand', '1', absurd.current_time())", Q)
    assert d.one("select count(*) from absurd.absurd_event_log where detail ->> 'event' = 'written by hand'") == 1

    refused(d, "insert into absurd.event values ('absent', 'e', '1', absurd.current_time())", "42P01")

    parent = d.running()
    child = d.spawn({"parent_task_id": str(parent[0]), "priority": 100})
    d.rows("select absurd.cancel_task(%s, %s)", Q, parent[0])
    assert d.state(child) == "cancelled"


def awaits(d: Driver) -> None:
    """Tasks that wait for the end of another: it completes, or goes with its queue."""
    d.rows("select absurd.create_queue('elsewhere')")
    gone = d.one("select task_id from absurd.spawn_task('elsewhere', 'work', '1')")
    awaited, first, second = (d.running() for _ in range(3))
    d.sync([op("await_task", first, step="s", task=str(awaited[0])), op("await_task", second, step="s", task=str(gone))])
    assert [d.state(t[0]) for t in (first, second)] == ["sleeping", "sleeping"]
    d.rows("select absurd.complete_run(%s, %s)", Q, awaited[1])
    assert [d.state(t[0]) for t in (first, second)] == ["pending", "sleeping"]
    d.rows("select absurd.drop_queue('elsewhere')")
    assert d.state(second[0]) == "pending"
    for task in (first, second):
        d.rows("select absurd.cancel_task(%s, %s)", Q, task[0])


def sweeps(d: Driver) -> None:
    """What a claim does first: expired leases, cancellation rules, follow-ups of rows that somebody held."""
    lost = d.running({"max_attempts": 1})
    d.advance(31)
    d.rows("select * from absurd.claim_tasks(%s, 'w', 30, 1)", Q)
    assert d.state(lost[0]) == "failed"
    late = d.spawn({"cancellation": {"max_delay": 5}, "delay_seconds": 100})
    d.advance(6)
    d.rows("select * from absurd.claim_task(%s, 'w')", Q)
    assert d.state(late) == "cancelled"

    parent = d.running({"max_attempts": 1})
    child = d.spawn({"parent_task_id": str(parent[0]), "priority": 100})
    with psycopg.connect(d.dsn) as other:
        other.execute("select from absurd.task where task_id = %s for update", (child,))
        d.rows("select absurd.fail_run(%s, %s, '{}')", Q, parent[1])
    assert d.state(child) == "pending"
    d.rows("select * from absurd.claim_tasks(%s, 'w', 30, 1)", Q)
    assert d.state(child) == "cancelled"


def batches(d: Driver) -> None:
    """worker_sync's operations and spawn_tasks."""
    tasks = [{"task_name": "many", "params": 1}, {"task_name": "many", "params": 1, "options": {"idempotency_key": "k"}}]
    assert len(d.rows("select * from absurd.spawn_tasks(%s, %s)", Q, json.dumps(tasks))) == 2
    d.rows("select absurd.cancel_task(queue_name, task_id) from absurd.task where state in ('pending', 'sleeping', 'running')")

    ended, failed, asleep, awaiting, timed, put = (d.running() for _ in range(6))
    free = d.running()
    d.sync([op("spawn", ended, step="c", task_name="kid", params=1), op("checkpoint", ended, step="s", state=1)])
    d.sync([
        op("complete", ended, result=1), op("fail", failed, reason={"name": "E"}, retry_in=60), op("sleep", asleep, seconds=60),
        op("await", awaiting, step="s", event="f"), op("await", timed, step="s", event="never", timeout=5),
        op("put_back", put, seconds=60), op("release", free),
    ])  # fmt: skip
    assert [d.state(t[0]) for t in (ended, failed, asleep, awaiting, timed, put, free)] == [
        "completed", "sleeping", "sleeping", "sleeping", "sleeping", "sleeping", "pending",
    ]  # fmt: skip
    other = d.running()
    d.sync([op("emit", other, event="f", payload=1)], claim=5)
    d.rows("select absurd.worker_idle(%s, %s, 30)", Q, INSTANCE)
    d.rows("select absurd.worker_busy(%s, %s)", Q, INSTANCE)


def house(d: Driver) -> None:
    """Hooks, policies, clean-up, repair and the end of a queue."""
    d.rows("select absurd.set_on_move(%s, null, 'completed', 'answer')", Q)
    hooked = d.running()
    d.rows("select absurd.complete_run(%s, %s)", Q, hooked[1])
    assert d.one("select count(*) from absurd.task where handles_task_id = %s", hooked[0]) == 1
    assert len(d.rows("select * from absurd.list_on_move(%s)", Q)) == 1
    d.rows("select absurd.remove_on_move(%s, null, 'completed', 'answer')", Q)
    for query in (
        "select * from absurd.list_queues()", "select * from absurd.get_queue_policy('q')", "select absurd.get_schema_version()",
        "select absurd.set_queue_policy('q', '{\"cleanup_limit\": 500}')", "select absurd.validate_queue_name('q')",
        "select absurd.ensure_queue_tables('q')", "select absurd.ensure_partitions('q')",
        "select * from absurd.list_detach_candidates('q')",
        "select absurd.drop_detached_partition('t_q_001')", "select absurd.retry_delay_seconds('{}', 1)",
        "select absurd.week_bucket_utc(now()), absurd.partition_week_tag(now())",
        "select absurd.uuidv7_timestamp(absurd.portable_uuidv7()), absurd.uuidv7_floor(now())",
    ):  # fmt: skip
        d.rows(query)
    for table in ("task", "event", "wait", "run", "checkpoint", "workflow_run", "absurd_event_log", "absurd_event_log_default"):
        refused(d, f"truncate absurd.{table}", said=f"absurd.{table} is refused")
    for query in (
        "update absurd.task set state = 'completed' where state = 'pending'", "delete from absurd.task where state = 'pending'",
        "delete from absurd.run", "update absurd.run set state = 'failed'", "delete from absurd.checkpoint",
        "update absurd.checkpoint set state = '2'", "delete from absurd.absurd_event_log", "update absurd.absurd_event_log set event = 'x'",
        "delete from absurd.absurd_event_log_default", "update absurd.absurd_event_log_default set event = 'x'",
        "update absurd.workflow_run set status = 'x'", "delete from absurd.workflow_run", "update absurd.event set payload = '9'",
        "insert into absurd.workflow_run select (json_populate_record(w, json_build_object('workflow_run_id', gen_random_uuid()))).* "
        "from absurd.workflow_run w limit 1",
        "insert into absurd.task select (json_populate_record(t, json_build_object('task_id', gen_random_uuid()))).* from absurd.task t "
        "where state = 'completed' limit 1",
    ):  # fmt: skip
        refused(d, query)
    verified(d)
    d.advance(10_000)
    assert d.one("select absurd.cleanup_tasks(%s, 3600)", Q) > 0
    assert d.one("select count(*) from absurd.absurd_event_log where event = 'task.purged'") > 0
    d.rows("select absurd.cleanup_events(%s, 3600)", Q)
    d.rows("select * from absurd.cleanup_all_queues()")
    d.advance(1)
    removed = d.one("select absurd.cleanup_workflow_runs(%s, 0)", Q)
    assert d.one("select count(*) from absurd.absurd_event_log where event = 'workflow.removed'") == removed > 0
    assert d.rows("select * from absurd.repair()") == []
    d.rows("select absurd.create_queue('p', 'partitioned'), absurd.drop_queue('p')")
    verified(d)
    d.spawn()
    d.rows("select absurd.drop_queue(%s)", Q)
    assert d.one("select count(*) from absurd.task") == 0
    verified(d)


def refused(d: Driver, query: str, code: str = "TW", said: str = "") -> None:
    """The schema must raise one of its own errors, or this one, and say so."""
    try:
        with d.conn.transaction():
            count = d.conn.execute(query).rowcount
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(code) or said not in str(error):
            raise
    else:
        raise AssertionError(f"not refused ({count} rows): {query}")


def verified(d: Driver) -> None:
    """verify() finds nothing but what a scratch database owes to its test clock, its probes, and to lacking the installer's notes."""
    found = [v for v in d.rows("select invariant, detail from absurd.verify()") if v[0] not in EXPECTED and not v[0].endswith("_is_ours")]
    assert found == [], found[:5]


def main(dsn: str) -> None:
    d = Driver(dsn)
    d.conn.execute(CLOCK.read_text("utf-8"))  # type: ignore[arg-type]
    d.rows("update absurd.test_clock set now = '2030-01-01 00:00+00'")
    d.rows("select absurd.create_queue(%s)", Q)
    for part in (classic, waits, awaits, sweeps, batches, house):
        part(d)


if __name__ == "__main__":
    main(sys.argv[1])
