"""What each operation of worker_sync owes: the same as the function of that name. Written by hand, as expected.py is."""

from __future__ import annotations

from matrix.expected import (
    AWAITER,
    BEREFT,
    BORN,
    COMPLETED,
    EMITTED,
    FAILED,
    FOR_EVER,
    LONG,
    NEW,
    PARAMS,
    RELEASED,
    RESULT,
    SAVED,
    UNTIL,
    WHY,
    WOKEN,
    child,
    handler,
    of_failure,
    retried,
    slept,
    stop,
    stopped,
)
from matrix.expected_refusals import strict, sync
from matrix.words import NOW, Change, Columns, Queue, Row, Says, Task, at

SYNC = ("worker_sync",)
PUT_BACK = slept("run.put_back", {"until": at(60)}, {"available_at": at(60)}, {"next_wake_up": at(60)})
ON_TASK: Columns = {"available_at": "infinity", "wake_event": Task("awaited")}
CHILD = Change("new", (BORN,), NEW | {"workflow_run_id": Task(), "parent_task_id": Task()}, root=False)

OPERATIONS = (
    Row(SYNC, "running", sync(op="checkpoint", step="s", state=RESULT), checkpoints=SAVED, steps=1, note="checkpoint"),
    Row(SYNC, "running", sync(op="complete", result=RESULT), (COMPLETED,), note="complete"),
    Row(SYNC, "running, with a family", sync(op="complete", result=RESULT), (COMPLETED, AWAITER), waits={"awaiter": "gone"},
        notify=True, note="complete"),
    Row(SYNC, "running", sync(op="fail", reason=WHY), (retried("pending", NOW),), notify=True, note="fail"),
    Row(SYNC, "running, retries after a minute", sync(op="fail", reason=WHY), (retried("sleeping", at(70)),), note="fail"),
    Row(SYNC, "running", sync(op="fail", reason=WHY, retryable=False), (FAILED,), note="fail for good"),
    Row(SYNC, "running, last attempt", sync(op="fail", reason=WHY), (FAILED,), note="fail"),
    Row(SYNC, "running, last attempt, with a family", sync(op="fail", reason=WHY), (FAILED, child(BEREFT), AWAITER),
        waits={"awaiter": "gone"}, notify=True, note="fail"),
    Row(SYNC, "running, last attempt, a handler for its failure", sync(op="fail", reason=WHY), (FAILED, handler(of_failure(WHY))),
        notify=True, note="fail"),
    Row(SYNC, "running, a handler for its end", sync(op="complete", result=RESULT), (COMPLETED, handler(PARAMS)), notify=True,
        note="complete"),
    Row(SYNC, "running, retry beyond max_duration", sync(op="fail", reason=WHY),
        (stop("running > cancelled", LONG, stopped(LONG), worker="w1", detail={"reason": WHY, "rule": "max_duration"}),), note="fail"),
    Row(SYNC, "running", strict(op="checkpoint", step="s", state=RESULT), checkpoints=SAVED, steps=1, note="strict: checkpoint"),
    Row(SYNC, "waiting for an event, another runs", strict(op="emit", event="e", payload="payload", task_id=Task("other")), (WOKEN,),
        checkpoints={"s": {"state": "payload"}}, waits={"task": "gone"}, events=EMITTED,
        logged=(("event.emitted", {"event": "e", "woken": 1}),), notify=True, note="strict: emit"),
    Row(SYNC, "running", strict(op="spawn", step="s", task_name="work", params=1, options={"max_attempts": 5}), (CHILD,),
        checkpoints={"s": {"state": {"task_id": Task("new"), "queue": Queue()}}}, notify=True, steps=1, note="strict: spawn"),
    Row(SYNC, "running", sync(op="sleep", seconds=50), (UNTIL,), note="sleep"),
    Row(SYNC, "running", sync(op="put_back", seconds=50), (PUT_BACK,), note="put_back"),
    Row(SYNC, "running", sync(op="release"), (RELEASED,), notify=True, note="release"),
    Row(SYNC, "running", sync(op="await", step="s", event="e"), (slept("run.suspended", {"event": "e"}, FOR_EVER, {"waiting_for": "e"}),),
        waits={"task": {"event_name": "e"}}, events={"e": None}, note="await, suspends"),
    Row(SYNC, "running, its event is there", sync(op="await", step="s", event="e"), checkpoints={"s": {"state": "payload"}}, steps=1,
        note="await, the event is there"),
    Row(SYNC, "running, another to wait for", sync(op="await_task", step="s", task=Task("awaited")),
        (slept("run.suspended", {"task": Task("awaited")}, ON_TASK, {"waiting_for": Says("task {awaited}")}),),
        waits={"task": {"awaited_task_id": Task("awaited")}}, note="await_task, suspends"),
    Row(SYNC, "waiting for an event, another runs", sync(op="emit", event="e", payload="payload", task_id=Task("other")), (WOKEN,),
        checkpoints={"s": {"state": "payload"}}, waits={"task": "gone"}, events=EMITTED,
        logged=(("event.emitted", {"event": "e", "woken": 1}),), notify=True, note="emit"),
    Row(SYNC, "running", sync(op="spawn", step="s", task_name="work", params=1, options={"max_attempts": 5}), (CHILD,),
        checkpoints={"s": {"state": {"task_id": Task("new"), "queue": Queue()}}}, notify=True, steps=1, note="spawn"),
)  # fmt: skip
