"""What is measured, of whom, and with which counts."""

from __future__ import annotations

from dataclasses import dataclass

from workloads import Workload
from workloads.backlog import completed, pending
from workloads.drain import drain
from workloads.events import events
from workloads.footprint import footprint
from workloads.gate import gate
from workloads.idle import idle
from workloads.latency import latency
from workloads.payload import payload
from workloads.pinned import pinned
from workloads.spawn import spawn
from workloads.steps import steps

TASKS, STEPS, EVENTS, THREADS = frozenset({"tasks"}), frozenset({"steps"}), frozenset({"steps", "events"}), frozenset({"threads"})


@dataclass(frozen=True, slots=True)
class Plan:
    systems: tuple[str, ...]
    rounds: int
    workloads: dict[str, Workload]


QUICK = Plan(
    systems=("tollway", "absurd"),
    rounds=3,
    workloads={
        "noop": Workload(drain, TASKS, {"tasks": 20_000}),
        "steps": Workload(steps, STEPS, {"workflows": 1_000, "each": 10}),
    },
)
FULL = Plan(
    systems=("tollway", "absurd", "dbos", "procrastinate", "pgqueuer"),
    rounds=3,
    workloads={
        "spawn": Workload(spawn, TASKS, {"tasks": 2_000, "bulk": 20_000}),
        "noop": Workload(drain, TASKS, {"tasks": 20_000}),
        "noop-2": Workload(drain, TASKS, {"tasks": 20_000, "workers": 2}),
        "steps": Workload(steps, STEPS, {"workflows": 500, "each": 10}),
        "steps-alone": Workload(steps, STEPS, {"workflows": 1, "each": 1_000}),
        "latency": Workload(latency, TASKS, {"tasks": 50}, rounds=2),
        "events": Workload(events, EVENTS, {"tasks": 60, "waiters": 500}, rounds=2),
    },
)
THREE = ("tollway", "absurd", "absurd_on_tollway")
OURS = ("tollway",)
LONG = Plan(
    systems=FULL.systems,
    rounds=2,
    workloads={
        "sdk-noop": Workload(drain, TASKS, {"tasks": 10_000, "workload": "absurd's SDK: noop"}, only=THREE),
        "sdk-steps": Workload(steps, STEPS, {"workflows": 500, "each": 10, "workload": "absurd's SDK: steps"}, only=THREE),
        "footprint": Workload(footprint, TASKS, {"tasks": 5_000, "workflows": 500}, rounds=1),
        "idle": Workload(idle, TASKS, {"seconds": 20}, rounds=1),
        "pending-1k": Workload(pending, TASKS, {"pending": 1_000, "tasks": 4_000}),
        "pending-100k": Workload(pending, TASKS, {"pending": 100_000, "tasks": 4_000}, rounds=1),
        "pending-1m": Workload(pending, TASKS, {"pending": 1_000_000, "tasks": 4_000}, only=OURS, rounds=1),
        "completed-1k": Workload(completed, TASKS, {"pending": 1_000, "tasks": 20_000}, only=OURS),
        "completed-1m": Workload(completed, TASKS, {"pending": 1_000_000, "tasks": 20_000}, only=OURS, rounds=1),
        "pinned": Workload(pinned, TASKS, {"seconds": 600, "per_second": 200}, only=OURS, rounds=1),
        "gate": Workload(gate, TASKS, {"tasks": 20_000, "workflows": 1_000}, only=OURS),
        "payload": Workload(payload, TASKS, {"tasks": 5_000}, rounds=1),
        "threads-noop": Workload(drain, THREADS, {"tasks": 10_000, "kind": "noop_sync", "workload": "noop, plain functions"}),
        "threads-steps": Workload(
            steps, STEPS | THREADS, {"workflows": 300, "each": 10, "kind": "steps_sync", "workload": "steps, plain functions"}
        ),
    },
)
PLANS = {"quick": QUICK, "full": FULL, "long": LONG}
