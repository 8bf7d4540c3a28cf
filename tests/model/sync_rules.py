"""The worker's group commit: several operations in one call, of tasks that are held and of tasks that are not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from model.machine import DOOR, EVENTS, NUMBER, STEPS, VALUES, Handle, holding, knowing
from model.rules import Workers
from model.sync import Op

KIND = st.sampled_from(["checkpoint", "complete", "fail", "sleep", "await", "await_task", "emit", "spawn", "put_back", "release"])
PLAN = st.lists(st.tuples(KIND, NUMBER), min_size=1, max_size=3)


class Grouped(Workers):
    """And the group commit."""

    @rule(plan=PLAN, door=DOOR, claim=st.sampled_from([None, None, (1, 30), (2, 10)]))
    @holding
    def sync(self, plan: list[tuple[str, int]], door: str, claim: tuple[int, int] | None) -> None:
        """Operations of claims that hold, the same one's or several's."""
        self._sync("sync", [(kind, n, self.held(n // 7, epoch=True)) for kind, n in plan], door, claim)

    @rule(plan=PLAN, door=DOOR, claim=st.sampled_from([None, (1, 30)]))
    @knowing
    def stale_sync(self, plan: list[tuple[str, int]], door: str, claim: tuple[int, int] | None) -> None:
        """The same with a claim that holds no longer; what stands beside it is not spoiled."""
        handles = [self.stale(n) if i == 0 else self.held(n, epoch=True) for i, (_, n) in enumerate(plan)]
        self._sync("stale_sync", [(kind, n, handle) for (kind, n), handle in zip(plan, handles, strict=True)], door, claim)

    def _sync(self, name: str, plan: list[tuple[str, int, Handle | None]], door: str, claim: tuple[int, int] | None) -> None:
        chosen = [(kind, n, handle) for kind, n, handle in plan if handle]
        if not chosen:
            return
        self._send(name, chosen[0][2][0], [self._operation(kind, n, handle) for kind, n, handle in chosen], door, claim)

    def _send(self, name: str, queue: str, ops: list[Op], door: str, claim: tuple[int, int] | None) -> None:
        request = {
            "queue": queue, "worker": "w9", "ops": [{"n": i, **_sent(op)} for i, op in enumerate(ops)],
            "claim": None if claim is None else {"qty": claim[0], "lease": claim[1]},
        }  # fmt: skip
        answer = self.both(name, lambda: _read(self.actors.sync(door, request)), lambda real: self._model(queue, ops, claim, real))
        self.claims += [(queue, task, attempt, epoch) for task, attempt, epoch, _, _ in answer[1]]
        for op, said in zip(ops, answer[0], strict=True):
            if said.get("outcome") in ("event", "ended", "timed_out") and said["status"] in ("ok", "already"):
                self.wrong(self.history.told(op["task_id"], op["step"], said["payload"]))

    def _model(self, queue: str, ops: list[Op], claim: tuple[int, int] | None, real: Any) -> Any:
        """The world's answer; children get the ids that the database gave them."""
        assert isinstance(real[0], list), f"the whole call was refused: {real}"
        spawned = [a for op, a in zip(ops, real[0], strict=True) if op["op"] == "spawn" and a["status"] == "ok"]
        assert all(a.get("child") for a in spawned), f"a child without an id: {spawned}"
        fresh = [UUID(a["child"]) for a in spawned]
        answers, claims = self.world.sync(queue, "w9", ops, claim, fresh)
        return [{**a, "payload": a.get("payload")} if "outcome" in a else a for a in answers], claims

    def _operation(self, kind: str, n: int, handle: Handle) -> Op:
        _, task, _, epoch = handle
        awaited = self.task(n)
        assert awaited is not None
        fields: dict[str, Op] = {
            "checkpoint": {"step": STEPS[n % 3], "state": VALUES[n % 4]},
            "complete": {"result": VALUES[n % 4]},
            "fail": {"reason": "why", "retry_in": (None, 9)[n % 2], "retryable": n % 5 != 0},
            "sleep": {"seconds": (0, 8)[n % 2]},
            "put_back": {"seconds": (0, 8)[n % 2]},
            "await": {"step": STEPS[n % 3], "event": EVENTS[n % 7], "timeout": (None, 6, 40)[n % 3]},
            "await_task": {"step": STEPS[n % 3], "task": awaited.id, "timeout": (None, 6, 40)[n // 3 % 3]},
            "emit": {"event": EVENTS[n % 7], "payload": VALUES[n % 4]},
            "spawn": {"step": STEPS[n % 3]},
            "release": {},
        }
        return {"op": kind, "task_id": task, "epoch": epoch if epoch is not None else 1, **fields[kind]}


def _sent(op: Op) -> Op:
    return {**op, "task_name": "work", "params": 1} if op["op"] == "spawn" else op


def _read(answer: Any) -> Any:
    """(answers without what is said to nobody, claims)"""
    ops = []
    for given in answer["ops"]:
        said = {k: v for k, v in given.items() if k != "n" and (v is not None or k == "payload")}
        if said.get("outcome") is None:
            said.pop("payload", None)
        ops.append(said)
    claims = [(UUID(t["task_id"]), t["attempt"], t["claim_epoch"], t["wake_event"], t["event_payload"]) for t in answer["claims"]]
    return ops, claims
