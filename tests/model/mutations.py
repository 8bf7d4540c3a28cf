"""The schema with a mechanism taken out: the model must notice each."""

from __future__ import annotations

from dataclasses import dataclass

from fixtures.database import Database


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is replaced in the source of a function."""

    function: str
    old: str
    new: str
    also: str = "select"
    """What else stands in its way: a statement."""


MUTATIONS = {
    "a checkpoint overwrites": Mutation(
        "set_task_checkpoint_state",
        "on conflict do nothing;\n  if not found",
        "on conflict (task_id, checkpoint_name) do update set state = excluded.state;\n  if not found",
        "drop trigger zzz_no_update on absurd.checkpoint",
    ),
    "workflow_run is not projected": Mutation("_gate_project", "elsif v_roots > 0 then", "elsif v_roots < 0 then"),
    "the epoch is not checked": Mutation("_check_epoch", "if p_epoch is not null and", "if false and"),
    "worker_sync does not check the epoch": Mutation(
        "_sync_judge", "when t.state = 'running' and t.claim_epoch = i.epoch then", "when t.state = 'running' then"
    ),
    "an event wakes nobody": Mutation("_event_project", "if v_tasks is not null then", "if false then"),
    "an ended task wakes nobody": Mutation("_gate_project", "perform absurd._wake_awaiters(v_over);", ""),
    "children go on": Mutation("_gate_project", "perform absurd._cancel_children(v_stopped);", ""),
    "a time-out is not kept": Mutation("_await", "if p_keep_time_out then", "if false then"),
    "leases never end": Mutation("_expired_claims", "t.claim_expires_at <= p_now", "t.claim_expires_at <= p_now - interval '1 year'"),
    "a rule is forgotten": Mutation("_due_cancellations", "t.cancel_at <= p_now", "t.cancel_at <= p_now - interval '1 year'"),
    "a timer is early": Mutation("_runnable", "end and p_now", "end and p_now + interval '3 s'"),
    "a retry goes past max_attempts": Mutation(
        "_fail_outcome", "p_task.attempt >= p_task.max_attempts", "p_task.attempt > p_task.max_attempts"
    ),
    "an ended attempt is not appended": Mutation("_gate_project", "if v_ended > 0 then", "if false then"),
}  # fmt: skip
# moves that nobody specified, and one that is missing
TRANSITIONS = {
    "a completed task starts again": "insert into absurd.transition values ('completed', 'pending', 'task.retried', 'nobody')",
    "nobody may release": "delete from absurd.transition where event = 'run.released'",
}


def apply(db: Database, name: str) -> None:
    """Replace it, as if it had been installed so: verify() of the code finds nothing."""
    if name in TRANSITIONS:
        db.conn.execute(TRANSITIONS[name])
    else:
        mutation = MUTATIONS[name]
        rows = db.rows(
            "select pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = 'absurd'::regnamespace and p.proname = %s",
            mutation.function,
        )
        (source,) = [row[0] for row in rows if mutation.old in row[0]]
        db.conn.execute(source.replace(mutation.old, mutation.new))
        db.conn.execute(mutation.also)
    db.conn.execute("select absurd._record_installed_code()")
