"""What is there before the call: each scene is made through the functions, at T0, in a queue of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg

from matrix.words import at

INSTANCE = uuid.UUID("00000000-0000-4000-8000-000000000001")
FIXED = {"kind": "fixed", "base_seconds": 60}
Labels = dict[str, Any]


class Scene:
    """Short words for what happens before the call."""

    def __init__(self, connection: psycopg.Connection[Any], queue: str) -> None:
        self._connection = connection
        self.queue = queue
        self.tasks: Labels = {}

    def one(self, query: str, *params: Any) -> Any:
        row = self._connection.execute(query, params).fetchone()
        return row[0] if row else None

    def clock(self, seconds: float) -> None:
        self._connection.execute("update absurd.test_clock set now = %s", (at(seconds),))

    def spawn(self, label: str = "task", **options: Any) -> Any:
        spawn = "select task_id::text from absurd.spawn_task(%s, 'work', '1', %s)"
        self.tasks[label] = self.one(spawn, self.queue, json.dumps(options))
        return self.tasks[label]

    def claim(self, *, lease: int = 30, worker: str = "w1") -> None:
        self.one("select task_id from absurd.claim_tasks(%s, %s, %s, 1)", self.queue, worker, lease)

    def running(self, label: str = "task", *, lease: int = 30, **options: Any) -> Any:
        self.spawn(label, **options)
        self.claim(lease=lease)
        return self.tasks[label]

    def run_id(self, label: str = "task", attempt: int = 1) -> Any:
        return self.one("select absurd.run_id_of(%s, %s)", self.tasks[label], attempt)

    def fail(self, label: str = "task") -> None:
        self.one('select absurd.fail_run(%s, %s, \'{"message": "before"}\', p_retryable => false)', self.queue, self.run_id(label))

    def complete(self, label: str = "task") -> None:
        self.one("select absurd.complete_run(%s, %s, '\"before\"')", self.queue, self.run_id(label))

    def sleep(self, until: float = 60) -> None:
        self.one("select absurd.schedule_run(%s, %s, %s)", self.queue, self.run_id(), at(until))

    def wait(self, timeout: int | None = None) -> None:
        self.one("select absurd.await_event(%s, %s, %s, 's', 'e', %s)", self.queue, self.tasks["task"], self.run_id(), timeout)

    def emit(self) -> None:
        self.one("select absurd.emit_event(%s, 'e', '\"payload\"')", self.queue)

    def elsewhere(self, held: str, act: Callable[[], None]) -> None:
        """What happens while another session holds that task's row."""
        with psycopg.connect(self._connection.info.dsn, user=self._connection.info.user) as other:
            other.execute("select from absurd.task where task_id = %s for update", (self.tasks[held],))
            act()

    def past_its_trigger(self, table: str, trigger: str, statement: str) -> None:
        """What only the owner can do: a write that a trigger would have judged."""
        self._connection.execute(f"alter table absurd.{table} disable trigger {trigger}")
        self._connection.execute(statement)
        self._connection.execute(f"alter table absurd.{table} enable always trigger {trigger}")

    def await_task(self, label: str, awaited: str) -> None:
        self.sync(label, op="await_task", step="s", task=self.tasks[awaited])

    def sync(self, label: str, **op: Any) -> None:
        first = {"n": 0, "task_id": self.tasks[label], "epoch": 1}
        self.one("select absurd.worker_sync(%s)", json.dumps({"queue": self.queue, "worker": "w1", "ops": [first | op]}))


def family(scene: Scene, **options: Any) -> None:
    """A running task, a child, a detached child, and a task that waits for its end."""
    scene.running("task", **options)
    scene.running("awaiter")
    scene.await_task("awaiter", "task")
    scene.spawn("child", parent_task_id=scene.tasks["task"])
    scene.spawn("detached", parent_task_id=scene.tasks["task"], detached=True)


def short_retention(how: str, **options: Any) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        ended(how, **options)(scene)
        scene.one('select absurd.set_queue_policy(%s, \'{"cleanup_ttl": "5 seconds"}\')', scene.queue)

    return make


def purged(how: str) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        ended(how)(scene)
        scene.clock(2)
        scene.one("select absurd.cleanup_tasks(%s, 1)", scene.queue)

    return make


def stolen(scene: Scene) -> None:
    """w1's lease ran out, and w2 holds the second attempt."""
    scene.running(lease=2)
    scene.clock(5)
    scene.claim(worker="w2")


def timed_out(scene: Scene) -> None:
    """A wait's time is over, and its task runs again."""
    scene.running()
    scene.wait(timeout=2)
    scene.clock(5)
    scene.claim()


