"""What each call owes, written by hand from the specification of each call, column by column. Never generated.

A row is one call in one scene; it holds for every actor that can make that call. Columns that are not named keep their values.
"""

from __future__ import annotations

from typing import Any

from matrix.scenes import INSTANCE
from matrix.words import BY, NOW, Change, Columns, Maker, Move, Queue, Row, Run, Says, Task, at

SDK = ("absurd-sdk", "absurd-sdk for TypeScript")  # it sends no epoch, and none of our own options

# what leaving running clears, and what every end sets
UNHELD = dict.fromkeys(["claimed_by", "claim_expires_at", "claimed_at", "heartbeat_at", "claim_instance", "claim_call"])
OVER = UNHELD | {"ended_at": NOW}
WHY = {"message": "why"}
RESULT = {"x": 1}


def ended(state: str, **columns: Any) -> Columns:
    """The ended attempt's row: the first attempt, which w1 claimed at T0 for thirty seconds."""
    first = {
        "attempt": 1, "state": state, "claim_epoch": 1, "claimed_by": "w1", "claim_expires_at": at(30), "created_at": at(0),
        "available_at": at(0), "started_at": at(0), "ended_at": NOW, "result": None, "failure_reason": None,
    }  # fmt: skip
    return first | columns


def stopped(reason: Any, **columns: Any) -> Columns:
    """A cancelled attempt has neither owner nor lease."""
    return ended("cancelled", claimed_by=None, claim_expires_at=None, failure_reason=reason) | columns


def never_ran(reason: Any) -> Columns:
    return stopped(reason, claim_epoch=0, started_at=None)


def cancelled(message: str, rule: str | None = None) -> Columns:
    return {"name": "$Cancelled", "message": message, "by": BY} | ({"rule": rule} if rule else {})


ASKED = cancelled("cancelled on request")
LATE = cancelled("it did not start within max_delay", "max_delay")
LONG = cancelled("it did not end within max_duration", "max_duration")
DEADLINE = cancelled("its deadline passed", "deadline")
ORPHAN = cancelled("its parent was cancelled", "parent")
BEREFT = cancelled(Says("its parent {task} failed"), "parent")  # type: ignore[arg-type]
TIMED_OUT = {
    "name": "$ClaimTimeout", "message": "worker did not finish task within claim interval", "workerId": "w1", "claimExpiredAt": at(5),
    "attempt": 1,
}  # fmt: skip

NEW: Columns = {
    "task_id": Task("new"), "queue_name": Queue(), "task_name": "work", "priority": 0, "attempt": 1, "max_attempts": 5,
    "available_at": NOW, "claim_epoch": 0, "enqueue_at": NOW, "attempt_at": NOW, "params": 1, "tags": [],
    "workflow_run_id": Task("new"), "detached": False,
}  # fmt: skip
NEW_WORKFLOW: Columns = {
    "workflow_run_id": Task("new"), "workflow_name": "work", "absurd_queue": Queue(), "absurd_run_id": Run(1, "new"), "inputs": 1,
    "tags": [], "attempts": 1, "created_at": NOW,
}  # fmt: skip
BORN = Move("new > pending", "task.spawned", epoch=0)


def new(task: Columns | None = None, workflow: Columns | None = None, move: Move = BORN, **more: Any) -> Change:
    return Change("new", (move,), NEW | (task or {}), NEW_WORKFLOW | (workflow or {}), **more)


def over(move: Move, run: Columns, error: Any = None, result: Any = None, **more: Any) -> Change:
    """The end of the scene's task."""
    told = {"completed_at": NOW, "error": error, "result": result}
    return Change("task", (move,), OVER | {"error": error, "result": result}, told, run=run, **more)


def stop(arrow: str, reason: Any, run: Columns, *, via: str = "", **move: Any) -> Change:
    return over(Move(arrow, "task.cancelled", **{"detail": {"reason": reason}, "via": via} | move), run, reason)


def woken(detail: Columns, payload: Any = None, label: str = "task", view: Columns | None = None) -> Change:
    free = {"available_at": NOW, "wake_event": None, "event_payload": payload}
    return Change(label, (Move("sleeping > pending", "run.woken", detail=detail),), free, view=view or {})


AWAITER = woken({"task": Task()}, label="awaiter")
COMPLETED = over(Move("running > completed", "run.completed", "w1"), ended("completed", result=RESULT), result=RESULT)
FAILED = over(Move("running > failed", "run.failed", "w1", detail={"reason": WHY}), ended("failed", failure_reason=WHY), WHY)
AGAIN = {"attempt": 2, "attempt_at": NOW, "started_at": None}
TOLD_AGAIN = {"attempts": 2, "absurd_run_id": Run(2)}


