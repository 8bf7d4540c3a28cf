"""The statements that claims and sweeps live on read their index, and no more of it than they use, in small and in large tables.

The statements are taken from the functions' own source, so that they cannot differ from what runs.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import make_queue
from sql.helpers import prepare

# of 20 rows: 8 completed, 2 failed, 5 pending, 2 asleep, 3 running; a fifth have a rule or a deadline
FILL = """
insert into absurd.task (task_id, queue_name, task_name, state, priority, available_at, claim_epoch, claimed_by, claim_expires_at,
  claimed_at, first_started_at, started_at, ended_at, cancel_at, deadline, params, workflow_run_id, result, error)
select i.id, i.queue, 'work', s.state, n %% 3, s.at + case when s.state = 'sleeping' then interval '1 hour' else '0' end,
  (s.state <> 'pending')::integer, case when s.state = 'running' then 'w' end,
  case when s.state = 'running' then i.now + make_interval(secs => 30 + n %% 600) end, case when s.state = 'running' then i.now end,
  s.started, s.started, case when s.state in ('completed', 'failed') then i.now end, i.cancel_at, i.cancel_at, '1', i.id,
  case when s.state = 'completed' then '1'::jsonb end, case when s.state = 'failed' then '1'::jsonb end
from generate_series(1, %(rows)s) n
cross join lateral (
  select absurd.task_id_of(absurd.portable_uuidv7()) as id, absurd.current_time() as now, (n / 7) %% 20 as kind,
         case when n %% 10 = 0 then 'other' else 'q' end as queue,
         case when n %% 5 = 0 then absurd.current_time() + make_interval(secs => 1 + n %% 7200) end as cancel_at) i
cross join lateral (
  select case when i.kind < 8 then 'completed' when i.kind < 10 then 'failed' when i.kind < 15 then 'pending'
              when i.kind < 17 then 'sleeping' else 'running' end as state,
         i.now - make_interval(secs => n %% 5000) as at,
         case when i.kind < 10 or i.kind > 16 then i.now - make_interval(secs => n %% 5000) end as started) s
"""
DERIVED = """
insert into absurd.workflow_run (workflow_run_id, workflow_name, status, absurd_queue, absurd_run_id, attempts, created_at, updated_at,
  inputs, result, error, completed_at)
select t.task_id, t.task_name, t.state, t.queue_name, absurd.run_id_of(t.task_id, 1), 1, t.enqueue_at, t.enqueue_at, t.params, t.result,
  t.error, t.ended_at from absurd.task t;
insert into absurd.workflow_run (workflow_run_id, workflow_name, status, absurd_queue, absurd_run_id, attempts, created_at, updated_at,
  completed_at, purged_at)
select gen_random_uuid(), t.task_name, t.state, t.queue_name, t.task_id, 1, t.enqueue_at, t.enqueue_at, t.ended_at,
  t.ended_at - row_number() over () * interval '1 second' from absurd.task t where t.ended_at is not null;
