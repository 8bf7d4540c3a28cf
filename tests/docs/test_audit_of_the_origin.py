"""Each numbered sentence of docs/explain/audit-of-the-origin.md has its check here, and each check its sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs import state_writes as state_writes_in
from docs.state_writes import BODY, state_writes
from fixtures.database import Database
from matrix.actors import RawSql
from matrix.all_rows import ROWS
from matrix.run import Cell, run_matrix
from matrix.words import at
from sql import helpers as h

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explain" / "audit-of-the-origin.md"
SENTENCE = re.compile(r"^(\d+)\. (.*?)(?=\n\n|\n\d+\. |\Z)", re.MULTILINE | re.DOTALL)
TABLE_ROW = re.compile(r"^\| `(\w+)` \| (.*) \|$", re.MULTILINE)
Check = Callable[[Database], None]
CHECKS: dict[int, tuple[str, Check]] = {}


def says(number: int, beginning: str) -> Callable[[Check], Check]:
    """The check of that sentence, which begins so."""

    def note(check: Check) -> Check:
        CHECKS[number] = (beginning, check)
        return check

    return note


def sentences() -> dict[int, str]:
    return {int(number): " ".join(text.split()) for number, text in SENTENCE.findall(PAGE.read_text())}


def table(heading: str) -> dict[str, list[str]]:
    section = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return {name: row.split(", ") for name, row in TABLE_ROW.findall(section)}


def callers(function: str) -> set[str]:
    bodies = [pair for path in state_writes_in.SQL.rglob("*.sql") for pair in BODY.findall(path.read_text())]
    return {name for name, body in bodies if re.search(rf"\babsurd\.{function}\(", body)}


def told(db: Database, task_id: Any) -> dict[str, Any]:
    row = h.workflow(db, task_id)
    return {column: row[column] for column in ("status", "completed_at", "result", "error")}


DONE = {"status": "completed", "completed_at": at(10), "result": {"x": 1}, "error": None}


def running(db: Database, **options: Any) -> h.Row:
    h.prepare(db)
    task = h.running(db, **options)
    db.clock.set(at(10))
    return task


def sync(db: Database, task: h.Row, **op: Any) -> Any:
    first = {"n": 0, "task_id": task["task_id"], "epoch": task["claim_epoch"]}
    return db.one("select absurd.worker_sync(%s)", json.dumps({"queue": h.Q, "worker": "w1", "ops": [first | op]}, default=str))


@says(1, "`complete_run` called from SQL sets")
def _(db: Database) -> None:
    task = running(db)
    db.conn.execute("select absurd.complete_run(%s, %s, '{\"x\": 1}')", (h.Q, task["run_id"]))
    assert told(db, task["task_id"]) == DONE


@says(2, "It does so in the same transaction")
def _(db: Database) -> None:
    task = running(db)
    before = told(db, task["task_id"]), h.log(db, task["task_id"]), h.state(db, task["task_id"])
    with db.conn.transaction(force_rollback=True):
        h.complete(db, task)
        assert h.workflow(db, task["task_id"])["status"] == "completed"
        (written,) = db.rows("select xid::text = pg_current_xact_id()::text from absurd.absurd_event_log where event = 'run.completed'")
        assert written == (True,)
    assert (told(db, task["task_id"]), h.log(db, task["task_id"]), h.state(db, task["task_id"])) == before


@says(3, "A completion that `worker_sync` carries")
def _(db: Database) -> None:
    task = running(db)
    sync(db, task, op="complete", result={"x": 1})
    assert told(db, task["task_id"]) == DONE
    db.clock.set(at(0))
    other = h.running(db)
    db.clock.set(at(10))
    h.complete(db, other, {"x": 1})
    one, two = (h.workflow(db, each["task_id"]) for each in (task, other))
    assert {column for column in one if one[column] != two[column]} == {"workflow_run_id", "absurd_run_id"}


@says(4, "An UPDATE by the tables' owner")
def _(db: Database) -> None:
    task = running(db)
    with db.conn.transaction():
        db.conn.execute("set local role tollway_owner")
        db.conn.execute("update absurd.task set state = 'completed', result = '{\"x\": 1}'")
    assert told(db, task["task_id"]) == DONE
    last = h.log(db, task["task_id"])[-1]
    assert (last["event"], last["via"], last["set_role"]) == ("run.completed", "sql", "tollway_owner")


@says(5, "A child's completion leaves no")
def _(db: Database) -> None:
    task = running(db)
    h.spawn(db, parent_task_id=task["task_id"])
    child = h.claim_one(db)
    before = h.workflow(db, task["task_id"])
    h.complete(db, child)
    assert db.one("select count(*) from absurd.workflow_run") == 1
    assert h.workflow(db, task["task_id"]) == before


def last_move(db: Database, task: h.Row, since: int = 2) -> tuple[Any, ...]:
    rows = h.log(db, task["task_id"])[since:]
    assert len(rows) == 1, rows
    return (*(rows[0][column] for column in ("event", "from_state", "to_state", "worker", "detail")),)


@says(6, "`schedule_run` writes one row")
def _(db: Database) -> None:
    task = running(db)
    db.conn.execute("select absurd.schedule_run(%s, %s, %s)", (h.Q, task["run_id"], at(60)))
    assert last_move(db, task) == ("run.suspended", "running", "sleeping", "w1", {"until": at(60).isoformat()})


@says(7, "`await_event`, when it suspends")
def _(db: Database) -> None:
    task = running(db)
    h.await_event(db, task, timeout=50)
    detail = {"event": "e", "timeout_at": at(60).isoformat()}
    assert last_move(db, task) == ("run.suspended", "running", "sleeping", "w1", detail)


@says(8, "`await_event`, when the event is there")
def _(db: Database) -> None:
    task = running(db)
    h.emit(db)
    assert h.await_event(db, task) == {"should_suspend": False, "payload": "payload"}
    assert h.state(db, task["task_id"]) == "running"
    assert len(h.log(db, task["task_id"])) == 2
    assert db.rows("select checkpoint_name, state from absurd.checkpoint") == [("s", "payload")]


@says(9, "A retry later and a put-back")
def _(db: Database) -> None:
    task = running(db)
    other = {"task_id": h.spawn(db)}
    h.fail(db, task, retry_at=at(60))
    sync(db, h.claim_one(db), op="put_back", seconds=50)
    assert last_move(db, task)[:3] == ("run.retried", "running", "sleeping")
    assert last_move(db, other)[:3] == ("run.put_back", "running", "sleeping")


@says(10, "In SQL one function calls it")
def _(db: Database) -> None:
    assert callers("fail_run") == {"_recover"}
    assert callers("_recover") == {"_sweep"}
    assert callers("_sweep") == {"claim_task"}


@says(11, "`claim_task` is called by")
def _(db: Database) -> None:
    assert callers("claim_task") == {"claim_tasks", "_sync_claim"}
    assert callers("_sync_claim") == {"worker_sync"}
    for function in ("claim_tasks", "worker_sync"):
        assert any("running > failed" in move for move in seen_moves(cells_of(db, function)))


@says(12, "In Python only the clients' method")
def _(db: Database) -> None:
    assert python_files_with(r"absurd\.fail_run") == {"protocol/runs.py", "demo/story.py"}  # the demonstration is somebody with psql
    assert python_files_with(r"\bruns\.fail_run\(") == {"client/asynchronous.py", "client/synchronous.py"}
    assert python_files_with(r"(?<!absurd)(?<!queries)\.fail_run\(") == {"client/asynchronous.py", "client/synchronous.py"}
    assert python_files_with(r"[\"']op[\"']: [\"']fail[\"']") == {"workflow/operations.py"}


@says(13, "That operation and `fail_run` ask the same function")
def _(db: Database) -> None:
    assert callers("_fail_outcome") == {"fail_run", "_sync_end"}


OUTCOMES = {
    "an attempt, at once": ({}, "pending", "run.retried"),
    "an attempt, later": ({"retry_strategy": {"kind": "fixed", "base_seconds": 60}}, "sleeping", "run.retried"),
    "none, or not retryable": ({"max_attempts": 1}, "failed", "run.failed"),
    "the retry would be beyond max_duration": (
        {"retry_strategy": {"kind": "fixed", "base_seconds": 60}, "cancellation": {"max_duration": 45}}, "cancelled", "task.cancelled",
    ),
}  # fmt: skip


@says(14, "The table holds for")
def _(db: Database) -> None:
    rows = dict(re.findall(r"^\| ([^|`]+) \| (.*) \|$", PAGE.read_text().split("what is left |", 1)[1].split("\n14. ", 1)[0], re.MULTILINE))
    assert rows.keys() == OUTCOMES.keys()
    h.prepare(db)
    for what, (options, state, event) in OUTCOMES.items():
        again = state in ("pending", "sleeping")
        for how in ("fail_run", "worker_sync", "claim_task"):
            db.clock.set(at(0))
            task = h.running(db, **options)
            db.clock.set(at(31))
            if how == "fail_run":
                h.fail(db, task)
            elif how == "worker_sync":
                sync(db, task, op="fail", reason={"message": "why"})
            else:
                urgent = h.spawn(db, priority=-1)  # so that the claim does not take up the retried task at once
                assert h.claim_one(db)["task_id"] == urgent
                h.one(db, "select absurd.cancel_task(%s, %s)", h.Q, urgent)
            run, entry = h.workflow(db, task["task_id"]), h.log(db, task["task_id"])[-1]
            assert (h.state(db, task["task_id"]), entry["event"], entry["to_state"]) == (state, event, state), (what, how)
            assert (run["status"], run["attempts"]) == (state, 2 if again else 1), (what, how)
            assert (run["completed_at"] is None, run["error"] is None) == (again, again), (what, how)
            assert rows[what].split(" | ") == [
                state + (", attempt + 1" if again else ""),
                state + (", attempts + 1" if again else ", completed_at, error"),
                f"`{event}`",
            ]
            h.one(db, "select absurd.cancel_task(%s, %s)", h.Q, task["task_id"])
    assert db.verify() == []


@says(15, "For an expired lease the log says")
def _(db: Database) -> None:
    task = running(db, max_attempts=1)
    db.clock.set(at(31))
    db.conn.execute("select absurd.claim_task(%s, 'w2')", (h.Q,))
    entry = h.log(db, task["task_id"])[-1]
    assert (entry["event"], entry["via"], entry["worker"]) == ("run.failed", "claim_task > fail_run", "w1")
    assert entry["detail"]["reason"]["name"] == "$ClaimTimeout"
    assert h.workflow(db, task["task_id"])["status"] == "failed"


@says(16, "Should `fail_run` itself raise there")
def _(db: Database) -> None:
    task = running(db)
    other = h.spawn(db)
    source = db.one("select pg_get_functiondef('absurd.fail_run'::regproc)")
    db.conn.execute(source.replace("\nbegin\n", "\nbegin\n  raise exception 'out of order';\n", 1))
    db.clock.set(at(31))
    assert h.claim_one(db, worker="w2")["task_id"] == other
    entry, run = h.log(db, task["task_id"])[-1], h.workflow(db, task["task_id"])
    assert (entry["event"], entry["detail"]["reason"]["recovery"]) == ("run.failed", "out of order")
    assert (run["status"], run["error"]["name"]) == ("failed", "$ClaimTimeout")
    db.clock.set(at(0))
    spared = h.running(db)
    db.clock.set(at(31))
    db.conn.execute(source.replace("\nbegin\n", "\nbegin\n  raise exception 'no lock' using errcode = '55P03';\n", 1))
    h.claim(db)
    assert h.state(db, spared["task_id"]) == "running"
    db.conn.execute(source)
    assert [(t["task_id"], t["attempt"]) for t in h.claim(db)] == [(spared["task_id"], 2)]


def three_waiters(db: Database) -> list[h.Row]:
    h.prepare(db)
    tasks = [h.running(db) for _ in range(3)]
    for task in tasks:
        h.await_event(db, task)
    db.clock.set(at(10))
    return tasks


@says(17, "The first emission writes one row")
def _(db: Database) -> None:
    tasks = three_waiters(db)
    h.emit(db)
    assert db.rows("select detail from absurd.absurd_event_log where event = 'event.emitted'") == [({"event": "e", "woken": 3},)]
    assert [h.log(db, task["task_id"])[-1]["event"] for task in tasks] == ["run.woken"] * 3
    assert db.one("select count(*) from absurd.absurd_event_log where event = 'run.woken'") == 3
    assert db.one("select count(distinct xid::text) from absurd.absurd_event_log where event in ('run.woken', 'event.emitted')") == 1


@says(18, "A second emission changes nothing")
def _(db: Database) -> None:
    three_waiters(db)
    h.emit(db)
    tables = ("absurd_event_log", "event", "task", "wait", "checkpoint", "workflow_run")
    before = [db.rows(f"select * from absurd.{table} order by 1") for table in tables]
    h.emit(db, payload="another")
    assert [db.rows(f"select * from absurd.{table} order by 1") for table in tables] == before


@says(19, "A waiting task whose row another session holds")
def _(db: Database) -> None:
    tasks = three_waiters(db)
    emitter = h.running(db)
    with db.connect(autocommit=False) as other:
        other.execute("select from absurd.task where task_id = %s for update", (tasks[0]["task_id"],))
        db.conn.execute("set lock_timeout = '5s'")  # who waits, fails
        sync(db, emitter, op="emit", event="e", payload="payload")
        assert db.rows("select detail -> 'woken' from absurd.absurd_event_log where event = 'event.emitted'") == [(2,)]
        assert h.state(db, tasks[0]["task_id"]) == "sleeping"
    h.claim(db, qty=3)
    woken = h.log(db, tasks[0]["task_id"])[3]
    assert (woken["event"], woken["via"]) == ("run.woken", "claim_tasks > claim_task")
    assert db.verify() == []


def cells_of(db: Database, *functions: str) -> list[Cell]:
    """The cells of those functions by raw SQL."""
    rows = [row for row in ROWS if (not functions or row.functions[0] in functions) and row.changes]
    return run_matrix(db.dsn, rows, [RawSql(db.dsn)])


def seen_moves(cells: list[Cell]) -> list[str]:
    return [move for cell in cells for move in cell.seen[0].split("; ") if " > " in move.split("`")[0]]


@says(20, "These are all the public functions that move a task")
def _(db: Database) -> None:
    moved: dict[str, set[str]] = {}
    for cell in cells_of(db):
        moved.setdefault(cell.function, set()).update(re.sub(r"^\w+: ", "", move).split(" `")[0] for move in seen_moves([cell]))
    assert {name: sorted(moves) for name, moves in moved.items()} == table("The functions that change a state")


@says(21, "These are all the statements in the engine's SQL")
def _(db: Database) -> None:
    found: dict[str, list[str]] = {}
    for written in state_writes():
        found.setdefault(written.function, []).append(f"{written.verb} {written.table}")
    assert found == table("The statements that write a state, or a record of one")
    text = "".join(path.read_text() for path in sorted(state_writes_in.SQL.rglob("*.sql")))
    assert len(BODY.findall(text)) == len(re.findall(r"create or replace (?:function|procedure)", text)) > 150
    # the parser reads no text that is put together when it runs, nor these verbs: there is none
    assert re.findall(r"'[^'\n]*\b(?:insert\s+into|update|delete\s+from|merge\s+into)\s+absurd\b[^'\n]*'", text, re.IGNORECASE) == []
    assert re.findall(r"^(?!--)[^'\n]*\b(?:truncate|copy)\s+(?:only\s+)?absurd\b", text, re.IGNORECASE | re.MULTILINE) == []
    assert {name for name, body in BODY.findall(text) if re.search(r"\bexecute\b", body)} == {
        "_create_queue_views", "_drop_queue_views", "drop_detached_partition",
        "_make_log_partition", "_guard_log_partition", "_doomed_log_partitions", "_remove_log_partition", "drop_log_before",
    }  # fmt: skip


def trigger_functions(db: Database) -> set[str]:
    return {
        name
        for (name,) in db.rows(
            """select p.proname from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_class c on c.oid = g.tgrelid
               where c.relnamespace = 'absurd'::regnamespace and c.relname in ('task', 'event') and g.tgenabled = 'A'"""
        )
    }


@says(22, "`workflow_run` and the ended attempts are written by triggers")
def _(db: Database) -> None:
    writers = {w.function for w in state_writes() if w.table in ("workflow_run", "run")}
    assert writers - trigger_functions(db) == {"_mend_workflow_run", "cleanup_workflow_runs"}
    assert callers("_mend_workflow_run") == {"repair"}
    assert {w.function for w in state_writes() if (w.table, w.verb) == ("workflow_run", "delete")} == {"cleanup_workflow_runs"}
    assert callers("cleanup_workflow_runs") == set()
    running(db)
    db.conn.execute("select absurd.drop_queue(%s)", (h.Q,))
    db.clock.set(at(11))
    db.conn.execute("select absurd.cleanup_workflow_runs(%s, 0)", (h.Q,))
    assert db.one("select count(*) from absurd.absurd_event_log where event = 'workflow.removed'") == 1


@says(23, "Each row of the log that tells a move")
def _(db: Database) -> None:
    writers = {w.function for w in state_writes() if w.table == "absurd_event_log"}
    others = writers - trigger_functions(db)
    assert others == {"_log_on_move", "_log_unanswered", "_repaired", "_workflow_run_project_delete", "drop_log_before", "drop_queue"}
    bodies = dict(pair for path in state_writes_in.SQL.rglob("*.sql") for pair in BODY.findall(path.read_text()))
    for name in others:
        (columns,) = re.findall(r"insert into absurd\.absurd_event_log \((.*?)\)", bodies[name], re.DOTALL)
        assert not {"from_state", "to_state", "task_id", "seq"} & set(re.findall(r"\w+", columns)), name


@says(24, "These triggers are on the tables")
def _(db: Database) -> None:
    rows = db.rows(
        """select c.relname || '.' || p.proname, string_agg(case when g.tgtype & 4 > 0 then 'insert' when g.tgtype & 8 > 0 then 'delete'
                    else 'update' end, ' ' order by g.tgtype), bool_and(g.tgenabled = 'A' and g.tgtype & 1 = 0 and g.tgattr = '')
           from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_class c on c.oid = g.tgrelid
           where p.proname in ('_gate_project', '_gate_project_delete', '_event_project') group by 1 order by 1"""
    )
    assert rows == [
        ("event._event_project", "insert update", True),
        ("task._gate_project", "insert update", True),
        ("task._gate_project_delete", "delete", True),
    ]
    assert callers("_notify_idle") == {"_gate_project"}


@says(25, "`task_runtime_status` is a view")
def _(db: Database) -> None:
    task = running(db)
    assert db.one("select relkind from pg_class where oid = 'absurd.task_runtime_status'::regclass") == "v"
    seen = h.status(db, task["task_id"])
    assert seen
    assert (seen["worker"], seen["lease_until"]) == ("w1", at(30))
    h.complete(db, task)
    assert h.status(db, task["task_id"]) is None


def python_files_with(pattern: str) -> set[str]:
    source = ROOT / "src" / "tollway"
    return {str(path.relative_to(source)) for path in source.rglob("*.py") if re.search(pattern, path.read_text(), re.IGNORECASE)}


@says(26, "No Python file of Tollway has a statement")
def _(db: Database) -> None:
    tables = "task|run|checkpoint|event|wait|workflow_run|absurd_event_log"
    verbs = r"(insert\s+into|update|delete\s+from|truncate|merge\s+into|copy)"
    assert python_files_with(rf"\b{verbs}\s+(only\s+)?absurd\.({tables})\b") == set()
    # the auditor has the name among those it looks for
    assert {name for name in python_files_with(r"\bpg_notify\b|[\"']notify\s") if not name.startswith("audit/")} == set()
    # the pattern finds what it should: the schema's own bookkeeping is written from Python
    assert python_files_with(rf"\b{verbs}\s+absurd\.schema_\w+") == {"schema/install.py"}


@says(27, "With the gate's second half taken away")
def _(db: Database) -> None:
    for event in ("insert", "update", "delete"):
        db.conn.execute(f"drop trigger zzz_gate_project_{event} on absurd.task")
    rows = [row for row in ROWS if row.changes and row.functions[0] in ("complete_run", "fail_run", "schedule_run", "emit_event")]
    cells = run_matrix(db.dsn, rows, [RawSql(db.dsn)], verify=False)
    assert [cell.name for cell in cells if not cell.problems] == []


@says(28, "For the logins of workers, clients, operators and readers")
def _(db: Database) -> None:
    running(db)
    assert db.rows(
        """select r.name, c.relname, w.name from pg_class c, unnest(array['worker', 'client', 'operator', 'reader']) r(name),
             unnest(array['insert', 'update', 'delete', 'truncate']) w(name)
           where c.relnamespace = 'absurd'::regnamespace and c.relkind in ('r', 'p', 'v')
             and (has_table_privilege('tollway_' || r.name, c.oid, w.name)
                  or w.name in ('insert', 'update') and has_any_column_privilege('tollway_' || r.name, c.oid, w.name))"""
    ) == []  # fmt: skip
    statements = ("update absurd.task set state = 'completed'", "delete from absurd.workflow_run", "truncate absurd.absurd_event_log")
    for role in ("tollway_worker", "tollway_client", "tollway_operator", "tollway_reader"):
        db.conn.execute(f"set role {role}")
        for statement in statements:
            with h.expect_error("42501"):
                db.conn.execute(statement)
        db.conn.execute("reset role")


@says(29, "An owner can switch the gate off")
def _(db: Database) -> None:
    task = running(db)
    db.conn.execute("alter table absurd.task disable trigger zzz_gate_project_update")
    db.conn.execute("update absurd.task set state = 'completed', result = '1'")
    found = {(invariant, task_id) for invariant, _, task_id, _ in db.verify()}
    assert ("trigger_is_enabled_always", None) in found
    assert {("log_head_is_the_state", task["task_id"]), ("workflow_run_status_agrees", task["task_id"])} <= found


@says(30, "A write through a queue's views is refused")
def _(db: Database) -> None:
    running(db)
    for where in ("", " where false"):
        with h.expect_error("TW103", hint="complete_run"):
            db.conn.execute(f"update absurd.r_q set state = 'completed'{where}")  # type: ignore[arg-type]


def test_each_sentence_has_its_check() -> None:
    there = sentences()

    assert list(there) == list(range(1, len(there) + 1))
    assert there.keys() == CHECKS.keys()
    assert {n: there[n][: len(beginning)] for n, (beginning, _) in CHECKS.items()} == {n: begin for n, (begin, _) in CHECKS.items()}


@pytest.mark.parametrize("number", CHECKS)
def test_the_sentence_is_true(db: Database, number: int) -> None:
    _, check = CHECKS[number]

    check(db)


def test_the_table_of_side_effects_names_their_writers(db: Database) -> None:
    """The page's last table is true of the text, too."""
    section = PAGE.read_text().split("## The side effects that once lived in Python\n", 1)[1].split("\n24. ", 1)[0]
    effects = {name: set(re.findall(r"`(\w+)`", by)) for name, by in re.findall(r"^\| `?(\w+)`? \| (.*) \|$", section, re.MULTILINE)}
    writers = {name: {w.function for w in state_writes() if w.table == name} & trigger_functions(db) for name in effects}

    assert effects["workflow_run"] == writers["workflow_run"]
    assert effects["absurd_event_log"] == writers["absurd_event_log"]
    assert effects["notifications"] == {"_notify_idle"} | callers("_notify_idle")
    assert effects["task_runtime_status"] == set()
