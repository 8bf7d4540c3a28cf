"""What worker_sync owes: what stands alone is done at once; of the rest, each operation is judged first, as the row stands under the
locks, then all of them are done, kind by kind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from model.calls import Calls
from model.world import OVER, Saved, Task, Wait

Op = dict[str, Any]
GOES_ON = ("checkpoint", "emit", "spawn", "await", "await_task")


class SyncedCalls(Calls):
    """The world, with its interface and the worker's group commit."""

    def sync(self, queue: str, worker: str, ops: list[Op], claim: tuple[int, int] | None, fresh: list[UUID]) -> tuple[list[Op], Any]:
        """(answers, claims). An op has op, task_id, epoch and what it needs; `claim` is (qty, lease)."""
        alone = self._lone(queue, ops)
        others = iter(self._all_judged(queue, [op for op in ops if op not in alone]))
        answers = [{"status": "ok"} if op in alone else next(others) for op in ops]
        self._finish([(op, answer) for op, answer in zip(ops, answers, strict=True) if op not in alone], queue, fresh)
        claims = [] if claim is None else self.claim(queue, worker, claim[1], claim[0])
        return answers, claims

    def _lone(self, queue: str, ops: list[Op]) -> list[Op]:
        """Steps and completions that are all their task has to say, and that nothing speaks against: recorded before all else."""
        named = [op["task_id"] for op in ops]
        lone = [
            op
            for kind in ("checkpoint", "complete")
            for op in ops
            if op["op"] == kind and named.count(op["task_id"]) == 1 and self._judged(queue, op)["status"] == "ok"
        ]
        for op in lone:
            if op["op"] == "checkpoint":
                self._recorded(queue, op, {}, [])
        self._end(queue, [(op, {}) for op in lone])
        return lone

    def _finish(self, judged: list[tuple[Op, Op]], queue: str, fresh: list[UUID]) -> None:
        done = [(op, answer) for op, answer in judged if answer["status"] == "ok"]
        for op, answer in done:
            if op["op"] in ("checkpoint", "spawn"):
                self._recorded(queue, op, answer, fresh)
        for _, answer in judged:
            if "as" in answer:
                answer["child"] = answer.pop("as")["child"]
        for op, _ in done:
            if op["op"] == "emit":
                self.emit(queue, op["event"], op["payload"])
        self._all_awaited(done)
        self._end(queue, [(op, answer) for op, answer in done if answer["status"] == "ok"])

    def _all_judged(self, queue: str, ops: list[Op]) -> list[Op]:
        """What conflicts, and what ends the run, stops the later operations of its claim."""
        answers: list[Op] = []
        over: set[tuple[UUID, int]] = set()
        steps: dict[tuple[UUID, int, str], tuple[Op, Op]] = {}
        for op in ops:
            answer, who = self._judged(queue, op), (op["task_id"], op["epoch"])
            if op["op"] in ("checkpoint", "spawn") and answer["status"] == "ok":
                first, said = steps.setdefault((*who, op["step"]), (op, answer))
                if first is not op:
                    answer = _again(op, first, said)
            if who in over:
                answer = {"status": "skipped"}
            elif answer["status"] == "conflict" or (answer["status"] == "ok" and op["op"] not in GOES_ON):
                over.add(who)
            answers.append(answer)
        return answers

    def _all_awaited(self, done: list[tuple[Op, Op]]) -> None:
        """A suspended run does nothing more."""
        suspended = set()
        for op, answer in done:
            who = (op["task_id"], op["epoch"])
            if op["op"] in ("await", "await_task"):
                answer.update({"status": "skipped"} if who in suspended else self._awaited(op))
                if answer.get("outcome") == "suspended":
                    suspended.add(who)
            elif op["op"] not in GOES_ON and who in suspended:
                answer["status"] = "skipped"

    def _judged(self, queue: str, op: Op) -> Op:
        task = self.find(queue, op["task_id"])
        if task is None:
            return {"status": "stale"}
        if task.state == "running" and task.epoch == op["epoch"]:
            have = task.saved.get(op["step"]) if op["op"] in ("checkpoint", "spawn") else None
            if have is None:
                return {"status": "ok"}
            child = have.value.get("task_id") if op["op"] == "spawn" and isinstance(have.value, dict) and "queue" in have.value else None
            if op["op"] == "spawn":
                return {"status": "already", "child": child} if child else {"status": "conflict"}
            return {"status": "already" if have.status == "committed" and have.value == op["state"] else "conflict"}
        if task.state == "cancelled" and task.epoch == op["epoch"]:
            return {"status": "cancelled"}
        if not self._happened(task, op):
            return {"status": "stale"}
        answer = {"status": "already"}
        if op["op"] in ("await", "await_task"):
            answer["outcome"] = "suspended"
        if op["op"] == "spawn":
            answer["child"] = task.saved[op["step"]].value["task_id"]
        return answer

    def _happened(self, task: Task, op: Op) -> bool:
        """Did this very operation happen, and its answer get lost?"""
        kind, last = op["op"], task.log[-1].event
        have = task.saved.get(op.get("step", ""))
        if kind == "checkpoint":
            return have is not None and have.epoch == op["epoch"] and have.value == op["state"]
        if kind == "spawn":
            return have is not None and have.epoch == op["epoch"] and isinstance(have.value, dict) and "queue" in have.value
        if kind == "complete":
            return any(r.epoch == op["epoch"] and r.state == "completed" and r.result == op["result"] for r in task.runs.values())
        if kind == "fail":
            return any(r.epoch == op["epoch"] and r.state == "failed" and r.reason == op["reason"] for r in task.runs.values())
        return task.epoch == op["epoch"] and last in {
            "sleep": ("run.suspended",), "await": ("run.suspended", "run.woken"), "await_task": ("run.suspended", "run.woken"),
            "put_back": ("run.put_back",), "release": ("run.released",),
        }.get(kind, ())  # fmt: skip

    def _recorded(self, queue: str, op: Op, answer: Op, fresh: list[UUID]) -> None:
        task = self.tasks[op["task_id"]]
        if op["op"] == "spawn":
            child = fresh.pop(0)
            self.add(self.made(queue, {}, task, child))
            answer["child"] = str(child)
            op = {**op, "state": {"task_id": str(child), "queue": queue}}
        task.saved.setdefault(op["step"], Saved(op["state"], "committed", task.attempt, task.epoch))

    def _awaited(self, op: Op) -> Op:
        """A wait for an event, or for the end of a task. An answer once given is a checkpoint, a time-out too."""
        task = self.tasks[op["task_id"]]
        have = task.saved.get(op["step"])
        status, word = "ok" if have is None else "already", "event" if op["op"] == "await" else "ended"
        come, payload = self._come(task, op)
        awaited = op["event"] if op["op"] == "await" else str(op["task"])
        if have is not None and have.status == "timed_out":
            outcome, payload = "timed_out", None
        elif have is not None:
            outcome, payload = word, have.value
        elif come:
            outcome = word
        elif task.wake_event == awaited and task.payload is None:
            outcome = "timed_out"
        else:
            until = None if op["timeout"] is None else self.now + op["timeout"]
            self.suspend(task, op["step"], Wait(op.get("event"), op.get("task"), until))
            return {"status": "ok", "outcome": "suspended"}
        if have is None:
            kept = "timed_out" if outcome == "timed_out" else "committed"
            task.saved[op["step"]] = Saved(payload, kept, task.attempt, task.epoch)
        task.wake_event = task.payload = None
        return {"status": status, "outcome": outcome, "payload": payload}

    def _come(self, task: Task, op: Op) -> tuple[bool, Any]:
        if op["op"] == "await":
            found = self.events.get((task.queue, op["event"]))
            return found is not None, found[1] if found else None
        ended = self.tasks[op["task"]]
        state = ended.state
        if state not in (*OVER, "purged"):
            return False, None
        if state == "purged":
            return True, {"state": state, "result": None, "error": None}
        return True, {"state": state, "result": ended.result, "error": ended.error}

    def _end(self, queue: str, done: list[tuple[Op, Op]]) -> None:
        for op, _ in done:
            if op["op"] == "complete":
                self.move(self.tasks[op["task_id"]], "completed", "run.completed", result=op["result"])
        for op, _ in done:
            task = self.tasks[op["task_id"]]
            if op["op"] == "release":
                self.move(task, "pending", "run.released", available=self.now)
            elif op["op"] == "sleep":
                self.move(task, "sleeping", "run.suspended", available=self.now + op["seconds"], wake_event=None)
            elif op["op"] == "put_back":
                self.move(task, "sleeping", "run.put_back", available=self.now + op["seconds"])
        failed = [(op, answer) for op, answer in done if op["op"] == "fail"]
        for op, _ in failed:
            at = None if op["retry_in"] is None else self.now + op["retry_in"]
            self._failed(self.tasks[op["task_id"]], op["reason"], at, retryable=op["retryable"])
        for op, answer in failed:
            answer["state"] = self.tasks[op["task_id"]].state


def _again(op: Op, first: Op, said: Op) -> Op:
    """The same step twice in one call: the first wins, as everywhere."""
    if op["op"] != first["op"] or op.get("state") != first.get("state"):
        return {"status": "conflict"}
    return {"status": "already", "as": said} if op["op"] == "spawn" else {"status": "already"}
