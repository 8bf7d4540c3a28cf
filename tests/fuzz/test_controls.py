"""The fuzz flags what it is there to flag: bad functions beside ours, and what it once found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.database import Database
from fuzz import run, scene
from fuzz.surface import declared, functions
from sql.helpers import Q, at, expect_error, prepare, running

BAD = {
    "an SQLSTATE that no header declares": ("return 1 / p_attempt;", "raised 22012, which its header does not declare"),
    "a statement over a second": ("perform pg_sleep(1.5); return 1;", "raised 57014, which its header does not declare"),
    "a record that is no longer true": (
        "alter table absurd.workflow_run disable trigger zzz_agrees_update; update absurd.workflow_run w set attempts = w.attempts + 1;"
        " alter table absurd.workflow_run enable always trigger zzz_agrees_update; return 1;",
        "workflow_run_attempts_agrees",
    ),
    "a trigger that is off": ("alter table absurd.checkpoint disable trigger zzz_no_update; return 1;", "trigger_is_enabled_always"),
    "a task of somebody else's that is put off": (
        "update absurd.task t set available_at = 'infinity' where t.state = 'pending'; return 1;",
        "a task that has nothing to do with it is not claimed",
    ),
    "a row that stops the sweep": (
        "alter table absurd.task drop constraint if exists no_more, add constraint no_more check (claim_epoch < 2) not valid; return 1;",
        "claim, sweep or verify raised 23514",
    ),
}


def _add(db: Database, arguments: str, body: str) -> None:
    """A function in our schema that workers may execute, as if it had been installed."""
    db.conn.execute(f"create function absurd.bad({arguments}) returns integer language plpgsql security definer as $$ begin {body} end $$")
    db.conn.execute("grant execute on function absurd.bad to tollway_worker")
    db.conn.execute("select absurd._record_installed_code()")


@pytest.mark.parametrize("what", BAD)
def test_a_bad_function_is_flagged(db: Database, what: str) -> None:
    body, said = BAD[what]
    _add(db, "p_attempt integer", body)
    here, seen = scene.build(db), run.Seen()
    only = [f for f in functions(db) if f.name == "bad"]

    for seed in range(40):
        run.case(db, here, only, seed, seen)
        if seen.failures:
            break

    assert seen.failures
    assert said in seen.failures[0]


def test_a_function_with_an_argument_of_a_new_type_fails(db: Database) -> None:
    _add(db, "p_where point", "return 1;")
    here = scene.build(db)

    with pytest.raises(KeyError, match="point"):
        run.case(db, here, [f for f in functions(db) if f.name == "bad"], 0, run.Seen())


def test_a_header_is_read_with_its_further_lines_and_what_it_refers_to() -> None:
    assert {"TW202", "TW304", "22004"} <= declared("set_task_checkpoint_state")
    assert declared("spawn_task") <= declared("spawn_tasks")
    assert "TW202" not in declared("claim_tasks")


def _waiter_expires(db: Database) -> None:
    for seconds in (None, 2_147_483_647):
        db.conn.execute("select absurd.worker_idle(%s, gen_random_uuid(), %s)", (Q, seconds))
    assert db.one("select max(until) from absurd.waiter") == at(3600)


def _delays_of_any_attempt(db: Database) -> None:
    for attempt in (None, -2_147_483_648, 2_147_483_647):
        for factor, expected in ((2, 1 if (attempt or -1) < 0 else 10), (0.5, 1 if (attempt or -1) < 0 else 0)):
            strategy = f'{{"kind": "exponential", "base_seconds": 1, "factor": {factor}, "max_seconds": 10}}'
            assert db.one("select absurd.retry_delay_seconds(%s, %s)", strategy, attempt) == expected


def _no_task_id(db: Database) -> None:
    task = running(db)
    for call in (
        "absurd.set_task_checkpoint_state(%s, null, 's', '1', %s)",
        "absurd.await_event(%s, null, %s, 's', 'e')",
        "absurd.get_task_checkpoint_states(%s, null, %s)",
    ):
        with expect_error("P0001"):
            db.conn.execute(f"select {call}", (Q, task["run_id"]))


def _resend_is_a_flag(db: Database) -> None:
    with expect_error("TW301", 'resend must be true or false, not "maybe"'):
        db.conn.execute("select absurd.worker_sync(%s)", (f'{{"queue": "{Q}", "resend": "maybe", "claim": {{"qty": 1}}}}',))


def _blank_worker(db: Database) -> None:
    db.conn.execute("select absurd.spawn_task(%s, 'work', '1')", (Q,))
    db.conn.execute("select absurd.claim_task(%s, ' ')", (Q,))
    assert db.one("select claimed_by from absurd.task") == " "


def _roles_can_call_what_they_may(db: Database) -> None:
    for role in ("tollway_worker", "tollway_client", "tollway_operator"):
        with db.conn.transaction():
            db.conn.execute(f"set local role {role}")
            assert db.one('select absurd.retry_delay_seconds(\'{"kind": "fixed", "base_seconds": 7}\', 1)') == 7
            assert db.one("select absurd.current_time()") == at(0)


@pytest.mark.parametrize(
    "check", [_waiter_expires, _delays_of_any_attempt, _no_task_id, _resend_is_a_flag, _blank_worker, _roles_can_call_what_they_may]
)
def test_what_the_fuzz_found_stays_mended(db: Database, check: Callable[[Database], None]) -> None:
    prepare(db)

    check(db)
