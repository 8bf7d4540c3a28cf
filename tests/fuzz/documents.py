"""JSON arguments: what the function expects, with something wrong somewhere; or anything at all."""

from __future__ import annotations

import copy
import random
from typing import Any

from fuzz.scene import OTHER, QUEUE, Scene
from sql.helpers import NOBODY


def nested(depth: int) -> Any:
    """So many arrays in one another."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


HARD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, 10**15, 10**400, -(10**30), 1e-300, 2**31, 2**63, "", " ", "1", "1.5", "x", "NaN", "-NaN", "Infinity",
    "-Infinity", "1e300", "1e999", "1e-999", "0x10", "\u0661", "true", "infinity", "-infinity", "epoch", "now",
    "2030-02-30T00:00:00Z",
    "2030-01-31T12:00:00Z", "9999999-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2030-01-01T25:00:00Z", "2030-01-01T00:00:00+99:99",
    "1 day", "-1 day", "999999999 years", '"; drop schema absurd cascade; --', "\\u0000", "\u0001", "\u0445",
    [], {}, [[]], {"": None}, [None], {"a": {"b": []}},
    "y" * 256, "y" * 57, "y" * 58, "y" * 1025,
)  # fmt: skip
LARGE: tuple[Any, ...] = (
    nested(63),
    nested(64),
    nested(65),
    nested(600),
    "z" * 1_048_574,
    "z" * 1_048_575,
    "z" * 1_100_000,
    list(range(20_000)),
)
OPTIONS: dict[str, Any] = {
    "headers": {"workflow_run_id": "x"},
    "retry_strategy": {"kind": "exponential", "base_seconds": 1, "factor": 2, "max_seconds": 10},
    "max_attempts": 3,
    "cancellation": {"max_delay": 10, "max_duration": 10},
    "idempotency_key": "known",
    "delay_seconds": 5,
    "start_at": "2030-01-31T12:00:00Z",
    "priority": 1,
    "deadline": "2030-01-31T12:00:00Z",
    "deadline_seconds": 60,
    "detached": True,
    "tags": ["a"],
    "created_by": "me",
    "workflow_version": "1",
    "workflow_hash": "h",
    "spawn_new": False,
}


def _options(pick: random.Random, scene: Scene) -> Any:
    keys = pick.sample(sorted(OPTIONS), pick.randint(0, 4))
    given = {key: OPTIONS[key] for key in keys}
    if pick.random() < 0.2:
        given["parent_task_id"] = str(pick.choice(scene.tasks))
    return given


def _claims(pick: random.Random, scene: Scene) -> Any:
    some = pick.choices(scene.claims, k=pick.randint(0, 3))
    return [{"task_id": str(task), "epoch": pick.choice((epoch, epoch, epoch - 1, epoch + 1))} for task, _, epoch in some]


def _operation(pick: random.Random, scene: Scene) -> Any:
    task, _, epoch = pick.choice(scene.claims)
    kind = pick.choice(("checkpoint", "complete", "fail", "sleep", "await", "await_task", "emit", "spawn", "put_back", "release"))
    return {
        "n": pick.randint(0, 3),
        "op": kind,
        "task_id": str(task),
        "epoch": epoch,
        "step": pick.choice(("s", "t")),
        **{
            "checkpoint": {"state": {"x": 1}, "duration_ms": 1.5},
            "complete": {"result": 1},
            "fail": {"reason": "r", "retry_in": 5, "retryable": True},
            "sleep": {"seconds": 5},
            "await": {"event": pick.choice(("awaited", "emitted", "new")), "timeout": 5},
            "await_task": {"task": str(pick.choice((*scene.tasks, NOBODY)))},
            "emit": {"event": pick.choice(("awaited", "emitted", "new")), "payload": {"p": 1}},
            "spawn": {"queue": pick.choice((QUEUE, OTHER)), "task_name": "child", "params": 1, "options": _options(pick, scene)},
            "put_back": {"until": "2030-01-01T01:00:00Z"},
            "release": {},
        }[kind],
    }


def _request(pick: random.Random, scene: Scene) -> Any:
    return {
        "queue": QUEUE,
        "worker": "w1",
        "instance": str(NOBODY),
        "call": pick.randint(0, 3),
        "resend": pick.random() < 0.2,
        "version": "1",
        "strict": pick.random() < 0.2,
        "brief": pick.random() < 0.5,
        "ops": [_operation(pick, scene) for _ in range(pick.randint(0, 4))],
        "claim": pick.choice((None, {"qty": 2, "lease": 30})),
    }


def _policy(pick: random.Random, _scene: Scene) -> Any:
    whole = {
        "cleanup_ttl": "7 days", "cleanup_limit": 5, "partition_lookahead": "1 day", "partition_lookback": "1 day",
        "detach_min_age": "1 day",
        "detach_mode": "none", "default_partition": "enabled", "max_payload_bytes": 2048,
    }  # fmt: skip
    return {key: whole[key] for key in pick.sample(sorted(whole), pick.randint(0, 3))}


# what the argument of this name is made of; every other one is any JSON
SHAPES = {
    "p_states": lambda pick, _scene: [pick.choice((1, "x", None, {"a": 1}, "x" * 600))],
    "p_options": _options,
    "p_claims": _claims,
    "p_request": _request,
    "p_policy": _policy,
    "p_tasks": lambda pick, scene: [
        {"task_name": "work", "params": {"a": 1}, "options": _options(pick, scene)} for _ in range(pick.randint(0, 3))
    ],
    "p_strategy": lambda _pick, _scene: copy.deepcopy(OPTIONS["retry_strategy"]),
}


def document(pick: random.Random, name: str, scene: Scene) -> Any:
    """A document for the argument of this name."""
    if name not in SHAPES or pick.random() < 0.08:
        return _anything(pick)
    made = copy.deepcopy(SHAPES[name](pick, scene))
    for _ in range(pick.choice((0, 1, 1, 1, 2))):
        made = _damaged(pick, made, 0)
    return made


def _anything(pick: random.Random) -> Any:
    return pick.choice(LARGE) if pick.random() < 0.1 else pick.choice(HARD)


def _damaged(pick: random.Random, value: Any, depth: int) -> Any:
    """The document with one place changed, lost, or added."""
    if isinstance(value, dict) and value and pick.random() < 0.9:
        key = pick.choice(sorted(value))
        how = pick.random()
        if how < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if how < 0.15:
            return {**value, "unknown": _anything(pick)}
        return {**value, key: _damaged(pick, value[key], depth + 1)}
    if isinstance(value, list) and value and pick.random() < 0.85:
        place = pick.randrange(len(value))
        return [*value[:place], _damaged(pick, value[place], depth + 1), *value[place + 1 :]]
    return _anything(pick)