insert into absurd.absurd_event_log (queue_name, task_id, seq, event, login_role, via, incarnation, xid, at)
select t.queue_name, t.task_id, 1, 'task.spawned', 'x', 'x', 1, pg_current_xact_id(), t.enqueue_at from absurd.task t;
insert into absurd.run (task_id, attempt, run_id, queue_name, state, claim_epoch, created_at, available_at, ended_at)
select t.task_id, 1, absurd.run_id_of(t.task_id, 1), t.queue_name, t.state, 1, t.enqueue_at, t.enqueue_at, t.ended_at
from absurd.task t where t.ended_at is not null;
insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch)
select t.task_id, 's', t.queue_name, '1', 1, 1 from absurd.task t where t.claim_epoch > 0;
insert into absurd.wait (task_id, step_name, queue_name, event_name, attempt)
select t.task_id, 's', t.queue_name, t.task_id::text, 1 from absurd.task t where t.state = 'sleeping';
"""
LARGE = ("task", "run", "checkpoint", "wait", "workflow_run", "absurd_event_log")
SIZES = pytest.mark.parametrize("rows", [1_000, 1_000_000])
FILLED = 20_000
"""Rows there are at most; of more, the planner is told. It takes the rows a page from its statistics and the pages from the file, so
that a scan from end to end looks cheaper to it than it would be: what it leaves alone here, it leaves alone there."""
TOLD = """update pg_class set reltuples = reltuples * %s
          where oid = %s::regclass or oid in (select indexrelid from pg_index where indrelid = %s::regclass)"""

# function -> its index, and its variables
HOT = {
    "_runnable": ("task_ready", ("p_queue_name", "v_priority", "v_marked", "v_from", "p_now", "p_qty", "v_ids")),
    "_due_cancellations": ("task_cancel", ("p_queue_name", "p_now")),
    "_expired_claims": ("task_lease", ("p_queue_name", "p_now")),
}
# variable -> its type, and a value
VARIABLES = {
    "p_queue_name": ("text", "'q'"),
    "v_priority": ("integer", "-32769"),
    "v_marked": ("integer", "null"),
    "v_from": ("timestamptz", "null"),
    "p_now": ("timestamptz", "absurd.current_time()"),
    "p_qty": ("integer", "10"),
    "v_ids": ("uuid[]", "'{}'"),
}


def fill(db: Database, rows: int) -> None:
    """So many tasks, and all that hangs on them, past the gate; and what autovacuum would have learned of them."""
    prepare(db)
    with db.conn.transaction():
        for table in LARGE:
            db.conn.execute(f"alter table absurd.{table} disable trigger user")
        db.conn.execute(FILL, {"rows": min(rows, FILLED)})
        db.conn.execute(DERIVED)
    for table in LARGE:
        for (name,) in db.rows("select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal", f"absurd.{table}"):
            db.conn.execute(f"alter table absurd.{table} enable always trigger {name}")
        db.conn.execute(f"vacuum analyze absurd.{table}")
        if rows > FILLED:
            db.conn.execute(TOLD, (rows / FILLED, *[stored(db, table)] * 2))
    if rows > FILLED:
        ((document,),) = db.rows("explain (format json) select from absurd.task")
        assert document[0]["Plan"]["Plan Rows"] == pytest.approx(rows, rel=0.05), "the planner believes what it is told"


def stored(db: Database, table: str) -> str:
    """The relation that has a table's rows: of the log, the one partition that they are all in."""
    (relation,) = {str(name) for (name,) in db.rows(f"select distinct tableoid::regclass::text from absurd.{table}")} or {f"absurd.{table}"}
    return relation


def statement(db: Database, function: str) -> str:
    """The function's statement that locks tasks, with its variables as parameters."""
    source = db.one("select prosrc from pg_proc where pronamespace = 'absurd'::regnamespace and proname = %s", function)
    found = re.findall(r"select [^;]*? from absurd\.task t\b[^;]*?skip locked[^;]*", re.sub(r"\s*--[^\n]*", "", source))
    assert len(found) == 1, (function, found)
    text = re.sub(r"\binto v_priority, v_more\b", "", found[0])
    for n, name in enumerate(HOT[function][1], 1):
        text = re.sub(rf"\b{name}\b", f"${n}", text)
    return text


def plans(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("Plans", ()) for inner in plans(child))]


@SIZES
@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_claim_and_sweep_walk_their_index_in_its_order(db: Database, rows: int, mode: str) -> None:
    fill(db, rows)
    for (setting,) in db.rows(
        "select unnest(proconfig) from pg_proc where oid::regproc::text = 'absurd.claim_task'"
    ):  # it calls the others
        name, _, value = setting.partition("=")
        db.conn.execute(f"set {name} = {value}")
    db.conn.execute(f"set plan_cache_mode = {mode}")
    for function, (index, variables) in HOT.items():
        types = ", ".join(VARIABLES[name][0] for name in variables)
        db.conn.execute(f"prepare hot_{function} ({types}) as {statement(db, function)}", prepare=False)
        arguments = ", ".join(VARIABLES[name][1] for name in variables)
        ((document,),) = db.rows(f"explain (format json) execute hot_{function}({arguments})")

        nodes = plans(document[0]["Plan"])
        assert {n["Index Name"] for n in nodes if "Index Name" in n} == {index}, (function, json.dumps(document, indent=1))
        assert {n["Node Type"] for n in nodes} <= {"Limit", "LockRows", "Index Scan"} | (
            {"Index Only Scan", "Result", "Subquery Scan"} if function == "_runnable" else {"Sort", "Incremental Sort"}
        ), function


class Reads:
    """Scans begun, and entries read, since it was made: of tables from end to end, or of indexes."""

    def __init__(self, db: Database, names: tuple[str, ...]) -> None:
        self._db, self._names = db, {name: stored(db, name) if name in LARGE else f"absurd.{name}" for name in names}
        self._before = self._now()

    def _now(self) -> dict[str, tuple[int, int]]:
        counted = "select pg_stat_get_xact_numscans(r.o), pg_stat_get_xact_tuples_returned(r.o) from (select %s::regclass::oid) r(o)"
        return {name: self._db.one(counted, relation) for name, relation in self._names.items()}

    def since(self) -> dict[str, tuple[int, int]]:
        return {name: (now[0] - self._before[name][0], now[1] - self._before[name][1]) for name, now in self._now().items()}


