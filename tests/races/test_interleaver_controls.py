"""What the interleaver must find: our functions without one of their locks, or with a check and its act parted, in one schedule each.

Each is first run as it is, and found to be right.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from races import pauses
from races.actors import ACTORS
from races.arena import Arena, Case
from races.scenes import build


@dataclass(frozen=True, slots=True)
class Control:
    """A function, what is changed in it, and the schedule that must tell."""

    name: str
    function: str
    text: str
    instead: str
    scene: str
    calls: str  # A's, B's and C's
    script: str
    tells: str
    stop: bool = False  # A is stopped at each place, one after another, until one tells


BOTH = "Ax Bx Ac Bc"
CONTROLS = [
    Control("a run is not locked", "_lock_run", "for no key update", "", "running", "complete cancel", "Bx Ax Bc Ac",
            "TW101 is not declared"),
    Control("a claim is no fence", "_lock_run", "for no key update", "", "expired", "checkpoint claim", "Bx Ax Ac Bc", "no serial"),
    Control("an await does not lock its event", "_lock_event", "for share", "", "placeholder", "await emit", BOTH, "lost wake-up"),
    Control("a retry does not lock its task", "retry_task", "for no key update", "", "failed", "retry retry", BOTH,
            "TW101 is not declared"),
    Control("a retry meets a clean-up that looked before", "cleanup_tasks", "for update skip locked", "", "failed", "retry cleanup_tasks",
            BOTH, "TW104 is not declared"),
    Control("the sweep waits", "_expired_claims", "skip locked", "", "expired", "checkpoint claim", BOTH, "claim waits for a row"),
    Control("a claim waits", "_runnable", "skip locked", "", "pending", "cancel claim", BOTH, "claim waits for a row"),
    Control("the rules wait", "_due_cancellations", "skip locked", "", "ruled", "checkpoint claim", BOTH, "claim waits for a row"),
    Control("a heartbeat waits", "heartbeat", "skip locked", "", "running", "checkpoint heartbeat", BOTH, "heartbeat waits for a row"),
    Control("a group commit waits", "_sync_lock", "skip locked", "", "running", "cancel sync_complete", BOTH, "waits for a row"),
    Control("a lone step waits", "_sync_lone", "skip locked", "", "running", "cancel sync_checkpoint", BOTH, "waits for a row"),
    Control("a wake-up is not left to the next claim", "_wake", "from unnest(p_task_ids) i(id) where", "from unnest(p_task_ids) i(id) "
            "where false and", "family", "spawn_brother complete", BOTH, "lost wake-up"),
    Control("cancel takes tasks the other way round", "cancel_task", "order by t.task_id", "order by t.task_id desc", "broadcast",
            "emit cancel_parent cancel_u", "Cx Ax Bx Cr Ac Bc", "deadlock"),
    Control("a key is not looked for", "spawn_task", "on conflict do nothing", "", "running", "spawn spawn", BOTH, "23505 is not declared"),
    Control("a cancelled parent gets children", "_parent", "for no key update", "", "running", "cancel spawn_child", BOTH, "no serial"),
    Control("an emission does not see its event go", "_lock_event", "if found then", "if true then", "placeholder", "emit cleanup_events",
            "Ax Bx Bc go Ac", "no serial", stop=True),
    Control("an await does not look at its step again", "await_event", "-- once more", "return query select o.outcome = 'suspended', "
            "case when o.outcome = 'event' then o.payload end from absurd._await(v_task, p_step_name, v_event, p_timeout, "
            "p_claim_epoch is not null) o; return; -- once more", "emitted", "await sync_strict", "Ax Bx Bc go Ac", "no serial", stop=True),
    Control("drop_queue lets those through who have locked and not yet written", "drop_queue", "exclusive mode", "share row exclusive mode",
            "running", "complete drop_queue", "Ax Bx go Ac Bc", "deadlock", stop=True),
    Control("an idle worker waits for another", "worker_idle", "skip locked", "", "idle", "worker_idle worker_idle", "Ax Bx go Ac Bc",
            "deadlock", stop=True),
    Control("a queue is dropped while it is made", "create_queue", "exit when found;", "exit;", "idle", "create_queue drop_queue",
            "Ax Bx Bc go Ac", "no serial", stop=True),
    Control("an await of a task locks the events last", "_sync_emit", "if not exists", "if false and not exists", "family",
            "sync_await_task drop_queue", "Ax Bx go Ac Bc", "deadlock", stop=True),
    Control("an event comes to a queue that is gone", "_event_check_insert", "if not exists", "if false and not exists", "placeholder",
            "emit drop_queue", "Ax Bx Bc go Ac", "queue_is_there", stop=True),
]  # fmt: skip


def findings(arena: Arena, control: Control) -> list[str]:
    case = Case(control.scene, {who: (ACTORS[name],) for who, name in zip("ABC", control.calls.split(), strict=False)})
    if not control.stop:
        return arena.judge(case, control.script).findings
    query, arguments = case.calls["A"][0].statement(build(arena.db, control.scene), "A")
    points = pauses.passed(arena.sessions["A"], query, *arguments)
    return [f for point in points for f in arena.judge(case, control.script, point).findings]


def break_it(arena: Arena, control: Control) -> None:
    (source,) = arena.db.rows(
        "select pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = 'absurd'::regnamespace and p.proname = %s "
        "order by pronargs desc limit 1",
        control.function,
    )[0]
    assert control.text in source
    arena.db.conn.execute(source.replace(control.text, control.instead))
    arena.db.conn.execute("select absurd._record_installed_code()")


@pytest.mark.parametrize("case", CONTROLS, ids=lambda c: c.name.replace(" ", "-"))
def test_the_interleaver_tells_when(control: Arena, case: Control) -> None:
    pauses.install(control.db)
    assert findings(control, case) == []

    break_it(control, case)
    # before PostgreSQL 18 ids of one moment are in no order, and so it is chance whose row is locked first
    for _ in range(1 if control.db.conn.info.server_version >= 180000 else 20):
        told = findings(control, case)
        if any(case.tells in f for f in told):
            return
    raise AssertionError(told)
