"""Where a schedule begins: a queue of its own, with one task, `t`, that everybody meets, and others around it.

All tasks have names that tell them apart, so that two runs of one scene can be compared although their ids differ. The clock
stands still: what takes time (a lease, a time-out, a rule) is over because the clock was moved while the scene was built.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fixtures.database import Database
from races.schedule import Task, claim, op, spawn, sync

T0 = datetime(2030, 1, 1, tzinfo=UTC)
LATER = timedelta(hours=2)
LONG = 86400  # a lease that is not over when the clock has moved
KEY = "k"


def instance(who: str) -> str:
    """The worker process of a session."""
    return f"00000000-0000-7000-8000-{ord(who):012d}"


_numbers = itertools.count()


@dataclass(slots=True)
class Scene:
    """A queue, and its tasks by name. A task that was never claimed has epoch 0."""

    db: Database
    queue: str
    tasks: dict[str, Task] = field(default_factory=dict)

    def spawn(self, name: str, *, parent: str | None = None, **options: Any) -> None:
        if parent:
            options["parent_task_id"] = str(self.tasks[parent].task_id)
        task_id = spawn(self.db, self.queue, name, **options)
        self.tasks[name] = Task(task_id, task_id, 0, 1)

    def run(self, name: str, *, lease: int = LONG, **options: Any) -> Task:
        """Spawn a task and claim it; nothing else may be due."""
        self.spawn(name, **options)
        (self.tasks[name],) = claim(self.db, self.queue, lease=lease)
        return self.tasks[name]

    def sync(self, kind: str, name: str, **fields: Any) -> None:
        answer = sync(self.db, [op(kind, self.tasks[name], **fields)], self.queue)
        assert [o["status"] for o in answer["ops"]] == ["ok"], answer

    def call(self, function: str, *arguments: Any) -> None:
        marks = ", ".join(["%s"] * len(arguments))
        self.db.conn.execute(f"select from absurd.{function}(%s, {marks})", (self.queue, *arguments))

    def pass_time(self) -> None:
        self.db.clock.set(T0 + LATER)


SCENES: dict[str, Callable[[Scene], None]] = {}


def scene(build: Callable[[Scene], None]) -> Callable[[Scene], None]:
    SCENES[build.__name__] = build
    return build


def build(db: Database, name: str) -> Scene:
    """The scene, in a new queue. Without its views, which no schedule needs and which cost more than all the rest."""
    db.clock.set(T0)
    made = Scene(db, f"q{next(_numbers)}")
    db.conn.execute("insert into absurd.queues (queue_name) values (%s)", (made.queue,))
    SCENES[name](made)
    made.pass_time()
    return made


# t is running


@scene
def running(s: Scene) -> None:
    s.run("t")
    s.run("u")


@scene
def expired(s: Scene) -> None:
    """Its lease is over, and it has attempts left."""
    s.run("t", lease=5)
    s.run("u")


@scene
def last_attempt(s: Scene) -> None:
    """Its lease is over, it has no attempt left, and its parent awaits it."""
    s.run("p")
    s.run("t", lease=5, parent="p", max_attempts=1)
    s.sync("await_task", "p", step="child", task=s.tasks["t"].task_id)


@scene
def ruled(s: Scene) -> None:
    """A cancellation rule has come for it; it has a child."""
    s.run("t", cancellation={"max_duration": 60})
    s.run("c", parent="t")
    s.run("u")


@scene
def family(s: Scene) -> None:
    """Its parent awaits it; it has a brother that runs, and a child that nobody has claimed."""
    s.run("p")
    s.run("t", parent="p")
    s.run("u", parent="p")
    s.sync("await_task", "p", step="child", task=s.tasks["t"].task_id)
    s.spawn("c", parent="t", delay_seconds=10 * LONG)


@scene
def placeholder(s: Scene) -> None:
    """The row of event e is there, and nobody waits for it."""
    s.db.conn.execute("insert into absurd.event (queue_name, event_name) values (%s, 'e')", (s.queue,))
    s.run("t")
    s.run("u")


@scene
def emitted(s: Scene) -> None:
    s.call("emit_event", "e", '"first"')
    s.run("t")


@scene
def saved(s: Scene) -> None:
    """Its step has a value, and so has the name of its child."""
    s.run("t")
    s.sync("checkpoint", "t", step="s", state="first")
    s.sync("spawn", "t", step="child", task_name="c", options={"idempotency_key": KEY, "delay_seconds": 10 * LONG})
    s.run("u")


# t is not running


@scene
def pending(s: Scene) -> None:
    s.spawn("t", cancellation={"max_duration": 60})
    s.run("u", priority=-1)


@scene
def waiting(s: Scene) -> None:
    s.run("t")
    s.run("v")
    for name in "tv":
        s.sync("await", name, step="s", event="e")
    s.run("u")


@scene
def timed_out(s: Scene) -> None:
    s.run("t")
    s.sync("await", "t", step="s", event="e", timeout=10)
    s.run("u")


@scene
def failed(s: Scene) -> None:
    """It has failed, long ago, and holds an idempotency key."""
    t = s.run("t", idempotency_key=KEY)
    s.call("fail_run", t.run_id, '"why"', None, t.epoch, False)
    s.run("u")


@scene
def completed(s: Scene) -> None:
    """It is over, long ago, and holds an idempotency key; so is event e. Somebody awaits an event that does not come."""
    t = s.run("t", idempotency_key=KEY)
    s.call("emit_event", "e", '"first"')
    s.call("complete_run", t.run_id, '"first"', t.epoch)
    s.run("u")


@scene
def purged(s: Scene) -> None:
    """It was purged, long ago, and so was another: their workflow_runs are left."""
    failed(s)
    s.spawn("v")
    s.call("cancel_task", s.tasks["v"].task_id)
    s.db.clock.set(T0 + timedelta(seconds=1))
    s.call("cleanup_tasks", 0)


@scene
def retried(s: Scene) -> None:
    """An operator has put it back: its old claim is stale."""
    failed(s)
    s.call("retry_task", s.tasks["t"].task_id)


@scene
def broadcast(s: Scene) -> None:
    """A parent with children that all wait for e: who takes several of them must take them in one order."""
    s.run("p")
    for name in "tuv":
        s.run(name, parent="p")
        s.sync("await", name, step="s", event="e")
    s.run("w")


@scene
def idle(s: Scene) -> None:
    """Two workers went idle long ago, and nothing is left of it but their rows."""
    s.spawn("t", delay_seconds=10 * LONG)
    for who in "AB":
        s.call("worker_idle", instance(who))


@scene
def crossed(s: Scene) -> None:
    """Two that run, and one waiter for each of two events."""
    s.run("t")
    s.run("u")
    for name, event in (("x", "e"), ("y", "f")):
        s.run(name)
        s.sync("await", name, step="s", event=event)