# one operation of each kind, each of another task
OPERATIONS: list[dict[str, Any]] = [
    {"op": "checkpoint", "step": "next", "state": 1},
    {"op": "complete", "result": 1},
    {"op": "fail", "reason": {"name": "E"}},
    {"op": "sleep", "seconds": 60},
    {"op": "await", "step": "event", "event": "one to come"},
    {"op": "await_task", "step": "child"},
    {"op": "emit", "event": "another", "payload": 1},
    {"op": "put_back", "seconds": 60},
    {"op": "release"},
    {"op": "spawn", "step": "child", "queue": "q", "task_name": "work", "params": 1, "options": {}},
]
SYNC = """select absurd.worker_sync(jsonb_build_object('queue', 'q', 'worker', 'w', 'instance', gen_random_uuid(), 'call', 1,
            'ops', (select jsonb_agg(o.op || jsonb_build_object('n', o.n, 'task_id', i.task_id, 'epoch', 1)
                      || case when o.op ->> 'op' = 'await_task' then jsonb_build_object('task', l.task_id) else '{}' end order by o.n)
                    from jsonb_array_elements('OPERATIONS'::jsonb) with ordinality o(op, n) join ids i on i.n = o.n join ids l on l.n = 10),
            'claim', jsonb_build_object('qty', QTY, 'lease', 30)))"""


def sync(operations: list[dict[str, Any]], qty: int) -> str:
    return SYNC.replace("OPERATIONS", json.dumps(operations)).replace("QTY", str(qty))


NOTHING_ELSE = """select absurd.worker_sync(jsonb_build_object('queue', 'q', 'worker', 'w', 'instance', gen_random_uuid(), 'call', 1,
                    'ops', '[]'::jsonb, 'claim', '{"qty": 10, "lease": 30}'::jsonb))"""
# no look takes so long that entries are read for marks
QUICK = """do $$ begin
  execute replace(pg_get_functiondef('absurd._marks'::regproc), 'interval ''5 milliseconds''', 'interval ''1 hour''');
end $$"""
IDS = """create temp table ids as select row_number() over () as n, task_id
         from (select task_id from absurd.task where queue_name = 'q' and state = 'running' limit 10) t"""
CALLS = {
    **{f"sync {o['op']}": sync([o], 0) for o in OPERATIONS},
    "sync of all kinds, and a claim": sync(OPERATIONS, 10),
    "sync, a claim sent again": sync([], 10)
    .replace("'call', 1", "'call', 1, 'resend', true")
    .replace("jsonb_agg(", "coalesce(jsonb_agg(")
    .replace("order by o.n)\n", "order by o.n), '[]')\n"),
    "sync, a claim and nothing else": NOTHING_ELSE,
    "sync, an idle queue": NOTHING_ELSE.replace("'q'", "'idle'"),
    "step": "select absurd.set_task_checkpoint_state('q', task_id, 'next', '1', absurd.run_id_of(task_id, 1), 30, 1) from ids limit 1",
    "steps": "select absurd.get_task_checkpoint_states('q', task_id, absurd.run_id_of(task_id, 1)) from ids limit 1",
    "await": "select absurd.await_event('q', task_id, absurd.run_id_of(task_id, 1), 'event', 'one to come', 60, 1) from ids limit 1",
    "suspend": """select absurd.schedule_run('q', absurd.run_id_of(task_id, 1), absurd.current_time() + interval '1 hour', 1)
                  from ids limit 1""",
    "extend": "select absurd.extend_claim('q', absurd.run_id_of(task_id, 1), 30, 1) from ids limit 1",
    "release": """select count(*) from absurd.release_claims('q', (select jsonb_agg(jsonb_build_object('task_id', task_id, 'epoch', 1))
                  from (select task_id from ids limit 10) t))""",
    "result": "select absurd.get_task_result('q', task_id) from ids limit 1",
    "spawn with a key": "select task_id from absurd.spawn_task('q', 'work', '1', '{\"idempotency_key\": \"k\"}')",
    "spawn many": """select count(*) from absurd.spawn_tasks('q', '[{\"task_name\": \"work\", \"params\": 1},
                     {\"task_name\": \"work\", \"params\": 2}]')""",
    "spawn many with keys": """select count(*) from absurd.spawn_tasks('q', (
                               select jsonb_agg(jsonb_build_object('task_name', 'work', 'params', n,
                                                                   'options', jsonb_build_object('idempotency_key', 'key ' || n)))
                               from generate_series(1, 50) n))""",
    "idle": "select absurd.worker_idle('q', '00000000-0000-7000-8000-000000000000', 15)",
    "claim": "select count(*) from absurd.claim_tasks('q', 'w', 30, 10)",
    "heartbeat": """select count(*) from absurd.heartbeat('q', (select jsonb_agg(jsonb_build_object('task_id', task_id, 'epoch', 1))
                    from (select task_id from ids limit 10) t), 30)""",
    "complete": "select absurd.complete_run('q', absurd.run_id_of(task_id, 1), '1', 1) from ids limit 1",
    "fail": "select absurd.fail_run('q', absurd.run_id_of(task_id, 1), '1') from ids limit 1",
    "cancel": "select absurd.cancel_task('q', task_id) from ids limit 1",
    "emit": "select absurd.emit_event('q', 'an event')",
    "spawn": "select task_id from absurd.spawn_task('q', 'work', '1')",
}