def retried(to: str, when: Any, reason: Any = None, run: Columns | None = None, via: str = "") -> Change:
    reason = reason or WHY
    move = Move(f"running > {to}", "run.retried", "w1", detail={"reason": reason, "retry_at": when}, via=via)
    task = UNHELD | AGAIN | {"available_at": when, "error": reason}
    view = {"next_wake_up": when} if to == "sleeping" else {}
    return Change("task", (move,), task, TOLD_AGAIN, view, run or ended("failed", failure_reason=reason))


def child(reason: Any, via: str = "") -> Change:
    move = Move("pending > cancelled", "task.cancelled", epoch=0, detail={"reason": reason, "parent": Task()}, via=via)
    return Change("child", (move,), {"error": reason, "ended_at": NOW}, run=never_ran(reason), root=False)


def slept(event: str, detail: Any, task: Columns, view: Columns) -> Change:
    return Change("task", (Move("running > sleeping", event, "w1", detail=detail),), UNHELD | task, view=view)


def q(**args: Any) -> Columns:
    return {"queue_name": Queue(), **args}


def run(**args: Any) -> Columns:
    return q(run_id=Run(), **args)


def waits(**args: Any) -> Columns:
    return q(task_id=Task(), run_id=Run(), step_name="s", event_name="e", **args)


COMPLETE = run(state=RESULT)
FAIL = run(reason=WHY)
SAVE = q(task_id=Task(), step_name="s", state=RESULT, owner_run=Run(), extend_claim_by=30)
RECORD = q(task_id=Task(), claim_epoch=1, step_name="s", state=RESULT)
RECORDS = q(task_ids=[Task()], claim_epochs=[1], step_names=["s"], states=[RESULT])
SAVED: Columns = {"s": {"state": RESULT}}
EMIT = q(event_name="e", payload="payload")
EMITTED = {"e": "payload"}
SPAWN = q(task_name="work", params=1, options={"max_attempts": 5})
WOKEN = woken({"event": "e"}, "payload", view={"steps_done": 1, "last_step": "s"})
UNTIL = slept("run.suspended", {"until": at(60)}, {"available_at": at(60), "wake_event": None}, {"next_wake_up": at(60)})
FOR_EVER = {"available_at": "infinity", "wake_event": "e"}
RELEASED = Change("task", (Move("running > pending", "run.released", "w1"),), UNHELD | {"available_at": NOW})
BEATEN = {"claim_expires_at": at(70), "heartbeat_at": NOW}


def purged(state: str, **move: Any) -> Change:
    return Change("task", (Move(f"{state} > purged", "task.purged", **move),))


DROP: Columns = {"owned": ("task",), "logged": (("queue.dropped", {"tasks": 1}),), "besides": {"queues": -1, "waiter": -1}}
PARAMS: Columns = {
    "task_id": Task(), "queue": Queue(), "task_name": "work", "from_state": "running", "to_state": "completed", "attempt": 1,
    "workflow_run_id": Task(), "event": "run.completed", "seq": 3, "at": NOW, "result": RESULT,
}  # fmt: skip


def handler(params: Columns, *moves: Move, task: Columns | None = None, workflow: Columns | None = None, **more: Any) -> Change:
    """The task that answers the scene's last move."""
    born = {
        "task_name": "handler", "params": params, "max_attempts": None, "created_by": "on_move", "handles_task_id": Task(),
        "idempotency_key": Says("on_move:{task}:3:handler"),
    }  # fmt: skip
    told = {"workflow_name": "handler", "inputs": params, "created_by": "on_move"}
    return Change("new", moves or (BORN,), NEW | born | (task or {}), NEW_WORKFLOW | told | (workflow or {}), **more)


def of_failure(reason: Any) -> Columns:
    return {k: v for k, v in PARAMS.items() if k != "result"} | {"to_state": "failed", "event": "run.failed", "error": reason}


