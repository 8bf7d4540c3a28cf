"""What the origin's old client is asked to do: every public method, in the scenes that matter to it.

What comes of each is on the page docs/reference/absurd-compatibility.md, by hand; here is only what must be true where it works.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from matrix.scenes import Scene
from matrix.words import at

LATER = datetime(2031, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """`call` gets the client, its connection, the scene and the module; `then` what it returned, when it is not refused."""

    method: str
    name: str
    make: Callable[[Scene], Any]
    call: Callable[[Any, Any, Scene, Any], Any]
    then: Callable[[Any, Scene], bool]


def state(s: Scene) -> Any:
    """The newest task's state and its workflow's: equal, or the case is wrong."""
    task, run = s.one("select row(t.state, w.status)::text from absurd.task t join absurd.workflow_run w on w.workflow_run_id = t.task_id"
                      " where t.queue_name = %s order by t.task_id desc limit 1", s.queue)[1:-1].split(",")  # fmt: skip
    return task if task == run else (task, run)


def nothing(_: Scene) -> None: ...


def saved(s: Scene) -> None:
    s.running()
    s.one("select absurd.set_task_checkpoint_state(%s, %s, 's', '{\"x\": 1}', %s)", s.queue, s.tasks["task"], s.run_id())


def waiting(s: Scene) -> None:
    s.running()
    s.wait()


def waiting_on_an_empty_step(s: Scene) -> None:
    """The only way to a step that has both a row and a wait: it was saved without a value."""
    s.running()
    s.one("select absurd.set_task_checkpoint_state(%s, %s, 's', null, %s)", s.queue, s.tasks["task"], s.run_id())
    s.wait()


def emitted(s: Scene) -> None:
    s.running()
    s.emit()


def completed(s: Scene) -> None:
    s.running()
    s.complete()


def fetch(s: Scene, column: str, relation: str) -> Any:
    return s.one(f"select {column} from absurd.{relation} where queue_name = %s", s.queue)


def singleton(_client: Any, _connection: Any, s: Scene, module: Any) -> Any:
    os.environ.pop("ABSURD_DEFAULT_QUEUE", None)
    return module.get_absurd_client(s.queue), module.get_absurd_client("another")


CASES = (
    Case("create_queue", "a new queue", lambda s: s.one("select absurd.drop_queue(%s)", s.queue),
         lambda c, k, s, m: c.create_queue(k), lambda r, s: fetch(s, "storage_mode", "queues") == "unpartitioned"),
    Case("create_queue", "a known queue", lambda s: s.spawn(), lambda c, k, s, m: c.create_queue(k), lambda r, s: state(s) == "pending"),
    Case("spawn_task", "with every option", nothing,
         lambda c, k, s, m: c.spawn_task(k, "work", {"n": 1}, {"idempotency_key": "k"}, {"a": 1}, {"kind": "fixed", "base_seconds": 5}, 3,
                                         {"max_delay": 60}),
         lambda r, s: state(s) == "pending" and r[1] == r[2] == s.one("select absurd.run_id_of(%s, 1)", r[0])),
    Case("spawn_retry_task", "exponential", nothing, lambda c, k, s, m: m.spawn_retry_task(c, k, "work", {}),
         lambda r, s: fetch(s, "retry_strategy ->> 'kind'", "task") == "exponential"),
    Case("spawn_cancellable_task", "with both rules", nothing, lambda c, k, s, m: m.spawn_cancellable_task(c, k, "work", {}, 60, 600),
         lambda r, s: fetch(s, "cancellation", "task") == {"max_delay": 60, "max_duration": 600}),
    Case("get_absurd_client", "twice", nothing, singleton, lambda r, s: r[0] is r[1] and r[0].queue_name == s.queue),
    Case("claim_task", "a pending task", lambda s: s.spawn(), lambda c, k, s, m: c.claim_task(k, "old"),
         lambda r, s: [(len(row), str(row[1]), row[3]) for row in r] == [(10, s.tasks["task"], "work")] and state(s) == "running"),
    Case("claim_task", "without a time-out", lambda s: s.spawn(), lambda c, k, s, m: c.claim_task(k, "old", 0, 5),
         lambda r, s: fetch(s, "claim_expires_at", "task") == at(10 + 86400)),
    Case("complete_task", "a running run", lambda s: s.running(), lambda c, k, s, m: c.complete_task(k, s.run_id(), {"x": 1}),
         lambda r, s: state(s) == "completed" and fetch(s, "result", "task") == {"x": 1}),
    Case("complete_task", "a sleeping run", waiting, lambda c, k, s, m: c.complete_task(k, s.run_id()), lambda r, s: False),
    Case("fail_task", "with an attempt left", lambda s: s.running(), lambda c, k, s, m: c.fail_task(k, s.run_id(), "why", LATER),
         lambda r, s: state(s) == "sleeping" and fetch(s, "available_at", "task") == LATER),
    Case("fail_task", "the last attempt", lambda s: s.running(max_attempts=1), lambda c, k, s, m: c.fail_task(k, s.run_id(), {"a": 1}),
         lambda r, s: state(s) == "failed" and fetch(s, "error", "task") == {"a": 1}),
    Case("fail_task", "a sleeping run", waiting, lambda c, k, s, m: c.fail_task(k, s.run_id(), "why"), lambda r, s: False),
    Case("cancel_task", "by the run's id", lambda s: s.running(), lambda c, k, s, m: c.cancel_task(k, s.run_id()), lambda r, s: False),
    Case("cancel_task", "by the task's id", lambda s: s.running(), lambda c, k, s, m: c.cancel_task(k, s.tasks["task"]),
         lambda r, s: state(s) == "cancelled" and not r),
    Case("extend_claim", "a running run, twice", lambda s: s.running(),
         lambda c, k, s, m: [c.extend_claim(k, s.run_id(), seconds) for seconds in (60, 90)],
         lambda r, s: fetch(s, "claim_expires_at", "task") == at(100) and fetch(s, "state ->> 'extend_by'", "checkpoint") == "60"),
    Case("extend_claim", "a sleeping run", waiting, lambda c, k, s, m: c.extend_claim(k, s.run_id(), 60), lambda r, s: False),
    Case("set_checkpoint", "a running run", lambda s: s.running(),
         lambda c, k, s, m: c.set_checkpoint(k, s.tasks["task"], "s", {"x": 1}, s.run_id(), 60),
         lambda r, s: fetch(s, "state", "checkpoint") == {"x": 1} and fetch(s, "claim_expires_at", "task") == at(70)),
    Case("set_checkpoint", "another task's run", lambda s: (s.running(), s.spawn("other")),
         lambda c, k, s, m: c.set_checkpoint(k, s.tasks["other"], "s", {"x": 1}, s.run_id()), lambda r, s: False),
    Case("set_checkpoint", "a completed run", completed,
         lambda c, k, s, m: c.set_checkpoint(k, s.tasks["task"], "s", {"x": 1}, s.run_id()), lambda r, s: False),
    Case("get_checkpoint", "a saved step", saved, lambda c, k, s, m: c.get_checkpoint(k, s.tasks["task"], "s"),
         lambda r, s: list(r.values())[:4] == ["s", {"x": 1}, "committed", s.run_id()]),
    Case("get_all_checkpoints", "a saved step", saved, lambda c, k, s, m: c.get_all_checkpoints(k, s.tasks["task"], s.run_id()),
         lambda r, s: [row["state"] for row in r] == [{"x": 1}]),
    Case("await_event", "not emitted", lambda s: s.running(),
         lambda c, k, s, m: c.await_event(k, s.tasks["task"], s.run_id(), "s", "e", 60),
         lambda r, s: r == (True, None) and state(s) == "sleeping"),
    Case("await_event", "emitted", emitted, lambda c, k, s, m: c.await_event(k, s.tasks["task"], s.run_id(), "s", "e"),
         lambda r, s: r == (False, "payload") and state(s) == "running"),
    Case("schedule_task", "a running run", lambda s: s.running(), lambda c, k, s, m: c.schedule_task(k, s.run_id(), LATER),
         lambda r, s: state(s) == "sleeping"),
    Case("cleanup_tasks", "a completed task", completed, lambda c, k, s, m: c.cleanup_tasks(k, 1),
         lambda r, s: r == 1 and s.one("select purged_at from absurd.workflow_run where absurd_queue = %s", s.queue) == at(10)),
    Case("cleanup_events", "an emitted event", emitted, lambda c, k, s, m: c.cleanup_events(k, 1), lambda r, s: r == 1),
    Case("get_task_status", "a running task", lambda s: s.running(), lambda c, k, s, m: c.get_task_status(k, s.tasks["task"]),
         lambda r, s: (r["state"], r["attempts"], str(r["last_attempt_run"])) == ("running", 1, str(s.run_id()))),
    Case("get_run_status", "a running run", lambda s: s.running(), lambda c, k, s, m: c.get_run_status(k, s.run_id()), lambda r, s: False),
    Case("get_run_status", "no run", nothing, lambda c, k, s, m: c.get_run_status(k, "00000000-0000-7000-8000-000000000000"),
         lambda r, s: r is None),
    Case("get_checkpoints_for_run", "a saved step", saved, lambda c, k, s, m: c.get_checkpoints_for_run(k, s.run_id()),
         lambda r, s: r == {"s": {"x": 1}}),
    Case("get_run_checkpoint", "a saved step", saved, lambda c, k, s, m: c.get_run_checkpoint(k, s.run_id(), "s"),
         lambda r, s: r == {"x": 1}),
    Case("save_checkpoint_for_run", "with the task's id", lambda s: s.running(),
         lambda c, k, s, m: c.save_checkpoint_for_run(k, s.run_id(), "s", [1], s.tasks["task"]),
         lambda r, s: fetch(s, "state", "checkpoint") == [1]),
    Case("save_checkpoint_for_run", "without it", lambda s: s.running(),
         lambda c, k, s, m: c.save_checkpoint_for_run(k, s.run_id(), "s", [1]),
         lambda r, s: fetch(s, "state", "checkpoint") == [1]),
    Case("sleep", "a running run", lambda s: s.running(), lambda c, k, s, m: c.sleep(k, s.run_id(), 60),
         lambda r, s: fetch(s, "checkpoint_name", "checkpoint") == "sleep_60" and state(s) == "running"),
    Case("wait_for_event", "emitted", emitted, lambda c, k, s, m: c.wait_for_event(k, s.run_id(), "e", 60, s.tasks["task"], "s"),
         lambda r, s: r == "payload"),
    Case("wait_for_event", "not emitted", lambda s: s.running(),
         lambda c, k, s, m: c.wait_for_event(k, s.run_id(), "e", 60, s.tasks["task"], "s"), lambda r, s: False),
    Case("wait_for_event", "its step is saved, and waits", waiting_on_an_empty_step,
         lambda c, k, s, m: c.wait_for_event(k, s.run_id(), "f", 60, s.tasks["task"], "s"), lambda r, s: False),
    Case("wait_for_event", "its step is saved", saved, lambda c, k, s, m: c.wait_for_event(k, s.run_id(), "e", 60, s.tasks["task"], "s"),
         lambda r, s: False),
    Case("set_run_sleeping", "a running run", lambda s: s.running(), lambda c, k, s, m: c.set_run_sleeping(k, s.run_id(), "e"),
         lambda r, s: False),
    Case("emit_event", "somebody waits", waiting, lambda c, k, s, m: c.emit_event(k, "e", {"x": 1}), lambda r, s: False),
    Case("emit_event", "nobody waits", nothing, lambda c, k, s, m: c.emit_event(k, "e", {"x": 1}), lambda r, s: False),
    Case("create_workflow_run", "of a running task", lambda s: s.running(),
         lambda c, k, s, m: c.create_workflow_run(k, "work", "1", {"n": 1}, s.run_id(), "me"), lambda r, s: False),
    Case("create_workflow_run", "with tags", nothing, lambda c, k, s, m: c.create_workflow_run(k, "work", "1", tags={"a": "b"}),
         lambda r, s: False),
    Case("update_workflow_run_status", "another status", lambda s: s.running(),
         lambda c, k, s, m: c.update_workflow_run_status(k, s.tasks["task"], "completed", {"x": 1}, None, LATER, LATER),
         lambda r, s: False),
    Case("update_workflow_run_status", "its own status", lambda s: s.running(),
         lambda c, k, s, m: c.update_workflow_run_status(k, s.tasks["task"], "running"), lambda r, s: state(s) == "running"),
    Case("update_workflow_run_status", "a count of tasks", lambda s: s.running(),
         lambda c, k, s, m: c.update_workflow_run_status(k, s.tasks["task"], "running", task_count=1), lambda r, s: False),
)  # fmt: skip
