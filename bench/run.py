"""Measure Tollway beside other engines on one embedded PostgreSQL.

    python bench/run.py PLAN [--only WORKLOAD ...] [--systems NAME ...] [--scale 0.01] [--rounds N] [--again]
        [--name FILE] [--folder FOLDER]

PLAN is quick, full or long (plans.py). Systems take turns: A B A B, each time in a fresh database.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agent import load
from harness import report
from harness.agents import AgentFailed
from harness.bed import WrongCountError, bed
from harness.samples import Sample, Taken, ratios, results
from harness.server import Server, machine, started
from harness.system import System
from harness.venvs import python_of, versions_of
from plans import PLANS
from workloads import Workload

SMALLEST = 10
"""No count is scaled below this, nor above what it was."""


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    plan = PLANS[asked.plan]
    systems = [load(name) for name in asked.systems or plan.systems]
    rounds = asked.rounds or plan.rounds
    for system in systems:
        python_of(system)
    facts = machine()
    taken: list[Taken] = []
    failures: list[str] = []
    with started() as server:
        facts["commits_per_second"] = round(server.commits_per_second(3.0 * min(1, asked.scale * 10)))
        facts["idle_commit_ms"] = round(server.idle_commit_ms(max(2, round(40 * min(1, asked.scale)))), 2)
        versions = {k: v for system in systems for k, v in versions_of(system).items()}
        for name, workload in plan.workloads.items():
            if not asked.only or name in asked.only:
                _take_turns(server, name, workload, systems, rounds, asked.scale, taken, failures)
        document = {
            "machine": facts,
            "versions": {**server.facts(), **versions},
            "results": results(taken),
            "ratios": ratios(taken),
            "failures": failures,
        }
    name = asked.name or asked.plan
    if asked.again:
        document = report.again(document, name, asked.folder)
    print(f"written: {report.write(document, name, asked.folder)}")
    return 1 if failures else 0


def _take_turns(
    server: Server,
    name: str,
    workload: Workload,
    systems: Sequence[type[System]],
    rounds: int,
    scale: float,
    taken: list[Taken],
    failures: list[str],
) -> None:
    """All systems, then all again. One that fails once is left out of the rest of this workload, and the report says so."""
    chosen = [load(n) for n in workload.only] if workload.only else [s for s in systems if workload.needs <= s.features]
    for number in range(min(rounds, workload.rounds or rounds)):
        for system in list(chosen):
            began = time.perf_counter()
            try:
                samples = _measure(server, workload, system, scale)
            except (WrongCountError, AgentFailed, TimeoutError) as error:
                chosen.remove(system)
                taken[:] = [t for t in taken if not (t.system == system.name and t.key == name)]
                failures.append(f"{name}, {system.name}: {str(error).strip().splitlines()[-1]}")
                print(f"{name}, {system.name}: {error}", file=sys.stderr)
                continue
            taken += [Taken(sample, name, system.name, number) for sample in samples]
            for s in samples:
                print(f"{number + 1} {s.workload:<14} {s.variant:<38} {system.name:<16} {s.value:>12,.2f} {s.unit}", flush=True)
            print(f"  ({time.perf_counter() - began:.1f} s)", file=sys.stderr)


def _measure(server: Server, workload: Workload, system: type[System], scale: float) -> list[Sample]:
    counts = {
        key: max(min(SMALLEST, value), round(value * scale)) if key in workload.scaled else value for key, value in workload.counts.items()
    }
    with bed(system, load(system.schema or system.name), server) as made:
        return list(workload.measure(made, **counts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", choices=PLANS)
    parser.add_argument("--only", nargs="+", help="workloads of the plan, by name")
    parser.add_argument("--systems", nargs="+", help="instead of the plan's")
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts; below 1 for a trial, whose numbers mean nothing")
    parser.add_argument(
        "--again", action="store_true", help="replace these systems' numbers of these workloads in the file; all others stay"
    )
    parser.add_argument("--rounds", type=int, help="instead of the plan's")
    parser.add_argument("--name", help="of the files that are written; default the plan's")
    parser.add_argument("--folder", type=Path, default=report.RESULTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