ENDING: Columns = {
    "workflow_run_id": Task(), "external_id": None, "workflow_name": "work", "workflow_version": None, "workflow_hash": None,
    "status": "failed", "absurd_queue": Queue(), "absurd_run_id": Run(), "inputs": 1, "result": None, "error": {"message": "before"},
    "tags": [], "created_by": None, "attempts": 1, "created_at": at(0), "started_at": at(0), "completed_at": at(0), "updated_at": NOW,
    "purged_at": None,
}  # fmt: skip
INCIDENT = ENDING | {"status": "pending", "error": None, "completed_at": None, "updated_at": at(0)}
LEFT_WAIT: Columns = {
    "task_id": Task(), "step_name": "s", "queue_name": Queue(), "event_name": "e", "awaited_task_id": None, "timeout_at": None,
    "attempt": 1, "created_at": at(0),
}  # fmt: skip
HOOK: Columns = {"task_name": None, "to_state": "completed", "handler_task": "handler"}

CALLS = (
    Row(("spawn_task",), "empty queue", SPAWN, (new(),), notify=True),
    Row(("spawn_tasks",), "empty queue", q(tasks=[{"task_name": "work", "params": 1, "options": {"max_attempts": 5}}]), (new(),),
        notify=True),
    Row(("spawn_task",), "empty queue", SPAWN | {"options": {"max_attempts": 5, "delay_seconds": 60}},
        (new({"available_at": at(70)}, move=Move("new > sleeping", "task.spawned", epoch=0, detail={"start_at": at(70)}),
             view={"next_wake_up": at(70)}),),
        without=SDK, note="start delayed"),
    Row(("spawn_task",), "pending, with a key", SPAWN | {"options": {"max_attempts": 5, "idempotency_key": "k"}}, note="the key again"),
    Row(("spawn_tasks",), "pending, with a key", q(tasks=[{"task_name": "work", "options": {"idempotency_key": "k"}}]),
        note="the key again"),
    Row(("spawn_task",), "running", SPAWN | {"options": {"max_attempts": 5, "parent_task_id": Task()}},
        (Change("new", (BORN,), NEW | {"workflow_run_id": Task(), "parent_task_id": Task()}, root=False),),
        notify=True, without=SDK, note="a child"),
    Row(("complete_run",), "running", COMPLETE, (COMPLETED,)),
    Row(("complete_run",), "running", COMPLETE | {"claim_epoch": 1}, (COMPLETED,), without=SDK, note="with its epoch"),
    Row(("complete_run",), "running, with a family", COMPLETE, (COMPLETED, AWAITER), waits={"awaiter": "gone"}, notify=True),
    Row(("complete_run",), "running, a handler for its end", COMPLETE, (COMPLETED, handler(PARAMS)), notify=True),
    Row(("fail_run",), "running", FAIL, (retried("pending", NOW),), notify=True),
    Row(("fail_run",), "running, retries after a minute", FAIL, (retried("sleeping", at(70)),)),
    Row(("fail_run",), "running, last attempt", FAIL, (FAILED,)),
    Row(("fail_run",), "running", FAIL | {"retry_at": at(60)}, (retried("sleeping", at(60)),), without=SDK, note="retry at a time"),
    Row(("fail_run",), "running", FAIL | {"claim_epoch": 1}, (retried("pending", NOW),), notify=True, without=SDK, note="with its epoch"),
    Row(("fail_run",), "running, last attempt, a handler for its failure", FAIL, (FAILED, handler(of_failure(WHY))), notify=True),
    Row(("fail_run",), "running", FAIL | {"retryable": False}, (FAILED,), without=SDK, note="not retryable"),
    Row(("fail_run",), "running, last attempt, with a family", FAIL, (FAILED, child(BEREFT), AWAITER), waits={"awaiter": "gone"},
        notify=True),
    Row(("fail_run",), "running, retry beyond max_duration", FAIL,
        (stop("running > cancelled", LONG, stopped(LONG), worker="w1", detail={"reason": WHY, "rule": "max_duration"}),)),
    Row(("schedule_run",), "running", run(wake_at=at(60)), (UNTIL,)),
    Row(("schedule_run",), "running", run(wake_at=at(60), claim_epoch=1), (UNTIL,), without=SDK, note="with its epoch"),
    Row(("await_event",), "running", waits(),
        (slept("run.suspended", {"event": "e", "timeout_at": None}, FOR_EVER, {"waiting_for": "e"}),),
        waits={"task": {"event_name": "e"}}, events={"e": None}, note="suspends"),
    Row(("await_event",), "running", waits(timeout=60),
        (slept("run.suspended", {"event": "e", "timeout_at": at(70)}, {"available_at": at(70), "wake_event": "e"},
               {"waiting_for": "e", "next_wake_up": at(70)}),),
        waits={"task": {"event_name": "e", "timeout_at": at(70)}}, events={"e": None}, note="suspends, with a time-out"),
    Row(("await_event",), "running, its event is there", waits(), checkpoints={"s": {"state": "payload"}}, steps=1),
    Row(("await_event",), "running again after a time-out", waits(timeout=2, claim_epoch=2),
        checkpoints={"s": {"state": None, "status": "timed_out", "claim_epoch": 2}}, lease={"wake_event": None}, steps=1, without=SDK,
        note="with its epoch"),
    Row(("await_event",), "running again after a time-out", waits(timeout=2), lease={"wake_event": None}, note="without an epoch"),
    Row(("emit_event",), "waiting for an event", EMIT, (WOKEN,), checkpoints={"s": {"state": "payload"}}, waits={"task": "gone"},
        events=EMITTED, logged=(("event.emitted", {"event": "e", "woken": 1}),), notify=True),
    Row(("emit_event",), "empty queue", EMIT, events=EMITTED, logged=(("event.emitted", {"event": "e", "woken": 0}),)),
    Row(("emit_event",), "event emitted", EMIT, note="again"),
    Row(("set_task_checkpoint_state",), "running", SAVE, checkpoints=SAVED, lease={"claim_expires_at": at(40), "heartbeat_at": NOW},
        steps=1),
    Row(("set_task_checkpoint_state",), "running", SAVE | {"claim_epoch": 1}, checkpoints=SAVED,
        lease={"claim_expires_at": at(40), "heartbeat_at": NOW}, steps=1, without=SDK, note="with its epoch"),
    Row(("record_step",), "running", RECORD, checkpoints=SAVED, steps=1),
    Row(("record_steps",), "running", RECORDS, checkpoints=SAVED, steps=1),
    Row(("extend_claim",), "running", run(extend_by=60), lease=BEATEN),
    Row(("extend_claim",), "running", run(extend_by=60, claim_epoch=1), lease=BEATEN, without=SDK, note="with its epoch"),
    Row(("heartbeat",), "running", q(claims=[{"task_id": Task(), "epoch": 1}], extend_by=60), lease=BEATEN),
    Row(("heartbeat",), "running beyond max_duration", q(claims=[{"task_id": Task(), "epoch": 1}], extend_by=60),
        (stop("running > cancelled", LONG, stopped(LONG), worker="w1"),)),
    Row(("release_claims",), "running", q(claims=[{"task_id": Task(), "epoch": 1}]), (RELEASED,), notify=True),
    Row(("cancel_task",), "pending", q(task_id=Task()), (stop("pending > cancelled", ASKED, never_ran(ASKED), epoch=0),)),
    Row(("cancel_task",), "sleeping", q(task_id=Task()), (stop("sleeping > cancelled", ASKED, stopped(ASKED)),)),
    Row(("cancel_task",), "waiting for an event", q(task_id=Task()), (stop("sleeping > cancelled", ASKED, stopped(ASKED)),),
        waits={"task": "gone"}),
    Row(("cancel_task",), "running", q(task_id=Task()), (stop("running > cancelled", ASKED, stopped(ASKED), worker="w1"),)),
    Row(("cancel_task",), "running, with a family", q(task_id=Task()),
        (stop("running > cancelled", ASKED, stopped(ASKED), worker="w1"), child(ORPHAN), AWAITER), waits={"awaiter": "gone"},
        notify=True),
    Row(("cancel_task",), "running", q(task_id=Task(), reason="enough"),
        (stop("running > cancelled", cancelled("enough"), stopped(cancelled("enough")), worker="w1"),), without=SDK, note="for a reason"),
    *(Row(("cancel_task",), scene, q(task_id=Task())) for scene in ("completed", "failed", "cancelled")),
    Row(("retry_task",), "failed", q(task_id=Task()),
        (Change("task", (Move("failed > pending", "task.retried", attempt=2, detail={"by": BY, "max_attempts": 2}),),
                AGAIN | {"max_attempts": 2, "available_at": NOW, "first_started_at": None, "error": None, "ended_at": None},
                TOLD_AGAIN | {"completed_at": None, "error": None}),),
        notify=True),
    Row(("retry_task",), "failed", q(task_id=Task(), options={"spawn_new": True}),
        (new({"max_attempts": 1}, move=Move("new > pending", "task.spawned", epoch=0, via="spawn_task")),), notify=True,
        note="as a new task"),
    Row(("cleanup_tasks",), "completed", q(ttl_seconds=5), (purged("completed"),), owned=("task",)),
    Row(("cleanup_tasks",), "failed", q(ttl_seconds=5), (purged("failed"),), owned=("task",)),
    Row(("cleanup_tasks",), "cancelled", q(ttl_seconds=5), (purged("cancelled"),), owned=("task",)),
    Row(("cleanup_tasks",), "running", q(ttl_seconds=5)),
    Row(("cleanup_events",), "event emitted", q(ttl_seconds=5), events={"e": "gone"}),
    Row(("cleanup_events",), "waiting for an event", q(ttl_seconds=5)),
    *(Row(("cleanup_all_queues",), f"{state}, short retention", q(), (purged(state, via="cleanup_tasks"),), owned=("task",))
      for state in ("completed", "failed", "cancelled")),
    Row(("cleanup_workflow_runs",), "completed and purged", q(ttl_seconds=5), forgotten=("task",),
        logged=(("workflow.removed", {"workflow": "work", "status": "completed", "purged_at": at(2)}),)),
    Row(("cleanup_workflow_runs",), "completed and purged", q(ttl_seconds=9), note="not so long ago"),
    Row(("cleanup_workflow_runs",), "completed", q(ttl_seconds=5)),
    *(Row(("cleanup_tasks",), scene, q(ttl_seconds=0)) for scene in ("pending", "sleeping", "waiting for an event")),
    Row(("drop_queue",), "pending", q(), (purged("pending", epoch=0),), **DROP),
    Row(("drop_queue",), "running", q(), (purged("running", worker="w1"),), **DROP),
    Row(("drop_queue",), "sleeping", q(), (purged("sleeping"),), **DROP),
    Row(("drop_queue",), "waiting for an event", q(), (purged("sleeping"),), waits={"task": "gone"}, events={"e": "gone"}, **DROP),
    Row(("drop_queue",), "completed", q(), (purged("completed"),), **DROP),
    Row(("drop_queue",), "failed", q(), (purged("failed"),), **DROP),
    Row(("drop_queue",), "cancelled", q(), (purged("cancelled"),), **DROP),
    Row(("create_queue",), "empty queue", {"queue_name": Queue("-2")}, besides={"queues": 1}),
    Row(("set_queue_policy",), "empty queue", q(policy={"cleanup_limit": 10})),
    Row(("set_on_move",), "running", q(**HOOK),
        logged=(("on_move.set", HOOK | {"handler_queue": Queue(), "options": {}}),), besides={"on_move": 1}),
    Row(("remove_on_move",), "running, a handler for its end", q(**HOOK),
        logged=(("on_move.removed", HOOK | {"handler_queue": Queue()}),), besides={"on_move": -1}),
    Row(("worker_idle",), "pending", q(instance="00000000-0000-4000-8000-000000000002", seconds=15), besides={"waiter": 1}),
    Row(("worker_busy",), "pending", q(instance=str(INSTANCE)), besides={"waiter": -1}),
    Row(("repair",), "running", {}, note="nothing to mend"),
    Row(("repair",), "failed, its workflow says pending", {},
        mended={"status": "failed", "error": {"message": "before"}, "completed_at": at(0), "updated_at": NOW},
        logged=(("repaired", {"action": "workflow_run", "task_id": Task(), "before": INCIDENT, "after": ENDING}),)),
    Row(("repair",), "event emitted, and nobody woke it", {}, (WOKEN,), checkpoints={"s": {"state": "payload"}}, waits={"task": "gone"},
        logged=(("repaired", {"action": "wake-up", "task_id": Task(), "before": LEFT_WAIT, "after": None}),), notify=True),
)  # fmt: skip

