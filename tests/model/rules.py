"""The rules: what workers, clients and operators do, with handles that hold and with handles that do not."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from model import raw
from model.coverage import STATES
from model.machine import DOOR, EVENTS, NUMBER, STEPS, VALUES, Handle, Machine, Word, having, holding, knowing, run_id

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"max_attempts": 1},
    {"max_attempts": 2, "retry_strategy": {"kind": "fixed", "base_seconds": 5}},
    {"retry_strategy": {"kind": "exponential", "base_seconds": 4, "factor": 2}},
    {"delay_seconds": 7},
    {"priority": -1},
    {"idempotency_key": "k"},
    {"cancellation": {"max_delay": 20}},
    {"cancellation": {"max_duration": 40}, "max_attempts": 3},
    {"deadline_seconds": 90},
)
CLOCK = st.sampled_from([1, 5, 11, 31, 61, 700])
LEASES = (10, 30, 100)


class Workers(Machine):
    """Every rule but the first kind: named `stale_` or `raw_` when it does what nobody may."""

    @initialize(options=st.lists(st.sampled_from(OPTIONS), min_size=3, max_size=3))
    def begin(self, options: list[dict[str, Any]]) -> None:
        """Some work to be at, and two claims: what most rules need."""
        for given in options:
            self._spawn("spawn", self.queues[0], "client", given, None)
        self._claim(self.queues[0], "client", 2, 30, "w0")

    # -- clients and operators ----------------------------------------------------------------------------------------
    @rule(n=NUMBER, door=DOOR, options=st.sampled_from(OPTIONS))
    def spawn(self, n: int, door: str, options: dict[str, Any]) -> None:
        self._spawn("spawn", self.queue(n), door, options, None)

    @rule(n=NUMBER, door=DOOR, options=st.sampled_from(OPTIONS), detached=st.booleans(), epoch=st.booleans())
    @holding
    def spawn_child(self, n: int, door: str, options: dict[str, Any], detached: bool, epoch: bool) -> None:
        if handle := self.held(n, epoch=epoch):
            self._spawn("spawn_child", handle[0], door, {**options, "parent_task_id": handle[1], "detached": detached}, handle[3])

    @rule(n=NUMBER, door=DOOR)
    @knowing
    def stale_parent(self, n: int, door: str) -> None:
        if handle := self.stale(n):
            self._spawn("stale_parent", self.queue(n), door, {"parent_task_id": handle[1]}, handle[3])

    def _spawn(self, name: str, queue: str, door: str, options: dict[str, Any], epoch: int | None) -> None:
        self.both(
            name,
            lambda: self.actors.spawn(door, queue, options, epoch),
            lambda real: self.world.spawn(queue, options, epoch, uuid4() if isinstance(real, Word) else real[0]),
        )

    @rule(n=NUMBER, door=DOOR, event=st.sampled_from(EVENTS), value=st.sampled_from(VALUES))
    def emit(self, n: int, door: str, event: str, value: Any) -> None:
        self._emit("emit", self.queue(n), door, event, value)

    def _emit(self, name: str, queue: str, door: str, event: str, value: Any) -> None:
        self.both(name, lambda: self.actors.emit(door, queue, event, value), lambda _: self.world.emit(queue, event, value))

    @rule(n=NUMBER, door=DOOR)
    @having
    def cancel(self, n: int, door: str) -> None:
        if n % 3 == 0 and (task := self.task(n // 3)):
            self._cancel("cancel", task.queue, task.id, door)

    def _cancel(self, name: str, queue: str, task: Any, door: str) -> None:
        self.both(name, lambda: self.actors.cancel(door, queue, task), lambda _: self.world.cancel(queue, task))

    @rule(n=NUMBER, door=DOOR, most=st.sampled_from([None, None, 1, 5]))
    @having
    def retry(self, n: int, door: str, most: int | None) -> None:
        if task := self.task(n, "failed") or self.task(n):
            self._retry("retry", task.queue, task.id, door, most)

    def _retry(self, name: str, queue: str, task: Any, door: str, most: int | None) -> None:
        self.both(name, lambda: self.actors.retry(door, queue, task, most), lambda _: self.world.retry(queue, task, most))

    @rule(n=NUMBER, door=DOOR)
    @knowing
    def stale_task(self, n: int, door: str) -> None:
        """An operator with a task id of another queue, a purged one, or a run id."""
        if handle := self.stale(n):
            queue, task, attempt, _ = handle
            self._cancel("stale_task", queue, run_id(task, attempt), door)
            self._retry("stale_task", queue, run_id(task, attempt), door, None)
            other = self.queues[queue == self.queues[0]]
            self._cancel("stale_task", other, task, door) if self.world.find(queue, task) else self._cancel("stale_task", queue, task, door)

    @rule(n=NUMBER, door=DOOR, ttl=st.sampled_from([0, 30]))
    def cleanup(self, n: int, door: str, ttl: int) -> None:
        queue = self.queue(n)
        self._cleanup("cleanup", queue, door, ttl)
        if n % 3 == 0:
            self.actors.cleanup(door, "cleanup_events", queue, ttl)
            self.world.cleanup_events(queue, ttl)

    @rule(n=NUMBER, door=DOOR, ttl=st.sampled_from([0, 30]))
    def forget(self, n: int, door: str, ttl: int) -> None:
        queue = self.queue(n)
        self.both(
            "forget",
            lambda: self.actors.cleanup(door, "cleanup_workflow_runs", queue, ttl),
            lambda _: self.world.cleanup_workflow_runs(queue, ttl),
        )

    def _cleanup(self, name: str, queue: str, door: str, ttl: int) -> None:
        self.both(
            name,
            lambda: self.actors.cleanup(door, "cleanup_tasks", queue, ttl),
            lambda _: self.world.cleanup_tasks(queue, ttl),
        )

    @rule(n=NUMBER, door=DOOR)
    @having
    def look_up(self, n: int, door: str) -> None:
        if task := self.task(n):
            queue = self.queue(n)
            self.both(
                "look_up",
                lambda: _plain(self.actors.result(door, queue, task.id)),
                lambda _: self.world.result(queue, task.id),
            )

    @rule(seconds=CLOCK)
    def time_passes(self, seconds: int) -> None:
        self.count("time_passes")
        self.move_clock(seconds)

    # -- workers ------------------------------------------------------------------------------------------------------
    @rule(n=NUMBER, door=DOOR, qty=st.sampled_from([1, 1, 3]), lease=st.sampled_from(LEASES))
    def claim(self, n: int, door: str, qty: int, lease: int) -> None:
        self._claim(self.queue(n), door, qty, lease, f"w{n % 3}")

    def _claim(self, queue: str, door: str, qty: int, lease: int, worker: str) -> None:
        answer = self.both(
            "claim",
            lambda: self.actors.claim(door, queue, worker, lease, qty),
            lambda _: self.world.claim(queue, worker, lease, qty),
        )
        self.claims += [(queue, task, attempt, epoch) for task, attempt, epoch, _, _ in answer]

    @rule(n=NUMBER, door=DOOR, epoch=st.booleans(), value=st.sampled_from(VALUES))
    @holding
    def complete(self, n: int, door: str, epoch: bool, value: Any) -> None:
        self._complete("complete", self.held(n, epoch=epoch), door, value)

    @rule(n=NUMBER, door=DOOR, value=st.sampled_from(VALUES))
    @knowing
    def stale_complete(self, n: int, door: str, value: Any) -> None:
        self._complete("stale_complete", self.stale(n), door, value)

    def _complete(self, name: str, handle: Handle | None, door: str, value: Any) -> None:
        if handle:
            queue, task, attempt, epoch = handle
            self.both(
                name,
                lambda: self.actors.complete(door, queue, run_id(task, attempt), value, epoch),
                lambda _: self.world.complete(queue, (task, attempt), value, epoch),
            )

    @rule(n=NUMBER, door=DOOR, epoch=st.booleans(), wait=st.sampled_from([None, None, 0, 9, 50]), final=st.integers(0, 3))
    @holding
    def fail(self, n: int, door: str, epoch: bool, wait: int | None, final: int) -> None:
        self._fail("fail", self.held(n, epoch=epoch), door, wait, final != 0)

    @rule(n=NUMBER, door=DOOR, wait=st.sampled_from([None, 9]), final=st.booleans())
    @knowing
    def stale_fail(self, n: int, door: str, wait: int | None, final: bool) -> None:
        self._fail("stale_fail", self.stale(n), door, wait, not final)

    def _fail(self, name: str, handle: Handle | None, door: str, wait: int | None, retryable: bool) -> None:
        if handle:
            queue, task, attempt, epoch = handle
            when = None if wait is None else self.world.now + wait
            self.both(
                name,
                lambda: self.actors.fail(door, queue, run_id(task, attempt), "why", when, epoch, retryable),
                lambda _: self.world.fail(queue, (task, attempt), "why", when, epoch, retryable),
            )

    @rule(n=NUMBER, door=DOOR, epoch=st.booleans(), wait=st.sampled_from([-5, 0, 8]))
    @holding
    def schedule(self, n: int, door: str, epoch: bool, wait: int) -> None:
        self._schedule("schedule", self.held(n, epoch=epoch), door, wait)

    @rule(n=NUMBER, door=DOOR)
    @knowing
    def stale_schedule(self, n: int, door: str) -> None:
        self._schedule("stale_schedule", self.stale(n), door, 8)

    def _schedule(self, name: str, handle: Handle | None, door: str, wait: int) -> None:
        if handle:
            queue, task, attempt, epoch = handle
            when = self.world.now + wait
            self.both(
                name,
                lambda: self.actors.schedule(door, queue, run_id(task, attempt), when, epoch),
                lambda _: self.world.schedule(queue, (task, attempt), when, epoch),
            )

    @rule(n=NUMBER, door=DOOR, epoch=st.booleans(), step=st.sampled_from(STEPS), value=st.sampled_from(VALUES))
    @holding
    def checkpoint(self, n: int, door: str, epoch: bool, step: str, value: Any) -> None:
        self._checkpoint("checkpoint", self.held(n, epoch=epoch), door, step, value, [None, 5, 60][n % 3])

    @rule(n=NUMBER, door=DOOR, step=st.sampled_from(STEPS), value=st.sampled_from(VALUES))
    @knowing
    def stale_checkpoint(self, n: int, door: str, step: str, value: Any) -> None:
        self._checkpoint("stale_checkpoint", self.stale(n), door, step, value, [None, 60][n % 2])

    def _checkpoint(self, name: str, handle: Handle | None, door: str, step: str, value: Any, extend: int | None) -> None:
        if handle:
            queue, task, attempt, epoch = handle
            self.both(
                name,
                lambda: self.actors.checkpoint(door, queue, task, run_id(task, attempt), step, value, extend, epoch),
                lambda _: self.world.checkpoint(queue, task, (task, attempt), step, value, extend, epoch),
            )

    @rule(n=NUMBER, door=DOOR, epoch=st.booleans(), step=st.sampled_from(STEPS), timeout=st.sampled_from([None, 0, 6, 40]))
    @holding
    def await_event(self, n: int, door: str, epoch: bool, step: str, timeout: int | None) -> None:
        self._await("await_event", self.held(n, epoch=epoch), door, step, EVENTS[n % 7], timeout)

    @rule(n=NUMBER, door=DOOR, step=st.sampled_from(STEPS), timeout=st.sampled_from([None, 6]))
    @knowing
    def stale_await(self, n: int, door: str, step: str, timeout: int | None) -> None:
        self._await("stale_await", self.stale(n), door, step, EVENTS[n % 7], timeout)

    def _await(self, name: str, handle: Handle | None, door: str, step: str, event: str, timeout: int | None) -> None:
        if not handle:
            return
        queue, task, attempt, epoch = handle
        answer = self.both(
            name,
            lambda: self.actors.await_event(door, queue, task, run_id(task, attempt), step, event, timeout, epoch),
            lambda _: self.world.await_event(queue, task, (task, attempt), step, event, timeout, epoch),
        )
        if answer is not None and not answer[0] and epoch is not None:
            self.wrong(self.history.told(task, step, answer[1]))

    @rule(n=NUMBER, door=DOOR, epoch=st.booleans(), seconds=st.sampled_from([0, 3, 60]))
    @holding
    def extend(self, n: int, door: str, epoch: bool, seconds: int) -> None:
        self._extend("extend", self.held(n, epoch=epoch), door, seconds)

    @rule(n=NUMBER, door=DOOR)
    @knowing
    def stale_extend(self, n: int, door: str) -> None:
        self._extend("stale_extend", self.stale(n), door, 60)

    def _extend(self, name: str, handle: Handle | None, door: str, seconds: int) -> None:
        if handle:
            queue, task, attempt, epoch = handle
            self.both(
                name,
                lambda: self.actors.extend(door, queue, run_id(task, attempt), seconds, epoch),
                lambda _: self.world.extend(queue, (task, attempt), seconds, epoch),
            )

    @rule(n=NUMBER, door=DOOR, m=NUMBER, release=st.booleans())
    @holding
    def keep_or_release(self, n: int, door: str, m: int, release: bool) -> None:
        self._many("keep_or_release", [self.held(n, epoch=True), self.held(m, epoch=True)], door, release and n % 2 == 0)

    @rule(n=NUMBER, door=DOOR, m=NUMBER, release=st.booleans())
    @knowing
    def stale_claims(self, n: int, door: str, m: int, release: bool) -> None:
        """One claim that holds among those that do not: it is not spoiled."""
        self._many("stale_claims", [self.stale(n), self.stale(m), self.held(m, epoch=True)], door, release)

    def _many(self, name: str, handles: list[Handle | None], door: str, release: bool) -> None:
        chosen = {h[1]: h[3] if h[3] is not None else 1 for h in handles if h}
        # an epoch below nought is no claim at all: it is refused before it is judged
        claims = [(task, max(0, epoch)) for task, epoch in chosen.items()]
        first = next((h for h in handles if h), None)
        if first is None:
            return
        queue, beat = first[0], 20
        if release:
            self.both(name, lambda: self.actors.many(door, "release_claims", queue, claims), lambda _: self.world.release(queue, claims))
        else:
            self.both(
                name, lambda: self.actors.many(door, "heartbeat", queue, claims, beat), lambda _: self.world.heartbeat(queue, claims, beat)
            )

    # -- direct writes ------------------------------------------------------------------------------------------------
    @rule(n=NUMBER)
    def raw_moves(self, n: int) -> None:
        """Every move that is not listed, from the state of some task, tried by the owner."""
        if task := self.task(n // 6, STATES[n % 6]) or self.task(n, *STATES):
            self.count("raw_moves")
            tried, passed = raw.forbidden_moves(self.db, task.id, task.state)
            self.coverage.tried |= tried
            self.wrong(passed)
        tried, passed = raw.forbidden_inserts(self.db, self.queues[0])
        self.coverage.tried |= tried
        self.wrong(passed)

    @rule(n=NUMBER, statement=st.sampled_from(sorted(raw.BY_OWNER)))
    @having
    def raw_owner(self, n: int, statement: str) -> None:
        task = self.task(n, *STATES)
        if task and (task.parent is None or "workflow_run" not in statement):  # a child has none of its own
            self.count("raw_owner")
            said = raw.outcome(self.db, None, statement.replace("{queue}", task.queue), task.id)
            self.wrong([] if said == raw.BY_OWNER[statement] else [f"{statement}: {said}"])

    @rule(n=NUMBER, statement=st.sampled_from(raw.BY_ROLE), role=st.sampled_from(["worker", "client", "operator", "reader"]))
    def raw_role(self, n: int, statement: str, role: str) -> None:
        task = self.task(n)
        self.count("raw_role")
        said = raw.outcome(self.db, f"tollway_{role}", statement.replace("{queue}", self.queues[0]), task.id if task else uuid4())
        self.wrong([] if said == "42501" else [f"tollway_{role}: {statement}: {said}"])

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        self.look()


def _plain(answer: Any) -> Any:
    if answer is None or isinstance(answer, Word):
        return answer
    state, result, reason = answer
    return state, result, {k: v for k, v in reason.items() if k != "claimExpiredAt"} if isinstance(reason, dict) else reason
