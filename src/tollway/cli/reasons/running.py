"""Somebody holds the task."""

from __future__ import annotations

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer
from tollway.cli.story import when


def lease_expired(found: Situation) -> Answer | None:
    """Its worker is gone, or does not renew its claim."""
    if found.state != "running" or found.row["claim_expires_at"] > found.now:
        return None
    queue, worker = found.row["queue_name"], found.row["claimed_by"]
    says = f"Its worker {worker} is gone or stuck: the lease ended {when(found.row['claim_expires_at'], found.now)}."
    facts = ["The next claim on the queue sweeps it: it is tried again if attempts are left, and fails if not.", _last_step(found)]
    if not (found.idle_workers or found.busy_workers):
        facts.append(f"No other worker is seen on queue {queue}, so nobody sweeps.")
    return Answer("lease_expired", says, f"tollway worker MODULE:APP --queue {queue}", tuple(facts))


def running(found: Situation) -> Answer | None:
    """It does not stand still: a worker has it and says so."""
    if found.state != "running" or found.row["claim_expires_at"] <= found.now:
        return None
    row = found.row
    says = f"It is running: {row['claimed_by']} holds it (epoch {row['claim_epoch']}), claimed {when(row['claimed_at'], found.now)}."
    beat = f"Last heartbeat {when(row['heartbeat_at'], found.now)}; " if row["heartbeat_at"] else ""
    lease = f"{beat}lease until {when(row['claim_expires_at'], found.now)}: if its worker is dead, another one takes it up then."
    facts = (lease, _last_step(found))
    return Answer("running", says, f"tollway log tail --follow --task {found.task_id}", facts)


def _last_step(found: Situation) -> str:
    if found.steps is None or not found.steps["done"]:
        return "No step is finished yet."
    done = found.steps["done"]
    steps = "1 step is" if done == 1 else f"{done} steps are"
    return f"{steps} finished, last {found.steps['last']!r}, {when(found.steps['last_at'], found.now)}."