# --- inside a claim, whoever claims: the work that is due, the sweep of expired leases, the cancellation rules ---------------

HELD: Columns = {
    "claim_epoch": 1, "claimed_by": "w2", "claim_expires_at": at(40), "claimed_at": NOW, "heartbeat_at": NOW, "started_at": NOW,
    "first_started_at": NOW, "available_at": NOW,
}  # fmt: skip
HOLDER: Columns = {"worker": "w2", "claimed_at": NOW, "lease_until": at(40), "last_heartbeat": NOW, "running_for": "00:00:00"}
CLAIM: Columns = {"worker_id": "w2", "claim_timeout": 30, "qty": 1}
CLAIMS: dict[str, tuple[Columns, str]] = {
    "claim_task": (q(**CLAIM), ""),
    "claim_tasks": (q(**CLAIM), "claim_task"),
    "worker_sync": ({"request": {"queue": Queue(), "worker": "w2", "ops": [], "claim": {"qty": 1, "lease": 30}}}, "claim_task"),
}


def claim(source: str, path: str, task: Columns | None = None, workflow: Columns | None = None, epoch: int = 1) -> Change:
    move = Move(f"{source} > running", "run.claimed", "w2", epoch=epoch, via=path)
    return Change("task", (move,), HELD | {"claim_epoch": epoch} | (task or {}), workflow or {}, HOLDER)