@SIZES
def test_no_call_reads_a_large_table_from_end_to_end(db: Database, rows: int) -> None:
    fill(db, rows)
    make_queue(db, "idle")
    db.conn.execute(IDS)
    for name, call in CALLS.items():
        with db.conn.transaction(force_rollback=True):
            reads = Reads(db, LARGE)
            for _ in range(7):  # a plan may become generic with the sixth
                with db.conn.transaction(force_rollback=True):
                    answer = db.one(call)
                    if name.startswith("sync"):
                        assert {o["status"] for o in answer["ops"]} <= {"ok"}, (name, answer)

            # in a small database most tables are a few pages, which a scan may read; the tasks are read by key even then
            judged = LARGE if rows > 1_000 else ("task",)
            assert {table: n for table, (n, _) in reads.since().items() if n and table in judged} == {}, name


@SIZES
def test_a_removal_of_history_reads_as_many_entries_as_it_takes(db: Database, rows: int) -> None:
    fill(db, rows)
    with db.conn.transaction(force_rollback=True):
        reads = Reads(db, ("workflow_run", "workflow_run_purged"))
        assert db.one("select absurd.cleanup_workflow_runs('q', 0, 10)") == 10
        since = reads.since()

    assert since["workflow_run"][0] == 0
    assert 10 <= since["workflow_run_purged"][1] <= 34, "those of one moment are sorted by their ids, 32 at least at a time"


@SIZES
@pytest.mark.parametrize(("call", "besides"), [("select count(*) from absurd.claim_task('q', 'w', 30, 10)", 2), (NOTHING_ELSE, 3)])
def test_a_claim_reads_as_many_entries_as_it_takes(db: Database, rows: int, call: str, besides: int) -> None:
    """Besides: the one that tells the priority; and the one that tells worker_sync that its worker is not idle."""
    fill(db, rows)
    db.conn.execute(QUICK)
    with db.conn.transaction(force_rollback=True):
        reads = Reads(db, ("task_ready", "task_lease", "task_cancel"))
        answer = db.one(call)
        since = reads.since()

    assert answer == 10 or len(answer["claims"]) == 10
    assert 10 <= since["task_ready"][1] <= 10 + besides
    assert (since["task_lease"][1], since["task_cancel"][1]) == (0, 0)


HEARTBEAT = """select count(*) from absurd.heartbeat('q', (
  select jsonb_agg(jsonb_build_object('task_id', task_id, 'epoch', 1)) from (select task_id from ids limit 5) t), 30)"""


@pytest.mark.parametrize("call", [NOTHING_ELSE, HEARTBEAT], ids=["worker_sync", "heartbeat"])
def test_what_is_held_is_read_by_its_key_though_nothing_ran_when_the_tasks_were_counted(db: Database, call: str) -> None:
    """The index of the leases looked empty then: each task of a claim read all that run, and a heartbeat did."""
    make_queue(db)
    task = '{"task_name": "t", "params": 1}'
    db.one("select count(*) from absurd.spawn_tasks('q', (select jsonb_agg(%s::jsonb) from generate_series(1, 300)))", task)
    db.conn.execute("vacuum analyze absurd.task")
    db.conn.execute(QUICK)
    assert len(db.one(NOTHING_ELSE)["claims"]) == 10
    db.conn.execute("create temp table ids as select task_id from absurd.task where state = 'running'")
    with db.conn.transaction():
        reads = Reads(db, ("task_lease", "task_pkey"))
        answer = db.one(call)
        since = reads.since()

    assert answer == 5 or len(answer["claims"]) == 10
    assert since["task_lease"][1] == 0
    assert since["task_pkey"][1] > 0
