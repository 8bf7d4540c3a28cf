"""Each check of the audit's page fails when what it says is no longer so: the engine is altered under it."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from docs import state_writes as state_writes_in
from docs.test_audit_of_the_origin import CHECKS
from fixtures.database import Database
from sql import helpers as h


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 7, 9, 14, 15, 16, 17, 19, 20])
def test_without_the_gates_second_half_the_sentence_is_false(db: Database, number: int) -> None:
    """The control: these sentences are true because of the gate."""
    for event in ("insert", "update", "delete"):
        db.conn.execute(f"drop trigger zzz_gate_project_{event} on absurd.task")
    _, check = CHECKS[number]

    with pytest.raises((AssertionError, ValueError, IndexError)):
        check(db)


@pytest.mark.parametrize("number", [17, 19])
def test_without_the_projection_of_emissions_the_sentence_is_false(db: Database, number: int) -> None:
    for event in ("insert", "update"):
        db.conn.execute(f"drop trigger zzz_event_project_{event} on absurd.event")
    _, check = CHECKS[number]

    with pytest.raises((AssertionError, ValueError, IndexError)):
        check(db)


@pytest.mark.parametrize(
    ("number", "broken"),
    [
        (24, "alter table absurd.task enable trigger zzz_gate_project_update"),
        (24, "drop trigger zzz_gate_project_insert on absurd.task"),
        (25, "create or replace view absurd.task_runtime_status as select task_id, null::uuid as run_id, queue_name, task_name, state, "
             "attempt, claimed_by as worker, claimed_at, claim_expires_at as lease_until, heartbeat_at as last_heartbeat, 0::bigint as "
             "steps_done, null::text as last_step, null::text as waiting_for, now() as next_wake_up, interval '0' as running_for "
             "from absurd.task"),
        (28, "grant update (state) on absurd.task to tollway_reader"),
        (28, "grant truncate on absurd.absurd_event_log to tollway_worker"),
        (29, "create or replace function absurd._verify_code() returns table (invariant text, queue_name text, task_id uuid, detail jsonb) "
             "language sql as 'select null::text, null::text, null::uuid, null::jsonb where false'"),
        (30, "drop trigger refuse_write on absurd.r_q"),
    ],
)  # fmt: skip
def test_with_this_the_sentence_is_false(db: Database, number: int, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controls of what the catalog decides: it is altered once the queue is there."""
    _, check = CHECKS[number]
    prepare = h.prepare

    def and_break(db: Database) -> None:
        prepare(db)
        db.conn.execute(broken)

    monkeypatch.setattr(h, "prepare", and_break)
    if number == 24:
        db.conn.execute(broken)

    with pytest.raises((AssertionError, psycopg.Error, pytest.fail.Exception)):
        check(db)


@pytest.mark.parametrize(
    ("number", "file", "said"),
    [
        (10, "40_api/heartbeat.sql", "perform absurd.fail_run(p_queue_name, null, null);"),
        (11, "40_api/emit_event.sql", "perform absurd.claim_task(p_queue_name, 'x');"),
        (13, "40_api/heartbeat.sql", "perform absurd._fail_outcome(null);"),
        (21, "40_api/heartbeat.sql", "update absurd.task t set state = 'failed';"),
        (21, "40_api/heartbeat.sql", "p_text := 'update absurd.task set state = null';"),
        (21, "40_api/heartbeat.sql", "execute p_queue_name;"),
        (21, "40_api/heartbeat.sql", "truncate absurd.wait;"),
        (22, "40_api/heartbeat.sql", "update absurd.workflow_run w set tags = null;"),
        (22, "40_api/heartbeat.sql", "perform absurd._mend_workflow_run(null);"),
        (23, "40_api/heartbeat.sql", "insert into absurd.absurd_event_log (task_id, seq) values (null, 1);"),
        (24, "40_api/heartbeat.sql", "perform absurd._notify_idle(null);"),
    ],
)
def test_with_this_text_the_sentence_is_false(
    db: Database, number: int, file: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controls of what is read from the text: a copy of it says something besides."""
    shutil.copytree(state_writes_in.SQL, tmp_path / "sql")
    changed = tmp_path / "sql" / file
    source = changed.read_text()
    assert "\nbegin\n" in source
    changed.write_text(source.replace("\nbegin\n", f"\nbegin\n  {said}\n", 1))
    monkeypatch.setattr(state_writes_in, "SQL", tmp_path / "sql")
    _, check = CHECKS[number]

    with pytest.raises(AssertionError):
        check(db)


@pytest.mark.parametrize(
    ("number", "function", "text", "instead"),
    [
        (3, "_sync_complete", "'run.completed'", "'run.failed'"),
        (5, "_gate_project", "where n.parent_task_id is null;", ";"),
        (8, "_await", "outcome := 'event';", "outcome := 'suspended';"),
        (14, "_fail_outcome", "'run.retried'", "'run.released'"),
        (15, "_claim_timeout_reason", "'$ClaimTimeout'", "'Late'"),
        (16, "_recover", "exception when others then", "exception when division_by_zero then"),
        (17, "_event_project", "'woken', (", "'woken', 1 + ("),
        (
            18,
            "emit_event",
            "    return;\n",
            "    update absurd.event e set payload = p_payload where e.event_name = p_event_name;\n    return;\n",
        ),
        (19, "_wake", "skip locked", ""),
    ],
)
def test_with_this_function_the_sentence_is_false(db: Database, number: int, function: str, text: str, instead: str) -> None:
    source = db.one("select pg_get_functiondef(%s::regproc)", f"absurd.{function}")
    assert text in source
    db.conn.execute(source.replace(text, instead))
    _, check = CHECKS[number]

    with pytest.raises((AssertionError, psycopg.Error)):
        check(db)
