"""What a session of a schedule does: one call of a public function, aimed at the scene's task `t`.

`skips`: the call never waits for a task's row; what it skipped it is asked for again when the others have ended, as a worker would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from races.scenes import KEY, LONG, Scene, instance
from races.schedule import op

API = Path(__file__).parents[2] / "src" / "tollway" / "sql" / "40_api"
SQLSTATE = re.compile(r"\b(?=\w*\d)[0-9A-Z]{5}\b")
Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Actor:
    name: str
    function: str
    statement: Callable[[Scene, str], Statement]  # of the scene, and of who calls: a name that goes into what it writes
    subject: str = "t"
    skips: bool = False

    def fits(self, scene: Scene) -> bool:
        return not self.subject or self.subject in scene.tasks

    def declared(self) -> set[str]:
        return declared(self.function)


@cache
def declared(function: str) -> set[str]:
    """The SQLSTATEs of a function's header: its Raises, and those of the functions that it names there."""
    header = (API / f"{function}.sql").read_text().split("create or replace")[0]
    raises = re.search(r"-- Raises +(.*?)\n-- \w", header, re.DOTALL)
    assert raises, function
    other = re.search(r"\bas (\w+)", raises[1])
    return set(SQLSTATE.findall(raises[1])) | (declared(other[1]) if other and (API / f"{other[1]}.sql").exists() else set())


ACTORS: dict[str, Actor] = {}


def actor(name: str, function: str, arguments: Callable[[Scene, str], tuple[Any, ...]], **options: Any) -> None:
    def statement(scene: Scene, who: str) -> Statement:
        given = (scene.queue, *arguments(scene, who))
        return f"select to_jsonb(f) from absurd.{function}({', '.join(['%s'] * len(given))}) f", given

    ACTORS[name] = Actor(name, function, statement, **options)


def syncs(name: str, ops: Callable[[Scene, str], list[dict[str, Any]]], *, strict: bool = False, **options: Any) -> None:
    def statement(scene: Scene, who: str) -> Statement:
        numbered = [{"n": n, **o} for n, o in enumerate(ops(scene, who))]
        request = {"queue": scene.queue, "worker": f"w{who}", "strict": strict, "ops": numbered}
        return "select absurd.worker_sync(%s) -> 'ops'", (json.dumps(request, default=str),)

    ACTORS[name] = Actor(name, "worker_sync", statement, skips=not strict, **options)


def claims(s: Scene, name: str = "t") -> str:
    return json.dumps([{"task_id": str(s.tasks[name].task_id), "epoch": s.tasks[name].epoch}])


# the worker's calls, one at a time
actor("complete", "complete_run", lambda s, who: (s.tasks["t"].run_id, f'"{who}"', s.tasks["t"].epoch))
actor("complete_foreign", "complete_run", lambda s, who: (s.tasks["t"].run_id, f'"{who}"'))
actor("fail_retry", "fail_run", lambda s, who: (s.tasks["t"].run_id, f'"{who}"', None, s.tasks["t"].epoch))
actor("fail_final", "fail_run", lambda s, who: (s.tasks["t"].run_id, f'"{who}"', None, s.tasks["t"].epoch, False))
actor("sleep", "schedule_run", lambda s, who: (s.tasks["t"].run_id, "infinity", s.tasks["t"].epoch))
actor("extend", "extend_claim", lambda s, who: (s.tasks["t"].run_id, 2 * LONG, s.tasks["t"].epoch))
actor(
    "checkpoint",
    "set_task_checkpoint_state",
    lambda s, who: (s.tasks["t"].task_id, "s", f'"{who}"', s.tasks["t"].run_id, None, s.tasks["t"].epoch),
)
actor("record_step", "record_step", lambda s, who: (s.tasks["t"].task_id, s.tasks["t"].epoch, "s", f'"{who}"'), skips=True)
actor("record_steps", "record_steps", lambda s, who: ([s.tasks["t"].task_id], [s.tasks["t"].epoch], ["s"], f'["{who}"]'), skips=True)
actor("await", "await_event", lambda s, who: (s.tasks["t"].task_id, s.tasks["t"].run_id, "s", "e", None, s.tasks["t"].epoch))
actor("heartbeat", "heartbeat", lambda s, who: (claims(s), 3 * LONG), skips=True)
actor("release", "release_claims", lambda s, who: (claims(s),), skips=True)
actor("claim", "claim_tasks", lambda s, who: (f"w{who}", LONG, 10), subject="", skips=True)

