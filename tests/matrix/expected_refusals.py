"""What is refused, with its SQLSTATE, and what changes nothing. Written by hand, as expected.py is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from matrix.expected import COMPLETE, FAIL, RECORD, RECORDS, SAVE, SDK, SPAWN, q, run, waits
from matrix.words import Columns, Queue, Row, Run, Task, at

# a call for a run that is in that state; "lease lost": the first attempt of a task whose second one w2 holds
STATES = ("pending", "sleeping", "completed", "failed", "cancelled", "lease lost to another")
RUNS: dict[str, tuple[Columns, tuple[str, ...]]] = {
    #                            pending, sleeping, completed, failed, cancelled, lease lost
    "complete_run": (COMPLETE, ("P0001", "P0001", "P0001", "AB002", "AB001", "AB002")),
    "fail_run": (FAIL, ("P0001", "P0001", "P0001", "AB002", "AB001", "AB002")),
    "schedule_run": (run(wake_at=at(60)), ("P0001", "P0001", "P0001", "P0001", "P0001", "P0001")),
    "extend_claim": (run(extend_by=60), ("P0001", "P0001", "P0001", "AB002", "AB001", "AB002")),
    "set_task_checkpoint_state": (SAVE, ("P0001", "P0001", "P0001", "AB002", "AB001", "AB002")),
    "await_event": (waits(), ("P0001", "P0001", "P0001", "P0001", "AB001", "P0001")),
}
# the same with the epoch of the claim that is over
FENCED: dict[str, tuple[str, ...]] = {
    "complete_run": ("TW201", "TW201", "TW201", "AB002", "AB001", "TW201"),
    "fail_run": ("TW201", "TW201", "TW201", "AB002", "AB001", "TW201"),
    "schedule_run": ("TW201", "TW201", "TW201", "AB002", "AB001", "TW201"),
    "extend_claim": ("TW201", "TW201", "TW201", "AB002", "AB001", "TW201"),
    "set_task_checkpoint_state": ("TW201", "TW201", "TW201", "AB002", "AB001", "TW201"),
    "await_event": ("TW201", "TW201", "TW201", "AB002", "AB001", "TW201"),
}

WITHOUT_AN_EPOCH = tuple(
    Row((function,), scene, args, refused=code)
    for function, (args, codes) in RUNS.items()
    for scene, code in zip(STATES, codes, strict=True)
)
WITH_AN_EPOCH = tuple(
    Row((function,), scene, RUNS[function][0] | {"claim_epoch": 1}, refused=code, without=SDK, note="with the old epoch")
    for function, codes in FENCED.items()
    for scene, code in zip(STATES, codes, strict=True)
)
RETRIES = tuple(
    Row(("retry_task",), scene, q(task_id=Task()), refused="P0001")
    for scene in ("pending", "running", "sleeping", "completed", "cancelled")
)


def sync(**op: Any) -> Columns:
    first = {"n": 0, "task_id": Task(), "epoch": 1}
    return {"request": {"queue": Queue(), "worker": "w1", "ops": [first | op]}}


def strict(**op: Any) -> Columns:
    return {"request": sync(**op)["request"] | {"strict": True}}


# each operation under an epoch that is over, or was never: no state changes, whatever is answered
LATE: dict[str, Columns] = {
    "complete": {"result": 1}, "fail": {"reason": {"message": "why"}}, "checkpoint": {"step": "s", "state": 1}, "sleep": {"seconds": 5},
    "put_back": {"seconds": 5}, "release": {}, "await": {"step": "s", "event": "e"}, "await_task": {"step": "s", "task": Task()},
    "emit": {"event": "e", "payload": 1}, "spawn": {"step": "s", "task_name": "work"},
}  # fmt: skip
# the row of an event is locked before the claim is judged: a placeholder, not emitted
PLACED = ("await", "emit")
TOO_LATE = tuple(
    Row(("worker_sync",), scene, sync(op=op, **more), events={"e": None} if op in PLACED else {}, note=f"{op}, too late")
    for op, more in LATE.items()
    for scene in STATES
)
STRICTLY = {"pending": "TW201", "sleeping": "TW201", "completed": "TW201", "failed": "TW201", "cancelled": "AB001"}
TOO_LATE_STRICTLY = tuple(
    Row(("worker_sync",), scene, strict(op=op, **LATE[op]), refused=STRICTLY.get(scene, "TW201"), note=f"strict: {op}, too late")
    for op in ("checkpoint", "emit", "spawn")
    for scene in STATES
)
CLAIMS_OF_W1 = [{"task_id": Task(), "epoch": 1}]
WITHOUT_EFFECT = (
    Row(("heartbeat",), "lease lost to another", q(claims=CLAIMS_OF_W1, extend_by=60)),
    Row(("release_claims",), "lease lost to another", q(claims=CLAIMS_OF_W1)),
    Row(("record_step",), "lease lost to another", RECORD),
    Row(("record_steps",), "lease lost to another", RECORDS),
    Row(("spawn_task",), "empty queue", SPAWN | {"options": {"priority": "high"}}, refused="TW301", without=SDK),
    Row(("worker_sync",), "running", {"request": {"queue": Queue(), "ops": 1}}, refused="TW301"),
)  # fmt: skip

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# functions that read, or keep house: they move nothing, in a queue with a running task
RUNNING: dict[str, Columns] = {
    "list_queues": {}, "get_queue_policy": q(), "get_task_result": q(task_id=Task()), "list_on_move": q(), "verify": {},
    "get_task_checkpoint_state": q(task_id=Task(), step_name="s"), "get_task_checkpoint_states": q(task_id=Task(), run_id=Run()),
    "get_schema_version": {}, "current_time": {}, "portable_uuidv7": {}, "uuidv7_timestamp": {"id": Task()},
    "uuidv7_floor": {"ts": at(0)}, "week_bucket_utc": {"ts": at(0)}, "partition_week_tag": {"ts": at(0)},
    "retry_delay_seconds": {"strategy": '{"kind": "none"}', "attempt": 1}, "validate_queue_name": q(), "ensure_queue_tables": q(),
    "ensure_partitions": q(), "drop_log_before": {"before": LONG_AGO},
    "list_detach_candidates": q(), "drop_detached_partition": {"partition_table": "t_none_001"},
    "run_id_of": {"task_id": Task(), "attempt": 1}, "task_id_of": {"run_id": Run()},
}  # fmt: skip
READS = tuple(Row((function,), "running", args) for function, args in RUNNING.items())
# where pg_cron is not installed
CRON = tuple(Row((function,), "running", q(), refused="P0001") for function in ("enable_cron", "disable_cron", "schedule_detach_jobs"))
WITH_CRON = tuple(Row((function,), "running", q()) for function in ("enable_cron", "disable_cron", "schedule_detach_jobs"))

REFUSALS = WITHOUT_AN_EPOCH + WITH_AN_EPOCH + TOO_LATE + TOO_LATE_STRICTLY + RETRIES + WITHOUT_EFFECT + READS + CRON
