"""What the project wants to reach, and what the last results say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """`of` finds the number in the results; None while it was not measured. `most`: it is to be at most so large."""

    what: str
    of: Callable[[Document], float | None]
    must: float
    goal: float
    unit: str = "x"
    most: bool = False

    def verdict(self, number: float | None) -> str:
        if number is None:
            return "not measured"
        reached = (lambda wanted: number <= wanted) if self.most else (lambda wanted: number >= wanted)
        return "goal" if reached(self.goal) else "must" if reached(self.must) else "**missed**"


def over(system: str, workload: str, variant: str) -> Callable[[Document], float | None]:
    """How many times the other's number ours is, in the same run."""

    def find(document: Document) -> float | None:
        for row in document["ratios"]:
            if (row["workload"], row["variant"], row["ours_over"]) == (workload, variant, system):
                return float(row["median"])
        return None

    return find


def ours(workload: str, variant: str, system: str = "tollway") -> Callable[[Document], float | None]:
    def find(document: Document) -> float | None:
        for row in document["results"]:
            if (row["workload"], row["variant"], row["system"]) == (workload, variant, system):
                return float(row["median"])
        return None

    return find


def part(one: Callable[[Document], float | None], other: Callable[[Document], float | None]) -> Callable[[Document], float | None]:
    """The one divided by the other."""

    def find(document: Document) -> float | None:
        above, below = one(document), other(document)
        return None if above is None or not below else above / below

    return find


ONE = "one worker, concurrency 200"
ALONE = "one workflow of 1000 steps"
TEN = "a ten-step workflow"
COMMITS = ours("steps", "one connection's commits, right after it")


def wal(system: str) -> Callable[[Document], float | None]:
    return ours("footprint", f"{TEN}, run: WAL", system)


PENDING = ours("pending", "1,000 pending")
ENDED = ours("completed", "1,000 completed")
FRESH, PINNED = (ours("pinned snapshot", f"a burst, after {percent} % of 600 s") for percent in (0, 100))
GATED, UNGATED = (ours("gate", f"{part}, ten steps") for part in ("whole", "without its projection"))
TARGETS = (
    Target("no-op tasks, over absurd", over("absurd", "noop", ONE), 10, 20),
    Target("no-op tasks, over DBOS", over("dbos", "noop", ONE), 10, 20),
    Target("no-op tasks, over Procrastinate", over("procrastinate", "noop", ONE), 10, 20),
    Target("no-op tasks, over PgQueuer", over("pgqueuer", "noop", ONE), 0.7, 1.2),
    Target("steps, over absurd", over("absurd", "steps", ONE), 40, 60),
    Target("steps, over DBOS", over("dbos", "steps", ONE), 60, 100),
    Target("one workflow alone, over absurd", over("absurd", "steps", ALONE), 1.6, 2),
    Target("one workflow alone, over one connection's commits", part(ours("steps", ALONE), COMMITS), 0.5, 1),
    Target("starts one by one, over absurd", over("absurd", "spawn", "one by one"), 1, 1),
    Target("starts in bulk, over absurd", over("absurd", "spawn", "in bulk"), 8, 15),
    Target("idle: start to result, p50", ours("latency", "spawn to result, p50, defaults"), 3, 2, "ms", most=True),
    Target("idle: start to result, p99", ours("latency", "spawn to result, p99, defaults"), 10, 10, "ms", most=True),
    *(
        Target(f"idle: start to result, p50, over {name}", over(key, "latency", "spawn to result, p50, tuned"), 1, 1, most=True)
        for name, key in (("absurd", "absurd"), ("DBOS", "dbos"), ("Procrastinate", "procrastinate"), ("PgQueuer", "pgqueuer"))
    ),
    Target("emit to resumed, p50", ours("events", "emit to resumed, p50"), 3, 2, "ms", most=True),
    Target("one event, 500 waiters", ours("events", "one event, many waiters: last goes on"), 1000, 300, "ms", most=True),
    Target("claims with 1,000,000 pending, over 1,000", part(ours("pending", "1,000,000 pending"), PENDING), 0.9, 1),
    Target("claims with 100,000 pending, over 1,000", part(ours("pending", "100,000 pending"), PENDING), 0.9, 1),
    Target("tasks beside 1,000,000 that ended, over 1,000", part(ours("completed", "1,000,000 completed"), ENDED), 0.9, 1),
    Target("a burst under a snapshot held for ten minutes, over one at its beginning", part(PINNED, FRESH), 0.5, 0.8),
    Target("WAL of a ten-step workflow, over absurd", part(wal("tollway"), wal("absurd")), 1, 0.5, most=True),
    Target("WAL of a ten-step workflow, over DBOS", part(wal("tollway"), wal("dbos")), 1, 1, most=True),
    Target("transactions of a ten-step workflow", ours("footprint", f"{TEN}, run: transactions"), 3, 3, "", most=True),
    Target("import, over Procrastinate", over("procrastinate", "idle", "import"), 1.2, 1, most=True),
    Target("memory of a worker", ours("idle", "memory of a worker"), 60, 45, "MB", most=True),
    Target("CPU of an idle worker", ours("idle", "CPU of a worker"), 5, 5, "ms a second", most=True),
    Target("transactions of an idle worker", ours("idle", "transactions of a worker"), 2, 2, "a second", most=True),
    Target(
        "no-op tasks with the gate, over those without", part(ours("gate", "whole"), ours("gate", "without its projection")), 0.5, 0.7
    ),
    Target("steps with the gate, over those without", part(GATED, UNGATED), 0.8, 0.9),
    Target("absurd's SDK on ours, over its own: tasks", part(ours("absurd's SDK: noop", ONE, "absurd_on_tollway"),
                                                             ours("absurd's SDK: noop", ONE, "absurd")), 1, 1.3),
    Target("absurd's SDK on ours, over its own: steps", part(ours("absurd's SDK: steps", ONE, "absurd_on_tollway"),
                                                             ours("absurd's SDK: steps", ONE, "absurd")), 1, 1.3),
)  # fmt: skip