def hooked(state: str, **options: Any) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        scene.running(**options)
        scene.one("select absurd.set_on_move(%s, null, %s, 'handler')", scene.queue, state)

    return make


def left_asleep(scene: Scene) -> None:
    """The event came while another session held the waiting task: its wake-up is left to the next claim."""
    scene.running()
    scene.wait()
    scene.running("other")
    scene.elsewhere("task", lambda: scene.sync("other", op="emit", event="e", payload="payload"))


def left_to_a_repair(scene: Scene) -> None:
    left_asleep(scene)
    scene.one("delete from absurd.follow_up returning 1")


def left_uncancelled(scene: Scene) -> None:
    """The parent failed while another session held its child: the child is left to the next claim."""
    scene.running()
    scene.spawn("child", parent_task_id=scene.tasks["task"])
    scene.elsewhere("child", scene.fail)


def the_incident(scene: Scene) -> None:
    """The task failed, and its workflow says pending."""
    scene.running()
    scene.fail()
    told = f"update absurd.workflow_run set status = 'pending', completed_at = null, error = null where absurd_queue = '{scene.queue}'"
    scene.past_its_trigger("workflow_run", "zzz_agrees_update", told)


def ended(how: str, **options: Any) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        scene.running(**options)
        if how == "completed":
            scene.complete()
        elif how == "failed":
            scene.fail()
        else:
            scene.one("select absurd.cancel_task(%s, %s)", scene.queue, scene.tasks["task"])

    return make


def then(*steps: Callable[[Scene], Any]) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        for step in steps:
            step(scene)

    return make


SCENES: dict[str, Callable[[Scene], Any]] = {
    "empty queue": lambda s: None,
    "pending": lambda s: s.spawn(),
    "delayed start, due": lambda s: s.spawn(delay_seconds=5),
    "pending, with a key": lambda s: s.spawn(idempotency_key="k"),
    "running": lambda s: s.running(),
    "running, retries after a minute": lambda s: s.running(retry_strategy=FIXED),
    "running, last attempt": lambda s: s.running(max_attempts=1),
    "running, retry beyond max_duration": lambda s: s.running(retry_strategy=FIXED, cancellation={"max_duration": 30}),
    "running, with a family": family,
    "running, last attempt, with a family": lambda s: family(s, max_attempts=1),
    "running, a handler for its end": hooked("completed"),
    "running, last attempt, a handler for its failure": hooked("failed", max_attempts=1),
    "lease expired, last attempt, a handler for its failure": hooked("failed", max_attempts=1, lease=5),
    "running, its event is there": then(lambda s: s.running(), lambda s: s.emit()),
    "running again after a time-out": timed_out,
    "lease lost to another": stolen,
    "sleeping": then(lambda s: s.running(), lambda s: s.sleep()),
    "slept long enough": then(lambda s: s.running(), lambda s: s.sleep(5)),
    "waiting for an event": then(lambda s: s.running(), lambda s: s.wait()),
    "waiting for an event, another runs": then(lambda s: s.running(), lambda s: s.wait(), lambda s: s.running("other")),
    "running, another to wait for": then(lambda s: s.running(), lambda s: s.spawn("awaited")),
    "waiting, its time is over": then(lambda s: s.running(), lambda s: s.wait(5)),
    "event emitted": lambda s: s.emit(),
    "completed": ended("completed"),
    "completed, short retention": short_retention("completed"),
    "failed, short retention": short_retention("failed", max_attempts=1),
    "cancelled, short retention": short_retention("cancelled"),
    "completed and purged": purged("completed"),
    "failed, its workflow says pending": the_incident,
    "event emitted while it was held": left_asleep,
    "event emitted, and nobody woke it": left_to_a_repair,
    "its parent failed while it was held": left_uncancelled,
    "failed": ended("failed", max_attempts=1),
    "cancelled": ended("cancelled"),
    "lease expired": lambda s: s.running(lease=5),
    "lease expired, back-off": lambda s: s.running(lease=5, retry_strategy=FIXED),
    "lease expired, last attempt": lambda s: s.running(lease=5, max_attempts=1),
    "lease expired, beyond max_duration": lambda s: s.running(lease=5, retry_strategy=FIXED, cancellation={"max_duration": 30}),
    "not started within max_delay": lambda s: s.spawn(cancellation={"max_delay": 5}),
    "running beyond max_duration": lambda s: s.running(cancellation={"max_duration": 5}),
    "sleeping beyond max_duration": then(lambda s: s.running(cancellation={"max_duration": 5}), lambda s: s.sleep()),
    "deadline passed": lambda s: s.spawn(deadline=at(5).isoformat()),
}