# clients and operators
actor("emit", "emit_event", lambda s, who: ("e", f'"{who}"'), subject="")
actor("emit_g", "emit_event", lambda s, who: ("g", f'"{who}"'), subject="")
actor("cancel", "cancel_task", lambda s, who: (s.tasks["t"].task_id,))
actor("cancel_parent", "cancel_task", lambda s, who: (s.tasks["p"].task_id,), subject="p")
actor("cancel_u", "cancel_task", lambda s, who: (s.tasks["u"].task_id,), subject="u")
actor("cancel_x", "cancel_task", lambda s, who: (s.tasks["x"].task_id,), subject="x")
actor("cancel_y", "cancel_task", lambda s, who: (s.tasks["y"].task_id,), subject="y")
actor("retry", "retry_task", lambda s, who: (s.tasks["t"].task_id,))
actor("spawn", "spawn_task", lambda s, who: (f"new-{who}", "1", json.dumps({"idempotency_key": KEY})), subject="")
actor("spawn_l", "spawn_task", lambda s, who: (f"new-{who}", "1", json.dumps({"idempotency_key": "l"})), subject="")
actor(
    "spawn_child",
    "spawn_task",
    lambda s, who: (f"new-{who}", "1", json.dumps({"parent_task_id": str(s.tasks["t"].task_id)}), s.tasks["t"].epoch),
)
actor(
    "spawn_brother",
    "spawn_task",
    lambda s, who: (f"new-{who}", "1", json.dumps({"parent_task_id": str(s.tasks["p"].task_id)})),
    subject="p",
)
actor(
    "spawn_many",
    "spawn_tasks",
    lambda s, who: (json.dumps([{"task_name": f"new-{who}-{k}", "options": {"idempotency_key": k}} for k in _order(who)]),),
    subject="",
)
actor("cleanup_tasks", "cleanup_tasks", lambda s, who: (60,), subject="", skips=True)
actor("cleanup_workflow_runs", "cleanup_workflow_runs", lambda s, who: (60,), subject="", skips=True)
actor("cleanup_events", "cleanup_events", lambda s, who: (60,), subject="", skips=True)
actor("worker_idle", "worker_idle", lambda s, who: (instance(who),), subject="")
actor("create_queue", "create_queue", lambda s, who: (), subject="")
actor("drop_queue", "drop_queue", lambda s, who: (), subject="")

# the end of another task of the family
actor("complete_brother", "complete_run", lambda s, who: (s.tasks["u"].run_id, f'"{who}"', s.tasks["u"].epoch), subject="u")
actor("fail_child", "fail_run", lambda s, who: (s.tasks["c"].run_id, f'"{who}"', None, s.tasks["c"].epoch, False), subject="c")

# group commits
syncs("sync_checkpoint", lambda s, who: [op("checkpoint", s.tasks["t"], step="s", state=who)])
syncs("sync_complete", lambda s, who: [op("complete", s.tasks["t"], result=who)])
syncs("sync_fail", lambda s, who: [op("fail", s.tasks["t"], reason=who)])
syncs("sync_sleep", lambda s, who: [op("sleep", s.tasks["t"], until="infinity")])
syncs("sync_await", lambda s, who: [op("await", s.tasks["t"], step="s", event="e")])
syncs("sync_await_task", lambda s, who: [op("await_task", s.tasks["t"], step="s", task=s.tasks["u"].task_id)], subject="u")
syncs("sync_emit", lambda s, who: [op("emit", s.tasks["t"], event="e", payload=who)])
syncs("sync_spawn", lambda s, who: [op("spawn", s.tasks["t"], step="child", task_name=f"new-{who}", options={"idempotency_key": KEY})])
syncs("sync_put_back", lambda s, who: [op("put_back", s.tasks["t"], seconds=60)])
syncs("sync_release", lambda s, who: [op("release", s.tasks["t"])])
syncs(
    "sync_strict",
    lambda s, who: [
        op("emit", s.tasks["t"], event="e", payload=who),
        op("spawn", s.tasks["t"], step="child", task_name=f"new-{who}", options={"idempotency_key": KEY}),
        op("checkpoint", s.tasks["t"], step="s", state=who),
    ],
    strict=True,
)
syncs(
    "sync_mixed",
    lambda s, who: [op("checkpoint", s.tasks["t"], step="s", state=who), op("emit", s.tasks["u"], event="g", payload=who)],
    subject="x",
)

# the same, by a task beside t: what meets t is the event or the key
syncs("sync_emit_other", lambda s, who: [op("emit", s.tasks["u"], event="e", payload=who)], subject="u")
syncs(
    "sync_spawn_other",
    lambda s, who: [op("spawn", s.tasks["u"], step="child", task_name=f"new-{who}", options={"idempotency_key": KEY})],
    subject="u",
)
syncs("sync_await_t", lambda s, who: [op("await_task", s.tasks["u"], step="s", task=s.tasks["t"].task_id)], subject="u")
syncs(
    "sync_strict_other",
    lambda s, who: [
        op("emit", s.tasks["u"], event="e", payload=who),
        op("spawn", s.tasks["u"], step="child", task_name=f"new-{who}", options={"idempotency_key": KEY}),
        op("checkpoint", s.tasks["u"], step="s", state=who),
    ],
    subject="u",
    strict=True,
)


def _order(who: str) -> list[str]:
    """Two keys, in one order or the other."""
    return [KEY, "l"] if who == "A" else ["l", KEY]