def within(path: str) -> dict[str, tuple[Change, ...]]:
    """What a claim does in each scene; `path` is how claim_task was reached."""
    swept = f"{path} > fail_run" if path else "fail_run"
    lost = ended("failed", claim_expires_at=at(5), failure_reason=TIMED_OUT)
    retry = Move("running > pending", "run.retried", "w1", detail={"reason": TIMED_OUT, "retry_at": NOW}, via=swept)
    again = Move("pending > running", "run.claimed", "w2", attempt=2, epoch=2, via=path)
    return {
        "pending": (claim("pending", path, workflow={"started_at": NOW}),),
        "delayed start, due": (claim("sleeping", path, workflow={"started_at": NOW}),),
        "slept long enough": (claim("sleeping", path, {"first_started_at": at(0)}, epoch=2),),
        "waiting, its time is over": (claim("sleeping", path, {"first_started_at": at(0)}, epoch=2),),
        "sleeping": (),
        "running": (),
        "lease expired": (
            Change("task", (retry, again),
                   HELD | {"claim_epoch": 2, "attempt": 2, "attempt_at": NOW, "first_started_at": at(0), "error": TIMED_OUT},
                   TOLD_AGAIN, HOLDER, lost),
        ),
        "lease expired, back-off": (retried("sleeping", at(70), TIMED_OUT, lost, swept),),
        "lease expired, last attempt": (
            over(Move("running > failed", "run.failed", "w1", detail={"reason": TIMED_OUT}, via=swept), lost, TIMED_OUT),
        ),
        "lease expired, last attempt, a handler for its failure": (
            over(Move("running > failed", "run.failed", "w1", detail={"reason": TIMED_OUT}, via=swept), lost, TIMED_OUT),
            handler(
                of_failure(TIMED_OUT), Move("new > pending", "task.spawned", epoch=0, via=swept),
                Move("pending > running", "run.claimed", "w2", via=path), task=HELD, workflow={"started_at": NOW}, view=HOLDER,
            ),
        ),
        "event emitted while it was held": (
            Change("task", (Move("sleeping > pending", "run.woken", detail={"event": "e"}, via=path),
                            Move("pending > running", "run.claimed", "w2", epoch=2, via=path)),
                   HELD | {"claim_epoch": 2, "first_started_at": at(0), "wake_event": None, "event_payload": "payload"},
                   view=HOLDER | {"steps_done": 1, "last_step": "s"}),
        ),
        "its parent failed while it was held": (
            child(BEREFT | {"by": Maker()}, path),  # who failed the parent, not who claims
        ),
        "lease expired, beyond max_duration": (
            stop("running > cancelled", LONG, stopped(LONG), worker="w1", detail={"reason": TIMED_OUT, "rule": "max_duration"}, via=swept),
        ),
        "not started within max_delay": (stop("pending > cancelled", LATE, never_ran(LATE), epoch=0, via=path),),
        "running beyond max_duration": (stop("running > cancelled", LONG, stopped(LONG), worker="w1", via=path),),
        "sleeping beyond max_duration": (stop("sleeping > cancelled", LONG, stopped(LONG), via=path),),
        "deadline passed": (stop("pending > cancelled", DEADLINE, never_ran(DEADLINE), epoch=0, via=path),),
    }  # fmt: skip


# in these a task becomes pending before the same claim takes it
BECOMES_DUE = ("lease expired", "event emitted while it was held", "lease expired, last attempt, a handler for its failure")
IN_A_CLAIM = tuple(
    Row(
        (function,), scene, args, changes, notify=scene in BECOMES_DUE,
        waits={"task": "gone"} if scene in ("waiting, its time is over", "event emitted while it was held") else {},
        checkpoints={"s": {"state": "payload"}} if scene == "event emitted while it was held" else {},
        besides={"follow_up": -1} if scene.endswith("while it was held") else {},
    )
    for function, (args, path) in CLAIMS.items()
    for scene, changes in within(path).items()
)  # fmt: skip
