"""The values that arguments are made of, by type and by name. A type without a pool fails: a new function is fuzzed, or red."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

from fuzz.documents import document
from fuzz.scene import OTHER, QUEUE, Scene, dump
from sql.helpers import NOBODY

I32, I64 = 2**31 - 1, 2**63 - 1

# Latin and Cyrillic o, a combining accent, a right-to-left mark, quotes, what ends a string or a statement, and a line end
HARD_TEXTS = (
    "", " ", "\t", "q\u043e", "\u043erders", "e\u0301", "\u202eabc", '"; drop schema absurd cascade; --', "'; select 1; --", "$$",
    "%s %I %L",
    "a\nb", "a\\", "\x01", "null", "x" * 57, "x" * 58, "x" * 63, "é" * 31 + "x", "x" * 64, "x" * 255, "x" * 256, "y" * 5000, "😀" * 60,
    "infinity", "NaN", "t_q", "on_move:1", QUEUE + " ", QUEUE.upper(), "pg_catalog", "\\u0000",
)  # fmt: skip
WORDS: dict[str, tuple[str, ...]] = {
    "p_queue_name": (QUEUE,) * 6 + (OTHER, "nowhere"),
    "p_handler_queue": (QUEUE, OTHER, "nowhere"),
    "p_event_name": ("awaited", "emitted", "new"),
    "p_step_name": ("s", "new"), "p_step_names": ("s", "new"),
    "p_task_name": ("work", "new"),
    "p_handler_task": ("work", "handler"),
    "p_to_state": ("pending", "running", "sleeping", "completed", "failed", "cancelled"),
    "p_storage_mode": ("unpartitioned", "partitioned", " Partitioned "),
    "p_partition_table": ("t_q", "task", "t_q_d", "t_q_627", "absurd_event_log", "r_x_123"),
    "p_unschedule_job_name": ("absurd_drop_run_x", "absurd_drop_run_"),
    "p_cleanup_schedule": ("* * * * *",), "p_partition_schedule": ("* * * * *",), "p_detach_schedule": ("* * * * *",),
}  # fmt: skip
TIMES = (
    "infinity", "-infinity", "2030-01-01T00:00:00Z", "2030-01-01T00:00:30Z", "2029-12-31T23:59:59Z", "294276-12-31T23:59:59Z",
    "4713-01-01 00:00:00 BC", "1970-01-01T00:00:00Z", "2040-02-29T00:00:00.000001+14:00", "10889-08-02T05:31:50.655Z",
    "10889-08-02T05:31:50.656Z",
)  # fmt: skip
SECONDS = (0, 1, 30, -1, 86400, I32, -I32 - 1, I32 - 1)


def _text(pick: random.Random, name: str, scene: Scene) -> str:
    words = WORDS.get(name, ("work",))
    if pick.random() < (0.85 if name == "p_queue_name" else 0.6):
        return pick.choice(words)
    return pick.choice((*HARD_TEXTS, str(pick.choice(scene.tasks))))


def _uuid(pick: random.Random, name: str, scene: Scene) -> str:
    known = scene.runs if "run" in name else scene.tasks
    if pick.random() < 0.75:
        return str(pick.choice(known))
    others = (*scene.tasks, *scene.runs, NOBODY, uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=pick.getrandbits(128)))
    return str(pick.choice(others))


def _integer(pick: random.Random, _name: str, _scene: Scene) -> int:
    return pick.choice((*SECONDS, pick.randint(-5, 400)))


def _bigint(pick: random.Random, _name: str, _scene: Scene) -> int:
    return pick.choice((1, 1, 1, 2, 2, 0, -1, I32, I64, -I64 - 1))


def _jsonb(pick: random.Random, name: str, scene: Scene) -> str:
    return dump(document(pick, name, scene))


def _several(make: Callable[[random.Random, str, Scene], Any]) -> Callable[[random.Random, str, Scene], list[Any]]:
    """An array: of one, mostly, so that it may fit the others of its call; and with what an array may hold besides."""

    def several(pick: random.Random, name: str, scene: Scene) -> list[Any]:
        return [None if pick.random() < 0.05 else make(pick, name, scene) for _ in range(pick.choice((1, 1, 1, 1, 0, 2, 3)))]

    return several


POOLS: dict[str, Callable[[random.Random, str, Scene], Any]] = {
    "text": _text,
    "uuid": _uuid,
    "integer": _integer,
    "bigint": _bigint,
    "double precision": lambda pick, _n, _s: pick.choice((0.0, 1.5, -1.0, 1e308, float("inf"), float("nan"))),
    "boolean": lambda pick, _n, _s: pick.choice((True, False)),
    "timestamp with time zone": lambda pick, _n, _s: pick.choice(TIMES),
    "jsonb": _jsonb,
}
POOLS |= {f"{kind}[]": _several(POOLS[kind]) for kind in ("text", "uuid", "bigint", "double precision")}


def value(pick: random.Random, kind: str, name: str, scene: Scene) -> Any:
    """A value for an argument of this type; SQL NULL now and then. Raises: KeyError, when the type has no pool."""
    make = POOLS[kind]
    return None if pick.random() < 0.07 else make(pick, name, scene)
