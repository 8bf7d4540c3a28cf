"""A worker with nothing to say, in a queue in which nothing waits: its look ends early, and still does all that a claim owes others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races import pauses
from races.schedule import Q, Session, make_queue, refused, running, spawn, state, sync

CALL = "select absurd.worker_sync(%s)"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def look(db: Database, **request: Any) -> dict[str, Any]:
    return sync(db, [], claim={"qty": 5, "lease": 30}, **request)


def test_it_gets_nothing_and_is_told_of_nothing_to_come(db: Database) -> None:
    make_queue(db, "other")
    spawn(db, "other")
    spawn(db, "other", delay_seconds=60)

    answer = look(db)

    assert (answer["claims"], answer["more"], answer["next_due"]) == ([], False, None)


def test_it_recovers_an_expired_lease(db: Database) -> None:
    task = running(db)
    db.clock.advance(timedelta(seconds=31))

    assert [(c["task_id"], c["attempt"]) for c in look(db)["claims"]] == [(str(task.task_id), 2)]


def test_it_applies_a_cancellation_rule(db: Database) -> None:
    task = running(db, cancellation={"max_duration": 10})
    db.clock.advance(timedelta(seconds=11))

    look(db)

    assert state(db, task.task_id) == "cancelled"


def test_it_does_what_was_left_over(db: Database) -> None:
    task = running(db)
    db.conn.execute("insert into absurd.follow_up (task_id, kind, detail) values (%s, 'cancel', '{}')", (task.task_id,))

    look(db)

    assert state(db, task.task_id) == "cancelled"


@pytest.mark.parametrize(("worker", "code"), [("w" * 256, "TW304"), ("w" * 255, None), (None, None)])
def test_its_name_is_judged_all_the_same(db: Database, worker: str | None, code: str | None) -> None:
    request = {"queue": Q, "worker": worker, "ops": [], "claim": {"qty": 1, "lease": 30}}

    assert refused(db, CALL, json.dumps(request)) == code


def test_a_task_that_goes_while_it_is_sent_again_is_left_out(db: Database) -> None:
    spawn(db)
    instance = "00000000-0000-4000-8000-000000000001"
    request = {"queue": Q, "worker": "w1", "instance": instance, "call": 1, "ops": [], "claim": {"qty": 1, "lease": 30}}
    (claim,) = sync(db, [], **{k: request[k] for k in ("instance", "call", "claim")})["claims"]
    (found,) = db.rows("select pg_get_functiondef('absurd._sync_claim'::regproc)")
    text, points = pauses.with_pauses("_sync_claim", found[0])
    db.conn.execute(pauses.INSTALL)
    db.conn.execute(text)

    with Session(db) as worker, Session(db) as gate:
        gate.run("select pg_advisory_lock(%s)", pauses.GATE)
        worker.run("select set_config('races.stop', %s, false)", points[-1])
        again = worker.start(CALL, json.dumps({**request, "resend": True}))
        worker.waits_for(gate)
        db.one("select absurd.complete_run('q', %s, '1', 1) is null", claim["run_id"])
        db.clock.advance(timedelta(days=60))
        assert db.one("select absurd.cleanup_tasks('q', 0, 10)") == 1
        gate.run("select pg_advisory_unlock(%s)", pauses.GATE)

        assert again.result(30)[0][0]["claims"] == []
