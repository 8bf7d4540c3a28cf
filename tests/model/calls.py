"""What each call owes, in terms of the world: one method a function of the interface. It answers, or raises Refused."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from model.world import LIVE, OVER, Refused, Saved, Task, Wait, World, cancelled_because

Run = tuple[UUID, int]
"""A run is an attempt of a task."""


class Calls(World):
    """The world, with its interface."""

    # -- spawn, cancel, retry -----------------------------------------------------------------------------------------
    def spawn(self, queue: str, options: dict[str, Any], parent_epoch: int | None, fresh: UUID) -> tuple[UUID, int, bool]:
        """(task, attempt, created). `fresh` is the id that a new task gets."""
        parent = self._parent(options.get("parent_task_id"), parent_epoch)
        known = [t for t in self.of_queue(queue, *LIVE, *OVER) if t.key is not None and t.key == options.get("idempotency_key")]
        if known:
            return known[0].id, known[0].attempt, False
        self.add(self.made(queue, options, parent, fresh))
        return fresh, 1, True

    def made(self, queue: str, options: dict[str, Any], parent: Task | None, fresh: UUID) -> Task:
        delay, rules, retry = options.get("delay_seconds") or 0, options.get("cancellation") or {}, options.get("retry_strategy")
        detached, within = options.get("detached", False), options.get("deadline_seconds")
        limits = [None if within is None else self.now + within, parent.deadline if parent and not detached else None]
        return Task(
            id=fresh, queue=queue, state="sleeping" if delay > 0 else "pending", available=self.now + delay, enqueued=self.now,
            max_attempts=options.get("max_attempts"), max_delay=rules.get("max_delay"), max_duration=rules.get("max_duration"),
            retry=(retry["kind"], retry.get("base_seconds", 0), retry.get("factor", 2)) if retry else None,
            deadline=min((m for m in limits if m is not None), default=None), priority=options.get("priority", 0),
            key=options.get("idempotency_key"), parent=parent.id if parent else None, detached=detached,
        )  # fmt: skip

    def _parent(self, task_id: UUID | None, epoch: int | None) -> Task | None:
        if task_id is None:
            return None
        parent = self.tasks.get(task_id)
        if parent is None or parent.state == "purged":
            raise Refused("TW301")
        if epoch is not None and (parent.epoch != epoch or parent.state in ("pending", "sleeping")):
            raise Refused("AB001" if parent.state == "cancelled" and parent.epoch == epoch else "TW201")
        if parent.state in OVER:
            raise Refused("AB001" if parent.state == "cancelled" else "TW301")
        return parent

    def cancel(self, queue: str, task_id: UUID) -> None:
        task = self._there(queue, task_id)
        if task.state in LIVE:
            self.move(task, "cancelled", "task.cancelled", error=cancelled_because(self.by))

    def retry(self, queue: str, task_id: UUID, max_attempts: int | None) -> int:
        task = self._there(queue, task_id)
        if task.state != "failed":
            raise Refused("P0001")
        most = max_attempts or (task.max_attempts or task.attempt) + 1
        if most <= task.attempt:
            raise Refused("P0001")
        # the clock of max_duration starts anew, and the delay rule no longer applies
        self.move(task, "pending", "task.retried", attempt=task.attempt + 1, max_attempts=most, available=self.now)
        return task.attempt

    def _there(self, queue: str, task_id: UUID) -> Task:
        task = self.find(queue, task_id)
        if task is None:
            raise Refused("P0001")
        return task

    # -- claim and sweep ----------------------------------------------------------------------------------------------
    def claim(self, queue: str, worker: str, lease: int, qty: int) -> list[tuple[UUID, int, int, str | None, Any]]:
        """(task, attempt, epoch, wake_event, event_payload) in order, after the rules and the expired leases."""
        for task in sorted((t for t in self.of_queue(queue, *LIVE) if self._rule_is_due(t)), key=lambda t: (t.cancel_at, t.id)):
            self._by_rule(task)
        expired = [t for t in self.of_queue(queue, "running") if t.lease is not None and t.lease <= self.now]
        for task in sorted(expired, key=lambda t: (t.lease, t.id)):
            if task.state == "running":  # its parent's recovery may have cancelled it
                reason = {
                    "name": "$ClaimTimeout", "message": "worker did not finish task within claim interval",
                    "workerId": task.worker, "attempt": task.attempt,
                }  # fmt: skip
                self._failed(task, reason, None, retryable=True)
        ready = [t for t in self.of_queue(queue, "pending", "sleeping") if t.available <= self.now and not self._rule_is_due(t)]
        chosen = sorted(ready, key=lambda t: (t.priority, t.available, t.id))[:qty]
        for task in chosen:
            self.move(task, "running", "run.claimed", epoch=task.epoch + 1, worker=worker, lease=self.now + lease, available=self.now)
        return [(t.id, t.attempt, t.epoch, t.wake_event, t.payload) for t in chosen]

    def _rule_is_due(self, task: Task) -> bool:
        return task.cancel_at is not None and task.cancel_at <= self.now

    def _by_rule(self, task: Task) -> None:
        if task.state not in LIVE:
            return
        over = task.deadline is not None and task.deadline <= self.now
        rule = "deadline" if over else "max_delay" if task.first_started is None else "max_duration"
        self.move(task, "cancelled", "task.cancelled", error=cancelled_because(self.by, rule))

    # -- the end of a run ---------------------------------------------------------------------------------------------
    def complete(self, queue: str, run: Run, result: Any, epoch: int | None) -> None:
        task, state = self._run(queue, run)
        if state == "completed" and task.result == result and epoch in (None, task.epoch):
            return
        self._may(task, run, state, epoch)
        self.move(task, "completed", "run.completed", result=result)

    def fail(self, queue: str, run: Run, reason: Any, retry_at: float | None, epoch: int | None, retryable: bool) -> None:
        task, state = self._run(queue, run)
        self._may(task, run, state, epoch)
        self._failed(task, reason, retry_at, retryable=retryable)

    def _failed(self, task: Task, reason: Any, retry_at: float | None, *, retryable: bool) -> None:
        if not retryable or (task.max_attempts is not None and task.attempt >= task.max_attempts):
            self.move(task, "failed", "run.failed", error=reason)
            return
        at = max(self.now, self.next_try(task) if retry_at is None else retry_at)
        if task.max_duration is not None and at >= (task.first_started or 0) + task.max_duration:
            self.move(task, "cancelled", "task.cancelled", error=cancelled_because(self.by, "max_duration"))
            return
        state = "sleeping" if at > self.now else "pending"
        self.move(task, state, "run.retried", attempt=task.attempt + 1, available=at, error=reason)

    def schedule(self, queue: str, run: Run, at: float, epoch: int | None) -> None:
        task, state = self._run(queue, run)
        self._check_epoch(task, run, state, epoch)
        if state != "running":
            raise Refused("P0001")
        self.move(task, "sleeping", "run.suspended", available=at, wake_event=None)

    def extend(self, queue: str, run: Run, seconds: int, epoch: int | None) -> None:
        if seconds <= 0:
            raise Refused("P0001")
        task, state = self._run(queue, run)
        self._may(task, run, "cancelled" if task.state == "cancelled" else state, epoch)
        asked = self.now + seconds
        task.lease = asked if epoch is None else max(task.lease or 0, asked)

    def _run(self, queue: str, run: Run) -> tuple[Task, str]:
        task = self.find(queue, run[0])
        state = task.state_of_run(run[1]) if task else None
        if task is None or state is None:
            raise Refused("P0001")
        return task, state

    def _check_epoch(self, task: Task, run: Run, state: str, epoch: int | None) -> None:
        """Only the claim that holds the run may go on."""
        if epoch is None or (epoch == task.epoch and task.state == "running" and run[1] == task.attempt):
            return
        if epoch == task.epoch and state == "failed":
            raise Refused("AB002")
        raise Refused("AB001" if task.state == "cancelled" and epoch == task.epoch else "TW201")

    def _may(self, task: Task, run: Run, state: str, epoch: int | None) -> None:
        self._check_epoch(task, run, task.state_of_run(run[1]) or "", epoch)
        if state != "running":
            raise Refused({"cancelled": "AB001", "failed": "AB002"}.get(state, "P0001"))

    # -- steps and events ---------------------------------------------------------------------------------------------
    def checkpoint(self, queue: str, task_id: UUID, run: Run, step: str, value: Any, extend: int | None, epoch: int | None) -> None:
        task, state = self._run(queue, run)
        if task.id != task_id:
            raise Refused("P0001")
        self._may(task, run, "cancelled" if task.state == "cancelled" else state, epoch)
        have = task.saved.setdefault(step, Saved(value, "committed", task.attempt, task.epoch))
        if epoch is not None and (have.status != "committed" or have.value != value):
            raise Refused("TW202")
        if extend is not None and extend > 0:
            task.lease = max(task.lease or 0, self.now + extend)

    def await_event(
        self, queue: str, task_id: UUID, run: Run, step: str, event: str, timeout: int | None, epoch: int | None
    ) -> tuple[bool, Any]:
        """(suspended, payload)"""
        there = self.find(queue, task_id)
        have = there.saved.get(step) if there else None
        if have is not None and (have.status == "committed" or epoch is not None):
            return False, have.value
        task, state = self._run(queue, run)
        if task.id != task_id:
            raise Refused("P0001")
        self._check_epoch(task, run, state, epoch)
        if task.state == "cancelled":
            raise Refused("AB001")
        if state != "running":
            raise Refused("P0001")
        if (queue, event) in self.events:
            payload = self.events[queue, event][1]
            task.saved.setdefault(step, Saved(payload, "committed", task.attempt, task.epoch))
            task.wake_event = task.payload = None
            return False, payload
        if task.wake_event == event and task.payload is None:
            if epoch is not None:
                task.saved.setdefault(step, Saved(None, "timed_out", task.attempt, task.epoch))
            task.wake_event = None
            return False, None
        self.suspend(task, step, Wait(event, None, None if timeout is None else self.now + timeout))
        return True, None

    def suspend(self, task: Task, step: str, wait: Wait) -> None:
        """The run sleeps until what it waits for is there, or the time-out."""
        until = math.inf if wait.until is None else wait.until
        self.move(task, "sleeping", "run.suspended", available=until, wake_event=wait.event or str(wait.task), payload=None)
        task.waits[step] = wait

    def emit(self, queue: str, event: str, payload: Any) -> None:
        if (queue, event) in self.events:
            return
        self.events[queue, event] = (self.now, payload, 0)
        waiting = [t for t in self.of_queue(queue, "sleeping") if any(w.event == event for w in t.waits.values())]
        self.events[queue, event] = (self.now, payload, self.wake(waiting))
        self.emissions[queue, event] += 1

    # -- many at once -------------------------------------------------------------------------------------------------
    def heartbeat(self, queue: str, claims: list[tuple[UUID, int]], seconds: int) -> list[str]:
        held = [t for t, epoch in self._held(queue, claims) if t]
        for task in [t for t in held if self._rule_is_due(t)]:
            self._by_rule(task)
        answer = []
        for task_id, epoch in claims:
            task = self.find(queue, task_id)
            current = task is not None and task.epoch == epoch
            if task is not None and current and task.state == "running":
                task.lease = max(task.lease or 0, self.now + seconds)
            answer.append("ok" if current and task.state == "running" else "cancelled" if current and task.state == "cancelled" else "lost")
        return answer

    def release(self, queue: str, claims: list[tuple[UUID, int]]) -> list[str]:
        held = [t for t, _ in self._held(queue, claims)]
        for task in [t for t in held if t]:
            self.move(task, "pending", "run.released", available=self.now)
        return ["ok" if task else "lost" for task in held]

    def _held(self, queue: str, claims: list[tuple[UUID, int]]) -> list[tuple[Task | None, int]]:
        found = [(self.find(queue, task_id), epoch) for task_id, epoch in claims]
        return [(t if t and t.state == "running" and t.epoch == epoch else None, epoch) for t, epoch in found]

    # -- clean-up -----------------------------------------------------------------------------------------------------
    def cleanup_tasks(self, queue: str, ttl: int) -> int:
        old = [t for t in self.of_queue(queue, *OVER) if t.ended_at is not None and t.ended_at < self.now - ttl]
        self.purge(old)
        return len(old)

    def cleanup_workflow_runs(self, queue: str, ttl: int) -> int:
        old = [t for t in self.of_queue(queue, "purged") if t.parent is None and (t.purged_at or 0) < self.now - ttl and not t.forgotten]
        for task in old:
            task.forgotten = True
        return len(old)

    def cleanup_events(self, queue: str, ttl: int) -> None:
        """Emitted ones that are old; how many placeholders go with them is nobody's promise."""
        for key in [k for k, (at, _, _) in self.events.items() if k[0] == queue and at < self.now - ttl]:
            del self.events[key]

    def drop(self, queue: str) -> None:
        self.purge(self.of_queue(queue, *LIVE, *OVER))
        for key in [k for k in self.events if k[0] == queue]:
            del self.events[key]

    def result(self, queue: str, task_id: UUID) -> tuple[str, Any, Any] | None:
        task = self.find(queue, task_id)
        if task is None:
            return None
        return task.state, task.result if task.state == "completed" else None, task.error if task.state == "failed" else None
